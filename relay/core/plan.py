"""Planning: what a chat shows is compared with what it should show, and the next step is named."""

from relay.core.card import Card, Owed, is_firing, mark
from relay.core.fold import ripens_at
from relay.core.lane import Policy
from relay.core.matcher import matches
from relay.core.step import Edit, MessageRef, Post, Reply, Step, Wait

EDIT_GAP = 2.0  # seconds between edits of one card: what comes within them is shown by one edit
_LOUD = ("joined", "repeated", "again")


def plan(card: Card, policy: Policy, now: float) -> Step | Wait:
    """The next step of the card, or until when there is none.

    A reply that should be heard goes before the edit it belongs to; the closing reply goes after it.
    """
    now_mark = mark(card)
    if card.retry_at > now:
        return Wait(card.retry_at)
    if not card.entries or card.absorbed or card.refused == now_mark:
        return Wait(ripens_at(card, policy))
    if card.shown is None:
        return Post(silent=policy.silent or not is_firing(card), reply_to=card.previous)
    loud = next((owed for owed in card.owed if owed.kind in _LOUD), None)
    if loud:
        return _reply(loud, card.shown.message, policy)
    if card.shown.mark != now_mark:
        at = card.shown.edited_at + EDIT_GAP
        return Edit(card.shown.message) if at <= now else Wait(_first(at, ripens_at(card, policy)))
    if card.owed:
        return _reply(card.owed[0], card.shown.message, policy)
    return Wait(ripens_at(card, policy))


def due(card: Card, policy: Policy, now: float) -> float | None:
    """When the card next needs a look: `now` when a step is ready; None when nothing is to come."""
    planned = plan(card, policy, now)
    return planned.until if isinstance(planned, Wait) else now


def is_urgent(card: Card, policy: Policy) -> bool:
    """A firing alert of the card matches the receiver's `urgent` matchers."""
    return any(entry.status == "firing" and matches(policy.urgent, entry.labels) for entry in card.entries)


def _reply(owed: Owed, message: MessageRef, policy: Policy) -> Reply:
    silent = policy.silent or owed.kind not in _LOUD
    return Reply(message, owed.kind, silent=silent, about=owed.about)


def _first(at: float, other: float | None) -> float:
    return at if other is None else min(at, other)
