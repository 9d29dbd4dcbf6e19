"""Folding: applies deliveries to the wanted state of a card."""

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from relay.core.alert import Alert, identity, thing_key
from relay.core.card.brief_entries import ordered
from relay.core.card.card import (
    Card,
    Entry,
    Head,
    OwedReply,
    is_firing,
    is_settled,
    text,
)
from relay.core.card.entry import absent, continued, fires, goes_on, is_new_episode, reported
from relay.core.card.rounds import change_of, close, fire, owe, without_old_news
from relay.core.routing.lane import Policy

# Alertmanager notify/notify.go; '' is before 0.32.
REPEAT_REASONS = ("repeat interval elapsed", "", "unknown")


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
    card = without_old_news(replace(card, entries=ordered(card.entries, policy)))
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
        laid = replace(laid, change=change_of(card, laid, grew=True))
        laid = fire(laid, card, fresh, anew, at, policy)
    elif changed:
        laid = _go_on(laid) if is_firing(laid) and not is_firing(card) else laid
        laid = close(replace(laid, change=change_of(card, laid, grew=False)), card, at, policy)
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
    return owe(
        counted,
        OwedReply("repeated", (), delivery.accepted_at),
        wanted=policy.lifecycle.reply_repeated,
    )
