"""Lanes at work: one task for each lane that has something to do, woken by deliveries and
by time.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager

from relay.core.event import Event, Noted
from relay.core.routing.lane import LaneKey
from relay.delivery.pipeline import Next
from relay.store.leases import Leases, SoleOwner
from relay.store.protocol import Fenced, Lease, StoreError

# Seconds after a turn that left nothing to do until the next one: deliveries that arrive meanwhile
# are folded together.
GATHER = 0.025
AFTER_FAULT = 5.0  # seconds until the next turn of a lane whose turn failed


class Lanes:
    """Gives lanes their turns. It has no state beside the store's: after a start it asks the store
    for the wakes.
    """

    def __init__(
        self,
        turn: Callable[[Lease], Awaitable[Next]],
        clock: Callable[[], float],
        emit: Callable[[Event], None],
        leases: Leases | None = None,
        leave: Callable[[Lease], Awaitable[None]] | None = None,
    ) -> None:
        """`turn` does one turn and returns when the next is due (`Pipeline.turn`); `leave` is
        called before another process may have the lane. Without `leases` every lane is ours.
        """
        self._leave = leave
        self._turn = turn
        self._leases = leases or SoleOwner()
        self._clock = clock
        self._emit = emit
        self._bells: dict[LaneKey, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._owned: dict[LaneKey, asyncio.Lock] = {}
        self._left: dict[LaneKey, float] = {}  # lanes that are for others, Unix seconds
        self._stopping = asyncio.Event()
        self._going = asyncio.Event()
        self._going.set()

    def wake(self, lanes: Iterable[LaneKey]) -> None:
        """Wakes lanes that have work, now or at a time that their first turn returns."""
        for lane in lanes:
            bell = self._bells.get(lane)
            if bell is not None:
                bell.set()
            elif not (self._stopping.is_set() or self._is_left(lane)):
                self._bells[lane] = asyncio.Event()
                task = asyncio.create_task(self._run(lane, self._bells[lane]))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    def _is_left(self, lane: LaneKey) -> bool:
        """The lane is for another process now."""
        until = self._left.get(lane, 0.0)
        if until <= self._clock():
            self._left.pop(lane, None)
            return False
        return True

    def own(self, lane: LaneKey) -> asyncio.Lock:
        """While this is held the lane has no turn, so that the holder may change the rows that
        turns use.
        """
        return self._owned.setdefault(lane, asyncio.Lock())

    @asynccontextmanager
    async def still(self) -> AsyncIterator[None]:
        """While this is held no lane has a turn; those that had begun have ended."""
        self._going.clear()
        try:
            async with AsyncExitStack() as held:
                for lock in tuple(self._owned.values()):
                    await held.enter_async_context(lock)
                yield
        finally:
            self._going.set()

    def wake_all(self) -> None:
        """Gives every lane a turn, after a change of the configuration or the hours."""
        for bell in self._bells.values():
            bell.set()

    async def stop(self, within: float) -> None:
        """Begins no more turns. Those that have begun have `within` seconds to end and are then
        cancelled.
        """
        self._stopping.set()
        self._going.set()
        for bell in self._bells.values():
            bell.set()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=within)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _run(self, lane: LaneKey, bell: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        lease, due = await self._taken(lane), Next(None)
        try:
            while lease and not self._stopping.is_set():
                bell.clear()
                due = await self._guarded(lease)
                ended = loop.time()
                self.wake(due.wake)
                if due.leaves:
                    self._left[lane] = due.until or 0.0
                    due = Next(self._clock())  # it has work for others
                    return
                if due.until is None and not bell.is_set():
                    return
                if due.until is not None and (left := due.until - self._clock()) > 0:
                    if not self._leases.is_worth_keeping(left):
                        return
                    await _ring(bell, left)
                    rest = min(left, GATHER) - (loop.time() - ended)
                    if rest > 0 and not self._stopping.is_set():
                        await asyncio.sleep(rest)
        finally:
            del self._bells[lane]
            if lease:
                await self._give_up(lease, due.until)

    async def _taken(self, lane: LaneKey) -> Lease | None:
        try:
            return await self._leases.take(lane)
        except StoreError as error:
            self._emit(_failed("lease", error))
            return None

    async def _give_up(self, lease: Lease, until: float | None) -> None:
        try:
            if self._leave:
                await self._leave(lease)
            await self._leases.give_up(lease, until)
        except StoreError as error:  # the lease ends by itself
            self._emit(_failed("lease", error))

    async def _guarded(self, lease: Lease) -> Next:
        await self._going.wait()
        try:
            async with self.own(lease.lane):
                return await self._turn(lease)
        except StoreError as error:
            self._emit(_failed("turn", error))
        except Fenced:
            self._emit(Noted("warning", "somebody else has the lane"))
            return Next(None)
        except Exception as error:  # noqa: BLE001 - a bug in one card must not silence the chat for good
            self._emit(Noted("error", "turn failed", (("err", repr(error)),)))
        return Next(self._clock() + AFTER_FAULT)


def _failed(at: str, error: StoreError) -> Noted:
    return Noted("error", "storage failed", (("at", at), ("err", str(error))))


async def _ring(bell: asyncio.Event, seconds: float) -> None:
    """Returns when the bell rings, at the latest after so many seconds. (`wait_for` would start a
    task and take two more rounds of the loop.)
    """
    timer = asyncio.get_running_loop().call_later(seconds, bell.set)
    try:
        await bell.wait()
    finally:
        timer.cancel()
