"""Notices: problems of the relay itself, posted to operators as alerts of its own through the same
pipeline.
"""

from hashlib import blake2b
from typing import assert_never

from msgspec import Struct

from relay.core.action.beat_notice import KIND as HEARTBEAT
from relay.core.active_config import Refusing
from relay.core.alert import OWN_PREFIX, Alert, GroupId, Notification
from relay.core.card.card import Card
from relay.core.event import (
    Accepted,
    Answered,
    BotListens,
    Called,
    ChatChanged,
    ChatMoved,
    ClockChanged,
    Contradicted,
    EndReason,
    EscalationSettled,
    Event,
    Heard,
    Loaded,
    Noted,
    PressAnswered,
    RequestRefused,
    Settled,
    StorageDamaged,
    StorageLost,
    TemplateFailed,
    sentence,
)
from relay.core.routing.route import SUBSCRIPTION
from relay.core.text.texts import CATALOGUE, say

# Seconds. A notice is repeated at most this often, and ends if nothing renewed it for so long.
HOURLY = 3600.0
NOTICES = GroupId("", "alert-relay", OWN_PREFIX)  # the groups of all notices begin with this
CHAT_DOWN = "chat_down"
_CRITICAL = (CHAT_DOWN, "storage", "lost")  # kinds of notices after which alerts do not arrive
_DEAF, _CONFIG = "deaf", "config"
_GIVEN_UP = (
    400,
    401,
    403,
    404,
    405,
    413,
)  # after these answers Alertmanager gives a notification up (notify/util.go)


def is_notice(group: GroupId) -> bool:
    """Whether the group is one of the relay's own: a notice, or a lost heartbeat."""
    begins = group.group_key.startswith(NOTICES.group_key)
    return begins and (group.source, group.receiver) == (NOTICES.source, NOTICES.receiver)


class Notice(Struct, frozen=True):
    """A problem to tell. `kind` selects the text (`notice_KIND`), `name` is the alert name;
    `subject` tells two notices of a kind apart.

    `lasting`: it holds until its cause is reported as over; other notices end by themselves. `text`
    is the text sent before, if the values of the text are not known any more. `count` is how many
    things the text tells of, where it counts. `urgent`: it tells of something critical, whatever
    its kind.
    """

    kind: str
    name: str
    subject: str
    firing: bool = True
    lasting: bool = False
    values: tuple[tuple[str, str], ...] = ()
    text: str = ""
    count: int | None = None
    urgent: bool = False


def notice_of(event: Event) -> Notice | None:
    """The notice for an event, or None if the event needs none."""
    match event:
        case Answered(code, method=method, stranger=False) | RequestRefused(
            code, method=method, stranger=False
        ) if code in _GIVEN_UP and method in ("", "POST"):
            return Notice(
                "refused", "AlertRelayRefusedPayload", str(code), values=(("code", str(code)),)
            )
        case ChatMoved(receiver=receiver) if receiver == SUBSCRIPTION:
            return None  # people come and go, and it ends by itself
        case ChatMoved(_, receiver, place, chat):
            moved = (("receiver", receiver), ("place", place), ("chat", chat))
            return Notice(
                "moved" if chat else "thread_gone",
                "AlertRelayChatMoved",
                place or receiver,
                values=moved,
            )
        case Settled(why=why) if why == EndReason.DROPPED:
            return None  # who did it knows
        case Settled(settlement="dead" | "expired"):
            return _undelivered(event)
        case TemplateFailed(template, why):
            return Notice(
                "template",
                "AlertRelayTemplateFailed",
                template,
                values=(("template", template), ("why", why)),
            )
        case Contradicted(group_key, first, second):
            return Notice(
                "contradicted",
                "AlertRelayContradiction",
                group_key,
                values=(("a", first), ("b", second)),
            )
        case StorageDamaged(moved_to):
            return Notice(
                "storage", "AlertRelayStorageDamaged", moved_to, values=(("file", moved_to),)
            )
        case ClockChanged(wall_ahead):
            apart = (("seconds", f"{wall_ahead:+.0f}"),)
            return Notice(
                "clock", "AlertRelayClockSet", "", wall_ahead != 0, lasting=True, values=apart
            )
        case StorageLost(there, folder):
            lost = (("folder", folder),)
            return Notice("lost", "AlertRelayStorageLost", "", not there, lasting=True, values=lost)
        case BotListens(account, listens, why, remedy):
            said = (("bot", account), ("why", why), ("remedy", remedy))
            return Notice(
                _DEAF, "AlertRelayBotDeaf", account, not listens, lasting=True, values=said
            )
        case ChatChanged():
            return None  # one of perhaps several chats: `chat_down` tells of them
        case Loaded(ok=ok, faults=faults, first=first):
            return Notice(
                _CONFIG,
                "AlertRelayConfigRefused",
                "",
                not ok,
                lasting=True,
                values=(("first", first),),
                count=faults,
            )
        case (
            Answered()
            | RequestRefused()
            | Accepted()
            | Called()
            | Settled()
            | Heard()
            | Noted()
            | EscalationSettled()
            | PressAnswered()
        ):
            return None
        case _:
            assert_never(event)


def _undelivered(event: Settled) -> Notice:
    """The notice of a lost alert: of each critical one, of the others once an hour."""
    name = f"AlertRelay{event.settlement.title()}Deliveries"
    receiver = event.receiver
    values = (("receiver", receiver), ("why", sentence(event.why)), ("lost", event.lost))
    if event.lost:
        about = f"{receiver}: {event.lost}" if event.urgent else receiver
        return Notice("undelivered", name, about, values=values, urgent=event.urgent)
    count, urgent = event.count, event.urgent
    return Notice(event.settlement, name, receiver, values=values, count=count, urgent=urgent)


def chat_down(refusing: Refusing) -> Notice:
    """The notice of a chat that is down. It lasts as long as the chat is down."""
    platform, receiver = refusing.platform, refusing.receiver
    values = (
        ("platform", platform),
        ("receiver", receiver),
        ("why", refusing.why),
        ("place", refusing.place),
    )
    return Notice(
        CHAT_DOWN, "AlertRelayChatDown", f"{platform} {receiver}", lasting=True, values=values
    )


def notice_of_card(card: Card) -> Notice | None:
    """The notice that an earlier run told by this card. None for a bot that receives no updates,
    because only its own events tell when that is over, and for a heartbeat, which is watched by
    itself.
    """
    kind, _, subject = card.group.group_key.removeprefix(NOTICES.group_key).partition("/")
    if kind in (_DEAF, HEARTBEAT) or not card.entries:
        return None
    entry = card.entries[0]
    name, text = entry.labels.get("alertname", ""), entry.annotations.get("summary", "")
    return Notice(kind, name, subject, lasting=kind == CHAT_DOWN, text=text)


def is_news(notice: Notice, *, known: bool) -> bool:
    """Whether to tell it. The end of a problem is told only if its beginning was; of a bot that
    receives no updates only that bot knows whether an earlier run told it.
    """
    return not known if notice.firing else known or notice.kind == _DEAF


def _text(notice: Notice, language: str) -> str:
    """The text of the notice; the end of a problem may have its own."""
    key = f"notice_{notice.kind}"
    over = f"{key}_over"
    key = over if not notice.firing and over in CATALOGUE else key
    return say(language, key, notice.count, **dict(notice.values)).text


def _labels(notice: Notice) -> dict[str, str]:
    """The name, the severity (by how serious the problem is), the subject, and the alert that is
    lost.
    """
    severity = "critical" if notice.kind in _CRITICAL or notice.urgent else "warning"
    labels = {"alertname": notice.name, "severity": severity}
    told = dict(notice.values)
    if told.get("lost"):
        return {**labels, "about": told["receiver"], "lost": told["lost"]}
    return {**labels, "about": notice.subject} if notice.subject else labels


def notification(notice: Notice, language: str, began: float, now: float) -> Notification:
    """The notice as Alertmanager would post an alert that began at `began`."""
    text = notice.text or _text(notice, language)
    alert = Alert(
        status="firing" if notice.firing else "resolved",
        labels=_labels(notice),
        annotations={"summary": text},
        starts_at=began,
        ends_at=None if notice.firing else now,
        generator_url="",
        fingerprint=blake2b(f"{notice.kind} {notice.subject}".encode(), digest_size=8).hexdigest(),
    )
    return Notification(
        source=NOTICES.source,
        receiver=NOTICES.receiver,
        group_key=f"{NOTICES.group_key}{notice.kind}/{notice.subject}",
        status=alert.status,
        alerts=(alert,),
        group_labels={"alertname": notice.name},
        common_labels=alert.labels,
        common_annotations=alert.annotations,
        route_labels={},
        external_url="",
        reason="",
        truncated=0,
        state=int(notice.firing),
    )
