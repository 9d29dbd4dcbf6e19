"""Records refused requests for the history: in batches, beside the answers, which never wait for
it.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from relay.core.event import Answered, Event, RequestRefused
from relay.core.history import Refusal
from relay.store.history import REFUSALS_KEPT
from relay.store.protocol import Store, StoreError
from relay.store.writer import Transactions
from relay.supervised import Loop

CODES = (400, 401, 404, 413, 503)
_EVERY = 1.0  # seconds between two batches
_LONGEST = 200  # characters of a source, a reason or an address


class Refusals:
    """Listens to events, and keeps the newest that wait to be written."""

    def __init__(
        self,
        store: Store,
        transactions: Transactions,
        clock: Callable[[], float],
        emit: Callable[[Event], None],
    ) -> None:
        self._store = store
        self._transactions = transactions
        self._clock = clock
        self._waiting: deque[Refusal] = deque(maxlen=REFUSALS_KEPT)
        self._loop = Loop("keeping refusals failed", self._go_on, emit)

    def on_event(self, event: Event) -> None:
        """Takes an event. Never waits."""
        if (
            isinstance(event, Answered | RequestRefused)
            and event.code in CODES
            and event.method in ("", "POST")
        ):
            at, source = self._clock(), _source(event.path)
            why, peer = event.why[:_LONGEST], event.peer[:_LONGEST]
            self._waiting.append(Refusal(at, source, event.code, why, event.size, peer))

    def start(self) -> None:
        """Begins to write."""
        self._loop.start()

    async def stop(self) -> None:
        """Writes what waits, if the storage accepts it, and stops."""
        await self._loop.stop()
        await self.write()

    async def _go_on(self) -> None:
        while True:
            await asyncio.sleep(_EVERY)
            await self.write()

    async def write(self) -> None:
        """Writes what waits. What a failing storage does not accept now is written with the next
        batch.
        """
        refusals = tuple(self._waiting)
        if not refusals:
            return
        with suppress(StoreError):
            await self._transactions.run_unsynced(partial(self._store.refused, refusals))
            for _ in refusals:
                if self._waiting:
                    self._waiting.popleft()


def _source(path: str) -> str:
    """The source in the path of a webhook."""
    _, found, source = path.partition("/alerts/")
    return source.strip("/")[:64] if found else ""
