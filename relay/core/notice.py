"""Notices: what operators have to know of the relay itself, told as alerts of its own through the
same pipeline.
"""

from hashlib import blake2b
from typing import assert_never

from msgspec import Struct

from relay.core.active_config import Refusing
from relay.core.alert import Alert, GroupId, Notification
from relay.core.card.card import Card
from relay.core.event import (
    Accepted,
    Answered,
    BotListens,
    Called,
    ChatChanged,
    ChatMoved,
    Contradicted,
    EndReason,
    Event,
    Heard,
    Loaded,
    Noted,
    Settled,
    StorageDamaged,
    TemplateFailed,
    sentence,
)
from relay.core.routing.route import SUBSCRIPTION
from relay.core.text.texts import say

# seconds: a notice is repeated only after this long, and ends when nothing renewed it for as long
HOURLY = 3600.0
NOTICES = GroupId("", "alert-relay", "notice/")  # with this begin the groups of all notices
CHAT_DOWN = "chat_down"
_CRITICAL = (CHAT_DOWN, "storage")  # kinds of notices after which alerts do not arrive
_GIVEN_UP = (
    400,
    401,
    413,
)  # answers after which Alertmanager gives a notification up (notify/util.go)


def is_notice(group: GroupId) -> bool:
    """The group is that of a notice of the relay's own."""
    begins = group.group_key.startswith(NOTICES.group_key)
    return begins and (group.source, group.receiver) == (NOTICES.source, NOTICES.receiver)


class Notice(Struct, frozen=True):
    """One thing to tell: `kind` names the text (`notice_KIND`) and `name` the alert; `subject`
    tells two of a kind apart. `lasting`: it holds until its cause is said to be over; others are
    over by themselves. `text` is what was told before, where the values of its text are not known
    any more. `count` is how many things the text tells of, where it counts."""

    kind: str
    name: str
    subject: str
    firing: bool = True
    lasting: bool = False
    values: tuple[tuple[str, str], ...] = ()
    text: str = ""
    count: int | None = None


def notice_of(event: Event) -> Notice | None:
    """The notice that an event is worth, if any."""
    match event:
        case Answered(code) if code in _GIVEN_UP:
            return Notice(
                "refused", "AlertRelayRefusedPayload", str(code), values=(("code", str(code)),)
            )
        case ChatMoved(receiver=receiver) if receiver == SUBSCRIPTION:
            return None  # people come and go; it follows by itself
        case ChatMoved(_, receiver, place, chat):
            moved = (("receiver", receiver), ("place", place), ("chat", chat))
            return Notice(
                "moved" if chat else "thread_gone",
                "AlertRelayChatMoved",
                place or receiver,
                values=moved,
            )
        case Settled(why=why) if why == EndReason.DROPPED:
            return None  # who did it knows it
        case Settled(settlement="dead" | "expired" as end, receiver=receiver, count=count, why=why):
            ended = (("receiver", receiver), ("why", sentence(why)))
            return Notice(
                end, f"AlertRelay{end.title()}Deliveries", receiver, values=ended, count=count
            )
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
        case BotListens(account, listens, why, remedy):
            said = (("bot", account), ("why", why), ("remedy", remedy))
            return Notice(
                "deaf", "AlertRelayBotDeaf", account, not listens, lasting=True, values=said
            )
        case ChatChanged():
            return None  # one of perhaps several chats: see `chat_down`
        case Answered() | Accepted() | Called() | Settled() | Loaded() | Heard() | Noted():
            return None
        case _:
            assert_never(event)


def chat_down(refusing: Refusing) -> Notice:
    """The notice of a chat that is down; it holds as long as that."""
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
    """The notice that an earlier run told by this card. None for a bot that hears nothing: only
    what that bot hears says that it is over."""
    kind, _, subject = card.group.group_key.removeprefix(NOTICES.group_key).partition("/")
    if kind == "deaf" or not card.entries:
        return None
    entry = card.entries[0]
    name, text = entry.labels.get("alertname", ""), entry.annotations.get("summary", "")
    return Notice(kind, name, subject, lasting=kind == CHAT_DOWN, text=text)


def _labels(notice: Notice) -> dict[str, str]:
    """Name, severity by the weight of the thing, and what it is about."""
    severity = "critical" if notice.kind in _CRITICAL else "warning"
    labels = {"alertname": notice.name, "severity": severity}
    return {**labels, "about": notice.subject} if notice.subject else labels


def notification(notice: Notice, language: str, began: float, now: float) -> Notification:
    """The notice as Alertmanager would post an alert that began at `began`."""
    text = (
        notice.text
        or say(language, f"notice_{notice.kind}", notice.count, **dict(notice.values)).text
    )
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
