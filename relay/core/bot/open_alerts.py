"""The answer to /alerts: the open alerts of a chat's cards, by severity."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from relay.core.alert import thing
from relay.core.card.card import Card, Entry
from relay.core.card.severity import rank
from relay.core.card.subject import Subject, differences, severity_word, short, subject
from relay.core.routing.matcher import Matcher, matches
from relay.core.template.labels_shown import mark, one_line
from relay.core.template.links import outside
from relay.core.text.richtext import RichText, concat, join, plain, styled
from relay.core.text.texts import say
from relay.core.text.texts_people import emit
from relay.core.text.times import Reader

_MOST_NAMES = 30
_MOST_PLACES = 3
_LONGEST = 100  # characters of a name or place
_Key = tuple[str, str]


class _Open(Struct, frozen=True):
    """A firing alert and the card that shows it."""

    entry: Entry
    card: Card


def open_alerts(cards: Iterable[Card], wanted: tuple[Matcher, ...], reader: Reader) -> RichText:
    """The firing alerts of the cards that match, one line for each severity and name, sorted by
    urgency.
    """
    firing = _firing(cards)
    found = [each for each in firing if matches(wanted, each.entry.labels)]
    if not found:
        return emit(reader.language, "no_such" if firing else "nothing_open")
    return _listed(found, reader)


def firing_already(
    cards: Iterable[Card], wanted: tuple[Matcher, ...], reader: Reader
) -> RichText | None:
    """The same for somebody who will be told of them from now on; None if none fires."""
    found = [each for each in _firing(cards) if matches(wanted, each.entry.labels)]
    return _listed(found, reader) if found else None


def _firing(cards: Iterable[Card]) -> list[_Open]:
    """The firing alerts of the cards, each once even if several chats show it; of those that are
    the same thing (`alert.thing`) the most severe.
    """
    found: dict[tuple[str, frozenset[tuple[str, str]]], _Open] = {}
    for card in cards:
        for entry in card.entries:
            key = (card.group.source, thing(entry.labels))
            known = found.get(key)
            if entry.status == "firing" and (
                known is None or rank(entry.severity) < rank(known.entry.severity)
            ):
                found[key] = _Open(entry, card)
    return list(found.values())


def _listed(found: Sequence[_Open], reader: Reader) -> RichText:
    language = reader.language
    names: dict[_Key, list[_Open]] = {}
    for each in found:
        key = (each.entry.severity, each.entry.labels.get("alertname", ""))
        names.setdefault(key, []).append(each)
    ordered = sorted(names.items(), key=lambda item: (rank(item[0][0]), -len(item[1]), item[0][1]))
    lines = [_line(key, same, reader) for key, same in ordered[:_MOST_NAMES]]
    if len(ordered) > _MOST_NAMES:
        lines.append(concat(["… ", say(language, "others", len(ordered) - _MOST_NAMES)]))
    return join("\n", [emit(language, "open", len(found)), *lines])


def _line(key: _Key, same: Sequence[_Open], reader: Reader) -> RichText:
    """The line of an alert name, as in the head of a card: mark, severity, name, count, who is ill
    and where, since when. The name leads to the card's message.
    """
    severity, name = key
    entries = [each.entry for each in same]
    shown = one_line(name)[:_LONGEST] if name else reader.say("unnamed").text
    title = f"{severity_word(severity)} {shown}" if severity else shown
    address = _message(same[0].card)
    head = styled("link", styled("bold", title), address) if address else styled("bold", title)
    count = f" ×{len(same)}" if len(same) > 1 else ""
    since = min((entry.starts_at for entry in entries if entry.starts_at), default=0.0)
    began = reader.say("since", start=reader.time(since).rich(), age=str(reader.age(since)))
    graph = outside(entries[0].generator_url) if len(same) == 1 else ""
    parts: list[RichText | str] = [
        concat([f"{mark('firing', severity)} ", head, count]),
        *_subject(subject(entries)),
        *([_places(entries, reader)] if len(same) > 1 else []),
        *([began] if since else []),
        *([styled("link", reader.say("graph"), graph)] if graph else []),
    ]
    return join(" · ", [part for part in parts if part != ""])


def _subject(common: Subject) -> list[RichText]:
    who = [plain(" ".join(common.who))] if common.who else []
    return [*who, *([plain(", ".join(common.where))] if common.where else [])]


def _places(entries: Sequence[Entry], reader: Reader) -> RichText | str:
    """Some of the values in which the alerts of one name differ."""
    telling = (short(each.telling, _LONGEST) for each in differences(entries[:_MOST_NAMES]))
    places = list(dict.fromkeys(filter(None, telling)))
    if not places:
        return ""
    more = len(entries) - min(len(places), _MOST_PLACES)
    listed = join(", ", [plain(place) for place in places[:_MOST_PLACES]])
    return concat([listed, " ", reader.say("others", more)]) if more > 0 else listed


def _message(card: Card) -> str:
    """The address of a card's message if Telegram has one: in supergroups and channels."""
    if card.shown is None or not card.shown.message.chat.startswith("-100"):
        return ""
    return f"https://t.me/c/{card.shown.message.chat[4:]}/{card.shown.message.id}"
