"""Receives the updates of each bot, by polling or by webhook, and reports a bot that
receives none.
"""

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Iterable
from functools import partial

from relay.core.bot.account import Bot
from relay.core.bot.conversation import GROUP_COMMANDS, PRIVATE_COMMANDS
from relay.core.bot.update import BotId, Update, offset
from relay.core.event import BotListens, Event, Heard, Noted
from relay.core.text.texts import LANGUAGES
from relay.delivery.calls import Exchange
from relay.platforms.http import Request
from relay.platforms.telegram import bot as telegram_bot
from relay.platforms.telegram.bot import Refusal, Result, Scope
from relay.platforms.telegram.updates import decode, updates
from relay.store.people import PeopleStore
from relay.store.protocol import StoreError
from relay.store.writer import Transactions
from relay.supervised import supervised

HOLD = (
    10  # seconds that Telegram may wait before it answers without updates; the transport waits 15
)
CHECK_EVERY = 3600.0  # seconds between checks of a webhook
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 300.0  # seconds between failed attempts: doubling
PATIENCE = 2  # failures in a row after which a bot is reported as receiving no updates
_MENUS: tuple[tuple[Scope, tuple[str, ...]], ...] = (
    ("all_private_chats", PRIVATE_COMMANDS),
    ("all_group_chats", GROUP_COMMANDS),
)
_NO_SECRET = "0" * 64


class Polling:
    """Receives updates for all bots and passes each to `take` (`BotHandler.take`)."""

    def __init__(
        self,
        store: PeopleStore,
        transactions: Transactions,
        exchange: Exchange,
        clock: Callable[[], float],
        emit: Callable[[Event], None],
        take: Callable[[BotId, Update], Awaitable[None]],
    ) -> None:
        self._store = store
        self._transactions = transactions
        self._exchange = exchange
        self._clock = clock
        self._emit = emit
        self._take = take
        self._tasks: dict[Bot, asyncio.Task[None]] = {}
        self._names: dict[Bot, str] = {}
        self._failures: dict[BotId, int] = {}

    async def follow(self, bots: Iterable[Bot]) -> None:
        """Receives the updates of these bots only. A bot whose settings changed stops before it
        begins again.
        """
        wanted = set(bots)
        gone = {bot: task for bot, task in self._tasks.items() if bot not in wanted}
        for bot, task in gone.items():
            task.cancel()
            del self._tasks[bot]
            self._names.pop(bot, None)
        await asyncio.gather(*gone.values(), return_exceptions=True)
        for bot in wanted - self._tasks.keys():
            self._tasks[bot] = asyncio.create_task(self._supervise(bot))

    async def stop(self) -> None:
        await self.follow(())

    def expects(self, account: str, secret: str) -> bool:
        """Whether an update for that bot may come by HTTP with that secret."""
        bot = self._by_http(account)
        expected = telegram_bot.webhook_secret(bot.token) if bot else _NO_SECRET
        if (
            hmac.compare_digest(expected.encode(), secret.encode("utf-8", "surrogateescape"))
            and bot
        ):
            return True
        self._emit(Heard("forged"))
        return False

    async def webhook(self, account: str, body: bytes) -> int:
        """Handles an expected update that came by HTTP; returns the status of the answer."""
        bot = self._by_http(account)
        if bot is None or bot not in self._names:
            return 503  # commands are recognised by the bot's own name; Telegram tries again
        try:
            await self._take(_id(bot), decode(body, self._names[bot]))
        except StoreError as error:
            self._emit(Noted("error", "storage failed", (("at", "updates"), ("err", str(error)))))
            return 503
        return 200

    def _by_http(self, account: str) -> Bot | None:
        return next(
            (bot for bot in self._tasks if bot.account == account and bot.updates == "webhook"),
            None,
        )

    async def _supervise(self, bot: Bot) -> None:
        """Receives updates until it is cancelled; an error only causes a pause."""
        await supervised(
            "receiving updates failed",
            partial(self._listen, bot),
            self._emit,
            (("bot", bot.account),),
        )

    async def _listen(self, bot: Bot) -> None:
        ours = (await self._transactions.run(partial(self._store.poll_state, _id(bot)))).webhook
        if bot.updates == "none" and not ours:
            return
        username = telegram_bot.me(await self._retry(bot, telegram_bot.get_me(bot))).username
        if bot.updates == "webhook":
            await self._publish(bot)
            await self._by_webhook(bot, username)
        if ours:
            await self._leave_webhook(bot, ours)
        if bot.updates == "polling":
            await self._publish(bot)
            await self._by_polling(bot, username)

    async def _by_polling(self, bot: Bot, username: str) -> None:
        while True:
            poll_state = await self._transactions.run(partial(self._store.poll_state, _id(bot)))
            asked_at = self._clock()
            since = offset(poll_state, asked_at)
            result = await self._retry(bot, telegram_bot.get_updates(bot, since, HOLD))
            found = updates(result.value, username)
            for update in found:
                await self._take(_id(bot), update)
            if (
                not any(update.id >= since for update in found)
                and self._clock() < asked_at + FIRST_PAUSE
            ):
                await asyncio.sleep(
                    FIRST_PAUSE
                )  # a server that does not wait is not asked without a break

    async def _by_webhook(self, bot: Bot, username: str) -> None:
        """Has updates sent here, and checks every hour whether they still are."""
        url = telegram_bot.webhook_url(bot)
        await self._transactions.run(partial(self._store.keep_webhook, _id(bot), url))
        self._names[bot] = username
        await self._retry(bot, telegram_bot.set_webhook(bot, url))
        while True:
            found = telegram_bot.webhook_info(
                await self._retry(bot, telegram_bot.get_webhook_info(bot))
            )
            if found.url != url:
                self._emit(
                    Noted("warning", "webhook was changed, set again", (("bot", bot.account),))
                )
                await self._retry(bot, telegram_bot.set_webhook(bot, url))
            elif found.error and found.error_at > self._clock() - CHECK_EVERY:
                remedy = f"make {url} reach this relay"
                self._emit(BotListens(bot.account, listens=False, why=found.error, remedy=remedy))
            await asyncio.sleep(CHECK_EVERY)

    async def _leave_webhook(self, bot: Bot, ours: str) -> None:
        """Removes the webhook that the relay set for an earlier configuration; another program's
        stays.
        """
        found = telegram_bot.webhook_info(
            await self._retry(bot, telegram_bot.get_webhook_info(bot))
        )
        if found.url == ours:
            await self._retry(bot, telegram_bot.delete_webhook(bot))
        await self._transactions.run(partial(self._store.keep_webhook, _id(bot), ""))

    async def _publish(self, bot: Bot) -> None:
        """Publishes the commands. Everything works without that, so one try is enough."""
        for scope, commands in _MENUS:
            for language in LANGUAGES:
                answer = await self._ask(
                    telegram_bot.set_my_commands(bot, scope, commands, language)
                )
                if isinstance(answer, Refusal):
                    self._emit(
                        Noted(
                            "warning",
                            "commands not published",
                            (("bot", bot.account), ("err", answer.why)),
                        )
                    )
                    return

    async def _retry(self, bot: Bot, request: Request) -> Result:
        """Repeats the request until the API accepts it, and reports failures."""
        failures = 0
        while True:
            answer = await self._ask(request)
            if isinstance(answer, Result):
                self._answered(bot)
                return answer
            failures += 1
            self._failed(bot, answer)
            pause = min(FIRST_PAUSE * 2 ** min(failures - 1, 10), LONGEST_PAUSE)
            await asyncio.sleep(max(answer.wait, pause))

    async def _ask(self, request: Request) -> Result | Refusal:
        return telegram_bot.result_of(await self._exchange(request))

    def _answered(self, bot: Bot) -> None:
        if self._failures.pop(_id(bot), 0) >= PATIENCE:
            self._emit(BotListens(bot.account, listens=True))

    def _failed(self, bot: Bot, refusal: Refusal) -> None:
        failures = self._failures[_id(bot)] = self._failures.get(_id(bot), 0) + 1
        if failures == PATIENCE:
            remedy = telegram_bot.remedy(refusal)
            self._emit(BotListens(bot.account, listens=False, why=refusal.why, remedy=remedy))


def _id(bot: Bot) -> BotId:
    return BotId(bot.api, bot.account)
