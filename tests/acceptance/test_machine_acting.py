"""Any interleaving of presses on two chats, payloads, silences, kills and restarts: one holder, the
same on all cards, and what the rows say.
"""

import asyncio
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from relay.bot.pressing import Presses
from relay.core.action.reconcile import Reconciled, Suppressed
from relay.core.action.settings import (
    ActingConfig,
    ActionConfig,
    ActionRule,
    AlertmanagerConfig,
    Everyone,
    Person,
)
from relay.core.bot.account import Bot
from relay.core.bot.update import BotId, CallbackQuery, ChatInfo, Topic
from relay.core.routing.lane import HttpOptions, LaneKey
from relay.core.routing.matcher import Matcher
from relay.core.secret import Secret
from relay.platforms.http import NoAnswer, Request, Response
from relay.sandbox.telegram_chats import Message
from tests.build import T0, alert, notification
from tests.world import (
    API,
    CHAT,
    GROUP_CHAT,
    SPARE,
    SPARE_CHAT,
    TOKEN,
    AtOnce,
    World,
    telegram_target,
)

CHATS = {CHAT: GROUP_CHAT, SPARE_CHAT: SPARE}
PEOPLE = {1: "Anna", 2: "Ben", 3: "Eve"}
ACTING = ActingConfig(
    tuple(Person(name, str(user)) for user, name in PEOPLE.items()),
    ActionConfig((ActionRule((Everyone(),), frozenset({"take", "silence"})),)),
    {"": AlertmanagerConfig("", ("http://127.0.0.1:1",))},
)
BOT = Bot(API, "111", Secret(TOKEN), HttpOptions(), "polling", "")
Op = tuple[str, int, str]
OPS: st.SearchStrategy[Op] = st.one_of(
    st.tuples(st.just("fire"), st.just(0), st.sampled_from("abc")),
    st.tuples(st.just("end"), st.just(0), st.sampled_from("abc")),
    st.tuples(st.just("press"), st.sampled_from([1, 2, 3]), st.sampled_from("xy")),
    st.tuples(st.just("twice"), st.sampled_from([1, 2, 3]), st.sampled_from("xy")),
    st.tuples(st.just("race"), st.sampled_from([1, 2, 3]), st.sampled_from("xy")),
    st.tuples(st.just("silence"), st.just(0), st.sampled_from("abc")),
    st.tuples(st.just("free"), st.just(0), st.sampled_from("abc")),
    st.tuples(st.sampled_from(["restart", "kill", "wait"]), st.just(0), st.just("")),
)


async def not_counted(_source: str, _matchers: tuple[Matcher, ...]) -> None:
    """Alertmanager does not say how much a silence would mute."""


class Chats(World):
    """Two groups that get the same alerts, and people who press."""

    def __init__(self) -> None:
        super().__init__(telegram_target(), telegram_target(SPARE))
        self.config.load(replace(self.config.current, acting=ACTING, bots=(BOT,)))
        self.firing: dict[str, float] = {}
        self.silent: set[str] = set()
        self.presses_made = 0
        self.time = 0.0
        self.racing: tuple[int, int] | None = None
        self.presses = Presses(
            self.store.acting,
            AtOnce(self.store),
            self.send,
            lambda: self.now,
            self.events.append,
            self.config,
            self.woken,
            lambda: None,
            lambda: f"act{self.presses_made}",
            not_counted,
        )

    def woken(self, lanes: tuple[LaneKey, ...]) -> None:
        for lane in lanes:
            self.wakes[lane] = self.now

    async def do(self, op: Op) -> None:
        what, who, which = op
        match what:
            case "fire" | "end":
                await self.tell(which, fires=what == "fire")
            case "press" | "twice":
                chat = CHAT if which == "x" else SPARE_CHAT
                await self.press(who, chat, times=1 if what == "press" else 2)
            case "race":
                self.racing = who, CHAT if which == "x" else SPARE_CHAT
                await self.suppress("a", silent="a" not in self.silent)
            case "silence" | "free":
                await self.suppress(which, silent=what == "silence")
            case "restart":
                await self.restart()
            case "kill":
                await self.killed()
            case _:
                pass
        self.time += 30.0
        await self.run(self.time)

    async def send(self, request: Request) -> Response | NoAnswer:
        """While a card is edited, somebody presses."""
        if self.racing and request.name == "editMessageText":
            (user, chat), self.racing = self.racing, None
            await self.press(user, chat, times=1)
        return await super().send(request)

    async def tell(self, which: str, *, fires: bool) -> None:
        if fires:
            self.firing.setdefault(which, self.now)
        elif which not in self.firing:
            return
        began = self.firing[which] if fires else self.firing.pop(which)
        ended = [] if fires else [alert(which, "resolved", at=began, ends=self.now)]
        now = [alert(each, at=at) for each, at in self.firing.items()]
        await self.post(notification(*now, *ended))

    async def press(self, user: int, chat: int, times: int) -> None:
        """The first button that there is; the same press may come twice."""
        shown = self.cards(chat)
        if not shown:
            return
        markup = shown[-1].shown.markup or {}
        rows = markup["inline_keyboard"]
        assert isinstance(rows, list)
        self.presses_made += 1
        update = CallbackQuery(
            self.presses_made,
            f"q{self.presses_made}",
            ChatInfo(str(chat), "supergroup", ""),
            Topic(),
            str(shown[-1].id),
            user,
            PEOPLE[user],
            "en",
            rows[0][0]["callback_data"],
        )
        for _ in range(times):
            await self.presses.press(BotId(API, "111"), update)

    async def suppress(self, which: str, *, silent: bool) -> None:
        found = {which: Suppressed("silenced", T0 * 2, "Ben", "deploy", "s1")} if silent else {}
        self.silent = self.silent | {which} if silent else self.silent - {which}
        seen = Reconciled(found, () if silent else (which,))
        keep = partial(self.store.acting.keep_reconciled, "", seen, self.now)
        self.woken(await self.commit(keep))

    async def killed(self) -> None:
        """The process ends in the middle of the next call, if there is one."""
        self.dying = True
        for lane in CHATS.values():
            try:
                await self.turn(lane)
            except KeyboardInterrupt:
                break
        await self.restart()

    def cards(self, chat: int) -> list[Message]:
        """The messages with buttons; replies have none."""
        return [each for each in self.telegram.messages(chat) if each.shown.markup]

    def line(self, chat: int, sign: str) -> str:
        """The line of the chat's newest card that begins so."""
        shown = self.cards(chat)
        lines = shown[-1].text.splitlines() if shown else []
        return next((line for line in lines if line.startswith(sign)), "")

    def check(self) -> None:
        known = self.store.acting.known("", sorted(self.firing))
        holders = {each.holder.name for each in known.takes.values() if each.ended_at is None}
        for chat in CHATS:
            taken = self.line(chat, "✋")
            assert all(name in taken for name in holders), (holders, taken)
            assert bool(holders) == bool(taken), (holders, taken)
            is_silent = bool(self.silent & set(self.firing))
            assert bool(self.line(chat, "🔕")) == is_silent, self.telegram.transcript(chat)
        assert self.line(CHAT, "✋") == self.line(SPARE_CHAT, "✋")
        for each in known.takes.values():
            assert each.holder.name in PEOPLE.values()


@pytest.mark.medium
@given(st.lists(OPS, max_size=14))
@settings(deadline=None)
def test_however_presses_payloads_kills_and_silences_meet_all_cards_say_the_same(
    ops: list[Op],
) -> None:
    async def all_of_it() -> None:
        world = Chats()
        for op in [("fire", 0, "a"), *ops]:
            await world.do(op)
        world.time += 120.0
        await world.run(world.time)
        world.check()

    asyncio.run(all_of_it())
