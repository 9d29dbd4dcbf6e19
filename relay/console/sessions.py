"""Who is logged in at the console: random cookies, kept in memory, that do not hold the bearer."""

import secrets
from collections.abc import Callable

COOKIE = "alert_relay_session"
SECONDS = 12 * 3600
_MOST = 256


class Sessions:
    """The sessions of this run."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until: dict[str, float] = {}

    def begin(self) -> str:
        """The cookie of a new session; the oldest gives way when there are too many."""
        now = self._clock()
        self._until = {key: until for key, until in self._until.items() if until > now}
        while len(self._until) >= _MOST:
            del self._until[next(iter(self._until))]
        key = secrets.token_urlsafe(32)
        self._until[key] = now + SECONDS
        return key

    def knows(self, key: str) -> bool:
        """The session goes on."""
        return self._until.get(key, 0.0) > self._clock()

    def end(self, key: str) -> None:
        """The session is over."""
        self._until.pop(key, None)
