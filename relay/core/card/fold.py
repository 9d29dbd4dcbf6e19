"""Folding: applies deliveries to the wanted state of a card."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set

from msgspec import Struct
from msgspec.structs import replace

from relay.core.alert import Alert, Labels, identity, thing, thing_key
from relay.core.card.card import (
    Card,
    Entry,
    Head,
    OwedReply,
    is_firing,
    is_settled,
    is_suppressed,
    status,
    text,
    urgency,
)
from relay.core.card.entry import absent, continued, fires, goes_on, is_new_episode, reported, ripe
from relay.core.card.entry import ripens_at as entry_ripens_at
from relay.core.card.severity import rank
from relay.core.card.view import Change, Round
from relay.core.routing.lane import Policy

# Seconds for which a stale card stays open before it closes.
STALE_CLOSES_AFTER = 6 * 3600.0
# Alerts of a card whose labels and annotations are kept whole. A message shows fewer.
DETAILED = 200
# Number of alerts up to which those beyond `WHOLE` keep the labels that all of them share.
_SHARING = 2000
REPEAT_REASONS = (
    "repeat interval elapsed",
    "",
    "unknown",
)  # Alertmanager notify/notify.go; '' is before 0.32
_ROUNDS_KEPT = 20


class Arriving(Struct, frozen=True):
    """A delivery as its card gets it: only the alerts that belong on this card.

    `last`: no further part of the same payload follows. `whole`: `max_alerts` cut nothing from the
    payload, so an alert that is not listed is absent. `via` is the group that brings it
    (`alert.via`), empty for the card's own.
    """

    seq: int
    accepted_at: float
    head: Head
    alerts: tuple[Alert, ...]
    last: bool
    whole: bool
    via: str = ""


class Folded(Struct, frozen=True):
    """A card after a page of deliveries. `duplicates` are the deliveries (by `seq`) that brought
    nothing new.
    """

    card: Card
    duplicates: tuple[int, ...]


def fold(card: Card, arriving: Sequence[Arriving], policy: Policy) -> Folded:
    """The card after all of `arriving` (in order of `seq`).

    The set of (fingerprint, startsAt, status) decides: the same set again within `dedup_window` is
    a duplicate whatever its reason; later it is a repeat, unless its reason tells of a change
    elsewhere in the group.
    """
    duplicates: list[int] = []
    for parts in _payloads(arriving):
        delivery = _joined(parts)
        before = card
        was_same, card = _lay(card, delivery, policy)
        if was_same and not _is_repeat(before, card, delivery, policy):
            duplicates += [part.seq for part in parts]
        else:
            card = _count(card, delivery, repeated=was_same, policy=policy)
        head = card.head if delivery.via and before.entries else delivery.head
        seq = max(card.folded_seq, delivery.seq)
        card = replace(
            card, head=head, heard_at=max(card.heard_at, delivery.accepted_at), folded_seq=seq
        )
    card = replace(card, entries=_ordered(card.entries, policy))
    if is_settled(card):
        card = replace(card, waiting_since=None)
    if not card.entries:  # only absent alerts were told: there is nothing to show, now or later
        card = replace(card, waiting_since=None, closed_at=card.heard_at)
    return Folded(card, tuple(duplicates))


def _payloads(arriving: Sequence[Arriving]) -> Iterator[Sequence[Arriving]]:
    """The parts of each payload in this page. A payload is applied once however many parts it has,
    so that a card of 100,000 alerts is not gone through for every 256 of them.
    """
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
    """The card after its holds that are over by `now`: alerts are gone or fire after all, and the
    card is stale, or closed after it was stale for long.
    """
    entries = tuple(
        entry if is_suppressed(card, entry) else ripe(entry, policy.late_hold, now)
        for entry in card.entries
    )
    silent_at = card.heard_at + policy.stale_after
    if _is_accounted_for(card):
        silent_at = math.inf
    if card.stale and silent_at + STALE_CLOSES_AFTER <= now:
        entries = tuple(_unspoken(entry, card.heard_at) for entry in entries)
    stale = is_firing(card) and silent_at <= now
    stale = stale and any(map(fires, entries))
    if entries == card.entries and stale == card.stale:
        return card
    revived = [
        e.fingerprint
        for e, old in zip(entries, card.entries, strict=True)
        if fires(e) and not fires(old)
    ]
    ripened = replace(card, entries=_ordered(entries, policy), stale=stale)
    ripened = replace(
        ripened,
        change=_change(card, ripened, bool(revived)),
        waiting_since=card.waiting_since or now,
    )
    if revived:
        return _fire(ripened, card, revived, (), now, policy)
    return _close(ripened, card, now, policy)


def _is_accounted_for(card: Card) -> bool:
    """Whether Alertmanager accounts for each firing alert of the card."""
    return bool(card.acting.silent) and all(
        is_suppressed(card, entry) for entry in card.entries if fires(entry)
    )


def _unspoken(entry: Entry, heard_at: float) -> Entry:
    return replace(entry, status="gone", ends_at=heard_at) if fires(entry) else entry


def contradiction(before: Card, after: Card) -> tuple[str, str] | None:
    """The external URLs of two Alertmanagers, if a hold ended between these two states because one
    kept contradicting the other; else None.
    """
    known = {entry.fingerprint: entry for entry in before.entries}
    for entry in after.entries:
        old = known.get(entry.fingerprint)
        if (
            old
            and old.held_since is not None
            and fires(entry)
            and old.by
            and old.held_by not in ("", old.by)
        ):
            return old.by, old.held_by
    return None


def ripens_at(card: Card, policy: Policy) -> float | None:
    """When `ripen` next changes something, Unix seconds."""
    holds = [
        at
        for entry in card.entries
        if (at := entry_ripens_at(entry, policy.late_hold)) is not None
        and not is_suppressed(card, entry)
    ]
    if is_firing(card) and not _is_accounted_for(card):
        silent_at = card.heard_at + policy.stale_after
        holds.append(silent_at + STALE_CLOSES_AFTER if card.stale else silent_at)
    return min(holds, default=None)


def _lay(card: Card, delivery: Arriving, policy: Policy) -> tuple[bool, Card]:
    """Whether the delivery repeats what the card has already, and the card with its alerts
    applied.
    """
    at, via, reason = delivery.accepted_at, delivery.via, delivery.head.reason
    entries = {entry.fingerprint: entry for entry in card.entries}
    known = _identities(entries, policy)
    fresh: list[str] = []
    anew: list[str] = []
    changed = False
    for alert in delivery.alerts:
        old = entries.get(alert.fingerprint)
        before = None if old else _predecessor(entries, known, alert, policy, at)
        if before is not None and alert.status == "resolved":
            continue  # the end of an alert that goes on under another value
        if before is not None:
            del entries[before.fingerprint]
            known[_identity(alert, policy)] = alert.fingerprint
            old, new = before, continued(before, alert, at, via)
        else:
            new = reported(old, alert, at, via)
        new = _said_by(old, new, delivery.head.external_url)
        if not new.thing:
            new = replace(new, thing=thing_key(alert.labels, policy.identity_ignores))
        changed = (
            changed
            or old is None
            or before is not None
            or _state(old) != _state(new)
            or new.held_since != old.held_since
        )
        if fires(new) and old is not None and before is None and is_new_episode(old, alert):
            anew.append(alert.fingerprint)
            new = replace(new, joined_seq=delivery.seq)
        elif fires(new) and before is None and (old is None or not fires(old)):
            fresh.append(alert.fingerprint)
            new = replace(new, joined_seq=delivery.seq)
        entries[alert.fingerprint] = new
    laid = replace(card, entries=tuple(entries.values()), receiver=policy.receiver, stale=False)
    if delivery.last and delivery.whole:
        left = tuple(absent(entry, at, via, reason) for entry in laid.entries)
        changed = changed or any(entry.absent_since == at for entry in left)
        laid = replace(laid, entries=left)
    if fresh or anew:
        laid = replace(laid, change=_change(card, laid, grew=True))
        laid = _fire(laid, card, fresh, anew, at, policy)
    elif changed:
        laid = _go_on(laid) if is_firing(laid) and not is_firing(card) else laid
        laid = _close(replace(laid, change=_change(card, laid, grew=False)), card, at, policy)
    return not changed, laid


def _go_on(card: Card) -> Card:
    """A card that had ended shows the same episode on, and its end is not told any more."""
    owed = tuple(reply for reply in card.owed if reply.kind != "resolved")
    return replace(card, closed_at=None, owed=owed)


def _identities(entries: Mapping[str, Entry], policy: Policy) -> dict[str, str]:
    """The alerts of the card by their identity, if the policy leaves labels out of it."""
    if not policy.identity_ignores:
        return {}
    return {_identity(entry, policy): entry.fingerprint for entry in entries.values()}


def _identity(alert: Alert | Entry, policy: Policy) -> str:
    return identity(alert.fingerprint, alert.labels, policy.identity_ignores)


def _predecessor(
    entries: Mapping[str, Entry], known: Mapping[str, str], alert: Alert, policy: Policy, at: float
) -> Entry | None:
    """The alert that this one continues under another value of an ignored label
    (`identity_ignores`).
    """
    if not known:
        return None
    found = entries.get(known.get(_identity(alert, policy), ""))
    return found if found and goes_on(found, policy.late_hold, at) else None


def _said_by(old: Entry | None, new: Entry, url: str) -> Entry:
    if old is None or old.status != new.status:
        return replace(new, by=url)
    return (
        replace(new, held_by=url) if new.held_since is not None and old.held_since is None else new
    )


def _state(entry: Entry) -> tuple[str, float]:
    return (entry.status, entry.starts_at)


def _is_repeat(before: Card, card: Card, delivery: Arriving, policy: Policy) -> bool:
    if not is_firing(card) or not delivery.last or not delivery.alerts:
        return False
    if delivery.accepted_at < card.counted_at + policy.dedup_window:
        return False
    if not _counts(before, delivery):
        return False
    own = not delivery.via
    elsewhere = own and delivery.head.reason == "" and delivery.head.state != card.head.state
    return delivery.head.reason in REPEAT_REASONS and not elsewhere


def _counts(before: Card, delivery: Arriving) -> bool:
    """Whether the delivery counts. If two groups of Alertmanager bring the same alerts, only the
    repeats of one of them count, until that one falls silent and the other brings them alone.
    """
    if delivery.via == before.counted_via:
        return True
    brought = {alert.fingerprint for alert in delivery.alerts}
    return all(e.via == delivery.via for e in before.entries if e.fingerprint in brought)


def _count(card: Card, delivery: Arriving, *, repeated: bool, policy: Policy) -> Card:
    waiting_since = card.waiting_since or delivery.accepted_at
    now_text = text(card)
    counted = replace(
        card,
        counted_at=delivery.accepted_at,
        counted_via=delivery.via,
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
    """The card with one more reply due, if the chat shows the card at all; at most one reply of a
    kind is owed.
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


def _fire(
    card: Card,
    before: Card,
    fresh: Sequence[str],
    anew: Sequence[str],
    at: float,
    policy: Policy,
) -> Card:
    """The card after the alerts `fresh` began to fire: they join a firing card, or begin a new
    round of one that had ended. Those in `anew` fired before and began again without an end.
    """
    card = replace(card, owed=tuple(reply for reply in card.owed if reply.kind != "resolved"))
    if not before.entries:
        return replace(card, closed_at=None)
    if card.closed_at is not None:
        return _reopen(
            card, before, card.closed_at, at - card.closed_at <= policy.lifecycle.reopen_window
        )
    if not is_firing(before):
        again = OwedReply("again", (*fresh, *anew), at)
        return _owe(replace(card, change="again"), again, wanted=True)
    if anew:
        card = _owe(replace(card, change="again"), OwedReply("again", tuple(anew), at), wanted=True)
    raised, joined = _risen(card, before, fresh, policy.identity_ignores)
    if raised:
        card = _owe(card, OwedReply("raised", raised, at), wanted=policy.lifecycle.reply_joined)
    if joined:
        card = _owe(card, OwedReply("joined", joined, at), wanted=policy.lifecycle.reply_joined)
    return card


def _risen(
    card: Card, before: Card, fresh: Sequence[str], ignores: Set[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The alerts that fired with a lower severity before, and those that are news. An alert that
    fired with a higher severity already is neither.
    """
    known: dict[frozenset[tuple[str, str]], int] = {}
    for entry in before.entries[:DETAILED]:
        if fires(entry):
            key = thing(entry.labels, ignores)
            known[key] = min(rank(entry.severity), known.get(key, rank(entry.severity)))
    news = set(fresh)
    raised: list[str] = []
    joined: list[str] = []
    for entry in card.entries:
        if entry.fingerprint not in news:
            continue
        had = known.get(thing(entry.labels, ignores))
        if had is None:
            joined.append(entry.fingerprint)
        elif rank(entry.severity) < had:
            raised.append(entry.fingerprint)
    return tuple(raised), tuple(joined)


def _reopen(card: Card, before: Card, closed_at: float, soon: bool) -> Card:  # noqa: FBT001 - a fact, not a switch
    """A new round. It replies to the earlier one, and counts with it if it comes soon enough."""
    began = min((entry.starts_at for entry in before.entries if entry.starts_at), default=closed_at)
    ended = max((entry.ends_at for entry in before.entries if entry.ends_at), default=closed_at)
    return replace(
        card,
        entries=tuple(
            entry for entry in card.entries if fires(entry) or entry.held_since is not None
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
    """The card after its last firing alert ended: a closing reply is due, and no other."""
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
    """The entry with only the labels that urgency, mentions and a silence of the whole card
    need.
    """
    labels: Labels = {
        key: value
        for key, value in entry.labels.items()
        if key in names or shared.get(key) == value
    }
    if not entry.annotations and not entry.generator_url and len(labels) == len(entry.labels):
        return entry
    return replace(entry, labels=labels, annotations={}, generator_url="")
