"""Calls: sends a step to its platform if the budgets allow, and records the result."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Literal, assert_never

from msgspec.structs import replace

from relay.core.budget import Block, Limits
from relay.core.card.failures import asks_first
from relay.core.card.lane_state import LaneState, leading
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
from relay.core.event import Called, Event, FailureReason
from relay.core.routing.lane import Target
from relay.core.text.message import Message
from relay.core.turn.decide import Send, Situation
from relay.core.turn.finish import Attempted
from relay.platforms.contract import Platforms
from relay.platforms.endpoint import endpoint_of, limits_of
from relay.platforms.http import NoAnswer, Request, Response
from relay.store.protocol import Attempt, Denied, Lease, Store
from relay.store.writer import Transactions

_RENEWED_WITHIN = 1.0  # seconds until a lane tries again whose lease is about to end
Exchange = Callable[[Request], Awaitable[Response | NoAnswer]]


class Calls:
    """Makes calls for the lanes."""

    def __init__(
        self,
        store: Store,
        transactions: Transactions,
        exchange: Exchange,
        clock: Callable[[], float],
        emit: Callable[[Event], None],
        platforms: Platforms,
        is_held: Callable[[Lease], bool],
    ) -> None:
        """`is_held` tells whether a call that begins now ends before the lease does."""
        self._is_held = is_held
        self._store = store
        self._transactions = transactions
        self._exchange = exchange
        self._clock = clock
        self._emit = emit
        self._platforms = platforms

    async def make(
        self, lease: Lease, send: Send, situation: Situation, message: Message, rates: Limits
    ) -> Denied | Attempted:
        """Makes the call that sends this message, if the budgets allow and nothing newer arrived.
        Raises StoreError and Fenced.
        """
        target, state, card, step = situation.target, situation.state, send.card, send.step
        platform, now = self._platforms[target.lane.platform], self._clock()
        since = now if card.waiting_since is None else card.waiting_since
        attempt = Attempt(target.lane, card.group, card.fingerprint, step, send.rank, since)
        limits = limits_of(target, state, rates, self._platforms)
        begin = partial(self._store.begin, lease, attempt, limits, now)
        if not self._is_held(lease):
            return Denied(now + _RENEWED_WITHIN)
        begun = await self._transactions.run(begin)
        if isinstance(begun, Denied):
            return begun
        if not self._is_held(lease):  # the wait was long
            return self._not_made(situation, state, rates)
        endpoint = endpoint_of(target, leading(state, step, now))
        may_press = situation.acting.is_on and platform.needs_kind(endpoint)
        if asks_first(card.failures) or may_press or platform.needs_guild(endpoint, step):
            request = platform.probe(endpoint)
            response = await self._exchange(request)
            outcome = platform.outcome(endpoint.lane, None, response)
            if isinstance(outcome, Unknown):
                outcome = Unavailable(outcome.why)  # the message itself was not sent
            if not isinstance(outcome, Delivered):
                return self._attempted(situation, state, request, response, outcome, now, rates)
            guild, kind = platform.guild_of(response), platform.kind_of(response)
            state = replace(state, guild=guild, kind=kind)
            endpoint = replace(endpoint, guild=guild, kind=kind)
            if not self._is_held(lease):  # the answer took long
                return self._not_made(situation, state, rates)
        request = platform.request(endpoint, target.policy, step, message, plain=card.plain)
        response = await self._exchange(request)
        outcome = platform.outcome(endpoint.lane, step, response)
        return self._attempted(situation, state, request, response, outcome, now, rates)

    def _not_made(self, situation: Situation, state: LaneState, rates: Limits) -> Attempted:
        outcome, now = Unavailable("the lease on the chat ran out before the call"), self._clock()
        renamed = _renamed(situation.target, state, outcome, rates, self._platforms)
        return Attempted(now, outcome, state, (), renamed)

    def _attempted(
        self,
        situation: Situation,
        state: LaneState,
        request: Request,
        response: Response | NoAnswer,
        outcome: Outcome,
        began: float,
        rates: Limits,
    ) -> Attempted:
        target, ended_at = situation.target, self._clock()
        self._emit(called(target, request, response, outcome, ended_at - began))
        platform, lane = self._platforms[target.lane.platform], endpoint_of(target, state).lane
        paces = platform.pace(lane, response) if isinstance(response, Response) else ()
        return Attempted(
            ended_at,
            outcome,
            state,
            tuple(Block((key,), ended_at, seconds) for key, seconds in paces),
            _renamed(target, situation.state, outcome, rates, self._platforms),
        )


def _renamed(
    target: Target, before: LaneState, outcome: Outcome, rates: Limits, platforms: Platforms
) -> tuple[tuple[str, str], ...]:
    """The budgets that turned out to have another name: the channel of a webhook is known only from
    where its messages arrive.
    """
    channel = outcome.message.chat if isinstance(outcome, Delivered) else before.channel
    if isinstance(outcome, Moved) and before.channel:
        channel = outcome.chat
    if channel == before.channel:
        return ()
    old = limits_of(target, before, rates, platforms)
    new = limits_of(target, replace(before, channel=channel), rates, platforms)
    return tuple((a.key, b.key) for a, b in zip(old, new, strict=True) if a.key != b.key)


def called(
    target: Target,
    request: Request,
    response: Response | NoAnswer,
    outcome: Outcome,
    seconds: float,
) -> Called:
    """The event of a call that ended after that many seconds."""
    code = response.status if isinstance(response, Response) else 0
    reason, why = _reason(outcome)
    return Called(
        target.lane.platform, target.policy.receiver, request.name, code, seconds, reason, why
    )


def _reason(outcome: Outcome) -> tuple[FailureReason | Literal[""], str]:
    match outcome:
        case Delivered():
            return "", ""
        case RateLimited(retry_after):
            return "rateLimited", f"retry after {retry_after:g} s"
        case Unavailable(why):
            return "serverError", why
        case Unknown(why):
            return "contextDeadlineExceeded", why
        case Moved():
            return "clientError", "the group became a supergroup"
        case Rejected(why) | MessageGone(why) | ThreadGone(why) | ChatDown(why):
            return "clientError", why
        case BotDown(why):
            return "authError", why
        case _:
            assert_never(outcome)
