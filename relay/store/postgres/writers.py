"""The threads that use a PostgreSQL: one accepts, several do the other jobs, each on a connection
of its own.
"""

from collections.abc import Callable
from typing import TypeVar

from relay.store.protocol import Store
from relay.store.writer import Writer

T = TypeVar("T")
THREADS = 4  # for turns and calls, which wait for round trips


class Writers(Writer):
    """As `Writer`; jobs of different lanes run side by side."""

    def __init__(self, store: Store, threads: int = THREADS) -> None:
        super().__init__(store)
        self._others = tuple(Writer(store) for _ in range(threads))

    @property
    def backlog(self) -> int:
        return super().backlog + sum(other.backlog for other in self._others)

    async def run(self, job: Callable[[], T]) -> T:
        return await self._idlest().run(job)

    async def run_unsynced(self, job: Callable[[], T]) -> T:
        return await self._idlest().run_unsynced(job)

    def stop(self) -> None:
        for other in self._others:
            other.stop()
        super().stop()

    def _idlest(self) -> Writer:
        return min(self._others, key=lambda other: other.load)
