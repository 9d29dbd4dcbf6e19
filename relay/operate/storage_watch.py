"""Watches the storage folder: what is written to files that somebody removed is gone with the
process, so it is said at once.
"""

import asyncio
from collections.abc import Callable

from relay.core.event import Event, StorageLost
from relay.store.data_dir import DataDir
from relay.supervised import Loop

_EVERY = 2.0  # seconds


class StorageWatch:
    """Looks whether the files are still the ones in the folder. `is_there` is how it was then."""

    def __init__(self, data_dir: DataDir, emit: Callable[[Event], None]) -> None:
        self._data_dir = data_dir
        self._emit = emit
        self._loop = Loop("watching the storage failed", self._go_on, emit)
        self.is_there = True

    def start(self) -> None:
        """Begins: a look every two seconds."""
        self._loop.start()

    async def stop(self) -> None:
        """Ends it."""
        await self._loop.stop()

    async def _go_on(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(_EVERY)

    def look(self) -> bool:
        """Whether the files are there; tells when that changed."""
        there = self._data_dir.is_there()
        if there != self.is_there:
            self.is_there = there
            self._emit(StorageLost(there, str(self._data_dir.folder)))
        return there
