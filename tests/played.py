"""A case of `shared/cases` played against a world."""

from tests.build import T0
from tests.cases import Pause, steps
from tests.world import World

AFTER = 60.0  # seconds between two bodies where the case says nothing


async def play(world: World, name: str, *, gap: float = AFTER) -> None:
    """Posts the bodies of the case, each at its time, and lets two minutes pass."""
    for step in steps(name):
        if isinstance(step, Pause):
            await world.run(until=world.now - T0 + step.seconds)
            continue
        await world.post_body(step.source, step.at(world.now))
        await world.run(until=world.now - T0 + gap)
    await world.run(until=world.now - T0 + 120.0)
