"""The platforms' rate rules as counters; the time is an argument."""

import math
from collections import deque
from dataclasses import dataclass, field


@dataclass
class Window:
    """At most `limit` calls within any `per` seconds."""

    limit: int
    per: float
    _calls: deque[float] = field(default_factory=deque)

    def wait(self, now: float) -> float:
        """Seconds until a call fits; 0.0 if it fits now."""
        while self._calls and self._calls[0] <= now - self.per:
            self._calls.popleft()
        if len(self._calls) < self.limit:
            return 0.0
        return self._calls[-self.limit] + self.per - now

    def take(self, now: float) -> None:
        self._calls.append(now)


@dataclass
class Bucket:
    """Discord's published kind of limit: `limit` calls, all available again `per` seconds after the
    first.
    """

    limit: int
    per: float
    reset: float = 0.0
    _used: int = 0

    def wait(self, now: float) -> float:
        """Seconds until a call fits; 0.0 if it fits now."""
        if now >= self.reset:
            self._used = 0
            self.reset = now + self.per
        return 0.0 if self._used < self.limit else self.reset - now

    def take(self) -> None:
        """Counts a call that `wait` allowed."""
        self._used += 1

    @property
    def remaining(self) -> int:
        """Calls left before `reset`."""
        return self.limit - self._used


@dataclass
class Flood:
    """A caller that was told to wait. Calling too early makes the wait longer, as with Telegram."""

    until: float = 0.0
    _retry_after: int = 0

    def start(self, wait: float, now: float) -> int:
        """Forbids calls for `wait` seconds, rounded up to whole ones, which it returns."""
        self._retry_after = max(1, math.ceil(wait))
        self.until = now + self._retry_after
        return self._retry_after

    def again(self, now: float) -> int:
        """The seconds left for a caller that did not wait, after its wait was added once more."""
        return self.start(self.until - now + self._retry_after, now)
