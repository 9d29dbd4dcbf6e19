"""Long reads take a small share of the store's thread, however many ask for them."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

import pytest

from relay.operate.paced import Paced

T = TypeVar("T")
TOOK = 0.02  # seconds


class Thread:
    """Transactions that take their time, and when each ran."""

    def __init__(self) -> None:
        self.runs: list[tuple[float, float]] = []

    async def run(self, job: Callable[[], T]) -> T:
        began = time.monotonic()
        result = job()
        self.runs.append((began, time.monotonic()))
        return result

    async def run_unsynced(self, job: Callable[[], T]) -> T:
        return await self.run(job)


def read() -> int:
    until = time.monotonic() + TOOK
    while time.monotonic() < until:
        pass
    return 7


@pytest.mark.medium
async def test_reads_rest_nineteen_times_as_long_as_they_took() -> None:
    thread = Thread()
    paced = Paced(thread)
    assert await asyncio.gather(*(paced.run(read) for _ in range(3))) == [7] * 3
    for (_, ended), (began, _) in zip(thread.runs, thread.runs[1:], strict=False):
        assert began - ended >= 19 * TOOK


async def test_a_read_that_costs_nothing_waits_for_nothing() -> None:
    thread = Thread()
    paced = Paced(thread)
    began = time.monotonic()
    for _ in range(100):
        await paced.run(int)
    assert time.monotonic() - began < 5
