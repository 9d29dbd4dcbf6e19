"""Deciding a turn: the one place that says what is to be done with a card, a digest or a
summary.
"""

from enum import IntEnum

from msgspec import Struct
from msgspec.structs import replace

from relay.core.action.settings import ActingConfig
from relay.core.active_config import ActiveConfig
from relay.core.budget import Limit
from relay.core.card import digest
from relay.core.card.advance import without_replies
from relay.core.card.card import Card, is_firing, is_settled, is_untold, rest
from relay.core.card.digest import DIGEST, QUIET, Line
from relay.core.card.failures import paused_until
from relay.core.card.fold import contradiction, ripen
from relay.core.card.hours import UNRESTRICTED, Hours, hours_at
from relay.core.card.lane_state import Down, LaneState
from relay.core.card.plan import due, is_urgent, plan
from relay.core.card.step import Edit, Post, Reply, Step, Wait
from relay.core.card.view import Memory
from relay.core.routing.lane import Policy, Target
from relay.core.turn.change import CardChange


class Rank(IntEnum):
    """How urgent a step is, by what it tells. Among lanes that share a budget the lowest goes
    first, then the one that waits longest.
    """

    URGENT = 0
    FIRST = 1
    RESOLVE = 2
    EDIT = 3
    REPLY = 4


class Situation(Struct, frozen=True):
    """What decides beside the card itself: the time (Unix seconds), the chat, what the lane learnt
    of it, its hours, and who else waits. What others own of an alert (who took it, its silences,
    its heartbeat) stands in the card (see `Card.acting`).

    `limits` are the budgets of each call. `waiting` cards of the lane wait for a call; on `lanes`
    other threads of the chat `waiting_beside` do. `lines` are what a digest or a summary tells of.
    `memory` is what is known of the last seven days of the card's alert, if it has one. `acting` is
    what people may do from the chat, `button_key` authenticates buttons (empty: there are none).
    """

    now: float
    target: Target
    state: LaneState
    hours: Hours = UNRESTRICTED
    limits: tuple[Limit, ...] = ()
    waiting: int = 0
    waiting_beside: int = 0
    lanes: int = 0
    lines: tuple[Line, ...] = ()
    memory: Memory = Memory()
    acting: ActingConfig = ActingConfig()
    button_key: bytes = b""

    @property
    def policy(self) -> Policy:
        """How the receiver wants its messages in this chat."""
        return self.target.policy

    @property
    def room(self) -> float:
        """How many calls the chat leaves this lane within `digest_after`."""
        room = digest.capacity(self.limits, self.policy.digest_after)
        return digest.share(room, self.waiting_beside, self.lanes)


class Send(Struct, frozen=True):
    """Make this call for the card as it is here. `contradicted`: the external URLs of two
    Alertmanagers that go on contradicting each other over its group.
    """

    card: Card
    step: Step
    rank: Rank
    contradicted: tuple[str, str] | None = None


class Save(Struct, frozen=True):
    """Nothing to call: keep the card as it is here."""

    change: CardChange
    contradicted: tuple[str, str] | None = None


class Close(Struct, frozen=True):
    """Nothing to call, now or later: the chat shows the end of the card, which is closed."""

    change: CardChange
    contradicted: tuple[str, str] | None = None


class Absorb(Struct, frozen=True):
    """More waits than the chat takes: the lane's digest, in the name of `receiver`, tells of the
    cards that wait. They are rechecked at `recheck_at`, Unix seconds.
    """

    receiver: str
    recheck_at: float


Decision = Send | Save | Close | Absorb | Wait


def pause(state: LaneState, targets: tuple[Target, ...], now: float) -> Wait | None:
    """Until when the lane must not call its chat: it pauses after a failure, or the chat refuses
    messages and is not to be probed yet. None: it may.
    """
    if state.down:
        return None if may_probe(state.down, targets, now) else Wait(state.down.probe_at)
    return Wait(state.retry_at) if state.retry_at > now else None


def may_probe(down: Down, targets: tuple[Target, ...], now: float) -> bool:
    """A chat that refuses is asked again when it is time, or with a secret that it has not
    refused.
    """
    is_time = down.probe_at is not None and down.probe_at <= now
    return is_time or down.secret not in {target.endpoint.secret.mark for target in targets}


def decide(card: Card, situation: Situation) -> Decision:
    """What is to be done with the card now, be it a group's, the lane's digest, or its summary
    after quiet hours.
    """
    match card.group:
        case group if group == DIGEST:
            return _decide_digest(card, situation)
        case group if group == QUIET:
            return _decide_summary(card, situation)
        case _:
            return _decide_card(card, situation)


def _decide_card(card: Card, situation: Situation) -> Decision:
    policy, now = situation.policy, situation.now
    ripe = ripen(card, policy, now)
    against = contradiction(card, ripe)
    if situation.waiting > situation.room / 2:
        ripe = replace(ripe, owed=tuple(reply for reply in ripe.owed if reply.required))
    if situation.state.down:
        ripe = without_replies(ripe)
    step = plan(ripe, policy, now, situation.hours)
    if isinstance(step, Wait) or _pauses(ripe, situation):
        change = kept(ripe, situation)
        if change.card == card and not change.settled and against is None:
            return Wait(change.due)
        over = change.card.closed_at is not None and change.settled and change.due is None
        return Close(change, against) if over else Save(change, against)
    urgent = is_urgent(ripe, policy)
    if situation.waiting > situation.room and isinstance(step, Post) and not urgent:
        return Absorb(policy.receiver, now + policy.late_hold)
    return Send(ripe, step, rank_of(ripe, step, urgent=urgent), against)


def _decide_digest(card: Card, situation: Situation) -> Decision:
    step = digest.plan(card, situation.lines, situation.policy, situation.now, situation.hours)
    if not isinstance(step, Wait) and _pauses(card, situation):
        until = paused_until(card.failures, situation.state)
        return Save(CardChange(card, until, urgent=False))
    if not isinstance(step, Wait):
        return Send(card, step, rank_of(card, step, urgent=False))
    if step.until is not None:
        return Save(CardChange(card, step.until, urgent=False))
    over = digest.is_over(situation.lines)
    closed_at = situation.now if over else None
    change = CardChange(
        replace(card, waiting_since=None, closed_at=closed_at), None, urgent=False, settled=True
    )
    return Close(change) if over else Save(change)


def _decide_summary(card: Card, situation: Situation) -> Decision:
    """One message with sound after quiet hours, if something urgent still fires."""
    if situation.hours != UNRESTRICTED or not situation.lines:
        return Save(CardChange(card, situation.hours.until, urgent=False))
    if _pauses(card, situation):
        until = paused_until(card.failures, situation.state)
        return Save(CardChange(card, until, urgent=False))
    return Send(card, Post(silent=situation.policy.silent), Rank.FIRST)


def _pauses(card: Card, situation: Situation) -> bool:
    """The card failed a moment ago, and others of its lane may go meanwhile."""
    return paused_until(card.failures, situation.state) > situation.now


def rank_of(card: Card, step: Step, *, urgent: bool) -> Rank:
    """The rank of a step."""
    if urgent:
        return Rank.URGENT
    match step:
        case Post():
            return Rank.FIRST
        case Edit():
            return Rank.EDIT if is_firing(card) else Rank.RESOLVE
        case Reply():
            return Rank.REPLY


def kept(card: Card, situation: Situation) -> CardChange:
    """The card of a group as it is to be kept. What a muted card brings is merged: the card shows
    the state after the mute.
    """
    policy, hours, now = situation.policy, situation.hours, situation.now
    urgent = is_urgent(card, policy)
    card = replace(card, absorbed=card.absorbed and not urgent)
    card = replace(card, waiting_since=None, owed=()) if hours.muted else card
    card = rest(card, now) if not hours.muted or is_untold(card) else card
    due_at = due(card, policy, now, hours)
    if due_at is not None:
        due_at = max(due_at, paused_until(card.failures, situation.state))
    return CardChange(card, due_at, urgent, settled=hours.muted or is_settled(card))


def hours_of(card: Card, target: Target, config: ActiveConfig, now: float) -> Hours:
    """How the present hour treats the card in this chat."""
    return hours_at(config.routing, config.intervals, card, target.lane, target.policy, now)
