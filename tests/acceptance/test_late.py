"""Why a message comes late, as its chat reads it after the chat refused messages."""

import pytest

from relay.core.alert import GroupId
from relay.core.routing.route import Route, Routing
from tests.build import T0, alert, notification
from tests.world import CHAT, SPARE, SPARE_CHAT, World, telegram_target


async def world_after_five_minutes_without_its_chat() -> World:
    """A message waits since the beginning for a chat that the bot was thrown out of."""
    world = World()
    world.telegram.kick(CHAT)
    await world.post(notification(alert("db-1")))
    await world.run(until=290)
    world.telegram.chats[CHAT].refusal = ""
    return world


async def test_what_a_mended_chat_gets_says_that_the_chat_refused_messages() -> None:
    world = await world_after_five_minutes_without_its_chat()
    await world.run(until=310)
    (message,) = world.telegram.messages(CHAT)
    assert "5\u00a0min late: this chat refused messages from" in message.text


async def test_what_goes_to_another_chat_in_its_place_says_so_too() -> None:
    world = await world_after_five_minutes_without_its_chat()
    await world.reload(Routing(Route("ops"), {"ops": (telegram_target(SPARE),)}))
    await world.run(until=310)
    (message,) = world.telegram.messages(SPARE_CHAT)
    assert "4\u00a0min late: this chat refused messages from" in message.text


@pytest.mark.parametrize("mended", [CHAT, SPARE_CHAT])
async def test_what_comes_late_after_that_is_not_the_fault_of_the_chat(mended: int) -> None:
    world = await world_after_five_minutes_without_its_chat()
    if mended == SPARE_CHAT:
        await world.reload(Routing(Route("ops"), {"ops": (telegram_target(SPARE),)}))
    await world.run(until=310)
    world.now = T0 + 1000
    for number in range(2):
        group = GroupId("", "relay", f"later {number}")
        await world.post(notification(alert(f"later-{number}"), group=group))
    world.now = T0 + 1300
    await world.run(until=1400)
    _, *later = world.telegram.messages(mended)
    assert ["the relay did not run or was behind" in message.text for message in later] == [
        True,
        True,
    ]
