"""The time: a wall base read once at start and moved on by the monotonic clock; no clock jump
reaches the relay.
"""

import time
from collections.abc import Callable


def steady_clock() -> Callable[[], float]:
    """A function that gives Unix seconds and never jumps (DESIGN: ages are measured with a
    monotonic clock).
    """
    base = time.time() - time.monotonic()
    return lambda: base + time.monotonic()
