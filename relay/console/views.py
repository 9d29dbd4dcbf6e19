"""The views of the store that the pages share: each is read once for everybody who looks."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import NamedTuple

from relay.active_config import CurrentConfig
from relay.core.routing.lane import LaneKey
from relay.operate.paced import Paced
from relay.platforms.contract import Platforms
from relay.platforms.endpoint import limits_of
from relay.store.history import Minute, OpenCard, StorageStatus
from relay.store.protocol import Store, StoreError
from relay.store.writer import Transactions

_CARDS = 200
_MINUTES = 60
_STATUS_SECONDS, _PLOT_SECONDS = 4.0, 30.0  # seconds for which a view is shared
_STALE = 8.0  # seconds after which a view is not shown any more while it is renewed
_MOMENT = 0.001  # seconds
Room = tuple[tuple[int, int, float], ...]
"""For each budget of a chat: how many calls are left, of how many, in how many seconds."""


class Seen(NamedTuple):
    """The storage at a glance, its open cards, and the minutes of the last hour, which began at
    `since` (Unix seconds).
    """

    storage: StorageStatus
    cards: tuple[OpenCard, ...]
    since: float
    minutes: tuple[Minute, ...]


class Views:
    """Makes the reads whose cost grows with the storage, at a small share of the time of the
    store's thread.
    """

    def __init__(
        self,
        store: Store,
        transactions: Transactions,
        paced: Paced,
        config: CurrentConfig,
        clock: Callable[[], float],
        platforms: Platforms,
    ) -> None:
        self._store = store
        self._transactions = transactions
        self._paced = paced
        self._config = config
        self._clock = clock
        self._platforms = platforms
        self._last: tuple[float, Seen] | None = None
        self._plotted: tuple[float, tuple[Minute, ...]] = (float("-inf"), ())
        self._one = asyncio.Lock()
        self._behind: asyncio.Task[None] | None = None

    async def seen(self) -> Seen:
        """The storage at a glance, the same for everybody who looks within some seconds. An older
        view is renewed after the answer, and a much older one before it. Raises StoreError.
        """
        now = self._clock()
        if self._last is None or now >= self._last[0] + _STATUS_SECONDS + _STALE:
            return await self._renewed()
        if now >= self._last[0] + _STATUS_SECONDS and (self._behind is None or self._behind.done()):
            self._behind = asyncio.create_task(self._renew())
        return self._last[1]

    async def _renew(self) -> None:
        with suppress(StoreError):  # a later request waits for it, and gets the error
            await self._renewed()

    async def _renewed(self) -> Seen:
        async with self._one:
            if self._last is None or self._clock() >= self._last[0] + _STATUS_SECONDS:
                seen = await self._paced.run(partial(self._read, self._clock()))
                self._last = self._clock(), seen
            return self._last[1]

    def _read(self, now: float) -> Seen:
        if now >= self._plotted[0] + _MINUTES * 60 + _PLOT_SECONDS:
            since = now - _MINUTES * 60
            self._plotted = since, self._store.per_minute(since, _MINUTES)
        return Seen(self._store.standing_now(), self._store.open_cards(0, _CARDS), *self._plotted)

    async def room(self, lanes: Sequence[LaneKey]) -> Mapping[LaneKey, Room]:
        """The room in the budgets of these chats, if the configuration has them."""
        return await self._transactions.run_unsynced(partial(self._room, lanes))

    def _room(self, lanes: Sequence[LaneKey]) -> dict[LaneKey, Room]:
        config, now = self._config.current, self._clock()
        found: dict[LaneKey, Room] = {}
        for lane in lanes:
            for target in config.targets(lane)[:1]:
                state = self._store.state(lane)
                limits = limits_of(target, state, config.limits, self._platforms)
                found[lane] = tuple(
                    (int(self._store.room([each], now, _MOMENT)), each.count, each.window)
                    for each in limits
                )
        return found
