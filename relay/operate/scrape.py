"""Scrapes of /metrics: what the process counted, with what the storage holds."""

import asyncio

from relay.active_config import CurrentConfig
from relay.operate.metrics import Metrics
from relay.operate.paced import Paced
from relay.store.protocol import Store


class Scrapes:
    """Renders the metrics. Scrapes that come at once, or too soon, share one look into the
    storage.
    """

    def __init__(self, metrics: Metrics, store: Store, reads: Paced, config: CurrentConfig) -> None:
        self._metrics = metrics
        self._store = store
        self._reads = reads
        self._config = config
        self._shared: asyncio.Future[bytes] | None = None

    async def render(self, *, leads: bool) -> bytes:
        """The exposition. What is in the storage is told by the process that leads alone."""
        if self._shared is None:
            self._shared = asyncio.ensure_future(self._render(leads=leads))
            self._shared.add_done_callback(self._ended)
        return await asyncio.shield(self._shared)

    async def _render(self, *, leads: bool) -> bytes:
        if not leads:
            return self._metrics.render((), (), {})
        balance, down = await self._reads.run(lambda: (self._store.balance(), self._store.down()))
        heard = await self._heard()
        return self._metrics.render(balance, self._config.current.refusing(down), heard)

    async def _heard(self) -> dict[str, float]:
        """When each heartbeat was heard last; of several of a name, the oldest."""
        heard: dict[str, float] = {}
        if self._config.current.acting.heartbeats:
            for beat in await self._reads.run(self._store.acting.beats):
                heard[beat.name] = min(heard.get(beat.name, beat.seen_at), beat.seen_at)
        return heard

    def _ended(self, _: "asyncio.Future[bytes]") -> None:
        self._shared = None
