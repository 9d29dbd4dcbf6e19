"""Replies: answers to commands go out when alerts leave room for them, each once or not at all."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from msgspec import Struct

from relay.core.bot.account import Bot
from relay.core.bot.people import BotReply
from relay.core.bot.update import BotId
from relay.core.budget import Block, Limits
from relay.core.card.outcome import RateLimited
from relay.core.card.step import MessageRef, Post
from relay.core.event import Event, Noted
from relay.core.routing.lane import Endpoint, LaneKey, Policy, Target
from relay.core.text.message import Message
from relay.delivery.calls import Run, Send, called
from relay.platforms.telegram import messages as telegram
from relay.store.people import Outgoing, PeopleStore
from relay.store.protocol import StoreError

AGAIN = 1.2  # seconds until answers that found no room try again: a chat takes one message a second
_AFTER_FAULT = 5.0


class ReplyConfig(Struct, frozen=True):
    """The bots, the policy of personal chats, and the rate limits in force."""

    bots: tuple[Bot, ...] = ()
    policy: Policy = Policy(receiver="", template="", markup="none")
    rates: Limits = Limits()


class Replies:
    """Sends pending answers. A reload replaces `reply_config`."""

    def __init__(
        self,
        store: PeopleStore,
        run: Run,
        send: Send,
        clock: Callable[[], float],
        emit: Callable[[Event], None],
    ) -> None:
        self._store = store
        self._run = run
        self._send = send
        self._clock = clock
        self._emit = emit
        self._work = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.reply_config = ReplyConfig()

    def ring(self) -> None:
        self._work.set()

    def start(self) -> None:
        """Begins with what an earlier run left."""
        self.ring()
        self._task = asyncio.create_task(self._go_on())

    async def stop(self) -> None:
        """Ends it; what waits is said by the next run, unless that is too late."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _go_on(self) -> None:
        pause: float | None = None
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._work.wait(), pause)
            self._work.clear()
            pause = await self._round()

    async def _round(self) -> float | None:
        """Says what there is room for. Seconds until some of it should be tried again."""
        try:
            turns = [await self._say(each) for each in await self._run(self._store.bot_replies)]
        except StoreError as error:
            self._emit(Noted("error", "storage failed", (("err", str(error)),)))
            return _AFTER_FAULT
        except Exception as error:  # noqa: BLE001 - one answer that fails must not silence the bots for good
            self._emit(Noted("error", "replying failed", (("err", repr(error)),)))
            return _AFTER_FAULT
        return None if all(turns) else AGAIN

    async def _say(self, outgoing: Outgoing) -> bool:
        bot = next(
            (
                each
                for each in self.reply_config.bots
                if BotId(each.api, each.account) == outgoing.bot
            ),
            None,
        )
        bot_reply, now = outgoing.bot_reply, self._clock()
        target = _target(bot, bot_reply, self.reply_config.policy) if bot else None
        limits = telegram.budgets(target.endpoint, self.reply_config.rates) if target else ()
        turn = await self._run(partial(self._store.take_bot_reply, outgoing.id, limits, now))
        if turn == "go" and target:
            await self._send_out(target, bot_reply, now)
        return turn != "later"

    async def _send_out(self, target: Target, bot_reply: BotReply, now: float) -> None:
        written = (
            MessageRef(bot_reply.chat, bot_reply.topic, bot_reply.message)
            if bot_reply.message
            else None
        )
        step = Post(silent=False, reply_to=written)
        request = telegram.request(target.endpoint, target.policy, step, Message(bot_reply.text))
        response = await self._send(request)
        outcome = telegram.outcome(target.lane, step, response)
        ended_at = self._clock()
        self._emit(called(target, request, response, outcome, ended_at - now))
        if isinstance(outcome, RateLimited):
            block = Block(outcome.budgets, ended_at, outcome.retry_after, outcome.whole)
            await self._run(partial(self._store.block, [block]))


def _target(bot: Bot, bot_reply: BotReply, policy: Policy) -> Target:
    lane = LaneKey("telegram", bot.api, bot.account, bot_reply.chat, bot_reply.topic)
    return Target(Endpoint(lane, bot.token, bot.http), policy)
