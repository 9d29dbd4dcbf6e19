"""Advancing: what an attempt came to is laid over the card and its lane."""

from typing import assert_never

from msgspec import Struct
from msgspec.structs import replace

from relay.core.budget import Block
from relay.core.card.card import Card, Shown, mark, rest
from relay.core.card.lane_state import Down, LaneState, Trouble
from relay.core.card.outcome import (
    BotDown,
    ChatDown,
    Delivered,
    MessageGone,
    Moved,
    Outcome,
    RateLimited,
    Rejected,
    ThreadGone,
    Unavailable,
    Unknown,
)
from relay.core.card.step import Edit, Post, Reply, Step

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 300.0  # seconds between attempts: doubling, with jitter
PROBE_PAUSE = 300.0  # seconds between probes of a chat that refuses us
THREAD_PAUSE = 3600.0  # seconds until a new message tries a thread that was gone
BLIND_PAUSE = 2.0  # least seconds before a call of unknown outcome is repeated


class Advanced(Struct, frozen=True):
    """A card and its lane after an attempt. `blocks`: what the answer forbids.

    `shown`: the chat now shows the card as folded, so its deliveries up to `card.shown_seq` are
    done. `dead`: the platform will never take what is pending, and why.
    """

    card: Card
    state: LaneState
    blocks: tuple[Block, ...] = ()
    shown: bool = False
    dead: str = ""


def advance(
    card: Card,
    state: LaneState,
    step: Step,
    outcome: Outcome,
    now: float,
    jitter: float,
    sent: str = "",
) -> Advanced:
    """The card and lane after `step` came to `outcome` at `now`. `jitter` is 0 to 1; `sent` is the
    mark of what was sent, when it is not the card's own."""
    sent = sent or mark(card)
    match outcome:
        case Delivered(message):
            return _delivered(card, state, step, Shown(message, sent, now, now), now)
        case RateLimited(retry_after, budgets, whole):
            block = Block(budgets, now, retry_after, whole)
            return Advanced(card, _trouble(state, "rate_limited", now), (block,))
        case Unavailable():
            return Advanced(card, _later(_trouble(state, "unreachable", now), now, jitter))
        case Unknown():
            later = _later(_trouble(state, "unreachable", now), now, jitter)
            return Advanced(
                _blind(card, step), replace(later, retry_at=max(later.retry_at, now + BLIND_PAUSE))
            )
        case Moved(chat):
            return Advanced(
                replace(card, shown=None), replace(state, chat=chat, channel=state.channel and chat)
            )
        case Rejected(why):
            return _rejected(card, state, step, why, sent)
        case MessageGone():
            return Advanced(_message_gone(card, step), state)
        case ThreadGone():
            state = replace(state, thread_gone=True, thread_again=now + THREAD_PAUSE)
            return Advanced(replace(card, shown=None), state)
        case ChatDown(why, forever) | BotDown(why, forever):
            left = isinstance(outcome, ChatDown) and outcome.left
            down = _down(state, why, now, forever=forever, left=left)
            return Advanced(card, replace(_trouble(state, "refused", now), down=down))
        case _:
            assert_never(outcome)


def _delivered(card: Card, state: LaneState, step: Step, shown: Shown, now: float) -> Advanced:
    card = replace(card, plain=False, refused="")
    state = replace(
        _over(state, now), down=None, channel=shown.message.chat, attempts=0, retry_at=0.0
    )
    match step:
        case Post():
            card = replace(
                card, shown=shown, shown_seq=card.folded_seq, owed=(), doubt=False, announced=True
            )
            state = replace(state, thread_gone=state.thread_gone and not shown.message.thread)
        case Edit(message):
            posted = card.shown.posted_at if card.shown else now
            card = replace(
                card,
                shown=replace(shown, message=message, posted_at=posted),
                shown_seq=card.folded_seq,
            )
        case Reply(kind=kind):
            card = replace(card, owed=tuple(owed for owed in card.owed if owed.kind != kind))
        case _:
            assert_never(step)
    return Advanced(
        rest(card, now), state, shown=card.shown is not None and card.shown.mark == shown.mark
    )


def _later(state: LaneState, now: float, jitter: float) -> LaneState:
    pause = min(FIRST_PAUSE * 2**state.attempts, LONGEST_PAUSE) * (0.5 + jitter / 2)
    return replace(state, attempts=state.attempts + 1, retry_at=now + pause)


def _blind(card: Card, step: Step) -> Card:
    match step:
        case Post():
            return replace(card, doubt=True)
        case Edit():
            return card
        case Reply(kind=kind):  # optional, and it may stand there already
            return replace(card, owed=tuple(owed for owed in card.owed if owed.kind != kind))
        case _:
            assert_never(step)


def _rejected(card: Card, state: LaneState, step: Step, why: str, sent: str) -> Advanced:
    if isinstance(step, Reply):
        return Advanced(
            replace(card, owed=tuple(owed for owed in card.owed if owed.kind != step.kind)), state
        )
    if not card.plain:
        return Advanced(replace(card, plain=True), state)
    return Advanced(
        replace(card, plain=False, refused=sent, owed=(), waiting_since=None), state, dead=why
    )


def _message_gone(card: Card, step: Step) -> Card:
    if isinstance(step, Reply):
        return replace(card, owed=tuple(owed for owed in card.owed if owed.kind != step.kind))
    if isinstance(step, Post):  # the message that it replies to
        return replace(card, previous=None)
    return replace(card, shown=None)


def _down(state: LaneState, why: str, now: float, *, forever: bool, left: bool) -> Down:
    since = state.down.since if state.down else now
    return Down(why, since, None if forever else now + PROBE_PAUSE, left=left)


def _trouble(state: LaneState, trouble: Trouble, now: float) -> LaneState:
    goes_on = state.trouble is not None and state.trouble_until == 0.0
    since = state.trouble_since if goes_on else now
    return replace(
        state, trouble="refused" if state.down else trouble, trouble_since=since, trouble_until=0.0
    )


def _over(state: LaneState, now: float) -> LaneState:
    """The trouble is over. A rate limit is felt as long as what it held back goes out at its
    pace.
    """
    goes_on = state.trouble_until == 0.0 or state.trouble == "rate_limited"
    return replace(state, trouble_until=now) if state.trouble and goes_on else state
