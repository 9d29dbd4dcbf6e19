"""Receives the presses of Discord: over the Gateway, or by POST to `/discord/APPLICATION`."""

import json
from collections.abc import Awaitable, Callable
from functools import partial

import msgspec

from relay.bot.gateway import Gateway
from relay.core.action.settings import DiscordBot
from relay.core.event import Event, Heard, Noted
from relay.delivery.calls import Exchange
from relay.platforms.discord.gateway import GatewaySession
from relay.platforms.discord.interactions import (
    Interactions,
    interaction,
    is_signed,
    register_commands,
)
from relay.store.acting import ActingStore
from relay.store.protocol import StoreError
from relay.store.writer import Transactions

_session = msgspec.json.Decoder(GatewaySession).decode
Answered = tuple[int, dict[str, object]]


class DiscordInput:
    """Receives interactions for the Discord bot of the configuration."""

    def __init__(
        self,
        store: ActingStore,
        transactions: Transactions,
        exchange: Exchange,
        clock: Callable[[], float],
        emit: Callable[[Event], None],
        interact: Callable[[Interactions], Awaitable[None]],
        answer: Callable[[Interactions], Awaitable[dict[str, object]]],
    ) -> None:
        """`interact` carries out an interaction of the Gateway and answers it; `answer` returns the
        answer to one that was posted.
        """
        self._store = store
        self._transactions = transactions
        self._exchange = exchange
        self._clock = clock
        self._emit = emit
        self._interact = interact
        self._answer = answer
        self._bot: DiscordBot | None = None
        self._gateway: Gateway | None = None

    async def follow(self, bot: DiscordBot | None) -> None:
        """Listens for this bot only; for none if it is None. A bot whose settings changed stops
        before it begins again.
        """
        if bot == self._bot:
            return
        await self.stop()
        self._bot = bot
        if bot is None:
            return
        if bot.interactions == "endpoint":
            await self._exchange(register_commands(bot, bot.application))
            return
        self._gateway = Gateway(
            bot,
            self._interact,
            self._exchange,
            partial(self._keep, bot.account),
            self._clock,
            self._emit,
            await self._kept(bot.account),
        )
        self._gateway.start()

    async def stop(self) -> None:
        """Stops. The session is left for a successor."""
        if self._gateway is not None:
            await self._gateway.stop()
        self._gateway, self._bot = None, None

    async def posted(
        self, application: str, timestamp: str, signature: str, body: bytes
    ) -> Answered:
        """The status and body of the answer to a POST. Discord sends wrong signatures on purpose,
        and removes an address that answers them with anything but 401.
        """
        bot = self._bot
        if bot is None or bot.interactions != "endpoint" or application != bot.application:
            return 401, {"error": "no valid signature"}
        if not is_signed(bot.public_key, timestamp, signature, body, self._clock()):
            self._emit(Heard("forged"))
            return 401, {"error": "no valid signature"}
        try:
            value = json.loads(body)
        except (ValueError, RecursionError):
            return 400, {"error": "the body is not JSON"}
        return 200, await self._answer(interaction(value))

    async def _kept(self, application: str) -> GatewaySession | None:
        body = await self._transactions.run(partial(self._store.session, application))
        try:
            return _session(body) if body else None
        except msgspec.DecodeError:
            return None

    async def _keep(self, application: str, session: GatewaySession) -> None:
        body = msgspec.json.encode(session)
        try:
            await self._transactions.run(partial(self._store.keep_session, application, body))
        except StoreError as error:
            self._emit(Noted("error", "storage failed", (("err", str(error)),)))
