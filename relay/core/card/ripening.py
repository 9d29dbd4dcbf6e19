"""Ripening: the holds of a card's alerts end, and a card that nobody posts becomes stale."""

import math

from msgspec.structs import replace

from relay.core.card.brief_entries import ordered
from relay.core.card.card import Card, Entry, is_firing, is_suppressed
from relay.core.card.entry import fires, ripe
from relay.core.card.entry import ripens_at as entry_ripens_at
from relay.core.card.rounds import change_of, close, fire, without_old_news
from relay.core.routing.lane import Policy

# Seconds for which a stale card stays open before it closes.
STALE_CLOSES_AFTER = 6 * 3600.0


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
    ripened = replace(card, entries=ordered(entries, policy), stale=stale)
    ripened = replace(
        ripened,
        change=change_of(card, ripened, bool(revived)),
        waiting_since=card.waiting_since or now,
    )
    if revived:
        return fire(ripened, card, revived, (), now, policy)
    return without_old_news(close(ripened, card, now, policy))


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
