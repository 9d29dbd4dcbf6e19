"""The time: one clock that never goes back. It goes on by the monotonic clock, whatever becomes of
the one on the wall, until both are joined again (see ClockWatch).
"""

import math
import time
from collections.abc import Callable

_FORGETS = 1.05  # a network that became slower is believed after a while
PARTED = 30.0  # seconds between the two clocks that are said
SLOWED = 0.25  # by which the clock is slower while it lets the one on the wall catch up
MOST_SLOWED = 86_400.0  # seconds: a clock that was set back by more is not waited for


def wall_clock() -> float:
    """Unix seconds as the clock on the wall has them, which somebody may set."""
    return time.time()


class SharedClock:
    """The clock of a storage that several processes share: our steady one, set by what the storage
    tells. It never goes back.
    """

    def __init__(self) -> None:
        self._base = time.time() - time.monotonic()
        self._shortest = math.inf
        self._last = 0.0

    def __call__(self) -> float:
        self._last = max(self._last, self._base + time.monotonic())
        return self._last

    def tell(self, now: float, before: float, after: float) -> None:
        """It was `now` (Unix seconds) between these two moments of the monotonic clock. Of several
        such words those that took no longer than twice the shortest count.
        """
        took = after - before
        if self._shortest == math.inf:  # what our own clock said before counts for nothing
            self._last = 0.0
        if took <= 2 * self._shortest:
            self._base = now - (before + after) / 2
            self._shortest = min(self._shortest, took)
        self._shortest *= _FORGETS


class SteadyClock:
    """Gives Unix seconds that never jump by themselves and never go back. It begins with the clock
    on the wall.
    """

    def __init__(
        self,
        wall: Callable[[], float] = wall_clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic = monotonic
        self._at, self._since, self._slow_for = wall(), monotonic(), 0.0

    def __call__(self) -> float:
        """The time."""
        elapsed = self._monotonic() - self._since
        return self._at + elapsed - SLOWED * min(elapsed, self._slow_for)

    @property
    def ahead(self) -> float:
        """By how many seconds it will yet let the clock on the wall catch up."""
        elapsed = self._monotonic() - self._since
        return SLOWED * max(0.0, self._slow_for - elapsed)

    def jump(self, seconds: float) -> None:
        """Goes on so many seconds later. What waits by it is to be moved on as well."""
        self._at, self._since, self._slow_for = self() + seconds, self._monotonic(), 0.0

    def let_catch_up(self, seconds: float) -> None:
        """Goes on a little slower until the clock on the wall has caught up by so many seconds: no
        wait ends early by that.
        """
        self._at, self._since = self(), self._monotonic()
        self._slow_for = seconds / SLOWED


def steady_clock() -> SteadyClock:
    """A clock that is right by the clock on the wall now."""
    return SteadyClock()
