"""Watches the clock on the wall: when it was set, hours follow it, and that is said."""

import asyncio
from collections.abc import Callable

from relay.active_config import CurrentConfig
from relay.clock import PARTED
from relay.core.event import ClockChanged, Event
from relay.supervised import Loop

_EVERY = 10.0  # seconds


class ClockWatch:
    """Compares the two clocks. Waits go on by the steady one, so that no wait that a platform asked
    for ends early and none lasts for hours; the next start takes the wall's time for both.
    """

    def __init__(
        self,
        steady: Callable[[], float],
        wall: Callable[[], float],
        emit: Callable[[Event], None],
        config: CurrentConfig,
        wake_all: Callable[[], None],
    ) -> None:
        self._steady = steady
        self._wall = wall
        self._emit = emit
        self._config = config
        self._wake_all = wake_all
        self._loop = Loop("watching the clock failed", self._go_on, emit)

    def start(self) -> None:
        """Begins: a look every ten seconds."""
        self._loop.start()

    async def stop(self) -> None:
        """Ends it."""
        await self._loop.stop()

    async def _go_on(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(_EVERY)

    def look(self) -> None:
        """Takes the clocks as they are now; tells when they parted by more than PARTED seconds, or
        are close again."""
        known = self._config.current.wall_ahead
        ahead = self._wall() - self._steady()
        if abs(ahead - known) <= PARTED:
            return
        ahead = ahead if abs(ahead) > PARTED else 0.0
        self._config.part_clocks(ahead)
        self._emit(ClockChanged(ahead))
        self._wake_all()
