"""Handles the presses of both platforms: each becomes one transaction, and the person gets an
answer.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from relay.active_config import CurrentConfig
from relay.bot.menus import Count, SilenceMenus
from relay.core.action.judge import judge
from relay.core.action.menu import written_wish
from relay.core.action.press import (
    MessagePlace,
    Press,
    PressAnswer,
    PressContext,
    PressEffects,
    Question,
)
from relay.core.action.pressed import (
    ButtonData,
    ForgedData,
    OldData,
    Verb,
    button_place,
    decode,
    encode,
)
from relay.core.action.rights import Presser
from relay.core.action.wish import parse_wish
from relay.core.bot.account import Bot
from relay.core.bot.people import catalogue_language
from relay.core.bot.update import BotId, CallbackQuery, Update, Written
from relay.core.event import Event, Noted, PressAnswered
from relay.core.routing.lane import LaneKey
from relay.core.text.message import Button, Buttons
from relay.core.text.richtext import RichText
from relay.core.text.texts_acting import act
from relay.core.text.times import Reader
from relay.delivery.calls import Exchange
from relay.platforms.discord import interactions as discord
from relay.platforms.discord.interactions import Interaction, Interactions
from relay.platforms.telegram import acting as telegram
from relay.platforms.telegram.bot import result_of
from relay.store.protocol import StoreError
from relay.store.writer import Transactions

RIGHTS_LIVE = 60.0  # seconds for which a person's standing in a chat is remembered
_MOST_KNOWN = 1000
# A message may be pressed before the result of its call is stored.
_TRIES, _MOMENT = 3, 0.2  # seconds


class PressStore(Protocol):
    """The part of the store that presses use. `context`, then `take` in the same job make one
    transaction. All methods raise StoreError.
    """

    def button_key(self) -> bytes:
        """The key that authenticates buttons, made once for all replicas."""

    def pressed(self, key: str) -> PressEffects | None:
        """The result of a press that was committed before."""

    def press_context(self, place: MessagePlace, presser: Presser, now: float) -> PressContext:
        """The card of that message, and what is known of its alerts."""

    def take_press(self, press: Press, effects: PressEffects, now: float) -> tuple[LaneKey, ...]:
        """Stores the press and its effects; the cards of its alerts become due. Returns the lanes
        that have work now.
        """

    def keep_question(self, question: Question) -> None:
        """Stores what an answer in writing will be about. Expired questions are forgotten."""

    def take_question(self, place: MessagePlace, now: float) -> Question | None:
        """The question at `place`, which is removed."""


class _Judged(Struct, frozen=True):
    """The result of a press, and the lanes that got work. `early`: the message is unknown and may
    be known in a moment, since the call that made it has just ended. Nothing was stored.
    """

    effects: PressEffects
    lanes: tuple[LaneKey, ...] = ()
    early: bool = False


class Presses:
    """Handles presses, each once, and answers them. If a press cannot be stored, the answer says so
    and nothing is done.
    """

    def __init__(
        self,
        store: PressStore,
        transactions: Transactions,
        exchange: Exchange,
        clock: Callable[[], float],
        emit: Callable[[Event], None],
        config: CurrentConfig,
        wake: Callable[[tuple[LaneKey, ...]], None],
        asked: Callable[[], None],
        fresh: Callable[[], str],
        count: Count,
    ) -> None:
        """`wake` wakes lanes, `asked` wakes the calls to Alertmanager; `fresh` makes an action's
        id; `count` returns the alerts that matchers would mute (None: unknown).
        """
        self._store = store
        self._transactions = transactions
        self._exchange = exchange
        self._clock = clock
        self._emit = emit
        self._config = config
        self._wake = wake
        self._asked = asked
        self._fresh = fresh
        self._menus = SilenceMenus(store, transactions, exchange, clock, emit, config, count)
        self._standings: dict[tuple[str, int], tuple[float, telegram.MemberRights]] = {}

    async def update(self, bot: BotId, update: Update) -> None:
        """Handles an update of Telegram, if it is a press or an answer in writing. Raises
        StoreError: then it has to come again.
        """
        try:
            match update:
                case CallbackQuery():
                    await self.press(bot, update)
                case Written():
                    await self.written(bot, update)
                case _:
                    pass
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - a bug must not stop the bot for good
            self._emit(Noted("error", "press failed", (("err", repr(error)),)))

    async def press(self, bot: BotId, query: CallbackQuery) -> None:
        """Handles a press on Telegram. It is answered at once in any case."""
        account = self._config.current.bot(bot)
        if account is None:
            return
        place = MessagePlace("telegram", bot.api, bot.account, query.chat.id, query.message)
        presser = await self._person(account, query.chat.id, query.user, query.name)
        language = catalogue_language(query.language)
        key = f"telegram {bot.api} {bot.account} {query.id}"
        answer = await self._judged(key, place, presser, language, data=query.data)
        offered = answer.menu is not None and await self._menus.offered(account, query, answer.menu)
        text = "" if offered else answer.text.text
        await self._exchange(
            telegram.answer_callback_query(account, query.query, text, alert=answer.alert)
        )
        if query.ephemeral:
            await self._exchange(telegram.delete_ephemeral(account, query))
        if answer.menu is not None and not offered:
            await self._menus.ask(account, query, place, answer.menu)

    async def written(self, bot: BotId, written: Written) -> bool:
        """Handles an answer in writing to a question of the relay; False if it is none."""
        account = self._config.current.bot(bot)
        place = MessagePlace("telegram", bot.api, bot.account, written.chat.id, written.reply_to)
        now = self._clock()
        question = await self._transactions.run(partial(self._store.take_question, place, now))
        if account is None or question is None or question.user != written.user:
            return False
        at = replace(place, message=question.message)
        language = catalogue_language(written.language)
        presser = await self._person(account, written.chat.id, written.user, written.name)
        wish = written_wish(written.text, self._zone(), now)
        verb: Verb = "group" if wish.group else "silence"
        data = replace(question.data, verb=verb, number=int(wish.seconds or 0))
        key = f"telegram {bot.api} {bot.account} {written.id}"
        answer = await self._judged(key, at, presser, language, button=data)
        await self._exchange(telegram.delete_message(account, written.chat.id, written.reply_to))
        if answer.alert:
            await self._say(account, written, answer.text)
        return True

    async def interact(self, interaction: Interactions) -> None:
        """Handles an interaction that came over the Gateway."""
        bot = self._config.current.acting.discord
        if bot is None or not isinstance(interaction, Interaction):
            return
        body = await self.answer(interaction)
        await self._exchange(discord.answer(bot, interaction, body))

    async def answer(self, interaction: Interactions) -> dict[str, object]:
        """The answer to an interaction, over the Gateway and at the endpoint alike."""
        if not isinstance(interaction, Interaction):
            return discord.pong()
        place = MessagePlace(
            "discord", "", interaction.author, interaction.channel, interaction.message
        )
        language = catalogue_language(interaction.locale)
        key = f"discord {interaction.id}"
        button, reason = await self._button(interaction)
        answer = await self._judged(
            key,
            place,
            interaction.presser,
            language,
            data=interaction.data,
            button=button,
            whole=interaction.kind == "command",
            reason=reason,
        )
        if answer.menu is not None:
            return await self._menus.form(interaction, answer.menu, language)
        return discord.told(answer.text, await self._offers(interaction, answer, language))

    async def _button(self, interaction: Interaction) -> tuple[ButtonData | None, str]:
        """The button of a press or form; a form turns it into a silence."""
        if interaction.kind == "command":
            return None, ""
        data = await self._checked(interaction, interaction.author)
        if data is None:
            data = await self._checked(interaction, interaction.application)
        if data is None or interaction.kind == "press":
            return data, ""
        wish = parse_wish(interaction.values.get("duration", ""), self._zone(), self._clock())
        verb: Verb = "group" if interaction.values.get("scope") == "group" else "silence"
        silence = replace(data, verb=verb, number=int(wish or 0))
        return silence, interaction.values.get("reason", "")

    async def _offers(
        self, interaction: Interaction, answer: PressAnswer, language: str
    ) -> Buttons:
        """A button to take over, below the sentence that names the holder. It is under a message of
        the application, so its data names the card's message.
        """
        data, secret = await self._checked(interaction, interaction.author), await self._key()
        if not answer.offers or data is None or secret is None:
            return ()
        over = replace(data, verb="over", message=int(interaction.message or 0))
        lane = LaneKey("discord", "", interaction.application, "")
        return ((Button(act(language, "over").text, encode(over, secret, button_place(lane))),),)

    async def _checked(self, interaction: Interaction, account: str) -> ButtonData | None:
        """The data of a button under a message of `account`; None if it is not valid there."""
        secret = await self._key()
        lane = LaneKey("discord", "", account, "")
        data = decode(interaction.data, secret, button_place(lane)) if secret else None
        return data if isinstance(data, ButtonData) else None

    async def _judged(
        self,
        key: str,
        place: MessagePlace,
        presser: Presser,
        language: str,
        *,
        data: str = "",
        button: ButtonData | None = None,
        whole: bool = False,
        reason: str = "",
    ) -> PressAnswer:
        """The committed result of the press. `button` is data that was checked before."""
        now = self._clock()
        job = partial(self._judge, key, place, presser, language, data, button, whole, reason, now)
        try:
            judged = await self._transactions.run(partial(job, early=True))
            for _ in range(_TRIES if judged.early else 0):
                await asyncio.sleep(_MOMENT)
                judged = await self._transactions.run(partial(job, early=True))
                if not judged.early:
                    break
            if judged.early:
                judged = await self._transactions.run(job)
        except StoreError as error:
            self._emit(Noted("error", "storage failed", (("err", str(error)),)))
            return PressAnswer(act(language, "not_stored"), alert=True)
        self._wake(judged.lanes)
        self._emit(PressAnswered(judged.effects.verb or "", judged.effects.outcome))
        if judged.effects.silencings:
            self._asked()
        return await self._menus.with_count(judged.effects, language)

    def _judge(
        self,
        key: str,
        place: MessagePlace,
        presser: Presser,
        language: str,
        data: str,
        button: ButtonData | None,
        whole: bool,  # noqa: FBT001 - of a job that is put together once
        reason: str,
        now: float,
        *,
        early: bool = False,
    ) -> _Judged:
        """One transaction. A press that was handled before gets the same answer again."""
        known = self._store.pressed(key)
        if known is not None:
            return _Judged(known)
        config = self._config.current
        said: ButtonData | OldData | ForgedData | None = button
        if button is None and not whole:
            lane = LaneKey(place.platform, place.api, place.account, place.chat)
            said = decode(data, self._store.button_key(), button_place(lane))
        if isinstance(said, ButtonData) and said.message:
            account = place.account if place.platform == "telegram" else ""
            place = replace(place, account=account, message=str(said.message))
        context = self._store.press_context(place, presser, now)
        if said is None:
            card = context.card
            said = ButtonData("take", card.name, card.seq) if card else OldData()
        press = Press(key, presser, place.chat, place.message, said, now, reason)
        shown = context.card
        policy = config.policy_of(shown.lane, shown.receiver) if shown else config.personal
        reader = Reader(language or config.notices_language, policy.timezone, now)
        window = policy.lifecycle.reopen_window
        effects = judge(press, context, config.acting, reader, window, self._fresh())
        if early and context.card is None and effects.outcome == "old":
            return _Judged(effects, early=True)
        return _Judged(effects, self._store.take_press(press, effects, now))

    async def _key(self) -> bytes | None:
        try:
            return await self._transactions.run(self._store.button_key)
        except StoreError:
            return None

    async def _person(self, bot: Bot, chat: str, user: int, name: str) -> Presser:
        """Who pressed. If the bot is an administrator, Telegram tells it who else is, and who is
        anonymous.
        """
        rights = telegram.MemberRights(admin=False, anonymous=False)
        if chat.startswith("-") and user:
            rights = await self._standing(bot, chat, user)
        return Presser(
            "telegram", str(user or ""), name, admin=rights.admin, anonymous=rights.anonymous
        )

    async def _standing(self, bot: Bot, chat: str, user: int) -> telegram.MemberRights:
        now, at = self._clock(), (f"{bot.api} {bot.account} {chat}", user)
        known = self._standings.get(at)
        if known is not None and known[0] > now - RIGHTS_LIVE:
            return known[1]
        response = await self._exchange(telegram.get_chat_member(bot, chat, user))
        rights = telegram.member_rights(result_of(response))
        if len(self._standings) >= _MOST_KNOWN:
            self._standings.clear()
        self._standings[at] = (now, rights)
        return rights

    async def _say(self, bot: Bot, written: Written, text: RichText) -> None:
        request = telegram.ask(
            bot,
            written.chat.id,
            written.topic.id,
            written.message,
            text.text,
            "",
            str(written.user),
        )
        await self._exchange(request)

    def _zone(self) -> str:
        return self._config.current.personal.timezone
