"""Lanes with a backlog take their turns a few at a time, so that a lane with a call to make does
not wait for all of them.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from relay.core.routing.lane import LaneKey
from relay.store.turn import PAGE
from tests.acceptance.test_budgets import by_team, group, topic
from tests.world import CHAT, AtOnce, World

T = TypeVar("T")
LANES, PAGES = 12, 3
MOST_BEFORE = 2  # turns of lanes with a backlog


class OneByOne(AtOnce):
    """Does turns when told to, in the order in which they were asked for, as the store's thread
    does.
    """

    def __init__(self, world: World) -> None:
        super().__init__(world.store)
        self.asked: deque[tuple[Callable[[], Any], asyncio.Future[Any]]] = deque()

    async def run_unsynced(self, job: Callable[[], T]) -> T:
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.asked.append((job, done))
        return await done

    async def next(self) -> None:
        job, done = self.asked.popleft()
        done.set_result(await super().run_unsynced(job))
        await rounds()


async def rounds() -> None:
    """Lets the lanes go on until they wait for their turns."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_lane_waits_for_the_turns_of_few_lanes_that_fold_a_backlog() -> None:
    targets = [topic(str(number)) for number in range(1, LANES + 2)]
    world = by_team(targets)
    world.telegram.chats[CHAT].topics = dict.fromkeys(range(1, LANES + 2), "team")
    for number in range(PAGES * PAGE):
        for team in range(LANES):
            await world.post(group(f"db-{team}-{number}", team=str(team)))
        world.store.spread()
    turns = OneByOne(world)
    world.transactions = turns
    world.pipeline = world._begun()

    async def work(lane: LaneKey) -> None:
        while (due := await world.turn(lane)).until is not None and due.until <= world.now:
            pass

    lanes = [target.lane for target in targets]
    working = [asyncio.create_task(work(lane)) for lane in lanes[:-1]]
    await rounds()
    for _ in lanes[:-1]:  # each has begun
        await turns.next()
    assert len(turns.asked) == MOST_BEFORE
    await world.post(group("db-late", team=str(LANES)))
    working.append(asyncio.create_task(work(lanes[-1])))
    await rounds()
    assert len(turns.asked) == MOST_BEFORE + 1
    for _ in range(MOST_BEFORE + 1):
        await turns.next()
    assert [message.topic for message in world.telegram.messages(CHAT)] == [LANES + 1]
    while turns.asked:
        await turns.next()
    await asyncio.gather(*working)  # nobody waits for ever
