"""Planning: the difference between the state that a chat shows and the state that it should show
gives the next step.
"""

from msgspec.structs import replace

from relay.core.action.escalation import ActingReply
from relay.core.card.card import (
    Card,
    Entry,
    OwedReply,
    is_firing,
    is_settled,
    is_taken,
    is_untold,
    mark,
)
from relay.core.card.failures import doubts_text
from relay.core.card.hours import UNRESTRICTED, Hours
from relay.core.card.ripening import ripens_at
from relay.core.card.severity import never_rings
from relay.core.card.step import Edit, MessageRef, Post, Rank, Reply, ReplyKind, Step, Wait
from relay.core.routing.lane import Policy
from relay.core.routing.matcher import matches

EDIT_GAP = 2.0  # seconds between edits of one card: one edit shows all changes within them
_LOUD = ("escalated", "unsilenced", "raised", "joined", "repeated", "again")
_NEWS = ("raised", "joined", "again", "unsilenced")
_ENDED = 60.0  # seconds by which Alertmanager's clock may differ from the relay's
_LATER = float("inf")


def plan(card: Card, policy: Policy, now: float, hours: Hours = UNRESTRICTED) -> Step | Wait:
    """The next step of the card, or until when there is none.

    A reply that should be heard goes before the edit it belongs to, unless it fails; the closing
    reply goes after it.
    """
    now_mark, ripe_at = mark(card), ripens_at(card, policy)
    if hours.muted and not (hours.edits and card.shown):
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
    louder = (owed for owed in card.owed if owed.kind in _LOUD)
    loud = min(louder, key=lambda owed: owed.kind != "escalated", default=None)
    is_behind = card.shown.mark != now_mark
    if loud and not hours.muted and not (is_behind and doubts_text(card.failures)):
        if loud.said is not None:  # quiet hours do not delay it
            silent = policy.silent or (loud.kind == "unsilenced" and is_taken(card))
            return Reply(card.shown.message, loud.kind, silent, loud.about, loud.said)
        silent = silent or (loud.kind == "repeated" and is_taken(card))
        return Reply(card.shown.message, loud.kind, silent=silent, about=loud.about)
    if is_behind:
        at = card.shown.edited_at + EDIT_GAP
        return Edit(card.shown.message) if at <= now else Wait(_first(at, ripe_at))
    if card.owed and not hours.muted:
        return Reply(card.shown.message, card.owed[0].kind, silent=True, about=card.owed[0].about)
    if card.left is not None:
        return Edit(card.left, card.shown.message)
    return Wait(ripe_at)


def due(card: Card, policy: Policy, now: float, hours: Hours = UNRESTRICTED) -> float | None:
    """When the card next has to be checked: `now` if a step is ready, None if nothing is to
    come.
    """
    planned = plan(card, policy, now, hours)
    return planned.until if isinstance(planned, Wait) else now


def is_urgent(card: Card, policy: Policy) -> bool:
    """Whether a firing alert of the card matches the receiver's `urgent` matchers."""
    return any(_is_urgent(entry, policy) for entry in card.entries)


def turns_urgent(before: Card, after: Card, policy: Policy) -> bool:
    """Whether an urgent alert fires in `after` that does not in `before`."""
    fired = {entry.fingerprint for entry in before.entries if _is_urgent(entry, policy)}
    return any(
        _is_urgent(entry, policy) and entry.fingerprint not in fired for entry in after.entries
    )


def rank_of(card: Card, step: Step, policy: Policy) -> Rank:
    """The rank of a card's step, by its news."""
    match step:
        case Post():
            if not card.announced:
                return Rank.URGENT if is_urgent(card, policy) else Rank.FIRST
            return Rank.FIRST if card.waiting_since is not None else Rank.FOLLOW
        case Reply(kind=kind, about=about):
            if any(owed.kind == kind and owed.required for owed in card.owed):
                return Rank.REQUIRED
            if is_urgent_news(card, kind, about, policy):
                return Rank.JOINED
            is_behind = card.shown is not None and card.shown.mark != mark(card)
            return _rank_of_edit(card, policy) if is_behind else Rank.REPLY
        case Edit(goes_on=MessageRef()):
            return Rank.EDIT
        case Edit():
            return _rank_of_edit(card, policy)


def rank(card: Card, policy: Policy, planned: Step | Wait) -> Rank:
    """The rank of the card's next step, be it due now, as `planned`, or later, after a mute for
    instance.
    """
    if isinstance(planned, Wait) and planned.until is not None:
        planned = plan(card, policy, _LATER)
    return Rank.LOOK if isinstance(planned, Wait) else rank_of(card, planned, policy)


def is_urgent_news(card: Card, kind: ReplyKind, about: tuple[str, ...], policy: Policy) -> bool:
    """Whether the reply is about an urgent alert that began to fire since the chat last showed the
    card.
    """
    named = set(about)
    return kind in _NEWS and any(
        entry.fingerprint in named and _is_urgent(entry, policy) for entry in card.entries
    )


def with_silence_over(before: Card, after: Card, policy: Policy, now: float) -> Card:
    """The card `after`; it owes a reply if a silence ended while an urgent alert of it fires in
    Alertmanager, which may not post it for hours.
    """
    freed = set(before.acting.silent) - set(after.acting.silent)
    ended = any(
        each.kind == "silenced" and 0.0 < each.until <= now + _ENDED
        for each in before.acting.suppressed
    )
    if not freed or not ended or after.shown is None:
        return after
    about = tuple(
        entry.fingerprint
        for entry in after.entries
        if entry.fingerprint in freed and entry.absent_since is None and _is_urgent(entry, policy)
    )
    if not about:
        return after
    owed = OwedReply("unsilenced", about, now, said=ActingReply("silence_over", now))
    return replace(after, owed=(*after.owed, owed))


def _rank_of_edit(card: Card, policy: Policy) -> Rank:
    """The rank of an edit: that of an urgent alert if one joined that the chat does not
    show yet.
    """
    if not is_firing(card):
        return Rank.RESOLVE
    since = card.waiting_since
    if since is not None and any(
        entry.joined_at >= since and _is_urgent(entry, policy) for entry in card.entries
    ):
        return Rank.JOINED
    return Rank.EDIT


def _is_urgent(entry: Entry, policy: Policy) -> bool:
    return (
        entry.status == "firing" and matches(policy.urgent, entry.labels) and not is_routine(entry)
    )


def is_routine(entry: Entry) -> bool:
    """Whether the alert never makes a sound."""
    return never_rings(entry.labels.get("alertname", ""), entry.severity)


def _may_ring(card: Card) -> bool:
    return any(entry.status == "firing" and not is_routine(entry) for entry in card.entries)


def _first(at: float | None, other: float | None) -> float | None:
    return min((each for each in (at, other) if each is not None), default=None)
