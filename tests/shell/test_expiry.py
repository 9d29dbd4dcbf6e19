"""Expiry: what is too old ends, wherever it waits and under whatever name."""

import pytest
from msgspec.structs import replace

from relay.core.event import Event, Settled
from relay.core.routing.route import Route, Routing
from relay.operate.housekeeping import Housekeeping
from tests.build import POLICY, alert, notification
from tests.world import CHAT, SPARE, SPARE_CHAT, AtOnce, World, telegram_target

DAY = 86_400.0


async def a_day_later(world: World) -> list[tuple[str, int]]:
    """What expires: receivers, and how much of each."""
    told: list[Event] = []
    transactions = AtOnce(world.store)
    kept = Housekeeping(world.store, transactions, lambda: world.now, told.append, world.config)
    await world.run(until=DAY + 60)
    await kept.round()
    return [(event.receiver, event.count) for event in told if isinstance(event, Settled)]


@pytest.mark.medium
async def test_what_waits_for_a_chat_expires_with_the_copies_that_wait_for_its_fallback() -> None:
    spare = replace(POLICY, receiver="spare")
    world = World(
        telegram_target(policy=replace(POLICY, fallback="spare")), telegram_target(SPARE, spare)
    )
    world.telegram.kick(CHAT)
    world.telegram.kick(SPARE_CHAT)
    await world.post(notification(alert("db-1")))
    assert await a_day_later(world) == [("ops", 1), ("ops", 1)]
    assert [row.pending for row in world.balance()] == [0]


@pytest.mark.medium
async def test_what_waits_under_a_receiver_that_a_reload_took_away_expires_too() -> None:
    world = World()
    world.telegram.kick(CHAT)
    await world.post(notification(alert("db-1")))
    await world.run(until=10)
    renamed = telegram_target(policy=replace(POLICY, receiver="dba"))
    world.config.load(
        replace(world.config.current, routing=Routing(Route("dba"), {"dba": (renamed,)}))
    )
    assert await a_day_later(world) == [("ops", 1)]
    assert [row.pending for row in world.balance()] == [0]
