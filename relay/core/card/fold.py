"""Folding: what a delivery brings is laid over a card's wanted state."""

from collections.abc import Iterable, Iterator, Sequence, Set
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from relay.core.alert import Alert, Labels
from relay.core.card.card import (
    Card,
    Entry,
    Head,
    OwedReply,
    is_firing,
    is_settled,
    status,
    text,
    urgency,
)
from relay.core.card.severity import rank
from relay.core.card.subject import thing
from relay.core.card.view import Change, Round
from relay.core.routing.lane import Policy

# Alerts of a card whose labels and annotations are kept whole; a message shows fewer.
DETAILED = 200
# Alerts of a card up to which those behind keep the labels that all of them share.
_SHARING = 2000
REPEAT_REASONS = (
    "repeat interval elapsed",
    "",
    "unknown",
)  # Alertmanager notify/notify.go; '' is before 0.32
_ROUNDS_KEPT = 20


class Arriving(Struct, frozen=True):
    """A delivery as its card meets it: the alerts of it that go to this card.

    `last`: no further part of the same payload follows. `whole`: nothing was cut from the payload
    by `max_alerts`, so an alert that is not listed is not there. `via` is the group that brings it
    (see `via`), empty for the card's own.
    """

    seq: int
    accepted_at: float
    head: Head
    alerts: tuple[Alert, ...]
    last: bool
    whole: bool
    via: str = ""


class Folded(Struct, frozen=True):
    """A card after a page of deliveries. `duplicates` are those (by `seq`) that brought nothing
    new.
    """

    card: Card
    duplicates: tuple[int, ...]


def fold(card: Card, arriving: Sequence[Arriving], policy: Policy) -> Folded:
    """The card with all of `arriving` (in order of `seq`) laid over it.

    The set of (fingerprint, startsAt, status) decides: the same again within `dedup_window` is a
    duplicate whatever its reason says; later it is a repeat, unless its reason tells of a change
    elsewhere in the group.
    """
    duplicates: list[int] = []
    for parts in _payloads(arriving):
        delivery = _joined(parts)
        was_same, card = _lay(card, delivery, policy)
        if was_same and not _is_repeat(card, delivery, policy):
            duplicates += [part.seq for part in parts]
        else:
            card = _count(card, delivery, repeated=was_same, policy=policy)
        card = replace(
            card, head=delivery.head, heard_at=delivery.accepted_at, folded_seq=delivery.seq
        )
    card = replace(card, entries=_ordered(card.entries, policy))
    if is_settled(card):
        card = replace(card, waiting_since=None)
    if not card.entries:  # only told what is absent: there is nothing to show, now or later
        card = replace(card, waiting_since=None, closed_at=card.heard_at)
    return Folded(card, tuple(duplicates))


def _payloads(arriving: Sequence[Arriving]) -> Iterator[Sequence[Arriving]]:
    """The parts of each payload that are at hand. Every payload is laid over the card once, however
    many parts it has: a card of 100,000 alerts is not gone through for every 256 of them."""
    begin = 0
    for end, delivery in enumerate(arriving, 1):
        following = arriving[end] if end < len(arriving) else None
        if delivery.last or not following or not _same_payload(delivery, following):
            yield arriving[begin:end]
            begin = end


def _same_payload(one: Arriving, other: Arriving) -> bool:
    return (one.accepted_at, one.head, one.whole) == (other.accepted_at, other.head, other.whole)


def _joined(parts: Sequence[Arriving]) -> Arriving:
    return replace(parts[-1], alerts=tuple(alert for part in parts for alert in part.alerts))


def ripen(card: Card, policy: Policy, now: float) -> Card:
    """The card with its holds that are over by `now` carried out: gone, firing after all, or
    stale.
    """
    entries = tuple(_ripe(entry, policy.late_hold, now) for entry in card.entries)
    stale = is_firing(card) and card.heard_at + policy.stale_after <= now
    if entries == card.entries and stale == card.stale:
        return card
    revived = [
        e.fingerprint
        for e, old in zip(entries, card.entries, strict=True)
        if _fires(e) and not _fires(old)
    ]
    ripe = replace(card, entries=_ordered(entries, policy), stale=stale)
    ripe = replace(
        ripe, change=_change(card, ripe, bool(revived)), waiting_since=card.waiting_since or now
    )
    return _fire(ripe, card, revived, now, policy) if revived else _close(ripe, card, now, policy)


def contradiction(before: Card, after: Card) -> tuple[str, str] | None:
    """The external URLs of two Alertmanagers, when a hold ended between these two states of a card
    because one went on to contradict the other."""
    known = {entry.fingerprint: entry for entry in before.entries}
    for entry in after.entries:
        old = known.get(entry.fingerprint)
        if (
            old
            and old.held_since is not None
            and _fires(entry)
            and old.by
            and old.held_by not in ("", old.by)
        ):
            return old.by, old.held_by
    return None


def ripens_at(card: Card, policy: Policy) -> float | None:
    """When `ripen` next changes something, Unix seconds."""
    holds = [
        at + policy.late_hold
        for e in card.entries
        for at in (e.absent_since, e.held_since)
        if at is not None
    ]
    if is_firing(card) and not card.stale:
        holds.append(card.heard_at + policy.stale_after)
    return min(holds, default=None)


def _ripe(entry: Entry, hold: float, now: float) -> Entry:
    if entry.held_since is not None and entry.held_since + hold <= now:
        return replace(entry, status="firing", ends_at=None, held_since=None, joined_at=now)
    if entry.absent_since is not None and entry.absent_since + hold <= now:
        return replace(entry, status="gone", ends_at=entry.absent_since, absent_since=None)
    return entry


def _lay(card: Card, delivery: Arriving, policy: Policy) -> tuple[bool, Card]:
    """Whether the delivery says what the card has already, and the card with its alerts laid
    over.
    """
    entries = {entry.fingerprint: entry for entry in card.entries}
    fresh: list[str] = []
    changed = False
    for alert in delivery.alerts:
        old = entries.get(alert.fingerprint)
        new = _said_by(old, _entry(old, alert, delivery.accepted_at), delivery.head.external_url)
        changed = (
            changed or old is None or _state(old) != _state(new) or new.held_since != old.held_since
        )
        if _fires(new) and (old is None or not _fires(old)):
            fresh.append(alert.fingerprint)
        entries[alert.fingerprint] = new
    laid = replace(card, entries=tuple(entries.values()), receiver=policy.receiver, stale=False)
    if delivery.last and delivery.whole:
        laid = replace(
            laid, entries=tuple(_missing(entry, delivery.accepted_at) for entry in laid.entries)
        )
        changed = changed or any(e.absent_since == delivery.accepted_at for e in laid.entries)
    changed = changed or card.stale
    if fresh:
        laid = _fire(
            replace(laid, change=_change(card, laid, grew=True)),
            card,
            fresh,
            delivery.accepted_at,
            policy,
        )
    elif changed:
        laid = _close(
            replace(laid, change=_change(card, laid, grew=False)),
            card,
            delivery.accepted_at,
            policy,
        )
    return not changed, laid


def _said_by(old: Entry | None, new: Entry, url: str) -> Entry:
    if old is None or old.status != new.status:
        return replace(new, by=url)
    return (
        replace(new, held_by=url) if new.held_since is not None and old.held_since is None else new
    )


def _entry(old: Entry | None, alert: Alert, at: float) -> Entry:
    if old is None:
        return _new(alert, at, alert.status, alert.ends_at)
    told = replace(
        old,
        labels=alert.labels,
        annotations=alert.annotations,
        generator_url=alert.generator_url,
        seen=at,
    )
    told = replace(told, absent_since=None)
    if alert.status == "resolved":
        if _fires(old) and _ended_before(alert, old.starts_at):
            return told
        known = (
            old.ends_at if old.status == "resolved" else None
        )  # a copy from a peer may end a moment later
        ended = max(known or alert.ends_at or old.ends_at or at, old.starts_at)
        return replace(told, status="resolved", ends_at=ended, held_since=None, returned=False)
    if _fires(old) or old.status == "gone":
        # Copies from two Prometheus replicas differ in startsAt; Alertmanager too keeps the earlier
        # (alert/alert.go).
        began = min(filter(None, (old.starts_at, alert.starts_at)), default=0.0)
        joined = old.joined_at if _fires(old) else at
        back = old.status == "gone" or old.returned
        return replace(
            told, status="firing", starts_at=began, ends_at=None, joined_at=joined, returned=back
        )
    if alert.starts_at > (old.ends_at or 0.0):
        return _new(alert, at, "firing", None)
    return replace(told, held_since=old.held_since if old.held_since is not None else at)


def _ended_before(alert: Alert, start: float) -> bool:
    """It is the end of an earlier episode. One that begins at its end is no episode: Alertmanager
    gives that start to an end that was posted without one, such as amtool's, and it ends whatever
    fires (api/v2/api.go)."""
    return alert.ends_at is not None and alert.starts_at < alert.ends_at < start


def _new(
    alert: Alert, at: float, now_status: Literal["firing", "resolved"], ends_at: float | None
) -> Entry:
    ended = (ends_at or at) if now_status == "resolved" else None
    return Entry(
        fingerprint=alert.fingerprint,
        status=now_status,
        labels=alert.labels,
        annotations=alert.annotations,
        generator_url=alert.generator_url,
        starts_at=alert.starts_at,
        ends_at=ended,
        joined_at=at,
        seen=at,
    )


def _missing(entry: Entry, at: float) -> Entry:
    """The entry after a whole payload: not listed, it may be gone, and does not fire after all if
    that was held.
    """
    if entry.held_since is not None and entry.seen != at:
        return replace(entry, held_since=None)
    if _fires(entry) and entry.seen != at and entry.absent_since is None:
        return replace(entry, absent_since=at)
    return entry


def _fires(entry: Entry) -> bool:
    return entry.status == "firing"


def _state(entry: Entry) -> tuple[str, float]:
    return (entry.status, entry.starts_at)


def _is_repeat(card: Card, delivery: Arriving, policy: Policy) -> bool:
    if not is_firing(card) or not delivery.last or not delivery.alerts:
        return False
    if delivery.accepted_at < card.counted_at + policy.dedup_window:
        return False
    elsewhere = delivery.head.reason == "" and delivery.head.state != card.head.state
    return delivery.head.reason in REPEAT_REASONS and not elsewhere


def _count(card: Card, delivery: Arriving, *, repeated: bool, policy: Policy) -> Card:
    waiting_since = card.waiting_since or delivery.accepted_at
    now_text = text(card)
    counted = replace(
        card,
        counted_at=delivery.accepted_at,
        waiting_since=waiting_since,
        refused="",
        text=now_text,
    )
    if not repeated:
        return counted
    newer = bool(card.text) and card.text != now_text
    counted = replace(counted, change="repeated", refreshed=card.refreshed + newer)
    return _owe(
        counted,
        OwedReply("repeated", (), delivery.accepted_at),
        wanted=policy.lifecycle.reply_repeated,
    )


def _owe(card: Card, owed: OwedReply, *, wanted: bool) -> Card:
    """The card with one more reply due, if the chat shows the card at all; one of a kind is owed at
    a time.
    """
    if card.shown is None or not wanted:
        return card
    same = [reply for reply in card.owed if reply.kind == owed.kind]
    about = tuple(
        dict.fromkeys(fingerprint for reply in (*same, owed) for fingerprint in reply.about)
    )
    since = min((reply.since for reply in same), default=owed.since)
    return replace(
        card,
        owed=(*(r for r in card.owed if r.kind != owed.kind), OwedReply(owed.kind, about, since)),
    )


def _fire(card: Card, before: Card, fresh: Sequence[str], at: float, policy: Policy) -> Card:
    """Alerts fire that did not: they join a firing card, or begin a new round of one that was
    over.
    """
    card = replace(card, owed=tuple(reply for reply in card.owed if reply.kind != "resolved"))
    if not before.entries:
        return replace(card, closed_at=None)
    if card.closed_at is not None:
        return _reopen(
            card, before, card.closed_at, at - card.closed_at <= policy.lifecycle.reopen_window
        )
    if not is_firing(before):
        return _owe(
            replace(card, change="again"), OwedReply("again", tuple(fresh), at), wanted=True
        )
    raised, joined = _risen(card, before, fresh)
    if raised:
        card = _owe(card, OwedReply("raised", raised, at), wanted=policy.lifecycle.reply_joined)
    if joined:
        card = _owe(card, OwedReply("joined", joined, at), wanted=policy.lifecycle.reply_joined)
    return card


def _risen(
    card: Card, before: Card, fresh: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Of the alerts that fire now: those that fired with a lower severity, and those that are
    news. One that fired with a higher severity already is neither."""
    known: dict[frozenset[tuple[str, str]], int] = {}
    for entry in before.entries[:DETAILED]:
        if _fires(entry):
            key = thing(entry.labels)
            known[key] = min(rank(entry.severity), known.get(key, rank(entry.severity)))
    news = set(fresh)
    raised: list[str] = []
    joined: list[str] = []
    for entry in card.entries:
        if entry.fingerprint not in news:
            continue
        had = known.get(thing(entry.labels))
        if had is None:
            joined.append(entry.fingerprint)
        elif rank(entry.severity) < had:
            raised.append(entry.fingerprint)
    return tuple(raised), tuple(joined)


def _reopen(card: Card, before: Card, closed_at: float, soon: bool) -> Card:  # noqa: FBT001 - a fact, not a switch
    """A new round: it replies to the one before and is counted with it when it comes soon
    enough.
    """
    began = min((entry.starts_at for entry in before.entries if entry.starts_at), default=closed_at)
    ended = max((entry.ends_at for entry in before.entries if entry.ends_at), default=closed_at)
    return replace(
        card,
        entries=tuple(
            entry for entry in card.entries if _fires(entry) or entry.held_since is not None
        ),
        rounds=(*card.rounds, Round(began, ended))[-_ROUNDS_KEPT:] if soon else (),
        previous=(card.shown.message if card.shown else card.previous) if soon else None,
        shown=None,
        owed=(),
        change="again",
        closed_at=None,
        doubt=False,
        announced=False,
        listed=False,
    )


def _close(card: Card, before: Card, at: float, policy: Policy) -> Card:
    """The last alert of a firing card ended: a closing reply is due, and no other."""
    if is_firing(card) or not is_firing(before):
        return card
    wanted = policy.lifecycle.reply_resolved and policy.send_resolved and status(card) == "resolved"
    return _owe(replace(card, owed=()), OwedReply("resolved", (), at), wanted=wanted)


def _change(before: Card, after: Card, grew: bool) -> Change:  # noqa: FBT001 - a fact, not a switch
    if before.shown is None and before.closed_at is None:
        return before.change
    if not is_firing(after):
        return "resolved"
    return "grew" if grew else "shrank"


def _ordered(entries: Iterable[Entry], policy: Policy) -> tuple[Entry, ...]:
    ordered = sorted(entries, key=urgency)
    if len(ordered) <= DETAILED:
        return tuple(ordered)
    judged = (*policy.urgent, *(matcher for rule in policy.mentions for matcher in rule.matchers))
    names = {"alertname", "severity", *(matcher.name for matcher in judged)}
    shared = _shared(ordered[:DETAILED]) if len(ordered) <= _SHARING else {}
    return (*ordered[:DETAILED], *(_brief(entry, names, shared) for entry in ordered[DETAILED:]))


def _shared(entries: Sequence[Entry]) -> Labels:
    return {
        name: value
        for name, value in entries[0].labels.items()
        if all(entry.labels.get(name) == value for entry in entries)
    }


def _brief(entry: Entry, names: Set[str], shared: Labels) -> Entry:
    """The entry with what urgency, mentions and a silence of the whole card are judged by."""
    labels: Labels = {
        key: value
        for key, value in entry.labels.items()
        if key in names or shared.get(key) == value
    }
    if not entry.annotations and not entry.generator_url and len(labels) == len(entry.labels):
        return entry
    return replace(entry, labels=labels, annotations={}, generator_url="")
