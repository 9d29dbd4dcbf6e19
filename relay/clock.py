"""The time: a clock that never goes back. It follows the monotonic clock, whatever happens to the
wall clock, until the two are joined again (operate/clock_watch.py).
"""

import math
import time
from collections.abc import Callable

_FORGETS = 1.05  # growth of the known shortest, so that a slower network is believed in time
PARTED = 30.0  # seconds between the two clocks that are reported
SLOWED = 0.25  # fraction by which the clock runs slower while the wall clock catches up
MOST_SLOWED = 86_400.0  # seconds: a clock that was set back further is not waited for


def wall_clock() -> float:
    """Unix seconds of the wall clock, which somebody may set."""
    return time.time()


class SharedClock:
    """The clock of a storage that several processes share: our steady clock, set by what the
    storage says. It never goes back.
    """

    def __init__(self) -> None:
        self._base = time.time() - time.monotonic()
        self._shortest = math.inf
        self._last = 0.0

    def __call__(self) -> float:
        self._last = max(self._last, self._base + time.monotonic())
        return self._last

    def tell(self, now: float, before: float, after: float) -> None:
        """Records that it was `now` (Unix seconds) between two moments of the monotonic clock.
        Readings that took longer than twice the shortest one do not count.
        """
        took = after - before
        if self._shortest == math.inf:  # what our own clock said before counts for nothing
            self._last = 0.0
        if took <= 2 * self._shortest:
            self._base = now - (before + after) / 2
            self._shortest = min(self._shortest, took)
        self._shortest *= _FORGETS


class SteadyClock:
    """Gives Unix seconds that never jump by themselves and never go back. It starts with the wall
    clock.
    """

    def __init__(
        self,
        wall: Callable[[], float] = wall_clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic = monotonic
        self._at, self._since, self._slow_for = wall(), monotonic(), 0.0

    def __call__(self) -> float:
        """The time, Unix seconds."""
        elapsed = self._monotonic() - self._since
        return self._at + elapsed - SLOWED * min(elapsed, self._slow_for)

    @property
    def ahead(self) -> float:
        """How many seconds the wall clock still has to catch up."""
        elapsed = self._monotonic() - self._since
        return SLOWED * max(0.0, self._slow_for - elapsed)

    def jump(self, seconds: float) -> None:
        """Moves the clock on by so many seconds. Whatever waits by it has to be moved on as
        well.
        """
        self._at, self._since, self._slow_for = self() + seconds, self._monotonic(), 0.0

    def let_catch_up(self, seconds: float) -> None:
        """Runs a little slower until the wall clock has caught up by so many seconds, so that no
        wait ends early.
        """
        self._at, self._since = self(), self._monotonic()
        self._slow_for = seconds / SLOWED


def steady_clock() -> SteadyClock:
    """A clock that agrees with the wall clock now."""
    return SteadyClock()
