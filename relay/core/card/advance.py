"""Advancing: applies the outcome of an attempt to the card and its lane."""

import math
from typing import assert_never

from msgspec import Struct
from msgspec.structs import replace

from relay.core.budget import Block
from relay.core.card import failures
from relay.core.card.card import Card, Shown, mark, rest
from relay.core.card.failures import Failures
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

PROBE_PAUSE = 300.0  # seconds between probes of a chat that refuses messages
THREAD_PAUSE = 3600.0  # seconds until a new message tries a thread that was gone
_MOST_POINTS = 3  # failed calls after which the link in a former message is given up
_MOST_REPLIES = 3  # failed calls after which a file is left out, or a reply where edits get through


class Advanced(Struct, frozen=True):
    """A card and its lane after an attempt. `blocks` are the blocks that the answer demands.

    `shown`: the chat now shows the card as folded, so its deliveries up to `card.shown_seq` are
    done. `dead`: why the platform will never take the pending ones; empty if it may.
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
    mark of the state that was sent, if that is not the card's own.
    """
    sent = sent or mark(card)
    card = replace(card, tried_at=now)
    if isinstance(step, Edit) and step.goes_on is not None:
        return _pointed(card, state, outcome, now, jitter)
    match outcome:
        case Delivered(message):
            return _delivered(card, state, step, Shown(message, sent, now, now), now)
        case RateLimited(retry_after, budgets, whole):
            block = Block(budgets, now, retry_after, whole)
            why = f"too many calls, to wait {retry_after:g} s"
            told_to_wait = failures.limited(card.failures, state, now, retry_after, jitter)
            card = replace(card, failures=told_to_wait)
            return Advanced(card, _trouble(state, "rate_limited", why, now), (block,))
        case Unavailable(why):
            failed = failures.not_taken(card.failures, state, now, jitter, why)
            return _failed(card, state, step, failed, jitter)
        case Unknown(why, stopped):
            repeatable = isinstance(step, Edit)
            failed = failures.unknown(card.failures, state, now, why, repeatable=repeatable)
            if stopped:
                failed = failures.cut_short(card.failures, now, why)
                return Advanced(replace(_blind(card, step), failures=failed), state)
            return _failed(_blind(card, step), state, step, failed, jitter)
        case Moved(chat):
            moved = replace(state, chat=chat, channel=state.channel and chat)
            return Advanced(replace(card, shown=None), failures.reached(moved, now))
        case Rejected(why):
            return _rejected(card, failures.reached(state, now), step, why, sent)
        case MessageGone():
            return Advanced(_message_gone(card, step), failures.reached(state, now))
        case ThreadGone():
            state = replace(state, thread_gone=True, thread_again=now + THREAD_PAUSE)
            return Advanced(replace(card, shown=None), failures.reached(state, now))
        case ChatDown(forever=False, left=False) if isinstance(step, Reply) and not is_required(
            card, step
        ):  # it may be refused because it is a file, where only text is allowed
            return Advanced(_without(card, step, asks_by_edit=True), state)
        case ChatDown(why, forever) | BotDown(why, forever):
            left = isinstance(outcome, ChatDown) and outcome.left
            down = _down(state, why, now, forever=forever, left=left)
            return Advanced(card, replace(_trouble(state, "refused", why, now), down=down))
        case _:
            assert_never(outcome)


def _pointed(card: Card, state: LaneState, outcome: Outcome, now: float, jitter: float) -> Advanced:
    """The card after its former message was edited to say where it goes on. A failure says nothing
    about the chat, since the webhook that wrote that message may be gone.
    """
    match outcome:
        case RateLimited(retry_after, budgets, whole):
            return Advanced(card, state, (Block(budgets, now, retry_after, whole),))
        case Unavailable(why) | Unknown(why):
            failed = failures.not_taken(card.failures, state, now, jitter, why)
            if failed.tries < _MOST_POINTS:
                return Advanced(replace(card, failures=failed), state)
        case _:
            pass
    return Advanced(rest(replace(card, left=None, failures=None), now), state)


def _delivered(card: Card, state: LaneState, step: Step, shown: Shown, now: float) -> Advanced:
    card = replace(card, plain=False, refused="", failures=None)
    state = failures.reached(_over(state, now), now)
    state = replace(state, down=None, channel=shown.message.chat)
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
        case Reply(said=said):
            card = _without(card, step)
            card = replace(card, escalated_at=said.at) if said else card
        case _:
            assert_never(step)
    return Advanced(
        rest(card, now), state, shown=card.shown is not None and card.shown.mark == shown.mark
    )


def _failed(card: Card, state: LaneState, step: Step, failed: Failures, jitter: float) -> Advanced:
    """The card pauses; its lane pauses too if another card failed as well. A card at fault is tried
    without style, and an optional part that fails is left out.
    """
    now = failed.at
    name = failures.name_of(card.group, card.fingerprint)
    state = _trouble(state, "unreachable", failed.why, now)
    state = failures.doubted(state, failed, name, now, jitter)
    plain = card.plain or (failed.at_fault and failed.tries >= failures.PLAIN_AFTER)
    card = replace(card, failures=failed, plain=plain)
    if isinstance(step, Reply) and not is_required(card, step):
        often = failed.tries >= _MOST_REPLIES
        others = step.kind == "document" or _took_edit(card, step)
        card = _without(card, step) if failed.at_fault or (often and others) else card
    return Advanced(card, state)


def _took_edit(card: Card, reply: Reply) -> bool:
    """Whether the chat took an edit of the card while it owed the reply."""
    since = (owed.since for owed in card.owed if owed.kind == reply.kind)
    return card.shown is not None and card.shown.edited_at > min(since, default=math.inf)


def _blind(card: Card, step: Step) -> Card:
    match step:
        case Post():
            return replace(card, doubt=True)
        case Edit():
            return card
        case Reply():  # it may be in the chat already, and an optional reply is not repeated
            return card if is_required(card, step) else _without(card, step)
        case _:
            assert_never(step)


def _rejected(card: Card, state: LaneState, step: Step, why: str, sent: str) -> Advanced:
    if isinstance(step, Reply) and not is_required(card, step):
        return Advanced(_without(card, step), state)
    if isinstance(step, Reply) and card.plain:
        return Advanced(replace(_without(card, step), plain=False), state)
    if not card.plain:
        return Advanced(replace(card, plain=True), state)
    return Advanced(
        replace(card, plain=False, refused=sent, owed=(), waiting_since=None, failures=None),
        state,
        dead=why,
    )


def _message_gone(card: Card, step: Step) -> Card:
    if isinstance(step, Reply):
        return _without(card, step)
    if isinstance(step, Post):  # the message that it replies to
        return replace(card, previous=None)
    return replace(card, shown=None)


def is_required(card: Card, reply: Reply) -> bool:
    """Whether the reply is sent whatever the budget, and not only if there is room for it."""
    return any(owed.kind == reply.kind and owed.required for owed in card.owed)


def without_replies(card: Card) -> Card:
    """The card without optional replies: a single edit in their place shows whether the chat takes
    messages.
    """
    owed = tuple(reply for reply in card.owed if reply.required)
    return card if owed == card.owed else with_edit(replace(card, owed=owed))


def _without(card: Card, reply: Reply, *, asks_by_edit: bool = False) -> Card:
    """The card without that reply."""
    card = replace(card, owed=tuple(owed for owed in card.owed if owed.kind != reply.kind))
    return with_edit(card) if asks_by_edit else card


def with_edit(card: Card) -> Card:
    """The card with an edit due, whether or not anything changed."""
    return card if card.shown is None else replace(card, shown=replace(card.shown, mark=""))


def _down(state: LaneState, why: str, now: float, *, forever: bool, left: bool) -> Down:
    since = state.down.since if state.down else now
    return Down(why, since, None if forever else now + PROBE_PAUSE, left=left)


def _trouble(state: LaneState, trouble: Trouble, why: str, now: float) -> LaneState:
    goes_on = state.trouble is not None and state.trouble_until == 0.0
    since = state.trouble_since if goes_on else now
    return replace(
        state,
        trouble="refused" if state.down else trouble,
        trouble_since=since,
        trouble_until=0.0,
        trouble_why=why,
    )


def _over(state: LaneState, now: float) -> LaneState:
    """The lane after its trouble is over. The effect of a rate limit lasts until what it held back
    was sent at the allowed pace.
    """
    goes_on = state.trouble_until == 0.0 or state.trouble == "rate_limited"
    return replace(state, trouble_until=now) if state.trouble and goes_on else state
