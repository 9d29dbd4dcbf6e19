"""The one thread that uses the store. Jobs that wait at the end of a commit go into the next one
(group commit): payloads to accept first, then the others.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, Protocol, TypeVar

from msgspec.structs import replace

from relay.core.routing.lane import LaneKey
from relay.store.flow import TurnPace
from relay.store.protocol import Kept, NewPayload, Store, StoreError

T = TypeVar("T")
_MOST_ACCEPTED = 512  # senders answered by one commit
_MOST_SYNCED = 32  # other jobs in one commit
_MOST_UNSYNCED = 4  # jobs in a transaction of their own, after which payloads go first again
_APART = 0.004  # seconds from the beginning of a commit of payloads to that of the next one
_EVER = float("inf")
_QUIET = 0.05  # seconds without work after which unsynced commits are synced


class Transactions(Protocol):
    """Runs jobs as transactions of the store. Each method returns the job's result after the
    commit. Raises StoreError, or the exception of the job; then nothing was stored.
    """

    async def run(self, job: Callable[[], T]) -> T:
        """Runs the job; the commit is on the disk when this returns."""

    async def run_unsynced(self, job: Callable[[], T]) -> T:
        """Commits without a sync of its own: the next commit of `run` syncs it, or one soon after.
        For results that follow from synced rows: a power cut undoes them, and they are made again.
        """


class _Job(NamedTuple):
    """A job with its future. Any: jobs of every type are in one queue."""

    call: Callable[[], Any]
    future: "asyncio.Future[Any]"


class _Accepting(NamedTuple):
    """The payloads of one sender, with their future."""

    payloads: Sequence[NewPayload]
    future: "asyncio.Future[Kept]"


class Writer:
    """Runs store transactions for one event loop, many to a commit. Needs a running loop."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._accepting: deque[_Accepting] = deque()
        self._synced: deque[_Job] = deque()
        self._unsynced: deque[_Job] = deque()
        # What is put for the thread, and the queue in which it waits; None: the end.
        self._inbox: SimpleQueue[tuple[deque[Any], Sequence[object]] | None] = SimpleQueue()
        self._arrived: list[_Accepting] = []  # in this round of the event loop
        self._flow = TurnPace()
        self.load = 0  # jobs that a caller waits for
        self._closing = False
        self._dirty = False
        self._accepted_at = 0.0
        self._ahead = 0
        self._passed = asyncio.Event()
        # Until when the clock that was moved on gave times, and by how many seconds it was.
        self._moved: tuple[float, float] = (0.0, 0.0)
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    @property
    def backlog(self) -> int:
        """The number of jobs that wait for the thread."""
        waiting = len(self._accepting) + len(self._synced) + len(self._unsynced)
        return waiting + len(self._arrived) + self._inbox.qsize()

    def accept(self, payloads: Sequence[NewPayload]) -> "asyncio.Future[Kept]":
        """Accepts the payloads, together with those of other waiting callers and before other jobs.
        One of the callers in a commit gets the lanes that have work now.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Kept] = loop.create_future()
        if not self._arrived:  # one wake-up for all bodies read in this round of the event loop
            loop.call_soon(self._hand_over)
        self._arrived.append(_Accepting(payloads, future))
        return future

    async def spread(self) -> tuple[LaneKey, ...]:
        """Spreads accepted payloads to all lanes that they concern. Returns the lanes that have
        work now.
        """
        return await self.run_unsynced(self._store.spread)

    async def move_times_on(self, seconds: float, clock: Callable[[], float]) -> None:
        """Moves all stored times on by so many seconds, and those of payloads that are on their way
        here by the `clock`, which the caller moves on next. Raises StoreError.
        """

        def job() -> None:
            self._store.move_times_on(seconds)
            self._moved = (clock(), seconds)

        await self.run(job)

    async def run(self, job: Callable[[], T]) -> T:
        return await self._behind(self._synced, job)

    async def run_unsynced(self, job: Callable[[], T]) -> T:
        return await self._behind(self._unsynced, job)

    async def _behind(self, jobs: deque[_Job], job: Callable[[], T]) -> T:
        if self._ahead:
            await self._passed.wait()
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.load += 1
        try:
            self._inbox.put((jobs, (_Job(job, future),)))
            return await future
        finally:
            self.load -= 1

    @contextmanager
    def ahead(self) -> Iterator[None]:
        """While this is held, jobs of low precedence wait, once: payloads that are accepted in many
        parts leave no gaps for long work.
        """
        self._ahead += 1
        self._passed.clear()
        try:
            yield
        finally:
            self._ahead -= 1
            self._passed.set()

    def close(self) -> None:
        """Finishes the waiting jobs, then closes the store."""
        self.stop()
        self._store.close()

    def stop(self) -> None:
        """Finishes the waiting jobs and ends the thread."""
        self._hand_over()
        self._inbox.put(None)
        self._thread.join()

    def _hand_over(self) -> None:
        arrived, self._arrived = self._arrived, []
        if arrived:
            self._inbox.put((self._accepting, arrived))

    def _run(self) -> None:
        while self._wait():
            self._gather()
            self._commit_accepted(_some(self._accepting, _MOST_ACCEPTED))
            self._commit(_some(self._synced, _MOST_SYNCED), durable=True)
            self._yield()

    def _yield(self) -> None:
        """Does jobs that yield to payloads, if it is time: one under load, else a few."""
        began = time.monotonic()
        if self._flow.pause(began) > 0 and not self._closing:
            return
        most = 1 if self._flow.flows(began) else _MOST_UNSYNCED
        if taken := _some(self._unsynced, most):
            self._commit(taken, durable=False)
            ended = time.monotonic()
            self._flow.worked(ended - began, ended)

    def _gather(self) -> None:
        """Waits, if there is nothing else to do, until a moment after the start of the last commit
        of payloads. Under load one commit then serves several senders; a single sender does not
        wait. https://www.postgresql.org/docs/current/runtime-config-wal.html#GUC-COMMIT-DELAY
        """
        if not self._accepting:
            return
        early = self._accepted_at + _APART - time.monotonic()
        if early > 0 and not (self._has_other() or self._closing):
            time.sleep(early)
            self._take(None)
        self._accepted_at = time.monotonic()

    def _has_other(self) -> bool:
        """Whether there is other work than accepting."""
        may = self._unsynced and not self._flow.pause(time.monotonic())
        return bool(self._synced or may)

    def _wait(self) -> bool:
        """Waits for work; False if the end has come and nothing waits."""
        self._take(None)
        while not (self._accepting or self._has_other()):
            if self._closing and not self._unsynced:
                self._sync()
                return False
            if self._closing:
                return True
            if self._unsynced:
                self._take(self._flow.pause(time.monotonic()) or None)
            elif not self._take(_QUIET if self._dirty else _EVER):
                self._sync()
        return True

    def _take(self, seconds: float | None) -> bool:
        """Sorts what came into its queues, and waits up to so many seconds for something to come
        (None: not at all). Returns whether something came.
        """
        came = False
        try:
            if seconds is not None:
                self._put_in(self._inbox.get(timeout=None if seconds == _EVER else seconds))
                came = True
            while True:
                self._put_in(self._inbox.get_nowait())
                came = True
        except Empty:
            return came

    def _put_in(self, came: tuple[deque[Any], Sequence[object]] | None) -> None:
        if came is None:
            self._closing = True
            return
        jobs, put = came
        jobs.extend(put)
        if jobs is self._accepting:
            self._flow.came(len(put), time.monotonic())

    def _sync(self) -> None:
        if not self._dirty:
            return
        try:
            self._store.batch([self._store.sync])
        except StoreError:  # the next writer is told
            return
        self._dirty = False

    def _commit_accepted(self, taken: list[_Accepting]) -> None:
        if not taken:
            return
        taken = [each._replace(payloads=self._in_time(each.payloads)) for each in taken]
        together = [payload for each in taken for payload in each.payloads]
        results = self._results([partial(self._store.accept, together)], durable=True)
        if isinstance(results[0], Exception) and not isinstance(results[0], StoreError):
            each_alone = [partial(self._store.accept, each.payloads) for each in taken]
            results = self._results(each_alone, durable=True)
        elif isinstance(results[0], Exception):
            results = [StoreError(str(results[0])) for _ in taken]
        else:
            results = _shares(results[0], taken)
        _answer([each.future for each in taken], results)

    def _in_time(self, payloads: Sequence[NewPayload]) -> Sequence[NewPayload]:
        """The payloads by the present clock. A time of the former one would make them days late."""
        until, by = self._moved
        if all(each.accepted_at > until for each in payloads):
            return payloads
        return [
            replace(each, accepted_at=each.accepted_at + by) if each.accepted_at <= until else each
            for each in payloads
        ]

    def _commit(self, taken: list[_Job], *, durable: bool) -> None:
        if not taken:
            return
        calls = [job.call for job in taken]
        # Jobs that only read leave nothing to sync, and unsynced commits would stay so.
        syncs = [self._store.sync] if durable and self._dirty else []
        results = self._results([*calls, *syncs], durable=durable)
        _answer([job.future for job in taken], results[: len(taken)])

    def _results(self, jobs: Sequence[Callable[[], object]], *, durable: bool) -> list[object]:
        try:
            results = self._store.batch(jobs, durable=durable)
        except StoreError as error:
            return [StoreError(str(error)) for _ in jobs]
        except Exception as error:  # noqa: BLE001 - a bug must not end the thread that everyone waits for
            return [error for _ in jobs]
        if not durable:
            self._dirty = True
        elif jobs[-1] == self._store.sync:
            self._dirty = False
        return results


def _shares(kept: object, taken: Sequence[_Accepting]) -> list[object]:
    """The results for the senders of one commit; the first of them wakes the lanes."""
    assert isinstance(kept, Kept)  # noqa: S101 - the jobs of a batch are of any type
    first = kept.first + len(taken[0].payloads)
    shares: list[object] = [kept]
    for each in taken[1:]:
        shares.append(Kept((), first))
        first += len(each.payloads)
    return shares


def _some(jobs: deque[T], most: int) -> list[T]:
    return [jobs.popleft() for _ in range(min(most, len(jobs)))]


def _answer(futures: Sequence["asyncio.Future[Any]"], results: Sequence[object]) -> None:
    """Sets all results of a commit with one wake-up of the event loop."""
    futures[0].get_loop().call_soon_threadsafe(_resolve, futures, results)


def _resolve(futures: Sequence["asyncio.Future[Any]"], results: Sequence[object]) -> None:
    for future, result in zip(futures, results, strict=True):
        if future.cancelled():
            continue
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)
