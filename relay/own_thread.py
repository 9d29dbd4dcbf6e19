"""A thread for work that may never end: a file on a dead mount, a name server that does not answer.
Nothing else waits for it, not even the end of the process.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")
_Job = tuple[Callable[[], Any], "asyncio.Future[Any]"]


class OwnThread:
    """Does one job after the other in one daemon thread, which starts with the first job."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    async def run(self, job: Callable[[], T], seconds: float | None) -> T:
        """The job's result, or its exception. Raises TimeoutError after that many seconds; a job
        that has begun goes on, and those after it wait for its end.
        """
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._jobs.put((job, done))
        async with asyncio.timeout(seconds):
            return await done

    def close(self) -> None:
        """Ends the thread after the jobs that it has; waits for nothing."""
        if self._thread is not None:
            self._jobs.put(None)

    def _work(self) -> None:
        while (given := self._jobs.get()) is not None:
            job, done = given
            if done.cancelled():
                continue
            try:
                settle = partial(_settle, done, job())
            except BaseException as error:  # noqa: BLE001 - raised again in the caller
                settle = partial(_fail, done, error)
            with suppress(RuntimeError):  # the loop may have ended
                done.get_loop().call_soon_threadsafe(settle)


def _settle(done: "asyncio.Future[T]", result: T) -> None:
    if not done.done():
        done.set_result(result)


def _fail(done: "asyncio.Future[Any]", error: BaseException) -> None:
    if not done.done():
        done.set_exception(error)
