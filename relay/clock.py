"""The time: a wall base read once at start and moved on by the monotonic clock. Waits and ages
follow it, whatever becomes of the clock on the wall; hours follow that one (see ClockWatch).
"""

import math
import time
from collections.abc import Callable

_FORGETS = 1.05  # a network that became slower is believed after a while
PARTED = 30.0  # seconds between the two clocks that are said


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
        if took <= 2 * self._shortest:
            self._base = now - (before + after) / 2
            self._shortest = min(self._shortest, took)
        self._shortest *= _FORGETS


def steady_clock() -> Callable[[], float]:
    """A function that gives Unix seconds and never jumps (DESIGN: ages are measured with a
    monotonic clock).
    """
    base = time.time() - time.monotonic()
    return lambda: base + time.monotonic()
