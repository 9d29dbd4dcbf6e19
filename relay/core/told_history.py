"""The history of alerts in sentences. No other module words them."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from msgspec import Struct

from relay.core.event import EndReason, sentence
from relay.core.history import (
    ConfigTrace,
    DeliveryTrace,
    DiscardTrace,
    HistoryRow,
    LastHeard,
    PressTrace,
    Refusal,
    Trace,
)
from relay.core.routing.route import SUBSCRIPTION

_SHOWN_HASH = 12  # characters shown of a digest
_EN = {
    "arrived": "Arrived {at} from {source}: {alerts}, {firing} firing and {resolved} resolved.",
    "default": "the default source",
    "source": "source {source}",
    "group": "It was of the group {group} of Alertmanager's receiver {receiver}.",
    "config": "The configuration in force was {sha256}, since {since}.",
    "no_config": "The configuration in force then is not known.",
    "discarded": "{alerts}: route {route} leads to {receiver}, which has no chat: discarded.",
    "route": "{alerts}: route {route} leads to {receiver}, {chat}.",
    "subscription": "{alerts}: a subscription leads to {chat}.",
    "line": "{alerts}: shown in {chat} already, which therefore gets it ({receiver}).",
    "absent": "{chat} shows a card of the group, which lacks alerts now ({receiver}).",
    "notices": "A notice of the relay's own goes to {receiver}, {chat}.",
    "fallback": "{alerts}: copied to {receiver}, {chat}, for {owner}, whose chat could not be"
    " reached.",
    "copied": "Its chat could not be reached: the fallback got a copy.",
    "delivered": "Delivered {at} in {message}.",
    "named": "Named {at} in the digest, {message}.",
    "counted": "Counted {at} in the digest, {message}.",
    "merged_into": "Merged {at} into the newer delivery {into}, which {message} shows.",
    "merged_shown": "Merged {at}: {message} shows it.",
    "merged_untold": "Merged {at}: it ended before a message was due.",
    "routed_again": "Routed once more {at}, since its chat or receiver is gone from the"
    " configuration.",
    "duplicate": "Duplicate, found {at}: it says again what delivery {into} said, which {message}"
    " shows.",
    "duplicate_unshown": "Duplicate, found {at}: it says again what delivery {into} said.",
    "muted": "Muted {at} by {why}.",
    "muted_by_chat": "Muted {at} by its chat itself.",
    "expired": "Expired {at}: its chat could not be reached within expire_after.",
    "shed": "Expired {at}: payloads waiting for its chat had used up their part of retention.size.",
    "dead": "Dead {at}: {why}.",
    "retried": "It was retried as {retried}.",
    "held": "Held: its end was shown before. It is shown if it still fires after late_hold.",
    "absorbed": "Pending: the digest of its chat is to name it.",
    "pending": "Pending: {waits}.",
    "message": "message {id}",
    "linked": "message {id} {link}",
    "no_message": "a message",
    "then": "then",
    "pressed": "{who} pressed {verb}: {answer} ({result})",
    "refused": "Refused {at} with {code}: {why} ({size} bytes from {peer}, for {source}).",
    "nothing": "No delivery followed: it had no alerts.",
    "name_heard": "{alertname} was last heard {at}, as {payload}.",
    "name_never": "{alertname} was never heard, as far as the storage knows.",
    "source_heard": "{Source} was last heard {at}.",
    "source_never": "No source was heard yet.",
    "source_unheard": "{Source} was never heard.",
    "heartbeat": "The heartbeat {name} was last heard {at}.",
    "ago": "{at} ({age} ago)",
}
_FR = {
    "arrived": "Arrivé {at} de {source} : {alerts}, {firing} en cours et {resolved} résolues.",
    "default": "la source par défaut",
    "source": "la source {source}",
    "group": "C'était le groupe {group} du récepteur {receiver} d'Alertmanager.",
    "config": "La configuration en vigueur était {sha256}, depuis {since}.",
    "no_config": "La configuration alors en vigueur n'est pas connue.",
    "discarded": "{alerts} : la route {route} mène à {receiver}, qui n'a pas de salon : écarté.",
    "route": "{alerts} : la route {route} mène à {receiver}, {chat}.",
    "subscription": "{alerts} : un abonnement mène à {chat}.",
    "line": "{alerts} : déjà affiché dans {chat}, qui le reçoit donc ({receiver}).",
    "absent": "{chat} affiche une carte du groupe, à qui il manque des alertes ({receiver}).",
    "notices": "Un avis du relais lui-même va à {receiver}, {chat}.",
    "fallback": "{alerts} : copié à {receiver}, {chat}, pour {owner}, dont le salon était"
    " injoignable.",
    "copied": "Son salon était injoignable : le récepteur de secours en a reçu une copie.",
    "delivered": "Délivré {at} dans {message}.",
    "named": "Nommé {at} dans le résumé, {message}.",
    "counted": "Compté {at} dans le résumé, {message}.",
    "merged_into": "Fusionné {at} dans la livraison plus récente {into}, que montre {message}.",
    "merged_shown": "Fusionné {at} : {message} le montre.",
    "merged_untold": "Fusionné {at} : il était terminé avant qu'un message ne soit dû.",
    "routed_again": "Routé de nouveau {at}, son salon ou son récepteur n'étant plus dans la"
    " configuration.",
    "duplicate": "Doublon, reconnu {at} : il répète la livraison {into}, que montre {message}.",
    "duplicate_unshown": "Doublon, reconnu {at} : il répète la livraison {into}.",
    "muted": "Mis en sourdine {at} par {why}.",
    "muted_by_chat": "Mis en sourdine {at} par le salon lui-même.",
    "expired": "Expiré {at} : son salon n'a pu être joint dans le délai expire_after.",
    "shed": "Expiré {at} : ce qui attend son salon avait épuisé sa part de retention.size.",
    "dead": "Abandonné {at} : {why}.",
    "retried": "Il a été réessayé sous {retried}.",
    "held": "Retenu : sa fin a déjà été montrée. Il est montré s'il dure encore après late_hold.",
    "absorbed": "En attente : le résumé de son salon doit le nommer.",
    "pending": "En attente : {waits}.",
    "message": "le message {id}",
    "linked": "le message {id} {link}",
    "no_message": "un message",
    "then": "alors",
    "pressed": "{who} a appuyé sur {verb} : {answer} ({result})",
    "refused": "Refusé {at} avec {code} : {why} ({size} octets de {peer}, pour {source}).",
    "nothing": "Aucune livraison n'a suivi : il n'avait pas d'alertes.",
    "name_heard": "{alertname} a été entendu pour la dernière fois {at}, sous {payload}.",
    "name_never": "{alertname} n'a jamais été entendu, autant que le stockage le sait.",
    "source_heard": "{Source} a été entendue pour la dernière fois {at}.",
    "source_never": "Aucune source n'a encore été entendue.",
    "source_unheard": "{Source} n'a jamais été entendue.",
    "heartbeat": "Le battement {name} a été entendu pour la dernière fois {at}.",
    "ago": "{at} (il y a {age})",
}
SENTENCES: Mapping[str, Mapping[str, str]] = {"en": _EN, "fr": _FR}


class Place(Struct, frozen=True):
    """What people call the chat of a delivery, and the link to its message, if there is one."""

    chat: str
    link: str = ""


def chain(trace: Trace, places: Mapping[str, Place], language: str = "en") -> tuple[str, ...]:
    """The way of a payload from its arrival over each route to each message. `places` are those of
    its deliveries, by delivery id.
    """
    return tuple(_chain(trace, places, SENTENCES[language]))


def _chain(trace: Trace, places: Mapping[str, Place], words: Mapping[str, str]) -> Iterator[str]:
    yield words["arrived"].format(
        at=time_of(trace.at),
        source=_source(trace.group.source, words),
        alerts=_alerts(trace.alerts, trace.firing + trace.resolved),
        firing=trace.firing,
        resolved=trace.resolved,
    )
    if trace.group.group_key:
        group = trace.group
        yield words["group"].format(group=group.group_key, receiver=group.receiver)
    yield config_told(trace.config, words)
    if not trace.deliveries and not trace.discarded:
        yield words["nothing"]
    for discard in trace.discarded:
        yield _discarded(discard, words)
    for each in sorted(trace.deliveries, key=_is_copy):
        place = places[each.id]
        yield f"{_led(each, place, words)} {' '.join(_ended(each, place, words))}"


def _is_copy(row: DeliveryTrace) -> bool:
    """Whether it is a copy for a fallback: listed after the delivery of which it was made."""
    return row.receiver != row.owner


def told(row: HistoryRow, place: Place | None, language: str = "en") -> str:
    """How a row of the history ended, in a sentence or two."""
    words = SENTENCES[language]
    match row:
        case Refusal():
            return words["refused"].format(
                at=time_of(row.at),
                code=row.code,
                why=row.why or "?",
                size=row.size,
                peer=row.peer or "?",
                source=_source(row.source, words),
            )
        case PressTrace():
            who = f"{row.name} ({row.platform} {row.person})".strip()
            answer = " ".join(row.answer.split())
            return words["pressed"].format(
                who=who, verb=row.verb or "?", answer=answer or "-", result=row.result
            )
        case DiscardTrace():
            return _discarded(row, words)
        case DeliveryTrace():
            return " ".join(_ended(row, place or Place(""), words))


def config_told(config: ConfigTrace | None, words: Mapping[str, str] = _EN) -> str:
    """Which configuration was in force."""
    if config is None:
        return words["no_config"]
    sha256, since = config.sha256[:_SHOWN_HASH], time_of(config.since)
    return words["config"].format(sha256=sha256, since=since)


def never_came(heard: LastHeard, now: float, language: str = "en") -> tuple[str, ...]:
    """The sentences for an alert that was not found: when it was last heard, and which heartbeats
    prove that the connection works.
    """
    return tuple(_never_came(heard, now, SENTENCES[language]))


def _never_came(heard: LastHeard, now: float, words: Mapping[str, str]) -> Iterator[str]:
    if heard.alertname and heard.at is not None:
        at = _ago(heard.at, now, words)
        yield words["name_heard"].format(alertname=heard.alertname, at=at, payload=heard.payload)
    elif heard.alertname:
        yield words["name_never"].format(alertname=heard.alertname)
    if not heard.sources:
        yield words["source_never"]
    elif heard.unheard is not None:
        yield words["source_unheard"].format(Source=_capital(_source(heard.unheard, words)))
    for source, at_ in heard.sources:
        named = _capital(_source(source, words))
        yield words["source_heard"].format(Source=named, at=_ago(at_, now, words))
    for name, at_ in heard.heartbeats:
        yield words["heartbeat"].format(name=name, at=_ago(at_, now, words))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _discarded(row: DiscardTrace, words: Mapping[str, str]) -> str:
    return words["discarded"].format(
        alerts=_alerts(row.alerts, row.count), route=_route(row.route), receiver=row.receiver
    )


def _led(each: DeliveryTrace, place: Place, words: Mapping[str, str]) -> str:
    alerts = _alerts(each.alerts, each.count)
    if _is_copy(each):
        key = "fallback"
    elif not each.count:
        key = "absent"
    elif each.route in ("", SUBSCRIPTION, "notices"):
        key = each.route or "line"
    else:
        key = "route"
    return words[key].format(
        alerts=alerts,
        route=_route(each.route),
        receiver=each.receiver,
        owner=each.owner,
        chat=place.chat,
    )


def _ended(each: DeliveryTrace, place: Place, words: Mapping[str, str]) -> Iterator[str]:
    at = words["then"] if each.ended_at is None else time_of(each.ended_at)
    message = _message(each, place, words)
    key = _ending(each)
    why = sentence(each.why).rstrip(".")
    yield words[key].format(at=at, message=message, into=each.into, why=why, waits=each.waits)
    if each.copied:
        yield words["copied"]
    if each.retried:
        yield words["retried"].format(retried=each.retried)


def _ending(each: DeliveryTrace) -> str:
    """The sentence for how a delivery ended."""
    ended: str = each.settlement
    match ended:
        case "delivered":
            return "named" if each.why == EndReason.DIGEST else "delivered"
        case "merged" if each.why == EndReason.COUNTED:
            return "counted"
        case "merged" if each.why == EndReason.ROUTED_AGAIN:
            return "routed_again"
        case "merged" if each.message is None:
            return "merged_untold"
        case "merged":
            return "merged_into" if each.into else "merged_shown"
        case "duplicate":
            return "duplicate" if each.message and each.into else "duplicate_unshown"
        case "pending" if each.held:
            return "held"
        case "pending" if each.absorbed:
            return "absorbed"
        case "muted" if each.why == EndReason.MUTED:
            return "muted_by_chat"
        case "expired" if each.why == EndReason.SHARE:
            return "shed"
        case _:
            return ended


def _message(each: DeliveryTrace, place: Place, words: Mapping[str, str]) -> str:
    if each.message is None:
        return words["no_message"]
    key = "linked" if place.link else "message"
    return words[key].format(id=each.message.id, link=place.link)


def _alerts(names: tuple[str, ...], count: int) -> str:
    said = ", ".join(names) or "?"
    return f"{said} ({count})" if count > 1 else said


def _route(route: str) -> str:
    """`2.1 relay.yml:34` as `2.1 (relay.yml:34)`."""
    position, _, place = route.partition(" ")
    return f"{position} ({place})" if place else position


def _source(source: str, words: Mapping[str, str]) -> str:
    return words["source"].format(source=source) if source else words["default"]


def _ago(at: float, now: float, words: Mapping[str, str]) -> str:
    return words["ago"].format(at=time_of(at), age=age(now - at))


def time_of(seconds: float) -> str:
    """Unix seconds as `2026-11-18 10:26:40Z`."""
    said = datetime.fromtimestamp(seconds, UTC).isoformat(sep=" ", timespec="seconds")
    return said.replace("+00:00", "Z")


def age(seconds: float) -> str:
    """The largest unit alone: `2d`, `7h`, `12m`, `40s`."""
    left = max(0, round(seconds))
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if left >= size:
            return f"{left // size}{unit}"
    return f"{left}s"
