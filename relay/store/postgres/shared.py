"""A PostgreSQL as a process uses it: store, threads, leases."""

import time
from collections.abc import Callable
from pathlib import Path

from relay.core.event import Event
from relay.store.postgres.leases import PostgresLeases
from relay.store.postgres.store import TTL, PostgresStore
from relay.store.postgres.writers import Writers

CALL_SECONDS = 10.0  # for a call, which ends before the lease of its lane does


class Shared:
    """The storage as one of several processes uses it. Raises what `PostgresStore` raises."""

    def __init__(
        self,
        url: str | Path,
        emit: Callable[[Event], None],
        told_time: Callable[[float, float, float], None],
        ttl: float = TTL,
        *,
        require_remote: bool = False,
    ) -> None:
        self.store = PostgresStore(url, emit, ttl, require_remote=require_remote)
        before = time.monotonic()
        told_time(self.store.server.read_clock(), before, time.monotonic())
        self.writer = Writers(self.store)
        self.call_seconds = min(CALL_SECONDS, ttl * 2 / 3)
        self.leases = PostgresLeases(self.store, self.writer, self.call_seconds, told_time)
        self.leases.register()
