"""Storms of what is urgent: all of it is named or counted within a minute, and who goes first."""

import asyncio
import time
from itertools import pairwise
from pathlib import Path

import pytest
from msgspec.structs import replace

from relay.core.budget import Limits
from relay.core.routing.route import Route, Routing
from relay.sandbox.server import Sandbox
from relay.sandbox.telegram_chats import Message
from tests.acceptance.life import GROUP, life
from tests.acceptance.test_budgets import PATIENT, by_team, topic
from tests.acceptance.test_budgets import group as of_team
from tests.acceptance.test_storm import ONE_A_SECOND, group, problem
from tests.build import T0, alert, notification
from tests.world import (
    CHANNEL,
    CHAT,
    SPARE,
    SPARE_CHAT,
    World,
    discord_target,
    telegram_target,
)
from tests.world_http import HttpWorld

CHATS = [
    pytest.param(Limits(), id="a Telegram group"),
    pytest.param(ONE_A_SECOND, id="a chat of one message a second"),
]


async def burst(world: World, count: int, first: int = 0, at: float = 0.0) -> None:
    """So many groups fire within four seconds, all critical, while the relay works."""
    for number in range(count):
        moment = at + 4 * number / count
        await world.run(until=moment)
        world.now = max(world.now, T0 + moment)
        told = problem(first + number, critical=True)
        await world.post(notification(told, group=group(first + number)))


async def end(world: World, numbers: range) -> None:
    for number in numbers:
        told = replace(problem(number, critical=True, over=True), ends_at=world.now)
        await world.post(notification(told, group=group(number)))


def loud(world: World) -> list[Message]:
    return [message for message in world.telegram.messages(CHAT) if not message.silent]


def storms(world: World) -> list[Message]:
    return [message for message in world.telegram.messages(CHAT) if message.text[0] in "🌊🟢➕"]


@pytest.mark.medium
@pytest.mark.parametrize("count", [200, 400])
@pytest.mark.parametrize("limits", CHATS)
async def test_all_critical_groups_are_named_or_counted_within_a_minute(
    count: int, limits: Limits
) -> None:
    world = World(telegram_target(), limits=limits)
    await burst(world, count)
    await world.run(until=10)
    (digest,) = storms(world)
    assert f"{count} groups firing · {count} critical" in digest.text
    await world.run(until=60)
    assert len(world.telegram.calls) < 40
    assert len(loud(world)) <= 12
    (row,) = world.balance()
    assert (row.pending, row.delivered + row.merged) == (0, count)
    own = len(world.telegram.messages(CHAT)) - 1
    assert 6 <= own <= 10
    await world.run(until=300)
    rings = len(loud(world))
    await end(world, range(count))
    await world.run(until=1200)
    assert digest.text.startswith(f"🟢 {count} groups over")
    assert len(loud(world)) == rings
    assert not [call for call in world.telegram.calls if call.early]
    assert all("🔴" not in message.text for message in world.telegram.messages(CHAT)[:1])


@pytest.mark.medium
async def test_all_critical_groups_are_named_or_counted_on_discord_too() -> None:
    world = World(discord_target())
    await burst(world, 200)
    await world.run(until=60)
    assert "200 groups firing" in world.discord.transcript(CHANNEL)
    assert len(world.discord.calls) < 40
    assert [row.pending for row in world.balance()] == [0]


@pytest.mark.medium
async def test_a_digest_rings_again_when_urgent_groups_join_at_most_once_a_minute() -> None:
    world = World(limits=ONE_A_SECOND)
    await burst(world, 100)
    await burst(world, 30, first=100, at=30)
    await burst(world, 30, first=130, at=70)
    await burst(world, 30, first=160, at=110)
    await world.run(until=300)
    _, digest, *again = loud(world)
    assert "190 groups firing" in digest.text
    told = [digest.versions[0].content.text, *(message.text for message in again)]
    assert [text[0] for text in told] == ["🌊", "➕", "➕"]
    assert sum(int(text.split()[1]) for text in told) == 190
    assert "60 more groups firing · 60 critical" in told[-1]
    assert all(message.reply_to == digest.id for message in again)
    rung = [message.versions[0].at for message in (digest, *again)]
    assert all(later - earlier >= 60 for earlier, later in pairwise(rung))


async def test_cards_of_their_own_follow_a_digest_and_both_stay_true() -> None:
    world = World(limits=ONE_A_SECOND)
    await burst(world, 30)
    await world.run(until=120)
    world.now = T0 + 120
    await end(world, range(29, 0, -1))
    await world.run(until=400)
    (digest,) = [message for message in storms(world) if "🌊" in message.text]
    assert "1 group firing" in digest.text
    assert "29 groups over" in digest.text
    cards = [message for message in world.telegram.messages(CHAT) if "Fire" in message.text[:30]]
    assert len(cards) > 10
    assert {message.text[0] for message in cards if "Fire0 " not in message.text} == {"🟢"}
    began = digest.versions[0].at
    assert all(message.silent for message in cards if message.versions[0].at > began)


async def test_what_is_not_urgent_joins_an_open_digest() -> None:
    world = World()
    await burst(world, 30)
    world.now = T0 + 20
    await world.post(notification(alert("late"), group=group(99)))
    await world.run(until=60)
    (digest,) = storms(world)
    assert "31 groups firing · 30 critical, 1 warning" in digest.text
    assert not [m for m in world.telegram.messages(CHAT) if "late" in m.text and m != digest]


async def test_what_comes_when_a_storm_has_passed_gets_its_own_message() -> None:
    world = World()
    await burst(world, 30)
    for number, at in ((98, 400), (99, 430)):
        await world.run(until=at)
        severity = "critical" if number == 99 else "warning"
        told = alert(f"late-{number}", severity=severity, at=T0 + at)
        await world.post(notification(told, group=group(number)))
    await world.run(until=470)
    own = [message for message in world.telegram.messages(CHAT) if "late-" in message.text]
    assert [(m.text[0], m.silent) for m in own if m not in storms(world)] == [
        ("🟠", False),
        ("🔴", False),
    ]


async def test_many_known_groups_that_turn_critical_are_named_by_one_loud_message() -> None:
    world = World()
    for number in range(15):
        await world.post(notification(alert(f"db-{number}"), group=group(number)))
    await world.run(until=120)
    assert len(world.telegram.messages(CHAT)) == 15
    for number in range(15):
        raised = alert(f"db-{number}!", severity="critical", at=T0 + 120)
        told = notification(alert(f"db-{number}"), raised, group=group(number))
        await world.post(told)
    await world.run(until=180)
    (digest,) = storms(world)
    assert "15 groups firing · 15 critical" in digest.text
    assert not digest.silent
    assert digest.versions[0].at < T0 + 140
    await world.run(until=400)
    cards = world.telegram.messages(CHAT)[:15]
    assert all("×2" in card.text or "critical" in card.text for card in cards)
    assert len(world.telegram.messages(CHAT)) == 16


@pytest.mark.medium
async def test_a_new_critical_goes_before_many_silent_edits() -> None:
    world = World(telegram_target(policy=PATIENT))
    for number in range(80):
        both = [alert(f"{name}-{number}", severity="critical") for name in ("db", "web")]
        await world.post(notification(*both, group=group(number)))
    await world.run(until=600)
    for number in range(80):
        left = alert(f"db-{number}", severity="critical")
        over = alert(f"web-{number}", "resolved", severity="critical", ends=T0 + 600)
        await world.post(notification(left, over, group=group(number)))
    await world.run(until=630)
    world.now = T0 + 630
    await world.post(
        notification(alert("zebra", severity="critical", at=T0 + 630), group=group(99))
    )
    await world.run(until=640 + 50)
    (new,) = [message for message in world.telegram.messages(CHAT) if "zebra" in message.text]
    assert new.versions[0].at < T0 + 650


async def test_a_critical_of_one_topic_goes_before_most_of_another_topic() -> None:
    world = by_team([topic("1"), topic("2")])
    world.telegram.chats[CHAT].topics = {1: "db", 2: "web"}
    for number in range(120):
        await world.post(of_team(f"db-{number}.", "critical", "0"))
    world.now = T0 + 1
    await world.post(of_team("web", "critical", "1"))
    await world.run(until=60)
    order = [message.text for message in world.telegram.messages(CHAT)]
    assert "web" in "".join(order[:4])


async def test_what_the_limit_of_a_chat_held_up_says_so() -> None:
    world = World(telegram_target(policy=PATIENT))
    for number in range(60):
        await world.post(of_team(f"db-{number}."))
    await world.run(until=300)
    last = world.telegram.messages(CHAT)[-1]
    assert "3\N{NO-BREAK SPACE}min late: this chat takes 18 messages a minute" in last.text


def two_chats() -> World:
    routing = Routing(
        Route("ops", routes=()),
        {"ops": (telegram_target(), telegram_target(SPARE))},
    )
    return World(telegram_target(), telegram_target(SPARE), routing=routing)


async def test_one_success_wakes_all_chats_that_an_outage_made_rest() -> None:
    world = two_chats()
    world.faults.add("telegram", "*", "502", until=T0 + 1200)
    await world.post(of_team("db-1"))
    await world.run(until=1100)
    world.faults.add("telegram", str(SPARE_CHAT), "502", until=T0 + 1200, since=T0 + 1100)
    await world.run(until=1800)
    first = {
        chat: world.telegram.messages(chat)[0].versions[0].at - T0 for chat in (CHAT, SPARE_CHAT)
    }
    assert max(first.values()) - min(first.values()) < 2


async def test_what_is_urgent_tries_a_chat_that_rests_every_fifteen_seconds() -> None:
    world = World()
    world.faults.add("telegram", "*", "502", until=T0 + 1200)
    await world.post(of_team("db-1"))
    await world.run(until=1000)
    quiet = len(world.telegram.calls)
    await world.post(of_team("db-2", "critical"))
    await world.run(until=1200)
    assert 12 <= len(world.telegram.calls) - quiet <= 20
    await world.run(until=1216)
    assert "db-2" in world.telegram.transcript(CHAT)


async def test_a_storm_over_http_is_named_within_a_minute_too() -> None:
    async with HttpWorld(telegram_target()) as world:
        await burst(world, 200)
        await world.run(until=60)
        assert "200 groups firing · 200 critical" in world.telegram.transcript(CHAT)
        assert len(world.telegram.calls) < 40
        assert {call.status for call in world.telegram.calls} == {200}
        assert [row.pending for row in world.balance()] == [0]


@pytest.mark.slow
async def test_a_storm_of_webhooks_is_named_within_seconds_of_the_real_clock(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    async with life(sandbox, tmp_path, rates="bot: 27/1s, chat: 1/1.1s, group: 18/60s") as here:
        await asyncio.gather(*(here.post(f"host-{n}", name=f"Fire{n}") for n in range(200)))
        posted_at = time.monotonic()
        while "200 groups firing" not in "\n".join(here.texts(GROUP)):
            assert time.monotonic() < posted_at + 60, here.texts(GROUP)
            await asyncio.sleep(0.1)
        assert len(sandbox.telegram.calls) < 40
