"""Any interleaving of presses by several people on both platforms, payloads, polls, silences made
elsewhere, faults of Alertmanager, kills and restarts: one holder, the same on all cards and as the
rows have it; silences as Alertmanager has them, and none twice for one action.
"""

import asyncio
from collections import Counter

import pytest
from aiohttp.test_utils import TestServer
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from relay.alertmanager.client import transport
from relay.alertmanager.runner import AlertmanagerRunner
from relay.bot.pressing import Presses
from relay.core.action.settings import (
    ActingConfig,
    ActionConfig,
    ActionRule,
    AlertmanagerConfig,
    DiscordBot,
    Everyone,
    Person,
)
from relay.core.alert import Labels
from relay.core.bot.account import Bot
from relay.core.bot.update import BotId, CallbackQuery, ChatInfo, Topic
from relay.core.routing.lane import HttpOptions, LaneKey
from relay.core.routing.matcher import Matcher, matches
from relay.core.secret import Secret
from relay.platforms.discord.interactions import interaction
from relay.platforms.http import NoAnswer, Request, Response
from tests.build import POLICY, alert, notification
from tests.twin_alertmanager import Fault, TwinAlertmanager, TwinSilence
from tests.world import (
    API,
    CHANNEL,
    CHANNEL_HOOK,
    CHAT,
    GROUP_CHAT,
    HOOK,
    SPARE,
    SPARE_CHAT,
    TOKEN,
    AtOnce,
    World,
    discord_target,
    telegram_target,
)

GROUPS = {"x": CHAT, "y": SPARE_CHAT}
LANES = (GROUP_CHAT, SPARE, CHANNEL_HOOK)
PEOPLE = {1: "Anna", 2: "Ben", 3: "Eve"}
APPLICATION = "9000001"
BOT = Bot(API, "111", Secret(TOKEN), HttpOptions(), "polling", "")
ALERTS = {name: alert(name).labels for name in "abc"}
Op = tuple[str, int, str, int]
who, which, button = st.sampled_from([1, 2, 3]), st.sampled_from("abc"), st.integers(0, 3)
no_one, no_chat, no_button = st.just(0), st.just(""), st.just(0)
places = st.sampled_from("xyd")
fates = st.sampled_from(["busy", "lost before", "lost after", "error after", "text"])
OPS: st.SearchStrategy[Op] = st.one_of(
    st.tuples(st.just("fire"), no_one, which, no_button),
    st.tuples(st.just("end"), no_one, which, no_button),
    st.tuples(st.just("press"), who, places, button),
    st.tuples(st.just("twice"), who, places, button),
    st.tuples(st.just("race"), who, places, button),
    st.tuples(st.sampled_from(["elsewhere", "over"]), no_one, which, no_button),
    st.tuples(st.just("fault"), no_one, fates, no_button),
    st.tuples(
        st.sampled_from(["poll", "poll", "kill", "kill at alertmanager", "restart", "wait"]),
        no_one, no_chat, no_button,
    ),
)  # fmt: skip


async def not_counted(_source: str, _matchers: tuple[Matcher, ...]) -> None:
    """Alertmanager does not say how much a silence would mute."""


class Chats(World):
    """Two groups and a channel that get the same alerts, people who press, and Alertmanager."""

    def __init__(self) -> None:
        super().__init__(telegram_target(), telegram_target(SPARE), discord_target(POLICY))
        self.discord.webhooks[HOOK].application = APPLICATION
        self.firing: dict[str, float] = {}
        self.number = 0
        self.time = 0.0
        self.racing: tuple[int, str, int] | None = None
        self.dies_at_alertmanager = False
        self.twin = TwinAlertmanager(lambda: self.now)
        self.twin.started_at -= 3600.0
        self.presses = Presses(
            self.store.acting, AtOnce(self.store), self.send, lambda: self.now,
            self.events.append, self.config, self.woken, lambda: None,
            lambda: f"act{self.number}", not_counted,
        )  # fmt: skip

    async def begin(self, url: str) -> None:
        people = tuple(Person(name, str(user), f"34000{user}") for user, name in PEOPLE.items())
        rule = ActionRule((Everyone(),), frozenset({"take", "silence"}))
        self.peer = AlertmanagerConfig("", (url,))
        acting = ActingConfig(
            people,
            ActionConfig((rule,)),
            {"": self.peer},
            discord=DiscordBot(API, APPLICATION, Secret("t"), HttpOptions()),
        )
        self.config.load(replace(self.config.current, acting=acting, bots=(BOT,)))
        self.connections = transport()
        self.runner = self.relay()

    def relay(self) -> AlertmanagerRunner:
        """The part of a process that has just started which asks Alertmanager."""
        return AlertmanagerRunner(
            self.peer,
            self.store.acting,
            AtOnce(self.store),
            self.ask,
            lambda: self.now,
            self.events.append,
            self.woken,
        )

    async def ask(self, request: Request) -> Response | NoAnswer:
        """A call of Alertmanager. The process may be killed before its answer comes."""
        answer = await self.connections.send(request)
        if self.dies_at_alertmanager and request.verb != "GET":
            self.dies_at_alertmanager = False
            raise KeyboardInterrupt
        return answer

    def woken(self, lanes: tuple[LaneKey, ...]) -> None:
        for lane in lanes:
            self.wakes[lane] = self.now

    async def do(self, op: Op) -> None:
        what, user, at, index = op
        match what:
            case "fire" | "end":
                await self.tell(at, fires=what == "fire")
            case "press" | "twice":
                await self.press(user, at, index, times=1 if what == "press" else 2)
            case "race":
                self.racing = user, at, index
            case "elsewhere" | "over":
                self.silence(at, lasts=3600.0 if what == "elsewhere" else 0.0)
            case "fault":
                fault: dict[str, Fault] = {
                    "busy": "busy", "lost before": "lost before", "lost after": "lost after",
                    "error after": "error after", "text": "text",
                }  # fmt: skip
                self.twin.faults.append(fault[at])
            case "kill at alertmanager":
                self.dies_at_alertmanager = True
            case "kill":
                await self.killed()
            case "restart":
                await self.restart()
                self.runner = self.relay()
            case _:
                pass
        if what in ("poll", "kill at alertmanager"):
            await self.works()
        self.time += 30.0
        await self.run(self.time)

    async def works(self) -> None:
        """What is due at Alertmanager, and a look at what it suppresses."""
        try:
            for silencing in self.store.acting.silencings_due("", self.now):
                await self.runner.advance(silencing)
            await self.runner.look()
        except KeyboardInterrupt:
            await self.restart()
            self.runner = self.relay()

    async def send(self, request: Request) -> Response | NoAnswer:
        """While a card is edited, somebody presses."""
        if self.racing and request.name in ("editMessageText", "edit_webhook_message"):
            racing, self.racing = self.racing, None
            await self.press(*racing, times=1)
        return await super().send(request)

    async def tell(self, which: str, *, fires: bool) -> None:
        if fires:
            self.firing.setdefault(which, self.now)
        elif which not in self.firing:
            return
        began = self.firing[which] if fires else self.firing.pop(which)
        ended = [] if fires else [alert(which, "resolved", at=began, ends=self.now)]
        now = [alert(each, at=at) for each, at in self.firing.items()]
        self.twin.alerts = [dict(ALERTS[each]) for each in self.firing]
        self.twin.fingerprints = {each: each for each in ALERTS}
        await self.post(notification(*now, *ended))

    def silence(self, which: str, lasts: float) -> None:
        """Somebody silences an alert by amtool, or ends all silences."""
        silences = self.twin.cluster.silences
        if not lasts:
            for each in silences.values():
                each.ends_at = min(each.ends_at, self.now)
            return
        self.number += 1
        matcher = (Matcher("instance", "=", which),)
        name = f"s{self.number}"
        silences[name] = TwinSilence(
            name, matcher, self.now, self.now + lasts, "Zoe", "deploy", self.now, self.twin.name
        )

    async def press(self, user: int, at: str, index: int, times: int) -> None:
        """One of the buttons that there are; the same press may come twice."""
        self.number += 1
        if at == "d":
            shown = [m for m in self.discord.messages(CHANNEL) if m.shown.components]
            if not shown:
                return
            cells = shown[-1].shown.components[0]["components"]
            assert isinstance(cells, list)
            body: dict[str, object] = {
                "id": str(700000000000 + self.number), "application_id": APPLICATION, "type": 3,
                "token": "t", "channel_id": str(CHANNEL),
                "member": {"user": {"id": f"34000{user}"}},
                "message": {"id": str(shown[-1].id), "webhook_id": str(HOOK)},
                "data": {"custom_id": cells[index % len(cells)]["custom_id"]},
            }  # fmt: skip
            for _ in range(times):
                await self.presses.answer(interaction(body))
            return
        chat = GROUPS[at]
        cards = [each for each in self.telegram.messages(chat) if each.shown.markup]
        if not cards:
            return
        rows = (cards[-1].shown.markup or {})["inline_keyboard"]
        assert isinstance(rows, list)
        update = CallbackQuery(
            self.number, f"q{self.number}", ChatInfo(str(chat), "supergroup", ""), Topic(),
            str(cards[-1].id), user, PEOPLE[user], "en",
            rows[0][index % len(rows[0])]["callback_data"],
        )  # fmt: skip
        for _ in range(times):
            await self.presses.press(BotId(API, "111"), update)

    async def killed(self) -> None:
        """The process ends in the middle of the next call, if there is one."""
        self.dying = True
        for lane in LANES:
            try:
                await self.turn(lane)
            except KeyboardInterrupt:
                break
        await self.restart()
        self.runner = self.relay()

    def cards(self) -> dict[str, str]:
        """The text of the newest card with buttons of each chat."""
        found = {}
        for name, chat in GROUPS.items():
            shown = [m.text for m in self.telegram.messages(chat) if m.shown.markup]
            found[name] = shown[-1] if shown else ""
        channel = [m for m in self.discord.messages(CHANNEL) if m.shown.components]
        told = [f"{m.shown.content}\n{m.shown.embeds}" for m in channel[-1:]]
        found["d"] = told[0].replace("\\n", "\n") if told else ""
        return found

    def check(self) -> None:
        known = self.store.acting.known("", sorted(self.firing))
        holders = {
            each.holder.name
            for key, each in known.takes.items()
            if each.ended_at is None and key in self.firing
        }
        assert holders <= set(PEOPLE.values())
        silent = [each for each in self.firing if self.is_silent(ALERTS[each])]
        for place, text in self.cards().items():
            if self.firing:
                taken = {name for name in holders if f"{name} since" in text}
                assert taken == holders, (place, text, holders)
                assert ("✋" in text) == bool(holders), (place, text)
                assert ("🔕 until" in text) == bool(silent), (place, text, silent)
        made = Counter(
            each.comment.partition("[alert-relay ")[2].partition(":")[0]
            for each in self.twin.cluster.silences.values()
            if "[alert-relay " in each.comment
        )
        assert all(times == 1 for times in made.values()), made

    def is_silent(self, labels: Labels) -> bool:
        """Whether Alertmanager mutes it."""
        return any(
            each.state(self.now) == "active" and matches(each.matchers, labels)
            for each in self.twin.cluster.silences.values()
        )


@pytest.mark.medium
@pytest.mark.timeout(600)
@settings(max_examples=min(settings().max_examples, 200), deadline=None)
@given(st.lists(OPS, max_size=16))
def test_however_people_payloads_alertmanager_and_kills_meet_all_cards_say_the_same(
    ops: list[Op],
) -> None:
    async def all_of_it() -> None:
        world = Chats()
        server = TestServer(world.twin.app())
        await server.start_server()
        await world.begin(str(server.make_url("/")).rstrip("/"))
        for op in [("fire", 0, "a", 0), *ops]:
            await world.do(op)
        world.twin.faults.clear()
        world.dies_at_alertmanager = False
        for _ in range(8):  # what was asked for is carried out, and everything is shown
            world.time += 45.0
            await world.run(world.time)
            await world.works()
        await world.run(world.time + 30.0)
        world.check()
        await world.connections.close()
        await server.close()

    asyncio.run(all_of_it())
