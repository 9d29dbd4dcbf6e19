"""Planning: what a chat shows is compared with what it should show, and the next step is named."""

from relay.core.card.card import Card, is_firing, is_settled, is_taken, is_untold, mark
from relay.core.card.fold import ripens_at
from relay.core.card.hours import UNRESTRICTED, Hours
from relay.core.card.severity import never_rings
from relay.core.card.step import Edit, Post, Reply, Step, Wait
from relay.core.routing.lane import Policy
from relay.core.routing.matcher import matches

EDIT_GAP = 2.0  # seconds between edits of one card: what comes within them is shown by one edit
_LOUD = ("raised", "joined", "repeated", "again")


def plan(card: Card, policy: Policy, now: float, hours: Hours = UNRESTRICTED) -> Step | Wait:
    """The next step of the card, or until when there is none.

    A reply that should be heard goes before the edit it belongs to; the closing reply goes after
    it.
    """
    now_mark, ripe_at = mark(card), ripens_at(card, policy)
    if hours.muted:
        return Wait(
            ripe_at if is_untold(card) or is_settled(card) else _first(hours.until, ripe_at)
        )
    if not card.entries or card.absorbed or card.refused == now_mark:
        return Wait(ripe_at)
    silent = policy.silent or not _may_ring(card) or (hours.quiet and not is_urgent(card, policy))
    if card.shown is None:
        if is_untold(card):
            return Wait(ripe_at)
        return Post(silent=silent or card.announced or not is_firing(card), reply_to=card.previous)
    loud = next((owed for owed in card.owed if owed.kind in _LOUD), None)
    if loud:
        silent = silent or (loud.kind == "repeated" and is_taken(card))
        return Reply(card.shown.message, loud.kind, silent=silent, about=loud.about)
    if card.shown.mark != now_mark:
        at = card.shown.edited_at + EDIT_GAP
        return Edit(card.shown.message) if at <= now else Wait(_first(at, ripe_at))
    if card.owed:
        return Reply(card.shown.message, card.owed[0].kind, silent=True, about=card.owed[0].about)
    return Wait(ripe_at)


def due(card: Card, policy: Policy, now: float, hours: Hours = UNRESTRICTED) -> float | None:
    """When the card next needs a look: `now` when a step is ready; None when nothing is to come."""
    planned = plan(card, policy, now, hours)
    return planned.until if isinstance(planned, Wait) else now


def is_urgent(card: Card, policy: Policy) -> bool:
    """A firing alert of the card matches the receiver's `urgent` matchers."""
    return any(
        entry.status == "firing" and matches(policy.urgent, entry.labels) for entry in card.entries
    )


def _may_ring(card: Card) -> bool:
    return any(
        entry.status == "firing"
        and not never_rings(entry.labels.get("alertname", ""), entry.severity)
        for entry in card.entries
    )


def _first(at: float | None, other: float | None) -> float | None:
    return min((each for each in (at, other) if each is not None), default=None)
