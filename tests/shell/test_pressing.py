"""Presses of both platforms, from the update to the rows and the answer."""

import json
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from relay.active_config import CurrentConfig
from relay.bot.menus import QUESTION_LIVES
from relay.bot.pressing import Presses
from relay.config.template_check import compiled
from relay.core.action.episode import ShownAlert
from relay.core.action.judge import MOST_PRESSES
from relay.core.action.press import ShownCard
from relay.core.action.pressed import ButtonData, Verb, button_place, card_name, encode
from relay.core.action.rights import Presser
from relay.core.action.settings import (
    ActingConfig,
    ActionConfig,
    ActionRule,
    AlertmanagerConfig,
    ChatAdmins,
    DiscordBot,
    Everyone,
    Named,
    Person,
)
from relay.core.active_config import ActiveConfig
from relay.core.alert import GroupId, Labels
from relay.core.bot.account import Bot
from relay.core.bot.update import BotId, CallbackQuery, ChatInfo, Topic, Written
from relay.core.event import Event
from relay.core.routing.lane import HttpOptions, LaneKey, Policy
from relay.core.routing.matcher import Matcher
from relay.core.routing.route import Route, Routing
from relay.core.secret import Secret
from relay.platforms.discord.interactions import Interaction
from relay.platforms.http import NoAnswer, Request, Response
from tests.shell.acting_store import KEY, MemoryActing, Now, shown

API = "https://api.telegram.org"
BOT, BOT_ID = Bot(API, "7", Secret("7:t"), HttpOptions(), "polling", ""), BotId(API, "7")
GROUP = ChatInfo("-1001", "supergroup", "Ops")
ALERTS = GroupId("", "am", "{}")
TELEGRAM = LaneKey("telegram", API, "7", "-1001")
DISCORD = LaneKey("discord", "https://discord.com/api/v10", "5555555", "777777")
ANNA = Person("Anna", "12", "343434")
ALERT = ShownAlert({"alertname": "A", "job": "api"}, 900.0, seq=3)
CARD = ShownCard("", "", {"alertname": "A"}, (ALERT,), title="A", seq=3)
RULES = (
    ActionRule((Named(ANNA), ChatAdmins()), frozenset({"take", "silence"}), words=("Anna",)),
    ActionRule((Everyone(),), frozenset({"take"}), words=("everyone",)),
)


@dataclass
class World:
    """Two chats that show one alert, and all that is asked of the platforms."""

    now: float = 1000.0
    store: MemoryActing = field(default_factory=MemoryActing)
    requests: list[Request] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    woken: list[LaneKey] = field(default_factory=list)
    members: dict[int, dict[str, object]] = field(default_factory=dict)
    rings: int = 0
    present: tuple[Labels, ...] = (ALERT.labels,)
    ephemerals: bool = False
    _number: Any = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        acting = ActingConfig(
            (ANNA,),
            ActionConfig(RULES),
            {"": AlertmanagerConfig("", ("http://am",))},
            discord=DiscordBot("https://d", "5555555", Secret("t"), HttpOptions()),
        )
        routing = Routing(Route("ops"), {})
        config = ActiveConfig(
            routing, compiled(()), bots=(BOT,), personal=Policy("", "", "none"), acting=acting
        )
        self.config = CurrentConfig(config)
        for lane, message in ((TELEGRAM, "5"), (DISCORD, "444444")):
            name = card_name(lane, ALERTS, "")
            self.store.show(lane, message, shown(CARD, name=name))
        self.presses = Presses(
            self.store,
            Now(self.store),
            self.exchange,
            lambda: self.now,
            self.events.append,
            self.config,
            self.woken.extend,
            self.ring,
            lambda: f"act{next(self._number)}",
            self.count,
        )

    async def count(self, _source: str, _matchers: tuple[Matcher, ...]) -> tuple[Labels, ...]:
        return self.present

    def ring(self) -> None:
        self.rings += 1

    async def exchange(self, request: Request) -> Response | NoAnswer:
        self.requests.append(request)
        if request.name == "getChatMember":
            user = json.loads(request.body)["user_id"]
            found = self.members.get(user, {"status": "member"})
            return Response(200, {}, json.dumps({"ok": True, "result": found}).encode())
        if request.name == "deleteEphemeralMessage" and not self.ephemerals:
            return Response(404, {}, b'{"ok":false,"error_code":404,"description":"Not Found"}')
        return Response(200, {}, b'{"ok":true,"result":{"message_id":90}}')

    def data(self, lane: LaneKey, verb: Verb, number: int = 0) -> str:
        said = ButtonData(verb, card_name(lane, ALERTS, ""), 3, number)
        return encode(said, KEY, button_place(lane))

    async def press(
        self,
        verb: Verb,
        user: int = 12,
        number: int = 0,
        data: str = "",
        message: str = "5",
        ephemeral: int = 0,
    ) -> dict[str, Any]:
        """A press on Telegram; the answer as it was sent."""
        query = CallbackQuery(
            next(self._number), f"q{next(self._number)}", GROUP, Topic(), message, user,
            f"P{user}", "en", data or self.data(TELEGRAM, verb, number), ephemeral,
        )  # fmt: skip
        await self.presses.press(BOT_ID, query)
        return self.answers()[-1]

    def answers(self) -> list[dict[str, Any]]:
        asked = [each for each in self.requests if each.name == "answerCallbackQuery"]
        return [json.loads(each.body) for each in asked]

    async def interact(self, interaction: Interaction) -> dict[str, Any]:
        await self.presses.interact(interaction)
        sent = [each for each in self.requests if each.name == "interaction_callback"]
        found = json.loads(sent[-1].body)
        assert isinstance(found, dict)
        return found

    def interaction(self, verb: Verb, user: str = "343434", **changes: object) -> Interaction:
        plain = Interaction(
            str(100000 + next(self._number)), Secret("t"), "900001", "press",
            Presser("discord", user, f"D{user}"), "777777", "444444", DISCORD.account,
            self.data(DISCORD, verb), {}, "en",
        )  # fmt: skip
        return replace(plain, **changes)


@pytest.fixture
def world() -> World:
    return World()


async def test_a_take_on_one_platform_is_the_same_on_the_other(world: World) -> None:
    assert (await world.press("take"))["text"] == "It is yours."
    assert world.store.takes[ALERT.key].holder.name == "Anna"
    assert set(world.woken) == {TELEGRAM, DISCORD}
    same = await world.interact(world.interaction("take"))
    assert same["data"]["content"].startswith("It has been yours since")
    other = await world.interact(world.interaction("take", "999999"))
    assert other["data"]["flags"] == 64
    assert other["data"]["content"].startswith("Anna has it since")


async def test_the_button_of_the_answer_takes_over_though_it_stands_under_another_message(
    world: World,
) -> None:
    await world.press("take")
    told = await world.interact(world.interaction("take", "999999"))
    data = told["data"]["components"][0]["components"][0]["custom_id"]
    over = world.interaction(
        "take", "999999", data=data, message="888888", author="900001", application="900001"
    )
    assert (await world.interact(over))["data"]["content"] == "It is yours now; Anna had it."
    forged = replace(over, id="777001", application="900002", author="900002")
    assert (await world.interact(forged))["data"]["content"] == "This button does not work."


async def test_a_press_that_is_delivered_twice_counts_once(world: World) -> None:
    query = CallbackQuery(
        1, "q", GROUP, Topic(), "5", 12, "A", "en", world.data(TELEGRAM, "silence", 3600)
    )
    await world.presses.press(BOT_ID, query)
    await world.presses.press(BOT_ID, query)
    assert len(world.store.silencings) == 1
    assert len({each["text"] for each in world.answers()}) == 1
    assert world.rings == 2


async def test_a_store_that_fails_does_nothing_and_says_so(world: World) -> None:
    world.store.broken = True
    assert (await world.press("take"))["text"] == "Not stored: press again."
    told = await world.interact(world.interaction("take"))
    assert told["data"]["content"] in ("Not stored: press again.", "This button does not work.")
    assert not world.store.takes


async def test_forged_data_and_data_of_another_chat_change_nothing(world: World) -> None:
    elsewhere = encode(
        ButtonData("silence", card_name(TELEGRAM, ALERTS, ""), 3, 3600),
        KEY,
        button_place(replace(TELEGRAM, chat="-1002")),
    )
    for data in ("1s.x.3.1.abc", "", elsewhere, "x" * 999):
        answer = await world.press("take", data=data or "y")
        assert answer["text"] == "This button does not work."
    wrong_message = await world.press("take", message="6")
    assert "older message" in wrong_message["text"]
    assert not world.store.takes
    assert not world.store.silencings


async def test_administrators_are_asked_for_once_and_anonymous_ones_are_not_named(
    world: World,
) -> None:
    world.members[30] = {"status": "administrator", "is_anonymous": True}
    answer = await world.press("silence", 30, 3600)
    assert answer["text"].startswith("Asking Alertmanager for 1\xa0h")
    (silencing,) = world.store.silencings.values()
    assert silencing.person.name == "an administrator"
    assert "30" not in silencing.comment
    await world.press("take", 30)
    assert [each.name for each in world.requests].count("getChatMember") == 1
    world.now += 61.0
    world.members[30] = {"status": "member"}
    assert "may not" in (await world.press("silence", 30, 3600))["text"]


async def test_how_long_is_asked_in_writing_and_only_of_the_one_who_pressed(world: World) -> None:
    await world.press("menu")
    question = next(each for each in world.requests if each.name == "sendMessage")
    assert json.loads(question.body)["reply_markup"]["selective"] is True

    def wrote(text: str, user: int = 12) -> Written:
        number = next(world._number)
        return Written(number, GROUP, Topic(), user, "A", "en", "91", "90", text)

    assert await world.presses.written(BOT_ID, wrote("90m"))
    (silencing,) = world.store.silencings.values()
    assert silencing.seconds == 5400.0
    assert any(each.name == "deleteMessage" for each in world.requests)
    assert not await world.presses.written(BOT_ID, wrote("90m"))  # it was answered
    await world.press("menu")
    assert not await world.presses.written(BOT_ID, wrote("90m", user=99))
    await world.press("menu")
    world.now += QUESTION_LIVES
    assert not await world.presses.written(BOT_ID, wrote("90m"))
    assert len(world.store.silencings) == 1


async def test_how_long_is_asked_by_a_form_on_discord(world: World) -> None:
    asked = world.interaction("menu")
    form = await world.interact(asked)
    assert (form["type"], form["data"]["custom_id"]) == (9, asked.data)
    sent = replace(
        asked, id="700001", kind="form", values={"duration": "2d", "reason": "deploy\nnow"}
    )
    told = await world.interact(sent)
    assert told["data"]["content"] == "You may silence for 1\xa0d at most."
    short = replace(sent, id="700002", values={"duration": "90m", "reason": "deploy\nnow"})
    assert "1\xa0h\xa030\xa0min" in (await world.interact(short))["data"]["content"]
    (silencing,) = world.store.silencings.values()
    assert (silencing.comment, silencing.about) == ("deploy now", "A, by Anna (discord 343434)")
    wrong = replace(sent, id="700003", values={"duration": "soon"})
    assert "not a duration" in (await world.interact(wrong))["data"]["content"]


OTHER = {"alertname": "A", "job": "elsewhere"}
WIDE = ActionRule((Named(ANNA),), frozenset({"take", "silence", "silence_wide"}), words=("Anna",))


def allow_wide(world: World) -> None:
    acting = replace(world.config.current.acting, actions=ActionConfig((WIDE,)))
    world.config.load(replace(world.config.current, acting=acting))
    world.present = (ALERT.labels, OTHER)


async def test_a_form_offers_the_group_with_its_count_to_who_may_silence_it(world: World) -> None:
    form = await world.interact(world.interaction("menu"))
    (duration, _) = form["data"]["components"]
    assert duration["description"] == "this alert: mutes 1 alert"
    allow_wide(world)
    asked = world.interaction("menu")
    form = await world.interact(replace(asked, id="700010"))
    options = form["data"]["components"][0]["component"]["options"]
    assert [(each["value"], each["label"]) for each in options] == [
        ("silence", "this alert: mutes 1 alert"),
        ("group", "the whole group: mutes 2 alerts, 1 of them elsewhere"),
    ]
    values = {"duration": "2h", "scope": "group"}
    told = await world.interact(replace(asked, id="700011", kind="form", values=values))
    assert told["data"]["content"] == (
        "Asking Alertmanager for 2\xa0h: the whole group. It mutes 1 other alert."
    )
    (silencing,) = world.store.silencings.values()
    assert [str(each) for each in silencing.matchers] == ['alertname="A"']


async def test_who_may_not_silence_the_group_may_not_say_so_in_a_form(world: World) -> None:
    asked = world.interaction("menu")
    values = {"duration": "2h", "scope": "group"}
    told = await world.interact(replace(asked, id="700012", kind="form", values=values))
    assert "You may not" in told["data"]["content"]
    assert world.store.silencings == {}


async def test_on_telegram_the_menu_is_a_message_that_one_person_sees(world: World) -> None:
    world.ephemerals = True
    allow_wide(world)
    assert (await world.press("menu"))["text"] == ""
    sent = json.loads(next(each for each in world.requests if each.name == "sendMessage").body)
    assert sent["ephemeral_message_parameters"]["receiver_user_id"] == 12
    assert sent["text"].splitlines() == [
        "Silence for how long?",
        "this alert: mutes 1 alert",
        "the whole group: mutes 2 alerts, 1 of them elsewhere",
    ]
    rows = sent["reply_markup"]["inline_keyboard"]
    labels = [[each["text"] for each in row] for row in rows]
    assert labels == [
        ["🔕 30 min", "🔕 1 d", "until 9:00"], ["group: 1 h", "group: 4 h", "group: 1 d"],
        ["other …"],
    ]  # fmt: skip
    assert all(len(cell["callback_data"].encode()) <= 64 for row in rows for cell in row)
    probes = [each for each in world.requests if each.name == "deleteEphemeralMessage"]
    assert len(probes) == 1
    answer = await world.press("menu", data=rows[1][0]["callback_data"], message="", ephemeral=3)
    assert answer["text"] == (
        "Asking Alertmanager for 1\xa0h: the whole group. It mutes 1 other alert."
    )
    deleted = json.loads(world.requests[-1].body)
    assert deleted["ephemeral_message_id"] == 3
    (silencing,) = world.store.silencings.values()
    assert silencing.seconds == 3600.0
    await world.press("menu", data=rows[2][0]["callback_data"], message="", ephemeral=3)
    asked = [each for each in world.requests if each.name == "sendMessage"][-1]
    assert "2h group" in json.loads(asked.body)["text"]
    assert json.loads(asked.body)["reply_parameters"]["message_id"] == 5
    wrote = Written(999, GROUP, Topic(), 12, "A", "en", "91", "90", "2h group")
    assert await world.presses.written(BOT_ID, wrote)
    assert [each.seconds for each in world.store.silencings.values()] == [3600.0, 7200.0]


async def test_an_older_server_is_asked_once_and_never_sent_what_all_would_see(
    world: World,
) -> None:
    await world.press("menu")
    await world.press("menu")
    probes = [each for each in world.requests if each.name == "deleteEphemeralMessage"]
    sent = [json.loads(each.body) for each in world.requests if each.name == "sendMessage"]
    assert len(probes) == 1
    assert [each["reply_markup"]["selective"] for each in sent] == [True, True]
    assert not any("ephemeral_message_parameters" in each for each in sent)


async def test_who_may_not_silence_gets_no_form(world: World) -> None:
    told = await world.interact(world.interaction("menu", "999999"))
    assert told["type"] == 4
    assert told["data"]["content"] == "You may not do this here. Ask Anna."


async def test_a_message_command_takes_what_the_message_shows(world: World) -> None:
    command = replace(world.interaction("take"), kind="command", data="Take")
    assert (await world.interact(command))["data"]["content"] == "It is yours."
    unknown = replace(command, id="700001", message="999999")
    assert "older message" in (await world.interact(unknown))["data"]["content"]


async def test_a_flood_of_one_person_is_refused_and_others_are_not(world: World) -> None:
    for _ in range(MOST_PRESSES):
        await world.press("take", 50)
    assert "Too many" in (await world.press("take", 50))["text"]
    assert "Too many" not in (await world.press("take", 51))["text"]
    world.now += 61.0
    assert "Too many" not in (await world.press("take", 50))["text"]


async def test_buttons_that_are_switched_off_say_so(world: World) -> None:
    data = world.data(TELEGRAM, "take")
    world.config.load(replace(world.config.current, acting=ActingConfig()))
    assert (await world.press("take", data=data))["text"] == "Buttons are switched off."


steps = st.lists(
    st.tuples(
        st.sampled_from(["12", "30", "31", "d343434", "d999999"]),
        st.sampled_from(["take", "release", "silence"]),
        st.integers(0, 70),
    ),
    max_size=25,
)


@given(steps)
async def test_any_order_of_presses_on_both_platforms_leaves_one_holder(
    story: list[tuple[str, Verb, int]],
) -> None:
    world = World()
    for who, verb, later in story:
        world.now += later
        before = world.store.takes.get(ALERT.key)
        if who.startswith("d"):
            await world.interact(world.interaction(verb, who[1:]))
        else:
            await world.press(verb, int(who), 3600)
        after = world.store.takes.get(ALERT.key)
        person = "Anna" if who in ("12", "d343434") else who
        if after is not None and after != before:
            assert after.holder.person in (person, f"telegram {who}", f"discord {who[1:]}")
        if verb == "silence":
            assert after == before
    people = {each.person.name for each in world.store.silencings.values()}
    assert people <= {"Anna"}
