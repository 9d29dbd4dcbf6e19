"""Expiry: what is too old ends, wherever it waits and under whatever name."""

import pytest
from msgspec.structs import replace

from relay.core.alert import GroupId
from relay.core.event import Event, Settled
from relay.core.notice import notice_of
from relay.core.notice import notification as notification_of
from relay.core.routing.route import Route, Routing
from relay.operate.housekeeping import Housekeeping
from tests.build import POLICY, alert, notification
from tests.world import CHAT, SPARE, SPARE_CHAT, AtOnce, World, telegram_target

DAY = 86_400.0


async def a_day_later(world: World) -> list[tuple[str, int]]:
    """What expires: receivers, and how much of each."""
    return [(event.receiver, event.count) for event in await told_a_day_later(world)]


async def told_a_day_later(world: World) -> list[Settled]:
    """What is told of it."""
    told: list[Event] = []
    transactions = AtOnce(world.store)
    kept = Housekeeping(world.store, transactions, lambda: world.now, told.append, world.config)
    await world.run(until=DAY + 60)
    await kept.round()
    return [event for event in told if isinstance(event, Settled)]


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


async def test_each_card_that_expires_is_named_where_few_do() -> None:
    world = World()
    world.telegram.kick(CHAT)
    await world.post(notification(alert("db-1", severity="critical")))
    await world.post(notification(alert("db-2"), alert("db-3"), group=GroupId("", "relay", "2")))
    found = await told_a_day_later(world)
    assert [(event.lost, event.urgent) for event in found] == [
        ("critical Disk · db-1", True),
        ("warning Disk ×2", False),
    ]
    notice = notice_of(found[0])
    assert notice is not None
    text = notification_of(notice, "en", 0.0, 0.0).alerts[0].annotations["summary"]
    assert text == (
        "NOT DELIVERED to ops: critical Disk · db-1. it waited longer than expire_after;"
        " alert-relay queue list"
    )


async def test_of_many_cards_that_expire_the_rest_is_counted() -> None:
    world = World()
    world.telegram.kick(CHAT)
    for number in range(30):
        key = GroupId("", "relay", str(number))
        await world.post(notification(alert(f"db-{number}"), group=key))
    found = await told_a_day_later(world)
    assert len(found) == 21
    assert sum(event.count for event in found) == 30
    assert not found[-1].lost
