"""The repeated work of one of several processes on a PostgreSQL: it renews its leases, says that it
runs, looks for lanes that have work, and tries to lead, which is to do what one process does for
all.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING

from relay.core.event import Event, Noted
from relay.core.routing.lane import LaneKey
from relay.store.protocol import StoreError
from relay.supervised import Loop

if TYPE_CHECKING:  # psycopg may be missing
    from relay.store.postgres.shared import Shared

LOOK_EVERY = 0.5  # seconds between two searches for lanes that have work
_RENEWALS = 5  # within the duration of a lease


class Replica:
    """Between `start` and `stop` lanes that have work are given to `wake`; `lead` and `resign` are
    called when this process begins and ends to lead.
    """

    def __init__(
        self,
        shared: "Shared",
        wake: Callable[[Iterable[LaneKey]], None],
        lead: Callable[[], Awaitable[None]],
        resign: Callable[[], Awaitable[None]],
        emit: Callable[[Event], None],
    ) -> None:
        self._leases = leases = shared.leases
        self._wake = wake
        self._emit = emit
        self._loops = (
            self._loop("renewing leases failed", shared.store.ttl / _RENEWALS, leases.renew),
            self._loop(
                "saying that this one runs failed", shared.store.ttl / _RENEWALS, leases.beat
            ),
            self._loop("looking for work failed", LOOK_EVERY, self._look),
            self._loop("leading failed", LOOK_EVERY, partial(leases.stand, lead, resign)),
        )

    def start(self) -> None:
        """Starts."""
        for loop in self._loops:
            loop.start()

    async def stop(self) -> None:
        """Stops, and lets another process lead; `resign` is not called."""
        await asyncio.gather(*(loop.stop() for loop in self._loops))
        try:
            await self._leases.leave()
        except StoreError as error:  # the lead ends by itself
            self._failed(error)

    def _loop(self, failed: str, seconds: float, work: Callable[[], Awaitable[None]]) -> Loop:
        return Loop(failed, partial(self._every, seconds, work), self._emit)

    async def _every(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
            except StoreError as error:  # a lease does not wait
                self._failed(error)
            await asyncio.sleep(seconds)

    async def _look(self) -> None:
        self._wake(await self._leases.look())

    def _failed(self, error: StoreError) -> None:
        self._emit(Noted("error", "storage failed", (("at", "lease"), ("err", str(error)))))
