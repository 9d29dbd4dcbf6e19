"""The time: a wall base read once at start and moved on by the monotonic clock. Waits and ages
follow it, whatever becomes of the clock on the wall; hours follow that one (see ClockWatch).
"""

import time
from collections.abc import Callable

PARTED = 30.0  # seconds between the two clocks that are said


def wall_clock() -> float:
    """Unix seconds as the clock on the wall has them, which somebody may set."""
    return time.time()


def steady_clock() -> Callable[[], float]:
    """A function that gives Unix seconds and never jumps (DESIGN: ages are measured with a
    monotonic clock).
    """
    base = time.time() - time.monotonic()
    return lambda: base + time.monotonic()
