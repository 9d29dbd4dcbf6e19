"""The one thread that uses the store: whatever waits when a commit ends goes into the next one (group commit)."""

import asyncio
import queue
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from relay.store.protocol import Store, StoreError

T = TypeVar("T")
_MOST = 512  # jobs in one transaction
_Job = tuple[Callable[[], Any], asyncio.Future[Any], asyncio.AbstractEventLoop]  # Any: a queue of jobs of every type


class Writer:
    """Runs store transactions for the event loop, many to a commit. `run` returns when its commit is on the disk."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="writer", daemon=True)
        self._thread.start()

    @property
    def backlog(self) -> int:
        """Transactions that wait for the thread."""
        return self._jobs.qsize()

    async def run(self, job: Callable[[], T]) -> T:
        """The job's result, once committed. Raises StoreError, or what the job raised: then nothing of it was kept."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._jobs.put((job, future, loop))
        return await future

    def close(self) -> None:
        """Finishes what waits, then closes the store."""
        self._jobs.put(None)
        self._thread.join()
        self._store.close()

    def _work(self) -> None:
        going = True
        while going:
            first = self._jobs.get()
            if first is None:
                return
            taken = [first]
            while len(taken) < _MOST and not self._jobs.empty():
                job = self._jobs.get()
                if job is None:
                    going = False
                    break
                taken.append(job)
            self._commit(taken)

    def _commit(self, taken: list[_Job]) -> None:
        results: list[object]
        try:
            results = self._store.batch([job for job, _, _ in taken])
        except StoreError as error:
            results = [StoreError(str(error)) for _ in taken]
        except Exception as error:  # noqa: BLE001 - a bug must not end the thread that everyone waits for
            results = [error for _ in taken]
        for (_, future, loop), result in zip(taken, results, strict=True):
            loop.call_soon_threadsafe(partial(_resolve, future, result))


def _resolve(future: asyncio.Future[Any], result: object) -> None:
    if future.cancelled():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
