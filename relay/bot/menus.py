"""The menu, form or question that asks a person what to silence and for how long."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol

from msgspec.structs import replace

from relay.active_config import CurrentConfig
from relay.core.action.matchers import muted_besides
from relay.core.action.menu import Present, buttons, counted, described, described_all
from relay.core.action.press import MessagePlace, PressAnswer, PressEffects, Question, SilenceMenu
from relay.core.alert import Labels
from relay.core.bot.account import Bot
from relay.core.bot.people import catalogue_language
from relay.core.bot.update import CallbackQuery
from relay.core.event import Event, Noted
from relay.core.routing.lane import LaneKey
from relay.core.routing.matcher import Matcher
from relay.core.text.richtext import join
from relay.core.text.texts_acting import act
from relay.core.text.times import Reader
from relay.delivery.calls import Exchange
from relay.platforms.discord import interactions as discord
from relay.platforms.discord.interactions import Interaction
from relay.platforms.telegram import acting as telegram
from relay.platforms.telegram.bot import Refusal, Result, result_of
from relay.store.protocol import StoreError
from relay.store.writer import Transactions

QUESTION_LIVES = 120.0  # seconds
COUNT_WITHIN = 1.5  # seconds: a form has to come within three
Count = Callable[[str, tuple[Matcher, ...]], Awaitable[tuple[Labels, ...] | None]]
"""The alerts of a source in its Alertmanager that match the matchers; None: it did not answer."""


class MenuStore(Protocol):
    """The part of the store that menus use. Both methods raise StoreError."""

    def button_key(self) -> bytes:
        """The key that authenticates buttons."""

    def keep_question(self, question: Question) -> None:
        """Stores what an answer in writing will be about."""


class SilenceMenus:
    """Offers durations with the number of alerts that they would mute."""

    def __init__(
        self,
        store: MenuStore,
        transactions: Transactions,
        exchange: Exchange,
        clock: Callable[[], float],
        emit: Callable[[Event], None],
        config: CurrentConfig,
        count: Count,
    ) -> None:
        self._store = store
        self._transactions = transactions
        self._exchange = exchange
        self._clock = clock
        self._emit = emit
        self._config = config
        self._count = count
        self._ephemerals: dict[str, bool] = {}

    async def offered(self, bot: Bot, query: CallbackQuery, menu: SilenceMenu) -> bool:
        """Whether the person was shown a menu that nobody else sees. It has to be the answer to the
        press; False if the Bot API server does not know such messages, or the press asks for a
        question in writing.
        """
        if menu.data.verb != "menu" or not await self._shows_ephemerals(bot, query):
            return False
        language = catalogue_language(query.language)
        try:
            key = await self._transactions.run(self._store.button_key)
        except StoreError:
            return False
        zone = self._config.current.personal.timezone
        lane = LaneKey("telegram", bot.api, bot.account, query.chat.id)
        reader = Reader(language or "en", zone, self._clock())
        rows = buttons(menu, lane, int(query.message), key, reader, zone)
        lines = described_all(menu, await self._present(menu), language).text
        text = f"{act(language, 'menu_title').text}\n{lines}"
        response = await self._exchange(telegram.send_ephemeral(bot, query, text, rows))
        return isinstance(result_of(response), Result)

    async def _shows_ephemerals(self, bot: Bot, query: CallbackQuery) -> bool:
        """Whether the server knows ephemeral messages. An older one would post to everyone, so each
        address is asked once, first.
        """
        if query.chat.kind not in ("group", "supergroup"):
            return False
        known = self._ephemerals.get(bot.api)
        if known is None:
            found = result_of(await self._exchange(telegram.ephemeral_probe(bot, query)))
            known = telegram.knows_ephemerals(found)
            if known is not None:
                self._ephemerals[bot.api] = known
        return known is True

    async def ask(
        self, bot: Bot, query: CallbackQuery, place: MessagePlace, menu: SilenceMenu
    ) -> None:
        """Asks for an answer in writing. If the question cannot be stored, another press asks it
        again.
        """
        language = catalogue_language(query.language)
        message = str(menu.data.message or query.message)
        said = [act(language, "silence_how").text]
        if len(menu.choices) > 1:
            said += [
                act(language, "silence_how_group").text,
                described_all(menu, await self._present(menu), language).text,
            ]
        asks = partial(
            telegram.ask, bot, query.chat.id, query.topic.id, message, "\n".join(said), "90m"
        )
        answer = result_of(await self._exchange(asks(str(query.user))))
        if isinstance(answer, Refusal) and answer.code == 400:  # nobody's name can be at fault
            answer = result_of(await self._exchange(asks("")))
        asked = telegram.asked_message(answer)
        if not asked:
            return
        question = Question(
            replace(place, message=asked),
            message,
            query.user,
            replace(menu.data, message=0),
            self._clock() + QUESTION_LIVES,
        )
        try:
            await self._transactions.run(partial(self._store.keep_question, question))
        except StoreError as error:
            self._emit(Noted("error", "storage failed", (("err", str(error)),)))

    async def form(
        self, interaction: Interaction, menu: SilenceMenu, language: str
    ) -> dict[str, object]:
        """The form, which has to be the first answer to the interaction."""
        present = await self._present(menu)
        choices = [
            discord.FormChoice(each.verb, described(each, present, language).text)
            for each in menu.choices
        ]
        said = {
            name: act(language, f"form_{name}").text
            for name in ("title", "scope", "duration", "reason")
        }
        return discord.form(
            said["title"], interaction.data, said["scope"], choices, said["duration"],
            said["reason"],
        )  # fmt: skip

    async def with_count(self, effects: PressEffects, language: str) -> PressAnswer:
        """The answer to a press, with the number of alerts muted if the silence may mute more than
        the card and Alertmanager answers in time.
        """
        wide = (each for each in effects.silencings if each.kind == "silence" and each.wide)
        silencing = next(wide, None)
        if silencing is None:
            return effects.answer
        try:
            async with asyncio.timeout(COUNT_WITHIN):
                found = await self._count(silencing.source, silencing.matchers)
        except TimeoutError:
            found = None
        others = muted_besides(silencing.matchers, silencing.labels, found or ())
        if not others:
            return effects.answer
        said = act(language, "mutes_others", others)
        return replace(effects.answer, text=join(" ", [effects.answer.text, said]))

    async def _present(self, menu: SilenceMenu) -> Present:
        """The alerts in Alertmanager for each choice, if it answers in time."""
        asked = [self._count(menu.source, each.matchers) for each in menu.choices]
        try:
            async with asyncio.timeout(COUNT_WITHIN):
                return counted(menu, await asyncio.gather(*asked))
        except TimeoutError:
            return {}
