"""How often a replica waits for its PostgreSQL: over a network each time costs a round trip."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest
from msgspec.structs import replace

from relay.store.postgres.store import PostgresStore
from tests.build import GROUP, alert, notification
from tests.postgres import Databases
from tests.world import World

pytestmark = pytest.mark.postgres
WARM = 10  # messages after which what follows on what is known


class Counted(PostgresStore):
    """Counts the waits of each kind of transaction."""

    def __init__(self, url: str) -> None:
        super().__init__(url, ttl=60.0, by_own_clock=False)
        self.waits: list[tuple[str, int]] = []

    def batch(self, jobs: Sequence[Callable[[], object]], *, durable: bool = True) -> list[object]:
        before = self.server.trips
        job: Any = jobs[0]
        while isinstance(job, partial):
            job = job.func
        results = super().batch(jobs, durable=durable)
        self.waits.append((job.__name__, self.server.trips - before))
        return results


async def told(world: World, number: int) -> None:
    """A message for a new alert."""
    group = replace(GROUP, group_key=f"group {number}")
    world.leases.clear()  # as of a chat that had nothing to do for a while
    await world.post(notification(alert(f"instance-{number}"), group=group), is_kept=True)
    await world.commit(world.store.spread)
    await world.run(20.0 * number + 10.0)


async def test_what_a_message_waits_for(postgres: Databases) -> None:
    """Accepting waits twice, bringing what came to all lanes five times, a turn three times, and
    the beginning of a call twice.
    """
    store = Counted(postgres.fresh())
    world = World(store=store)
    for number in range(WARM):
        await told(world, number)
    store.waits.clear()
    for number in range(WARM, WARM + 5):
        await told(world, number)
    most: dict[str, int] = {}
    for name, waits in store.waits:
        most[name] = max(waits, most.get(name, 0))
    assert most == {"accept": 2, "spread": 5, "take": 1, "take_turn": 3, "begin": 2}, store.waits
