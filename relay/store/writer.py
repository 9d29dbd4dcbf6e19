"""The one thread that uses the store: whatever waits when a commit ends goes into the next one
(group commit).
"""

import asyncio
import itertools
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple, TypeVar

from relay.store.protocol import Store, StoreError

T = TypeVar("T")
_MOST = 512  # jobs in one transaction
_MOST_BEHIND = 16  # of those that are not first: folding a backlog makes no webhook wait long
_FIRST, _BEHIND, _END = range(3)


class _Job(NamedTuple):
    """Something to do. `rank` and `number` say when; Any: jobs of every type are in one queue."""

    rank: int
    number: int
    call: Callable[[], Any]
    future: "asyncio.Future[Any]"
    loop: asyncio.AbstractEventLoop


class Writer:
    """Runs store transactions for the event loop, many to a commit. `run` and `run_first` return
    when their commit is on the disk."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._jobs: queue.PriorityQueue[_Job | tuple[int]] = queue.PriorityQueue()
        self._numbers = itertools.count()
        self._ahead = 0
        self._passed = asyncio.Event()
        self._thread = threading.Thread(target=self._work, name="writer", daemon=True)
        self._thread.start()

    @property
    def backlog(self) -> int:
        """Transactions that wait for the thread."""
        return self._jobs.qsize()

    async def run(self, job: Callable[[], T]) -> T:
        """The job's result, once committed. Raises StoreError, or what the job raised: then nothing
        of it was kept.
        """
        if self._ahead:
            await self._passed.wait()
        return await self._queued(_BEHIND, job)

    async def run_first(self, job: Callable[[], T]) -> T:
        """The same, before all that was put behind."""
        return await self._queued(_FIRST, job)

    @contextmanager
    def ahead(self) -> Iterator[None]:
        """Whatever would be put behind waits for the end of this, once: what comes first in many
        pieces has no pauses between them that are filled with long work."""
        self._ahead += 1
        self._passed.clear()
        try:
            yield
        finally:
            self._ahead -= 1
            self._passed.set()

    async def _queued(self, rank: int, job: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._jobs.put(_Job(rank, next(self._numbers), job, future, loop))
        return await future

    def close(self) -> None:
        """Finishes what waits, then closes the store."""
        self._jobs.put((_END,))
        self._thread.join()
        self._store.close()

    def _work(self) -> None:
        while jobs := self._next():
            self._commit(jobs)

    def _next(self) -> list[_Job]:
        """What goes into one transaction; nothing when it is the end."""
        taken: list[_Job] = []
        behind = 0
        while not taken or (
            len(taken) < _MOST and behind < _MOST_BEHIND and not self._jobs.empty()
        ):
            job = self._jobs.get()
            if not isinstance(job, _Job):
                self._jobs.put(job)
                break
            behind += job.rank == _BEHIND
            taken.append(job)
        return taken

    def _commit(self, taken: list[_Job]) -> None:
        results: list[object]
        try:
            results = self._store.batch([job.call for job in taken])
        except StoreError as error:
            results = [StoreError(str(error)) for _ in taken]
        except Exception as error:  # noqa: BLE001 - a bug must not end the thread that everyone waits for
            results = [error for _ in taken]
        for job, result in zip(taken, results, strict=True):
            job.loop.call_soon_threadsafe(partial(_resolve, job.future, result))


def _resolve(future: asyncio.Future[Any], result: object) -> None:
    if future.cancelled():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
