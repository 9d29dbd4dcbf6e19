"""Replies: sends answers to commands when alerts leave room for them, each at most once. One that
is refused is sent without its style.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from relay.active_config import CurrentConfig
from relay.core.bot.account import Bot
from relay.core.bot.people import BotReply
from relay.core.budget import Block
from relay.core.card.outcome import RateLimited, Rejected, Unavailable
from relay.core.card.step import MessageRef, Post
from relay.core.event import Event
from relay.core.routing.lane import Endpoint, LaneKey, Policy, Target
from relay.core.text.message import Message
from relay.delivery.calls import Exchange, called
from relay.platforms.telegram import messages as telegram
from relay.store.people import Outgoing, PeopleStore
from relay.store.writer import Transactions
from relay.supervised import Loop

AGAIN = 1.2  # seconds until answers without room are tried again: a chat takes one message a second


class Replies:
    """Sends the waiting answers."""

    def __init__(
        self,
        store: PeopleStore,
        transactions: Transactions,
        exchange: Exchange,
        clock: Callable[[], float],
        emit: Callable[[Event], None],
        config: CurrentConfig,
    ) -> None:
        self._store = store
        self._transactions = transactions
        self._config = config
        self._exchange = exchange
        self._clock = clock
        self._emit = emit
        self._refused = set[BotReply]()  # what waits to be sent without its style
        self._work = asyncio.Event()
        self._loop = Loop("replying failed", self._go_on, emit)

    def ring(self) -> None:
        self._work.set()

    def start(self) -> None:
        """Begins with the answers that an earlier run left."""
        self.ring()
        self._loop.start()

    async def stop(self) -> None:
        """Stops. The next run sends what still waits, unless it is too late."""
        await self._loop.stop()

    async def _go_on(self) -> None:
        self.ring()  # sends what a failure left over, too
        pause: float | None = None
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._work.wait()
            self._work.clear()
            pause = await self._round()

    async def _round(self) -> float | None:
        """Sends the answers that there is room for. Returns the seconds until the others should be
        tried again.
        """
        waiting = await self._transactions.run(self._store.bot_replies)
        turns = [await self._say(each) for each in waiting]
        return None if all(turns) else AGAIN

    async def _say(self, outgoing: Outgoing) -> bool:
        """Whether the answer is done with."""
        config = self._config.current
        bot = config.bot(outgoing.bot)
        bot_reply, now = outgoing.bot_reply, self._clock()
        target = _target(bot, bot_reply, config.personal) if bot else None
        limits = telegram.budgets(target.endpoint, config.limits) if target else ()
        turn = await self._transactions.run(
            partial(self._store.take_bot_reply, outgoing.id, limits, now)
        )
        plain = bot_reply in self._refused
        if turn != "later":
            self._refused.discard(bot_reply)
        if turn == "go" and target:
            refused = await self._send_out(target, bot_reply, now, plain=plain)
            if refused and not plain:
                self._refused.add(bot_reply)
                again = partial(self._store.keep_bot_reply, outgoing.bot, bot_reply, self._clock())
                await self._transactions.run(again)
                return False
        return turn != "later"

    async def _send_out(
        self, target: Target, bot_reply: BotReply, now: float, *, plain: bool
    ) -> bool:
        """Whether it was refused, by the platform or by what is in between."""
        written = (
            MessageRef(bot_reply.chat, bot_reply.topic, bot_reply.message)
            if bot_reply.message
            else None
        )
        step = Post(silent=False, reply_to=written)
        request = telegram.request(
            target.endpoint, target.policy, step, Message(bot_reply.text), plain=plain
        )
        response = await self._exchange(request)
        outcome = telegram.outcome(target.lane, step, response)
        ended_at = self._clock()
        self._emit(called(target, request, response, outcome, ended_at - now))
        if isinstance(outcome, RateLimited):
            block = Block(outcome.budgets, ended_at, outcome.retry_after, outcome.whole)
            await self._transactions.run(partial(self._store.block, [block]))
        return isinstance(outcome, Rejected | Unavailable)


def _target(bot: Bot, bot_reply: BotReply, policy: Policy) -> Target:
    lane = LaneKey("telegram", bot.api, bot.account, bot_reply.chat, bot_reply.topic)
    return Target(Endpoint(lane, bot.token, bot.http), policy)
