"""Sessions at the console: random cookies, kept in memory, that do not contain the bearer token."""

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
        """The cookie of a new session. If there are too many sessions the oldest one ends."""
        now = self._clock()
        self._until = {key: until for key, until in self._until.items() if until > now}
        while len(self._until) >= _MOST:
            del self._until[next(iter(self._until))]
        key = secrets.token_urlsafe(32)
        self._until[key] = now + SECONDS
        return key

    def knows(self, key: str) -> bool:
        """Whether the session goes on."""
        return self._until.get(key, 0.0) > self._clock()

    def end(self, key: str) -> None:
        """Ends the session."""
        self._until.pop(key, None)
