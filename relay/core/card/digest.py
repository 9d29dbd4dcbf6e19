"""A digest: one message in which a chat that cannot keep up shows many cards at once."""

from collections.abc import Iterable, Sequence, Set
from hashlib import blake2b
from typing import Literal

import msgspec
from msgspec import Struct

from relay.core.alert import GroupId
from relay.core.budget import Limit
from relay.core.card.card import Card, status
from relay.core.card.hours import UNRESTRICTED, Hours
from relay.core.card.severity import rank
from relay.core.card.step import Edit, Post, Step, Wait
from relay.core.card.subject import natural, subject, where
from relay.core.card.view import Late, ShownStatus
from relay.core.routing.lane import Policy

QUIET = GroupId("", "", "quiet")  # the group under which a lane keeps its summary after quiet hours
DIGEST = GroupId(
    "", "", "digest"
)  # the group under which a lane keeps its digest: no Alertmanager group has it
EDIT_GAP = 5.0  # seconds between edits of a digest: a storm changes it all the time
# Seconds after which what comes to a digest, or fires anew in it, is worth a new message.
RENEW_AFTER = 1800.0
_PLACES_KEPT = 5
_SEEN = 20  # alerts of a card that are asked what they share


class Line(Struct, frozen=True):
    """A card as its digest tells of it. `where` is its most telling label value, `firing` how many
    alerts fire. `cluster` and `namespace` are the values of those labels.
    """

    group: GroupId
    fingerprint: str
    status: ShownStatus
    name: str
    severity: str
    where: str
    firing: int
    since: float
    cluster: str = ""
    namespace: str = ""


class Name(Struct, frozen=True):
    """All groups of one alert name and severity: their lines, the oldest first, and where the first
    of them are.
    """

    name: str
    severity: str
    where: tuple[str, ...]
    lines: tuple[Line, ...]


class DigestView(Struct, frozen=True):
    """What a template sees of a digest. `after` is what it follows: a storm, or quiet hours.
    `names` stand most urgent first, those of the most groups first among equals.

    `firing` groups fire, `urgent` of them with the highest severity, `over` are over since the
    digest began at `since`. `per_minute` is what the chat takes. `late` and `may_be_repeated` are
    as in a card's view; `silent` groups came without a sound, in quiet hours.
    """

    firing: int
    urgent: int
    over: int
    since: float
    now: float
    per_minute: int
    names: tuple[Name, ...]
    after: Literal["storm", "quiet"] = "storm"
    late: Late | None = None
    may_be_repeated: bool = False
    silent: int = 0


def line(card: Card, ignores: Set[str] = frozenset()) -> Line:
    """The line of a card, without labels named in `ignores`."""
    first = card.entries[0] if card.entries else None
    labels = first.labels if first else {}
    return Line(
        group=card.group,
        fingerprint=card.fingerprint,
        status=status(card),
        name=labels.get("alertname", ""),
        severity=labels.get("severity", ""),
        where=subject(card.entries[:_SEEN], card.head.group_labels, ignores).telling
        or where(labels),
        firing=sum(entry.status == "firing" for entry in card.entries),
        since=min(
            (entry.starts_at for entry in card.entries if entry.starts_at), default=card.heard_at
        ),
        cluster=labels.get("cluster", ""),
        namespace=labels.get("exported_namespace") or labels.get("namespace", ""),
    )


def view(
    digest: Card,
    lines: Sequence[Line],
    limits: Iterable[Limit],
    now: float,
    late: Late | None,
    after: Literal["storm", "quiet"] = "storm",
) -> DigestView:
    """The digest of these lines."""
    firing = [each for each in lines if each.status == "firing"]
    together: dict[tuple[str, str], list[Line]] = {}
    for each in firing:
        together.setdefault((each.severity, each.name), []).append(each)
    ordered = sorted(
        together.items(), key=lambda item: (rank(item[0][0]), -len(item[1]), item[0][1])
    )
    return DigestView(
        firing=len(firing),
        urgent=sum(rank(each.severity) == 0 for each in firing),
        over=len(lines) - len(firing),
        since=min((each.since for each in lines), default=now),
        now=now,
        per_minute=int(capacity(limits, 60.0)),
        names=tuple(_name(name, severity, same) for (severity, name), same in ordered),
        after=after,
        late=late,
        may_be_repeated=digest.doubt,
    )


def _name(name: str, severity: str, same: Sequence[Line]) -> Name:
    ordered = tuple(sorted(same, key=lambda each: (each.since, natural(each.where))))
    return Name(
        name,
        severity,
        tuple(dict.fromkeys(each.where for each in ordered if each.where))[:_PLACES_KEPT],
        ordered,
    )


def mark(lines: Sequence[Line]) -> str:
    """What a reader can tell from the digest, hashed."""
    visible = sorted((each.severity, each.name, each.where, each.status) for each in lines)
    return blake2b(msgspec.json.encode(visible), digest_size=12).hexdigest()


def capacity(limits: Iterable[Limit], seconds: float) -> float:
    """How many calls all these limits let through in that many seconds."""
    return min((limit.count * seconds / limit.window for limit in limits), default=float("inf"))


def share(room: float, others: int, lanes: int) -> float:
    """What of a chat's room falls to one of its lanes (topics, threads), where `lanes` others owe
    it `others` calls: what those leave, an equal part at least."""
    return max(room - others, room / (lanes + 1))


def plan(
    digest: Card, lines: Sequence[Line], policy: Policy, now: float, hours: Hours = UNRESTRICTED
) -> Step | Wait:
    """The next step of a digest, or until when there is none. Nothing in it is urgent, so quiet
    hours silence it.
    """
    if hours.muted:
        return Wait(hours.until)
    now_mark = mark(lines)
    if not lines or digest.refused == now_mark:
        return Wait(None)
    if digest.shown is None:
        silent = policy.silent or hours.quiet or not any(each.status == "firing" for each in lines)
        return Post(silent=silent, reply_to=digest.previous)
    if digest.shown.mark == now_mark:
        return Wait(None)
    at = digest.shown.edited_at + EDIT_GAP
    return Edit(digest.shown.message) if at <= now else Wait(at)


def is_over(lines: Sequence[Line]) -> bool:
    """No card of the digest fires any more: once that is shown, it closes."""
    return not any(each.status == "firing" for each in lines)


def is_old(digest: Card | None, now: float) -> bool:
    """Its message stands so far up in the chat that a change of it is no news to anybody."""
    return (
        digest is not None
        and digest.shown is not None
        and now - digest.shown.posted_at > RENEW_AFTER
    )


def absorbing(digest: Card | None, receiver: str, now: float) -> Card:
    """The digest that takes in more cards: the open one, or a new message after it grew old or
    closed.
    """
    if digest is None:
        return Card(DIGEST, "", receiver, waiting_since=now)
    renewed = digest
    if digest.shown is not None and (digest.closed_at is not None or is_old(digest, now)):
        renewed = msgspec.structs.replace(digest, shown=None, previous=digest.shown.message)
    since = digest.waiting_since or now
    return msgspec.structs.replace(renewed, receiver=receiver, waiting_since=since, closed_at=None)
