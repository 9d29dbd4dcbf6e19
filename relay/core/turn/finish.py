"""Finishing a turn: applies the result of a call to its card and lane."""

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from relay.core.alert import GroupId
from relay.core.budget import Block
from relay.core.card import digest, suspicion, withheld
from relay.core.card.advance import Advanced, advance
from relay.core.card.card import Card, Withheld
from relay.core.card.digest import DIGEST, QUIET, Line
from relay.core.card.lane_state import LaneState
from relay.core.card.outcome import (
    Delivered,
    MessageGone,
    Outcome,
    RateLimited,
    Rejected,
    Unavailable,
    Unknown,
)
from relay.core.card.step import Post, Rank, Reply
from relay.core.template.listing import owe_document
from relay.core.turn.change import AttemptResult, CardChange
from relay.core.turn.decide import Send, Situation, card_pauses_until, kept


class Attempted(Struct, frozen=True):
    """A call that was made: when it ended (Unix seconds), its outcome, the blocks that its headers
    demand, the lane state with what the answer told, and the budgets that turned out to have
    another name.
    """

    at: float
    outcome: Outcome
    state: LaneState
    blocks: tuple[Block, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()


class Contents(Struct, frozen=True):
    """The contents of a message: the fingerprints of the alerts that it only counts, and the cards
    that a digest names.
    """

    counted: Sequence[str] = ()
    named: frozenset[tuple[GroupId, str]] = frozenset()


def finish(
    send: Send, situation: Situation, contents: Contents, attempted: Attempted, jitter: float
) -> AttemptResult:
    """The result of the attempt, which the next turn settles. `jitter` (0 to 1) spreads the next
    try.
    """
    seconds = attempted.at - situation.now
    situation = replace(situation, now=attempted.at)
    outcome, keys = attempted.outcome, tuple(limit.key for limit in situation.limits)
    match send.card.group:
        case group if group == DIGEST:
            result = _finish_digest(send, situation, contents, attempted, jitter)
        case group if group == QUIET:
            result = _finish_summary(send, situation, attempted, jitter)
        case _:
            result = _finish_card(send, situation, contents, attempted, jitter)
    return replace(
        result,
        state=_suspecting(_marked(result.state, situation), send.card, attempted, seconds),
        blocks=result.blocks + attempted.blocks,
        renamed=attempted.renamed,
        budgets=() if isinstance(outcome, RateLimited) else keys,
        passed=not isinstance(outcome, Unavailable | Unknown),
    )


def _finish_card(
    send: Send, situation: Situation, contents: Contents, attempted: Attempted, jitter: float
) -> AttemptResult:
    advanced = _advanced(send, attempted, jitter)
    card = advanced.card
    if advanced.shown:
        card = owe_document(card, send.step, contents.counted, situation.policy, attempted.at)
    return AttemptResult(
        lane=situation.target.lane,
        state=advanced.state,
        change=kept(card, replace(situation, state=advanced.state)),
        now=attempted.at,
        blocks=advanced.blocks,
        shown=advanced.shown,
        dead=advanced.dead,
        also=_summary_due(situation) if situation.hours.quiet else (),
    )


def _finish_digest(
    send: Send, situation: Situation, contents: Contents, attempted: Attempted, jitter: float
) -> AttemptResult:
    lines, at = situation.lines, attempted.at
    advanced = _withholding(send, lines, attempted, jitter)
    card, over = advanced.card, advanced.shown and digest.is_over(lines)
    known = digest.storm_of(card).withheld
    rang = _rang(send, attempted.outcome, known)
    if rang:
        card = replace(card, storm=replace(digest.storm_of(card), rung_at=at))
    if advanced.shown and known is not None and not known.refused and not over:
        card = replace(card, waiting_since=send.card.waiting_since, doubt=send.card.doubt)
    elif advanced.shown:
        card = replace(card, waiting_since=None, closed_at=at if over else None)
    urgent = any(line.urgent for line in lines)
    rests = over or (advanced.shown and known is None and not urgent)
    return AttemptResult(
        lane=situation.target.lane,
        state=advanced.state,
        change=CardChange(
            card, None if rests else _again_at(advanced, send.rank), urgent=False, rank=send.rank
        ),
        now=at,
        blocks=advanced.blocks,
        shown=advanced.shown,
        dead=advanced.dead,
        digest=contents.named,
        rang=rang,
        also=_summary_due(situation) if situation.hours.quiet else (),
    )


def _withholding(
    send: Send, lines: Sequence[Line], attempted: Attempted, jitter: float
) -> Advanced:
    """The digest or summary after the attempt, with what that showed about texts that its chat does
    not accept. A platform that refuses the message refuses those who are named in it; the message
    is dead only if it names nobody.
    """
    advanced = _advanced(send, attempted, jitter, digest.mark(lines))
    card, state, at = advanced.card, advanced.state, attempted.at
    storm, is_reply = digest.storm_of(card), isinstance(send.step, Reply)
    told = digest.joined(lines) if is_reply else lines
    match attempted.outcome:
        case Delivered():
            known = withheld.passed(storm.withheld, lines, told)
        case Unavailable() | Unknown(stopped=False) if card.failures is not None:
            known = withheld.failed(storm.withheld, told, card.failures, state, at)
        case Rejected() if is_reply or advanced.dead:
            known = withheld.refused(storm.withheld, told, at)
            if known is None:
                return advanced
            card = replace(send.card, tried_at=at, failures=None, plain=False)
            advanced = replace(advanced, dead="")
        case _:
            return advanced
    return replace(advanced, card=replace(card, storm=replace(storm, withheld=known)))


def _rang(send: Send, outcome: Outcome, known: Withheld | None) -> bool:
    """Whether the digest made its sound, or never will: a line that the chat does not accept, even
    without the texts that it withholds, or may have already, is not sent again.
    """
    match send.step, outcome:
        case Post(silent=silent), _:
            return not silent and isinstance(outcome, Delivered)
        case Reply(), Rejected():
            return known is None or known == digest.storm_of(send.card).withheld
        case Reply(), _:
            return isinstance(outcome, Delivered | Unknown | MessageGone)
        case _:
            return False


def _finish_summary(
    send: Send, situation: Situation, attempted: Attempted, jitter: float
) -> AttemptResult:
    advanced = _withholding(send, situation.lines, attempted, jitter)
    card, known = advanced.card, digest.storm_of(advanced.card).withheld
    again_at = None if advanced.shown or advanced.dead else _again_at(advanced, send.rank)
    if advanced.shown and known is not None:  # edits tell the rest
        card, again_at = replace(card, doubt=send.card.doubt), attempted.at
    rank = Rank.FOLLOW if card.shown is None else Rank.EDIT
    change = CardChange(card, again_at, urgent=False, rank=rank)
    lane = situation.target.lane
    return AttemptResult(lane, advanced.state, change, attempted.at, advanced.blocks)


def _again_at(advanced: Advanced, rank: Rank) -> float:
    """When a card that is not shown yet is tried again: at once, or when its pause ends."""
    return max(advanced.card.tried_at, card_pauses_until(advanced.card, advanced.state, rank))


def _advanced(send: Send, attempted: Attempted, jitter: float, sent: str = "") -> Advanced:
    outcome, at = attempted.outcome, attempted.at
    return advance(send.card, attempted.state, send.step, outcome, at, jitter, sent)


def _summary_due(situation: Situation) -> tuple[CardChange, ...]:
    """The summary of what came without a sound is due when the quiet hours end."""
    card = Card(QUIET, "", situation.policy.receiver)
    return (CardChange(card, situation.hours.until, urgent=False, rank=Rank.FIRST),)


def _suspecting(state: LaneState, card: Card, attempted: Attempted, seconds: float) -> LaneState:
    """The lane after a call of so many seconds. After a failed one the words of its card are
    suspected.
    """
    match attempted.outcome:
        case Delivered():
            return suspicion.lifted(state, card, attempted.at)
        case Unavailable() | Unknown(stopped=False):
            return suspicion.raised(state, card, attempted.at, seconds)
        case _:
            return state


def _marked(state: LaneState, situation: Situation) -> LaneState:
    """The lane state with the mark of the secret that a chat refused: another secret is tried at
    once.
    """
    if state.down is None:
        return state
    return replace(state, down=replace(state.down, secret=situation.target.endpoint.secret.mark))
