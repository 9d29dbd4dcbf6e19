"""Watches the wall clock. If somebody sets it, hours follow it at once, the change is reported, and
the steady clock is joined to it again.
"""

import asyncio
from collections.abc import Awaitable, Callable

from relay.active_config import CurrentConfig
from relay.clock import MOST_SLOWED, PARTED, SteadyClock
from relay.core.event import ClockChanged, Event
from relay.supervised import Loop

_EVERY = 10.0  # seconds
_CLOSE = 1.0  # seconds; hours need no more accuracy


class ClockWatch:
    """Compares the two clocks. If the wall clock was set forward, `join` moves the steady clock and
    everything that waits by it; if it was set back, the steady clock runs slower until both agree.
    So no wait that a platform asked for ends early, and none lasts for hours. A clock that was set
    back by more than a day is joined at the next start.
    """

    def __init__(
        self,
        steady: SteadyClock,
        wall: Callable[[], float],
        emit: Callable[[Event], None],
        config: CurrentConfig,
        look_again: Callable[[], Awaitable[None]],
        join: Callable[[float], Awaitable[None]],
    ) -> None:
        """`look_again` has all that waits for its hours decided anew."""
        self._steady = steady
        self._wall = wall
        self._emit = emit
        self._config = config
        self._look_again = look_again
        self._join = join
        self._loop = Loop("watching the clock failed", self._go_on, emit)

    def start(self) -> None:
        """Starts checking every ten seconds."""
        self._loop.start()

    async def stop(self) -> None:
        """Stops."""
        await self._loop.stop()

    async def _go_on(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(_EVERY)

    async def look(self) -> None:
        """Compares the clocks once; reports when they part by more than PARTED seconds, or are
        joined again. Raises StoreError if what waits cannot be moved now.
        """
        known, ahead = self._config.current.wall_ahead, self._wall() - self._steady()
        left = self._steady.ahead
        if left and abs(ahead + left) <= PARTED:  # it is catching up as it should
            if abs(ahead - known) > _CLOSE:
                self._config.part_clocks(ahead)
            return
        apart = ahead if abs(ahead) > PARTED else 0.0
        if abs(ahead - known) > PARTED or (known and not apart):
            await self._part(apart)
        elif known <= 0:
            return
        if apart > 0:
            await self._join(apart)
            await self._part(0.0)
        else:
            self._steady.let_catch_up(-apart if apart >= -MOST_SLOWED else 0.0)

    async def _part(self, ahead: float) -> None:
        self._config.part_clocks(ahead)
        self._emit(ClockChanged(ahead))
        await self._look_again()
