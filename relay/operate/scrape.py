"""Scrapes of /metrics: the counts of the process, and those of the storage."""

import asyncio
from collections.abc import Callable

from msgspec.structs import replace

from relay.active_config import CurrentConfig
from relay.core.active_config import Refusing
from relay.core.balance import BalanceRow
from relay.operate.metrics import Metrics, ReplicaStatus
from relay.operate.paced import Paced
from relay.store.history import Durability
from relay.store.protocol import Store, StoreError

_Contents = tuple[tuple[BalanceRow, ...], tuple[Refusing, ...], dict[str, float], Durability]


class Scrapes:
    """Renders the metrics. Scrapes at the same time, or in quick succession, share one read of the
    storage.
    """

    def __init__(
        self,
        metrics: Metrics,
        store: Store,
        reads: Paced,
        config: CurrentConfig,
        replica: Callable[[], ReplicaStatus | None] = lambda: None,
        durability: Callable[[], Durability] = Durability,
    ) -> None:
        """`durability` asks the storage how safe a commit is."""
        self._replica = replica
        self._durability = durability
        self._last: _Contents = ((), (), {}, Durability())
        self._has_read = False
        self._metrics = metrics
        self._store = store
        self._reads = reads
        self._config = config
        self._shared: asyncio.Future[bytes] | None = None

    async def render(self, *, leads: bool) -> bytes:
        """The exposition. Only the process that leads reports the contents of the storage."""
        if self._shared is None:
            self._shared = asyncio.ensure_future(self._render(leads=leads))
            self._shared.add_done_callback(self._ended)
        return await asyncio.shield(self._shared)

    async def _render(self, *, leads: bool) -> bytes:
        if not leads:
            return self._metrics.render(None, replica=self._replica())
        try:
            self._last = await self._read()
            self._has_read = True
        except StoreError:  # the last known counts stay, or counters would seem to begin anew
            replica = self._replica()
            if replica is None:
                raise
            if not self._has_read:
                return self._metrics.render(None, replica=replica)
        balance, refusing, heard, durability = self._last
        replica = self._replica()
        told = replace(replica, durability=durability) if replica else None
        return self._metrics.render(balance, refusing, heard, told)

    async def _read(self) -> _Contents:
        balance, down, durability = await self._reads.run(
            lambda: (self._store.balance(), self._store.down(), self._durability())
        )
        refusing = self._config.current.refusing(down)
        return balance, refusing, await self._heard(), durability

    async def _heard(self) -> dict[str, float]:
        """When each heartbeat last arrived; for several of one name the earliest of these times."""
        heard: dict[str, float] = {}
        if self._config.current.acting.heartbeats:
            for beat in await self._reads.run(self._store.acting.beats):
                heard[beat.name] = min(heard.get(beat.name, beat.seen_at), beat.seen_at)
        return heard

    def _ended(self, _: "asyncio.Future[bytes]") -> None:
        self._shared = None
