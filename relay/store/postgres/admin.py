"""What an operator does on a PostgreSQL, beside the replicas that run on it."""

import time
from collections.abc import Callable

from relay.core.routing.lane import LaneKey
from relay.store.postgres.store import PostgresStore

_PATIENCE, _PAUSE = 10.0, 0.2  # seconds for which a lane is waited for, between two tries


class AdminStore:
    """The store of a command that runs beside the replicas. Raises what `PostgresStore` raises."""

    def __init__(self, url: str) -> None:
        self.store = PostgresStore(url, migrates=False)

    def do(self, job: Callable[[float], object], lane: LaneKey | None) -> str:
        """Runs the job with the database's clock, while nobody works on the lane, which has work
        then. Why it was not done; empty: it was.
        """
        store = self.store
        now = store.server.read_clock()
        lease = None
        if lane is not None:
            until = time.monotonic() + _PATIENCE
            while (lease := store.take(lane)) is None:
                if time.monotonic() > until:
                    return "the chat is busy: try again in a while"
                time.sleep(_PAUSE)
        try:
            (result,) = store.batch([lambda: job(now)])
        finally:
            if lane is not None and lease is not None:
                store.give_up(lease, None)
                store.ring(lane)
        return str(result) if isinstance(result, Exception) else ""
