"""What an operator does to deliveries, and what the chats show of it: timetables on a fake
clock.
"""

from collections.abc import Awaitable, Callable
from functools import partial

import msgspec
import pytest

from relay.core.event import Settled
from relay.sandbox.faults import Refusal
from relay.store.protocol import NewPayload
from relay.store.queue import Dropped, Page, Query, Refused, Retried
from tests.build import GROUP, T0, alert, notification
from tests.world import CHAT, GROUP_CHAT, World

CANNOT_PARSE = Refusal(400, "Bad Request: can't parse entities")


async def world_with_a_dead_delivery() -> World:
    """Telegram refuses the message, also without style: the delivery 1/1 is dead."""
    world = World()
    world.faults.add("telegram", "*", "refused", refusal=CANNOT_PARSE)
    await world.post(notification(alert("db-1")))
    await world.run(until=10)
    assert [(row.dead, row.pending) for row in world.balance()] == [(1, 0)]
    world.faults.clear()
    return world


async def test_of_a_dead_delivery_it_is_told_which_alert_is_lost() -> None:
    world = await world_with_a_dead_delivery()
    lost = [event for event in world.events if isinstance(event, Settled) and event.lost]
    assert [(event.settlement, event.lost, event.urgent) for event in lost] == [
        ("dead", "warning Disk · db-1", False)
    ]


async def retry(world: World, delivery_id: str) -> Retried | Refused:
    answer = await world.commit(partial(world.store.retry, delivery_id, world.now))
    if isinstance(answer, Retried):
        world.wakes[answer.lane] = world.now
    return answer


async def drop(world: World, delivery_id: str) -> Dropped | Refused:
    answer = await world.commit(partial(world.store.drop, delivery_id, world.now))
    if isinstance(answer, Dropped):
        world.wakes[answer.lane] = world.now
    return answer


async def test_a_dead_delivery_that_is_retried_is_shown_and_counted_as_delivered() -> None:
    world = await world_with_a_dead_delivery()
    await world.run(until=60)
    assert world.telegram.messages(CHAT) == []
    assert isinstance(await retry(world, "1/1"), Retried)
    await world.run(until=70)
    (message,) = world.telegram.messages(CHAT)
    assert "db-1" in message.text
    assert [(row.accepted, row.delivered, row.dead, row.pending) for row in world.balance()] == [
        (1, 1, 0, 0)
    ]


async def test_a_retry_that_is_refused_again_is_dead_again() -> None:
    world = await world_with_a_dead_delivery()
    world.faults.add("telegram", "*", "refused", refusal=CANNOT_PARSE)
    await retry(world, "1/1")
    await world.run(until=70)
    page = world.store.queue(Query())
    assert isinstance(page, Page)
    assert [(each.id, each.state) for each in page.deliveries] == [("1/2", "dead")]


async def test_a_retry_never_brings_back_what_was_resolved_since() -> None:
    world = await world_with_a_dead_delivery()
    world.now = T0 + 60
    await world.post(notification(alert("db-1", "resolved")))
    await world.run(until=70)
    shown = world.telegram.transcript(CHAT)
    assert isinstance(await retry(world, "1/1"), Refused)
    await world.run(until=300)
    assert world.telegram.transcript(CHAT) == shown


async def test_what_was_dropped_is_not_sent_when_its_chat_comes_back() -> None:
    world = World()
    world.faults.add("telegram", "*", "502", until=T0 + 600)
    await world.post(notification(alert("db-1")))
    await world.run(until=300)
    assert isinstance(await drop(world, "1/1"), Dropped)
    await world.run(until=1200)
    assert world.telegram.messages(CHAT) == []
    assert [(row.dead, row.pending) for row in world.balance()] == [(1, 0)]


async def test_what_changes_after_a_drop_is_shown_as_it_is_then() -> None:
    world = World()
    world.faults.add("telegram", "*", "502", until=T0 + 60)
    await world.post(notification(alert("db-1")))
    await world.run(until=30)
    await drop(world, "1/1")
    await world.run(until=100)
    await world.post(notification(alert("db-1"), alert("db-2")))
    await world.run(until=110)
    (message,) = world.telegram.messages(CHAT)
    assert "db-1" in message.text
    assert "db-2" in message.text


async def test_a_chat_that_was_mended_is_called_at_once_by_a_retry() -> None:
    world = World()
    world.telegram.kick(CHAT)
    await world.post(notification(alert("db-1")))
    await world.run(until=20)
    world.telegram.chats[CHAT].refusal = ""
    await world.run(until=30)
    assert world.telegram.messages(CHAT) == []
    await retry(world, "1/1")
    await world.run(until=31)
    assert len(world.telegram.messages(CHAT)) == 1
    assert [(row.accepted, row.delivered) for row in world.balance()] == [(1, 1)]


async def world_whose_end_is_refused() -> World:
    """The message that fires stands in the chat, and Telegram does not take its end: the delivery
    1/2 is dead.
    """
    world = World()
    await world.post(notification(alert("db-1")))
    await world.run(until=10)
    world.faults.add("telegram", "*", "refused", refusal=CANNOT_PARSE)
    world.now = T0 + 60
    await world.post(notification(alert("db-1", "resolved")))
    await world.run(until=70)
    world.faults.clear()
    return world


async def world_whose_end_was_dropped() -> World:
    """The message that fires stands in the chat, and the operator gave up what tells of its end."""
    world = World()
    await world.post(notification(alert("db-1")))
    await world.run(until=10)
    world.faults.add("telegram", "*", "502")
    world.now = T0 + 60
    await world.post(notification(alert("db-1", "resolved")))
    await world.run(until=70)
    await drop(world, "1/2")
    world.faults.clear()
    return world


ENDS = pytest.mark.parametrize("made", [world_whose_end_is_refused, world_whose_end_was_dropped])


@ENDS
async def test_what_fires_again_after_an_end_that_was_not_shown_is_a_new_message(
    made: Callable[[], Awaitable[World]],
) -> None:
    world = await made()
    await world.run(until=900)
    await world.post(notification(alert("db-1", at=T0 + 880)))
    await world.run(until=910)
    old, new = world.telegram.messages(CHAT)
    assert (new.reply_to, new.silent) == (old.id, False)
    assert "db-1 is nearly full" in new.text
    assert [(row.delivered, row.dead, row.pending) for row in world.balance()] == [(2, 1, 0)]


@ENDS
async def test_a_card_whose_end_was_not_shown_is_forgotten_with_its_deliveries(
    made: Callable[[], Awaitable[World]],
) -> None:
    world = await made()
    await world.run(until=900)
    await world.commit(partial(world.store.purge, world.now, 1 << 30, 100))
    assert await world.commit(partial(world.store.card, GROUP_CHAT, GROUP, "")) is None
    body = msgspec.json.encode(notification(group=GROUP))
    kept = await world.commit(partial(world.store.accept, [NewPayload(GROUP, body, world.now, ())]))
    assert kept.lanes == ()


@ENDS
async def test_an_end_that_was_not_shown_is_shown_by_a_retry_as_before(
    made: Callable[[], Awaitable[World]],
) -> None:
    world = await made()
    await world.run(until=900)
    assert isinstance(await retry(world, "1/2"), Retried)
    await world.run(until=910)
    (shown,) = world.telegram.messages(CHAT)
    assert "resolved" in shown.text
    assert [(row.delivered, row.dead, row.pending) for row in world.balance()] == [(2, 0, 0)]
