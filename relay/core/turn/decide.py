"""Deciding a turn. No other module decides the next step of a card, a digest or a summary."""

from msgspec import Struct
from msgspec.structs import replace

from relay.core.action.settings import ActingConfig
from relay.core.active_config import ActiveConfig
from relay.core.budget import Limit
from relay.core.card import digest
from relay.core.card.advance import without_replies
from relay.core.card.card import Card, OwedReply, is_settled, is_untold, rest
from relay.core.card.digest import DIGEST, QUIET, Line
from relay.core.card.failures import paused_until
from relay.core.card.hours import UNRESTRICTED, Hours, hours_at
from relay.core.card.lane_state import Down, LaneState
from relay.core.card.plan import is_urgent, is_urgent_news, plan, rank, rank_of, turns_urgent
from relay.core.card.ripening import contradiction, ripen
from relay.core.card.step import Edit, Post, Rank, Step, Wait
from relay.core.card.view import Memory
from relay.core.event import EndReason
from relay.core.routing.lane import Policy, Target
from relay.core.turn.change import CardChange

# While all urgent cards fit into this part of `digest_after` (ten seconds of a minute), each gets a
# message of its own.
URGENT_PART = 6
# So many urgent cards get messages of their own however short the budget is.
FEW = 4
URGENT_PAUSE = 15.0  # seconds, at least, between calls of a lane that pauses after a failure


class Situation(Struct, frozen=True):
    """What a decision depends on beside the card: the time (Unix seconds), the chat, the lane's
    state, its hours, and what else waits. What others decide about an alert (who took it, its
    silences, its heartbeat) is in `Card.acting`.

    The card was chosen by `rank`. `limits` are the budgets of each call. `waiting` cards of the
    lane wait for a call; on `lanes` other threads of the chat `waiting_beside` do. `urgent` of the
    lane's cards have something urgent that is not told yet, and the chat has room for `urgent_room`
    calls of this lane while that may wait. `lines` are those of a digest or a summary; `digest` is
    the lane's. `memory` are the episodes of the card's alert in the last seven days, if the card
    shows one alert. `acting` is what people may do from the chat; `button_key` authenticates
    buttons (empty: there are none). `wall_ahead`: see `ActiveConfig`.
    """

    now: float
    target: Target
    state: LaneState
    hours: Hours = UNRESTRICTED
    limits: tuple[Limit, ...] = ()
    waiting: int = 0
    waiting_beside: int = 0
    lanes: int = 0
    urgent: int = 0
    urgent_room: float = float("inf")
    rank: Rank = Rank.EDIT
    lines: tuple[Line, ...] = ()
    digest: Card | None = None
    memory: Memory = Memory()
    acting: ActingConfig = ActingConfig()
    button_key: bytes = b""
    wall_ahead: float = 0.0

    @property
    def shown_now(self) -> float:
        """The time by the wall clock, by which messages tell of times. Waits follow `now`."""
        return self.now + self.wall_ahead

    @property
    def policy(self) -> Policy:
        """The policy of the receiver in this chat."""
        return self.target.policy

    @property
    def room(self) -> float:
        """How many calls the chat has room for from this lane within `digest_after`."""
        room = digest.capacity(self.limits, self.policy.digest_after)
        return digest.share(room, self.waiting_beside, self.lanes)


class Send(Struct, frozen=True):
    """Make this call for the card in the state given. `contradicted`: the external URLs of two
    Alertmanagers that keep contradicting each other about its group.
    """

    card: Card
    step: Step
    rank: Rank
    contradicted: tuple[str, str] | None = None


class Save(Struct, frozen=True):
    """No call: store the card as given."""

    change: CardChange
    contradicted: tuple[str, str] | None = None


class Close(Struct, frozen=True):
    """No call, now or later: the chat shows the end of the card, and the card is closed."""

    change: CardChange
    contradicted: tuple[str, str] | None = None


class Absorb(Struct, frozen=True):
    """The lane's digest, in the name of `receiver`, tells of the waiting cards; with `urgent` also
    of those with urgent news. They are rechecked at `recheck_at`, Unix seconds. `pressed`: more
    cards wait than the chat takes; otherwise they join a digest that is open. `beside`: the digest
    also counts firing cards that got a message of their own since this time (Unix seconds).
    """

    receiver: str
    recheck_at: float
    urgent: bool = False
    pressed: bool = True
    beside: float = 0.0


class Follow(Struct, frozen=True):
    """One of the urgent cards that the digest has told gets a message of its own. `change` is the
    digest to store.
    """

    change: CardChange


Decision = Send | Save | Close | Absorb | Follow | Wait


def pause(
    state: LaneState,
    targets: tuple[Target, ...],
    now: float,
    *,
    urgent: bool = False,
    called_at: float = 0.0,
) -> Wait | None:
    """Until when the lane must not call its chat: it pauses after a failure, or the chat refuses
    messages and is not to be probed yet. None: it may call. For `urgent` news that nothing has told
    yet a call is made from time to time during a pause; `called_at` is when the lane last called.
    """
    if state.down:
        return None if may_probe(state.down, targets, now) else Wait(state.down.probe_at)
    until = min(state.retry_at, state.fresh_at or state.retry_at)
    if urgent:
        until = min(until, called_at + URGENT_PAUSE)
    return Wait(until) if until > now else None


def may_probe(down: Down, targets: tuple[Target, ...], now: float) -> bool:
    """Whether a chat that refuses messages is probed: it is time, or there is a secret that it has
    not refused.
    """
    is_time = down.probe_at is not None and down.probe_at <= now
    return is_time or down.secret not in {target.endpoint.secret.mark for target in targets}


def decide(card: Card, situation: Situation) -> Decision:
    """The decision about the card at `now`: a group's card, the lane's digest, or its summary after
    quiet hours.
    """
    match card.group:
        case group if group == DIGEST:
            return _decide_digest(card, situation)
        case group if group == QUIET:
            return _decide_summary(card, situation)
        case _:
            return _decide_card(card, situation)


def _decide_card(card: Card, situation: Situation) -> Decision:
    policy, now, hours = situation.policy, situation.now, situation.hours
    ripe = ripened(card, policy, now)
    against = contradiction(card, ripe)
    if ripe is not card:  # its rank may have changed, so that others go first
        return _saved(ripe, situation, against)
    if situation.waiting > situation.room / 2:
        owed = tuple(reply for reply in ripe.owed if _is_kept(ripe, reply, policy))
        ripe = replace(ripe, owed=owed) if owed != ripe.owed else ripe
    if situation.state.down:
        ripe = without_replies(ripe)
    if ripe.left is not None and situation.target.endpoint.former is None:
        ripe = replace(ripe, left=None)
    step = plan(ripe, policy, now, hours)
    if isinstance(step, Wait) or _pauses(ripe, step, situation):
        change = kept(ripe, situation)
        if change.card == card and not change.settled and against is None:
            return Wait(change.due)
        return _saved(ripe, situation, against)
    if situation.rank == Rank.LOOK:
        return _saved(ripe, situation, against)
    ranked = rank_of(ripe, step, policy)
    absorb = _absorbed(step, ranked, situation)
    return absorb or Send(ripe, step, ranked, against)


def ripened(card: Card, policy: Policy, now: float) -> Card:
    """The card after its holds that are over. A digest no longer speaks for a card that newly turns
    urgent.
    """
    ripe = ripen(card, policy, now)
    return leaving(card, ripe, policy)


def leaving(before: Card, after: Card, policy: Policy) -> Card:
    """The card, which speaks for itself again if it turned urgent after its digest told of it."""
    if after.absorbed and after.shown is None and turns_urgent(before, after, policy):
        return replace(after, absorbed=False, announced=False)
    return after


def _is_kept(card: Card, reply: OwedReply, policy: Policy) -> bool:
    """Whether the reply is sent even if the budget is short."""
    return reply.required or is_urgent_news(card, reply.kind, reply.about, policy)


def _saved(card: Card, situation: Situation, against: tuple[str, str] | None) -> Save | Close:
    change = kept(card, situation)
    over = change.card.closed_at is not None and change.settled and change.due is None
    return Close(change, against) if over else Save(change, against)


def _absorbed(step: Step, ranked: Rank, situation: Situation) -> Absorb | None:
    """The digest that takes in the card instead of the step: more cards wait than the chat takes,
    or a digest is open.
    """
    policy, now = situation.policy, situation.now
    recheck_at, beside = now + policy.late_hold, now - policy.digest_after
    news = isinstance(step, Post) and ranked in (Rank.URGENT, Rank.FIRST)
    if ranked in (Rank.URGENT, Rank.JOINED):
        if situation.urgent > max(situation.urgent_room, FEW):
            return Absorb(policy.receiver, recheck_at, urgent=True, beside=beside)
    elif news and situation.waiting > situation.room:
        return Absorb(policy.receiver, recheck_at, beside=beside)
    urgent = ranked == Rank.URGENT
    if news and digest.is_open(situation.digest, now, urgent=urgent):
        return Absorb(policy.receiver, recheck_at, urgent, pressed=False, beside=beside)
    return None


def _decide_digest(card: Card, situation: Situation) -> Decision:
    lines, now, limits = situation.lines, situation.now, situation.limits
    step = digest.plan(card, lines, situation.policy, now, situation.hours, limits)
    ranked = digest.rank_of(lines)
    if not isinstance(step, Wait) and _pauses(card, step, situation, ranked):
        again_at = card_pauses_until(card, situation.state, ranked)
        return Save(CardChange(card, again_at, urgent=False, rank=ranked))
    follow_at = None if situation.hours.muted else digest.follows_at(card, lines, limits)
    if follow_at is not None and follow_at <= now:
        storm = replace(digest.storm_of(card), followed_at=now)
        changed = CardChange(replace(card, storm=storm), now, urgent=False, rank=ranked)
        if not digest.is_following(lines):
            return Follow(changed)
        follow_at = now + digest.FOLLOW_GAP
    if not isinstance(step, Wait):
        return Send(card, step, ranked)
    until = min((at for at in (step.until, follow_at) if at is not None), default=None)
    settled = digest.shows_all(card, lines)
    closed_at = now if settled and digest.is_over(lines) else None
    since = None if settled else card.waiting_since
    change = CardChange(
        replace(card, waiting_since=since, closed_at=closed_at),
        None if closed_at else until,
        urgent=False,
        settled=settled,
        rank=ranked,
    )
    return Save(change) if closed_at is None else Close(change)


def _decide_summary(card: Card, situation: Situation) -> Decision:
    """One message after quiet hours about all that fires, with a sound if some of it is urgent. It
    is edited only while it leaves out texts that its chat may take.
    """
    now, lines = situation.now, situation.lines
    if situation.hours != UNRESTRICTED or not lines:
        until = situation.hours.until if card.shown is None else None
        return Save(CardChange(card, until, urgent=False, rank=Rank.FIRST))
    urgent = any(line.urgent for line in lines)
    ranked = Rank.URGENT if urgent and card.shown is None else Rank.FIRST
    again_at = card_pauses_until(card, situation.state, ranked)
    if again_at > now:
        return Save(CardChange(card, again_at, urgent=False, rank=Rank.FOLLOW))
    if card.shown is None:
        return Send(card, Post(silent=situation.policy.silent or not urgent), ranked)
    at = digest.edited_at(card, lines, situation.limits)
    if at is not None and at <= now:
        return Send(card, Edit(card.shown.message), Rank.EDIT)
    return Save(CardChange(card, at, urgent=False, rank=Rank.EDIT))


def _pauses(card: Card, step: Step, situation: Situation, ranked: Rank | None = None) -> bool:
    """Whether the card failed a moment ago and others of its lane may go meanwhile."""
    if card.failures is None:
        return False
    ranked = rank_of(card, step, situation.policy) if ranked is None else ranked
    return card_pauses_until(card, situation.state, ranked) > situation.now


def card_pauses_until(card: Card, state: LaneState, ranked: Rank) -> float:
    """Until when the card pauses, Unix seconds: not long if something urgent is untold and no
    message would be doubled.
    """
    until = paused_until(card.failures, state)
    if card.failures is None or ranked != Rank.URGENT or card.failures.unknown:
        return until
    return min(until, card.failures.at + URGENT_PAUSE)


def kept(card: Card, situation: Situation) -> CardChange:
    """The card of a group in the form in which it is stored. The deliveries of a muted card end as
    muted; the card shows the state after the mute.
    """
    policy, hours, now = situation.policy, situation.hours, situation.now
    muted = hours.muted and not (hours.edits and card.shown)
    card = replace(card, waiting_since=None, owed=()) if muted else card
    card = replace(card, owed=()) if hours.muted else card
    card = rest(card, now) if not muted or is_untold(card) else card
    planned = plan(card, policy, now, hours)
    ranked = rank(card, policy, planned)
    due_at = planned.until if isinstance(planned, Wait) else now
    if due_at is not None:
        due_at = max(due_at, card_pauses_until(card, situation.state, ranked))
    return CardChange(
        card,
        due_at,
        urgent=is_urgent(card, policy),
        settled=muted or is_settled(card),
        rank=ranked,
        muted_by=(hours.by or EndReason.MUTED) if muted else "",
    )


def hours_of(card: Card, target: Target, config: ActiveConfig, now: float) -> Hours:
    """The effect of the present wall-clock hour on the card in this chat."""
    ahead, policy = config.wall_ahead, target.policy
    if ahead:  # the end of a mute is a wait, which follows the steady clock
        policy = replace(policy, muted_until=policy.muted_until and policy.muted_until + ahead)
    hours = hours_at(config.routing, config.intervals, card, target.lane, policy, now + ahead)
    return replace(hours, until=hours.until - ahead) if hours.until is not None else hours
