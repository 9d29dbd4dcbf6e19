"""Watches the clock on the wall: when it was set, hours follow it, that is said, and the steady
clock is joined to it again.
"""

import asyncio
from collections.abc import Awaitable, Callable

from relay.active_config import CurrentConfig
from relay.clock import MOST_SLOWED, PARTED, SteadyClock
from relay.core.event import ClockChanged, Event
from relay.supervised import Loop

_EVERY = 10.0  # seconds
_CLOSE = 1.0  # seconds: a nearer look at hours is worth nothing


class ClockWatch:
    """Compares the two clocks. Where the wall's was set forward, `join` moves the steady one and
    all that waits by it; where it was set back, the steady one goes slower until both agree. So no
    wait that a platform asked for ends early, and none lasts for hours. A clock that was set back
    by more than a day is joined at the next start.
    """

    def __init__(
        self,
        steady: SteadyClock,
        wall: Callable[[], float],
        emit: Callable[[Event], None],
        config: CurrentConfig,
        wake_all: Callable[[], None],
        join: Callable[[float], Awaitable[None]],
    ) -> None:
        self._steady = steady
        self._wall = wall
        self._emit = emit
        self._config = config
        self._wake_all = wake_all
        self._join = join
        self._loop = Loop("watching the clock failed", self._go_on, emit)

    def start(self) -> None:
        """Begins: a look every ten seconds."""
        self._loop.start()

    async def stop(self) -> None:
        """Ends it."""
        await self._loop.stop()

    async def _go_on(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(_EVERY)

    async def look(self) -> None:
        """Takes the clocks as they are now; tells when they parted by more than PARTED seconds, or
        are joined again. Raises StoreError where what waits cannot be moved now.
        """
        known, ahead = self._config.current.wall_ahead, self._wall() - self._steady()
        left = self._steady.ahead
        if left and abs(ahead + left) <= PARTED:  # it catches up as it should
            if abs(ahead - known) > _CLOSE:
                self._config.part_clocks(ahead)
            return
        apart = ahead if abs(ahead) > PARTED else 0.0
        if abs(ahead - known) > PARTED or (known and not apart):
            self._part(apart)
        elif known <= 0:
            return
        if apart > 0:
            await self._join(apart)
            self._part(0.0)
        else:
            self._steady.let_catch_up(-apart if apart >= -MOST_SLOWED else 0.0)

    def _part(self, ahead: float) -> None:
        self._config.part_clocks(ahead)
        self._emit(ClockChanged(ahead))
        self._wake_all()
