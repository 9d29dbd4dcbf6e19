"""Calls: a step goes to its platform if the budgets allow, and what came of it is written down."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Literal, Protocol, TypeVar, assert_never

from msgspec import Struct
from msgspec.structs import replace

from relay.core.budget import Block, Limit, Limits
from relay.core.card.card import Card
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
from relay.core.card.plan import is_urgent
from relay.core.card.step import Step
from relay.core.event import Called, ChatChanged, ChatMoved, Event, FailureReason, Noted, Settled
from relay.core.routing.lane import Endpoint, LaneKey, Target
from relay.core.text.message import Message
from relay.platforms.contract import Platforms
from relay.platforms.http import NoAnswer, Request, Response
from relay.store.protocol import Attempt, AttemptResult, Claim, Denied, Ended, Store, StoreError

T = TypeVar("T")
SETTLE_AGAIN = 1.0  # seconds between tries to write down what a platform has already done
Send = Callable[[Request], Awaitable[Response | NoAnswer]]


class Run(Protocol):
    """Runs one store transaction and returns when it is committed."""

    async def __call__(self, job: Callable[[], T]) -> T:
        """The job's result; raises StoreError when it could not be committed."""


class CallResult(Struct, frozen=True):
    """A call that was made: when it ended, what it came to, what the headers of its answer forbid,
    and the lane with what was learnt on the way."""

    at: float
    outcome: Outcome
    state: LaneState
    blocks: tuple[Block, ...]


def limits_of(
    target: Target, state: LaneState, rates: Limits, platforms: Platforms
) -> tuple[Limit, ...]:
    """The budgets that every call of the lane takes from."""
    platform = platforms[target.lane.platform]
    return platform.budgets(_endpoint(target, state), rates, state.channel)


class Calls:
    """Makes calls for the lanes. `rates` are the configured ones, replaced on a reload."""

    def __init__(
        self,
        store: Store,
        run: Run,
        send: Send,
        clock: Callable[[], float],
        emit: Callable[[Event], None],
        rates: Limits,
        platforms: Platforms,
    ) -> None:
        self._store = store
        self._run = run
        self._send = send
        self._clock = clock
        self._emit = emit
        self.rates = rates
        self.platforms = platforms

    async def take(
        self,
        claim: Claim,
        target: Target,
        card: Card,
        step: Step,
        message: Message,
        now: float,
    ) -> Denied | CallResult:
        """Takes the step with this message, if the budgets allow."""
        platform, state = self.platforms[claim.lane.platform], claim.state
        since = now if card.waiting_since is None else card.waiting_since
        urgent = is_urgent(card, target.policy)
        attempt = Attempt(claim.lane, card.group, card.fingerprint, step, urgent, since)
        begun = await self._run(
            partial(
                self._store.begin,
                attempt,
                limits_of(target, claim.state, self.rates, self.platforms),
                now,
            )
        )
        if isinstance(begun, Denied):
            return begun
        endpoint = _endpoint(target, leading(state, step, now))
        if platform.needs_guild(endpoint, step):
            request = platform.probe(endpoint)
            response = await self._send(request)
            outcome = platform.outcome(endpoint.lane, None, response)
            if not isinstance(outcome, Delivered):
                return self._took(target, state, request, response, outcome, now)
            state = replace(state, guild=platform.guild_of(response))
            endpoint = replace(endpoint, guild=state.guild)
        request = platform.request(endpoint, target.policy, step, message, plain=card.plain)
        response = await self._send(request)
        return self._took(
            target, state, request, response, platform.outcome(endpoint.lane, step, response), now
        )

    def _took(
        self,
        target: Target,
        state: LaneState,
        request: Request,
        response: Response | NoAnswer,
        outcome: Outcome,
        began: float,
    ) -> CallResult:
        ended_at = self._clock()
        self._emit(called(target, request, response, outcome, ended_at - began))
        platform = self.platforms[target.lane.platform]
        paces = (
            platform.pace(_endpoint(target, state).lane, response)
            if isinstance(response, Response)
            else ()
        )
        return CallResult(
            ended_at,
            outcome,
            state,
            tuple(Block((key,), ended_at, seconds) for key, seconds in paces),
        )

    async def write_down(self, claim: Claim, target: Target, result: AttemptResult) -> None:
        """Keeps what the attempt leaves behind, however long the storage takes, and tells what
        ended.
        """
        state = result.state
        if state.down:
            state = replace(state, down=replace(state.down, secret=target.endpoint.secret.mark))
        result = replace(result, state=state, renamed=self._renamed(claim, target, state))
        ended = await self._insist(partial(self._store.settle, result))
        self.emit_settled(claim.lane, ended, result.dead)
        down = result.state.down
        if (claim.state.down is None) != (down is None):
            why = down.why if down else ""
            self._emit(
                ChatChanged(claim.lane.platform, target.policy.receiver, up=down is None, why=why)
            )
        chat = result.state.chat if result.state.chat != claim.state.chat else ""
        if chat or (result.state.thread_gone and not claim.state.thread_gone):
            self._emit(ChatMoved(claim.lane.platform, target.policy.receiver, target.place, chat))

    def _renamed(
        self, claim: Claim, target: Target, after: LaneState
    ) -> tuple[tuple[str, str], ...]:
        """The budgets that turned out to be others: the channel of a webhook is known only by where
        messages arrive.
        """
        before = limits_of(target, claim.state, self.rates, self.platforms)
        learnt = limits_of(
            target, replace(claim.state, channel=after.channel), self.rates, self.platforms
        )
        return tuple(
            (old.key, new.key)
            for old, new in zip(before, learnt, strict=True)
            if old.key != new.key
        )

    async def _insist(self, job: Callable[[], T]) -> T:
        """What a platform did cannot be undone: it is written down however long the storage
        takes.
        """
        while True:
            try:
                return await self._run(job)
            except StoreError as error:
                self._emit(
                    Noted(
                        "error", "cannot record what was sent, trying again", (("err", str(error)),)
                    )
                )
                await asyncio.sleep(SETTLE_AGAIN)

    def emit_settled(self, lane: LaneKey, ended: Sequence[Ended], why: str = "") -> None:
        """Tells the listeners which deliveries ended, and why."""
        for end in ended:
            self._emit(
                Settled(lane.platform, end.receiver, end.settlement, end.count, end.latencies, why)
            )


def _endpoint(target: Target, state: LaneState) -> Endpoint:
    lane = target.lane
    moved = replace(
        lane, chat=state.chat or lane.chat, thread="" if state.thread_gone else lane.thread
    )
    return replace(target.endpoint, lane=moved, guild=state.guild or target.endpoint.guild)


def called(
    target: Target,
    request: Request,
    response: Response | NoAnswer,
    outcome: Outcome,
    seconds: float,
) -> Called:
    """What is told of a call that ended after that many seconds."""
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
