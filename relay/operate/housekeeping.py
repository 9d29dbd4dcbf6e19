"""Housekeeping: once a minute old deliveries expire, and finished work is forgotten when it is old
enough.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from relay.active_config import CurrentConfig
from relay.core.event import Event
from relay.core.routing.lane import LaneKey
from relay.delivery.pipeline import settled
from relay.store.protocol import Ended, Store
from relay.store.writer import Transactions
from relay.supervised import Loop

PERIOD = 60.0  # seconds
GRACE = (
    600.0  # seconds of this run before anything expires: after a long stop each chat is tried first
)
_PURGED_AT_ONCE = 200
SHARE = 0.25  # of the storage: what payloads may use that wait for one receiver in one chat


class Housekeeping:
    """Expires and purges while the relay runs."""

    def __init__(
        self,
        store: Store,
        transactions: Transactions,
        clock: Callable[[], float],
        emit: Callable[[Event], None],
        config: CurrentConfig,
    ) -> None:
        self._store = store
        self._transactions = transactions
        self._config = config
        self._clock = clock
        self._emit = emit
        self._started_at = clock()
        self._loop = Loop("housekeeping failed", self._go_on, emit)

    def start(self) -> None:
        """Starts: a round a minute."""
        self._loop.start()

    async def stop(self) -> None:
        """Stops between two transactions."""
        await self._loop.stop()

    async def _go_on(self) -> None:
        while True:
            await asyncio.sleep(PERIOD)
            await self.round()

    async def round(self) -> None:
        """One round at the present time."""
        config, now = self._config.current, self._clock()
        retention = config.retention
        share = int(retention.bytes * SHARE)
        for lane, owner in await self._transactions.run(self._store.pending_lanes):
            target = config.target(lane, owner)
            if target and now >= self._started_at + GRACE:
                await self._expire(lane, owner, now - target.policy.expire_after)
            shed = partial(self._store.shed, lane, owner, share, now)
            self._tell(lane, await self._transactions.run(shed))
        purge = partial(
            self._store.purge, now - retention.seconds, retention.bytes, _PURGED_AT_ONCE
        )
        while await self._transactions.run(purge):
            pass
        window = config.longest_reopen_window
        await self._transactions.run(
            partial(self._store.acting.purge, now, now - retention.seconds, window)
        )

    async def _expire(self, lane: LaneKey, owner: str, before: float) -> None:
        """Expires what the owner has on the lane: under its own name, as copies for a fallback, or
        under a former name.
        """
        expire = partial(self._store.expire, lane, owner, before, self._clock())
        self._tell(lane, await self._transactions.run(expire))

    def _tell(self, lane: LaneKey, ended: Sequence[Ended]) -> None:
        for each in ended:
            self._emit(settled(lane, each, lost=each.card))
