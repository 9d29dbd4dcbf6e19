"""Acting from the chat: the bots, people and Alertmanagers of a relay, put together."""

import secrets
from collections.abc import Awaitable, Callable

from relay.active_config import CurrentConfig
from relay.alertmanager.client import transport
from relay.alertmanager.runner import Alertmanagers
from relay.bot.discord_input import DiscordInput
from relay.bot.handler import BotHandler
from relay.bot.polling import Polling
from relay.bot.pressing import Presses
from relay.bot.replies import Replies
from relay.core.alert import Notification
from relay.core.bot.update import BotId, Update
from relay.core.event import Event
from relay.delivery.lanes import Lanes
from relay.operate.escalations import Escalations
from relay.operate.heartbeats import Heartbeats
from relay.platforms.http import NoAnswer, Request, Response
from relay.store.protocol import Store
from relay.store.writer import Transactions

Exchange = Callable[[Request], Awaitable[Response | NoAnswer]]


class Acting:
    """Handles updates and presses and answers them, from `start` to `stop`. From `lead` to `resign`
    it also does what one process does for all that share the storage: it receives updates, carries
    out silences, watches heartbeats and escalates.
    """

    def __init__(
        self,
        store: Store,
        writer: Transactions,
        exchange: Exchange,
        clock: Callable[[], float],
        emit: Callable[[Event], None],
        config: CurrentConfig,
        lanes: Lanes,
        post: Callable[[Notification, str], Awaitable[None]],
    ) -> None:
        """`post` accepts a notification of the relay's own for a receiver."""
        self._store, self._writer, self._config, self._lanes = store, writer, config, lanes
        self._leads = False
        people, acting = store.people, store.acting
        self._replies = Replies(people, writer, exchange, clock, emit, config)
        self._handler = BotHandler(people, writer, clock, emit, config, lanes, self._replies)
        self._transport = transport()
        self._alertmanagers = Alertmanagers(
            acting, writer, self._transport.send, clock, emit, lanes.wake
        )
        self.heartbeats = Heartbeats(
            acting, writer, exchange, clock, emit, config, post, self._alertmanagers.poll
        )
        self._escalations = Escalations(store, writer, clock, emit, config, lanes.wake)
        self._presses = Presses(
            acting,
            writer,
            exchange,
            clock,
            emit,
            config,
            lanes.wake,
            self._alertmanagers.ring,
            _fresh_action,
            self._alertmanagers.count,
        )
        self.discord = DiscordInput(
            acting, writer, exchange, clock, emit, self._presses.interact, self._presses.answer
        )
        self.polling = Polling(people, writer, exchange, clock, emit, self._take_update)

    def start(self) -> None:
        """Sends the answers that an earlier run left, and those to come."""
        self._replies.start()

    async def lead(self, up_for: float) -> None:
        """Begins the work that one process does for all. `up_for`: for how many seconds it has
        accepted payloads.
        """
        self._leads = True
        await self.polling.follow(self._config.current.bots)
        await self.follow()
        self.heartbeats.start(up_for)
        self._escalations.start()

    async def resign(self) -> None:
        """Ends that work: another process does it."""
        self._leads = False
        await self.polling.follow(())
        await self.discord.follow(None)
        await self._alertmanagers.follow(())
        await self.heartbeats.stop()
        await self._escalations.stop()

    async def follow_bots(self) -> None:
        """Receives the updates of the bots of the configuration in force."""
        if self._leads:
            await self.polling.follow(self._config.current.bots)

    async def follow(self) -> None:
        """Applies the configuration of acting; cards show it. Raises StoreError."""
        acting = self._config.current.acting
        if self._leads:
            await self._alertmanagers.follow(acting.alertmanagers.values())
            await self.discord.follow(acting.discord if acting.is_on else None)
        self._lanes.wake(await self._writer.run(self._store.acting.look_again))

    def ask(self, source: str) -> None:
        """Polls the source's Alertmanager now, because alerts of it are no longer listed."""
        self._alertmanagers.ask(source)

    async def stop(self) -> None:
        """Stops. Updates that have begun are finished; answers that wait are left to the next
        run.
        """
        await self.polling.stop()
        await self.heartbeats.stop()
        await self._escalations.stop()
        await self.discord.stop()
        await self._alertmanagers.stop()
        await self._handler.stop()
        await self._replies.stop()
        await self._transport.close()

    async def _take_update(self, bot: BotId, update: Update) -> None:
        """Handles an update. A press is committed before the update counts as handled, so a crash
        between the two repeats it.
        """
        await self._presses.update(bot, update)
        await self._handler.take(bot, update)


def _fresh_action() -> str:
    """A fresh id for an action, which becomes part of a silence's comment."""
    return secrets.token_hex(8)
