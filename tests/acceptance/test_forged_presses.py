"""Whatever ids, chats, data and bodies a client makes up, nothing changes without the right; and
floods of presses delay no alert.
"""

import asyncio
from functools import partial

import msgspec
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
    DiscordBot,
    Named,
    Person,
)
from relay.core.action.take import Holder, Taken
from relay.core.bot.account import Bot
from relay.core.bot.update import BotId
from relay.core.routing.lane import HttpOptions
from relay.core.routing.matcher import Matcher
from relay.core.secret import Secret
from relay.platforms.discord.interactions import interaction
from relay.platforms.telegram.updates import update
from relay.store.sql.store import SqlStore
from tests.build import POLICY, T0, alert, notification
from tests.world import (
    API,
    CHANNEL,
    CHAT,
    HOOK,
    SPARE,
    SPARE_CHAT,
    TOKEN,
    AtOnce,
    World,
    discord_target,
    telegram_target,
)

ANNA, APPLICATION = Person("Anna", "12", "343434343434"), "9000001"
BOT = Bot(API, "111", Secret(TOKEN), HttpOptions(), "polling", "")
ACTING = ActingConfig(
    (ANNA,),
    ActionConfig((ActionRule((Named(ANNA),), frozenset({"take", "silence", "silence_wide"})),)),
    {"": AlertmanagerConfig("", ("http://127.0.0.1:1",))},
    discord=DiscordBot(API, APPLICATION, Secret("t"), HttpOptions()),
)
GROUP = {"id": CHAT, "type": "supergroup", "title": "Ops"}


async def not_counted(_source: str, _matchers: tuple[Matcher, ...]) -> None:
    """Alertmanager does not say how much a silence would mute."""


class Chats(World):
    """Two groups and a channel that show alerts: `a` is Anna's, `b` is silenced, `c` is free."""

    def __init__(self) -> None:
        super().__init__(telegram_target(), telegram_target(SPARE), discord_target(POLICY))
        self.discord.webhooks[HOOK].application = APPLICATION
        self.config.load(replace(self.config.current, acting=ACTING, bots=(BOT,)))
        self.number = 0
        self.presses = Presses(
            self.store.acting, AtOnce(self.store), self.send, lambda: self.now,
            self.events.append, self.config, self.woken, lambda: None,
            lambda: f"act{self.number}", not_counted,
        )  # fmt: skip

    def woken(self, lanes: object) -> None:
        assert isinstance(lanes, tuple)
        for lane in lanes:
            self.wakes[lane] = self.now

    async def begin(self) -> None:
        for name in "abc":
            told = notification(alert(name), group=replace(notification().group, group_key=name))
            await self.post(told)
        await self.run(30.0)
        taken = Taken("", "a", T0, Holder("Anna", "Anna"), self.now)
        await self.commit(partial(self.store.acting.keep_takes, [taken]))
        found = Reconciled({"b": Suppressed("silenced", T0 * 2, "Anna", "", "s1")}, ())
        await self.commit(partial(self.store.acting.keep_reconciled, "", found, self.now))
        self.woken(await self.commit(self.store.acting.look_again))
        await self.run(60.0)

    @property
    def state(self) -> object:
        """All that a press may change, but for the record of presses."""
        assert isinstance(self.store, SqlStore)
        known = self.store.acting.known("", ["a", "b", "c"])
        asked = self.store.acting.silencings_due("", T0 * 3)
        return msgspec.to_builtins((known, asked))

    def telegram_data(self) -> list[tuple[int, int, str]]:
        """Chat, message and data of each button that there is."""
        found = []
        for chat in (CHAT, SPARE_CHAT):
            for message in self.telegram.messages(chat):
                rows = (message.shown.markup or {}).get("inline_keyboard")
                assert isinstance(rows, list)
                found += [(chat, message.id, cell["callback_data"]) for row in rows for cell in row]
        return found

    def discord_data(self) -> list[tuple[int, str]]:
        """Message and data of each button in the channel."""
        found = []
        for message in self.discord.messages(CHANNEL):
            for row in message.shown.components:
                cells = row["components"]
                assert isinstance(cells, list)
                found += [(message.id, cell["custom_id"]) for cell in cells]
        return found


def changed(data: str, at: int, letter: str, kind: str) -> str:
    """The data of a button, spoiled."""
    at %= max(len(data), 1)
    parts = data.split(".")
    match kind:
        case "letter":
            return data[:at] + letter + data[at + 1 :]
        case "cut":
            return data[:at]
        case "more":
            return data + letter
        case "verb":
            return f"1{letter}.{'.'.join(parts[1:])}"
        case "seq":
            return ".".join([*parts[:2], "zzzz", *parts[3:]])
        case "seconds":
            return ".".join([*parts[:3], "zzzz", *parts[4:]])
        case _:
            return letter * at


kinds = st.sampled_from(["letter", "cut", "more", "verb", "seq", "seconds", "else"])
spoils = st.tuples(st.integers(0, 90), st.sampled_from("tsgoremaAZ09._-é\0"), kinds)
strangers = st.sampled_from([13, 99, 343434343434, 1, 2**51, 1087968824])
odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["id", "user", "roles", "type", "data", "custom_id", "values"]), inner
        )
    ),
    max_leaves=8,
)


def telegram_body(number: int, user: int, chat: int, message: int, data: str) -> dict[str, object]:
    told = {
        "id": f"q{number}", "from": {"id": user, "is_bot": False, "first_name": "X"},
        "message": {"message_id": message, "chat": GROUP | {"id": chat}, "date": 1},
        "chat_instance": "1", "data": data,
    }  # fmt: skip
    return {"update_id": number, "callback_query": told}


@pytest.mark.medium
@pytest.mark.timeout(600)
@settings(max_examples=min(settings().max_examples, 100), deadline=None)
@given(st.data())
def test_on_telegram_nothing_that_a_client_makes_up_changes_anything(data: st.DataObject) -> None:
    async def all_of_it() -> None:
        world = Chats()
        await world.begin()
        before, buttons = world.state, world.telegram_data()
        for _ in range(6):
            world.number += 1
            chat, message, said = data.draw(st.sampled_from(buttons))
            how = data.draw(st.sampled_from(["stranger", "spoiled", "chat", "message"]))
            user = data.draw(strangers) if how == "stranger" else 12
            if how == "spoiled":
                other = changed(said, *data.draw(spoils))
                user = 99 if other == said else 12
                said = other
            elif how == "chat":
                chat = SPARE_CHAT if chat == CHAT else CHAT
            elif how == "message":
                others = {m for c, m, _ in buttons if c == chat and m != message} | {0, 4711, 2**40}
                message = data.draw(st.sampled_from(sorted(others)))
            body = telegram_body(world.number, user, chat, message, said)
            await world.presses.update(BotId(API, "111"), update(body, "relay_bot"))
            world.now += 61.0
        assert world.state == before

    asyncio.run(all_of_it())


@pytest.mark.medium
@pytest.mark.timeout(600)
@settings(max_examples=min(settings().max_examples, 100), deadline=None)
@given(st.data())
def test_on_discord_nothing_that_a_client_makes_up_changes_anything(data: st.DataObject) -> None:
    async def all_of_it() -> None:
        world = Chats()
        await world.begin()
        before, buttons = world.state, world.discord_data()
        assert buttons
        for _ in range(6):
            world.number += 1
            message, said = data.draw(st.sampled_from(buttons))
            user = str(data.draw(strangers))
            body: dict[str, object] = {
                "id": str(700000000000 + world.number), "application_id": APPLICATION, "type": 3,
                "token": "t", "channel_id": str(CHANNEL), "locale": "fr",
                "member": {"user": {"id": "99999999"}, "roles": ["12345678"]},
                "message": {"id": str(message), "webhook_id": str(HOOK)},
                "data": {"custom_id": said},
            }  # fmt: skip
            how = data.draw(st.sampled_from(["stranger", "form", "command", "odd", "spoiled"]))
            if how == "stranger":
                body["member"] = {"user": {"id": user}, "roles": data.draw(odd)}
            elif how == "form":
                box = {"custom_id": "duration", "type": 4, "value": "2h"}
                form = [{"type": 18, "component": box}]
                body |= {"type": 5, "data": {"custom_id": said, "components": form}}
            elif how == "command":
                shown = {str(message): {"id": str(message), "webhook_id": str(HOOK)}}
                about = {"target_id": str(message), "resolved": {"messages": shown}}
                body |= {"type": 2, "data": {"type": 3, "name": "Take", **about}}
            elif how == "odd":
                body[data.draw(st.sampled_from(sorted(body)))] = data.draw(odd)
            else:
                other = changed(said, *data.draw(spoils))
                is_other = other != said
                body["data"] = {"custom_id": other}
                body["member"] = {"user": {"id": ANNA.discord if is_other else "99999999"}}
            await world.presses.answer(interaction(body))
            world.now += 61.0
        assert world.state == before

    asyncio.run(all_of_it())


async def test_the_buttons_that_are_left_alone_work() -> None:
    """What the properties press is a way to change something."""
    world = Chats()
    await world.begin()
    before = world.state
    chat, message, said = next(each for each in world.telegram_data() if each[2].startswith("1r"))
    body = telegram_body(1, 12, chat, message, said)
    await world.presses.update(BotId(API, "111"), update(body, "relay_bot"))
    assert world.state != before
    assert any(said.startswith("1e") for _, _, said in world.telegram_data())
    assert any(said.startswith("1s") for _, said in world.discord_data())


@pytest.mark.medium
async def test_a_flood_of_presses_delays_no_alert() -> None:
    """Each press is one short transaction and one call that no budget of messages counts."""
    world = Chats()
    await world.begin()
    buttons = world.telegram_data()
    for number in range(2000):
        chat, message, said = buttons[number % len(buttons)]
        user = 100_000 + number % 500
        body = telegram_body(number + 1, user, chat, message, said)
        await world.presses.update(BotId(API, "111"), update(body, "relay_bot"))
    began, calls = world.now, len(world.telegram.calls)
    told = notification(
        alert("z", severity="critical"), group=replace(notification().group, group_key="z")
    )
    await world.post(told)
    await world.run(began - T0 + 3.0)
    assert "z" in world.telegram.messages(CHAT)[-1].text
    assert world.telegram.messages(CHAT)[-1].sent_at - began < 1.0
    sent = [call.method for call in world.telegram.calls[calls:]]
    assert sent.count("sendMessage") == 2
    assert len(world.events) < 10_000
