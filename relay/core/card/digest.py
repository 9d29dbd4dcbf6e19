"""A digest: one message in which a chat that cannot keep up shows many cards at once."""

from collections.abc import Iterable, Sequence, Set
from hashlib import blake2b
from typing import Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from relay.core.alert import GroupId
from relay.core.budget import Limit
from relay.core.card.card import Card, Storm, status
from relay.core.card.hours import UNRESTRICTED, Hours
from relay.core.card.plan import is_routine
from relay.core.card.severity import rank
from relay.core.card.step import Edit, Post, Rank, Reply, Step, Wait
from relay.core.card.subject import natural, subject, where
from relay.core.card.view import Late, ShownStatus
from relay.core.routing.lane import Policy

QUIET = GroupId("", "", "quiet")  # the group of a lane's summary after quiet hours
DIGEST = GroupId("", "", "digest")  # that of its digest; no Alertmanager group has such a key
# Seconds between edits of a digest, which changes all the time during a storm, between its sounds,
# and between the cards that follow it.
EDIT_GAP = 5.0
RING_GAP = 60.0
FOLLOW_GAP = 7.5
_HALF = 2 * 60.0  # each of edits and following cards gets half of a chat's calls in a minute
OPEN_FOR = 120.0  # seconds for which a digest takes in new cards after too many came
# Age in seconds after which a digest gets a new message for cards that come or fire anew.
RENEW_AFTER = 1800.0
_PLACES_KEPT = 5
_SEEN = 20  # alerts of a card in which the shared labels are sought


class Line(Struct, frozen=True):
    """A card as its digest tells of it. `where` is its most telling label value, `firing` is how
    many of its alerts fire. `cluster` and `namespace` are the values of those labels. `routine`:
    nothing in it makes a sound.

    The rest is not part of a stored line. `urgent`: one of its alerts is urgent. `own`: it has a
    message of its own. `spoken`: the digest speaks for it. `untold`: the digest still has to tell
    its present state. `rung`: the digest made a sound since it became urgent. `left_out`: the
    digest tells it without some of its texts; without its name it is only counted (`withheld`).
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
    routine: bool = False
    urgent: bool = False
    own: bool = False
    spoken: bool = False
    untold: bool = False
    rung: bool = False
    left_out: bool = False


class Name(Struct, frozen=True):
    """All groups of one alert name and severity: their lines, the oldest first, and where the first
    of them are. `left_out`: the name is withheld.
    """

    name: str
    severity: str
    where: tuple[str, ...]
    lines: tuple[Line, ...]
    left_out: bool = False


class DigestView(Struct, frozen=True):
    """A digest as a template sees it. `after` is what it follows: a storm, or quiet hours. `names`
    are sorted by urgency, then by their number of groups.

    `firing` groups fire, `urgent` of them with the highest severity; `over` ended since the digest
    began at `since`. `per_minute` is how many messages the chat takes. `late` and `may_be_repeated`
    are as in a card's view; `silent` groups came without a sound in quiet hours. `joined`: the view
    is for the reply to a digest, which tells of the cards that joined it.
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
    joined: bool = False


def line(card: Card, ignores: Set[str] = frozenset()) -> Line:
    """The line of a card, without labels named in `ignores`."""
    first = card.entries[0] if card.entries else None
    labels = first.labels if first else {}
    return Line(
        group=card.group,
        fingerprint=card.fingerprint,
        status="gone" if card.stale else status(card),
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
        routine=all(is_routine(entry) for entry in card.entries if entry.status == "firing"),
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
        left_out=not name and all(each.left_out for each in ordered),
    )


def mark(lines: Sequence[Line]) -> str:
    """A hash of everything that a reader can tell from the digest."""
    visible = sorted((each.severity, each.name, each.where, each.status) for each in lines)
    return blake2b(msgspec.json.encode(visible), digest_size=12).hexdigest()


def capacity(limits: Iterable[Limit], seconds: float) -> float:
    """How many calls all these limits together allow within that many seconds."""
    return min((limit.count * seconds / limit.window for limit in limits), default=float("inf"))


def share(room: float, others: int, lanes: int) -> float:
    """The part of a chat's room for one of its lanes (topics, threads), while `lanes` other lanes
    wait to make `others` calls: what they leave, but at least an equal part.
    """
    return max(room - others, room / (lanes + 1))


def plan(
    digest: Card,
    lines: Sequence[Line],
    policy: Policy,
    now: float,
    hours: Hours = UNRESTRICTED,
    limits: Iterable[Limit] = (),
) -> Step | Wait:
    """The next step of a digest, or until when there is none. Quiet hours silence it unless it
    holds something urgent.
    """
    now_mark = mark(lines)
    if not lines or digest.refused == now_mark:
        return Wait(None)
    if hours.muted and not (hours.edits and digest.shown):
        return Wait(hours.until)
    if digest.shown is None:
        return Post(silent=_is_silent(lines, policy, hours), reply_to=digest.previous)
    ring_at = _rings_at(digest, lines, policy, hours)
    if ring_at is not None and ring_at <= now:
        return Reply(digest.shown.message, "joined", silent=False)
    withheld = storm_of(digest).withheld
    at = edited_at(digest, lines, limits)
    if at is None:
        again_at = withheld.again_at if withheld and withheld.refused else None
        return Wait(_earliest(ring_at, again_at))
    if at <= now:
        return Edit(digest.shown.message)
    return Wait(_earliest(at, ring_at))


def edited_at(digest: Card, lines: Sequence[Line], limits: Iterable[Limit]) -> float | None:
    """When its message is edited next; None if it shows these lines, or there is none."""
    withheld = storm_of(digest).withheld
    if digest.shown is None:
        return None
    if digest.shown.mark == mark(lines) and (withheld is None or withheld.passed):
        return None
    return digest.shown.edited_at + _gap(EDIT_GAP, limits)


def _earliest(*times: float | None) -> float | None:
    return min((at for at in times if at is not None), default=None)


def _is_silent(lines: Sequence[Line], policy: Policy, hours: Hours) -> bool:
    rings = [each for each in lines if each.status == "firing" and not each.routine]
    return policy.silent or not rings or (hours.quiet and not any(each.urgent for each in rings))


def _rings_at(digest: Card, lines: Sequence[Line], policy: Policy, hours: Hours) -> float | None:
    """When the digest next makes a sound: something urgent joined it since the last one."""
    if policy.silent or hours.muted or not joined(lines):
        return None
    return storm_of(digest).rung_at + RING_GAP


def joined(lines: Iterable[Line]) -> tuple[Line, ...]:
    """The lines of the urgent firing cards that joined the digest after its last sound."""
    return tuple(
        each for each in lines if each.urgent and each.status == "firing" and not each.rung
    )


def _gap(shortest: float, limits: Iterable[Limit]) -> float:
    return max(shortest, _HALF / capacity(limits, 60.0))


def follows_at(digest: Card, lines: Iterable[Line], limits: Iterable[Limit]) -> float | None:
    """When the next urgent card that the digest has told gets a message of its own; None if none
    waits for one.
    """
    waiting = [each for each in lines if each.urgent and each.status == "firing" and not each.own]
    if digest.shown is None or not any(each.spoken and not each.untold for each in waiting):
        return None
    return max(digest.shown.posted_at, storm_of(digest).followed_at) + _gap(FOLLOW_GAP, limits)


def is_following(lines: Iterable[Line]) -> bool:
    """Whether a card that the digest has told already waits for its first message."""
    return any(
        each.urgent and each.status == "firing" and not each.own and not each.spoken
        for each in lines
    )


def rank_of(lines: Sequence[Line]) -> Rank:
    """The rank of a digest: that of its most urgent news."""
    untold = [each for each in lines if each.untold]
    firing = [each for each in untold if each.status == "firing"]
    if any(each.urgent for each in firing):
        return Rank.URGENT
    if joined(lines):
        return Rank.JOINED
    return Rank.FIRST if firing else Rank.RESOLVE if untold else Rank.EDIT


def shows_all(digest: Card, lines: Sequence[Line]) -> bool:
    """Whether the chat shows all that the digest has to tell, or never will."""
    return not lines or mark(lines) in (digest.refused, digest.shown and digest.shown.mark)


def storm_of(digest: Card) -> Storm:
    """The storm that the digest remembers."""
    return digest.storm or Storm()


def is_open(digest: Card | None, now: float, *, urgent: bool) -> bool:
    """Whether the digest takes in new cards: more came a short while ago than the chat takes. For
    an `urgent` card only urgent ones count.
    """
    if digest is None or digest.closed_at is not None or is_old(digest, now):
        return False
    storm = storm_of(digest)
    return now - (storm.urgent_at if urgent else storm.pressed_at) <= OPEN_FOR


def is_over(lines: Sequence[Line]) -> bool:
    """Whether no card of the digest fires any more; it closes once that is shown."""
    return not any(each.status == "firing" for each in lines)


def is_old(digest: Card | None, now: float) -> bool:
    """Whether its message is so far up in the chat that nobody would notice an edit."""
    return (
        digest is not None
        and digest.shown is not None
        and now - digest.shown.posted_at > RENEW_AFTER
    )


def absorbing(
    digest: Card | None, receiver: str, now: float, *, pressed: bool, urgent: bool = False
) -> Card:
    """The digest that takes in more cards: the open one, or a new message if it is old or closed.
    `pressed`: more cards wait than the chat takes, with `urgent` also of urgent ones.
    """
    renewed = digest or Card(DIGEST, "", receiver)
    if renewed.shown is not None and (renewed.closed_at is not None or is_old(digest, now)):
        renewed = replace(renewed, shown=None, previous=renewed.shown.message)
    storm = renewed.storm
    if pressed:
        storm = replace(storm_of(renewed), pressed_at=now)
        storm = replace(storm, urgent_at=now) if urgent else storm
    since = now if renewed.waiting_since is None else renewed.waiting_since
    return replace(renewed, receiver=receiver, waiting_since=since, closed_at=None, storm=storm)
