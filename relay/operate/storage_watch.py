"""Watches the storage folder: what is written to files that somebody removed is lost with the
process, so it is reported at once.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

from relay.core.event import Event, StorageLost
from relay.supervised import Loop

_EVERY = 2.0  # seconds


class StorageWatch:
    """Checks whether the storage's files are still the ones in the folder. `is_there` is the last
    result.
    """

    def __init__(
        self, folder: Path, looks: Callable[[], bool], emit: Callable[[Event], None]
    ) -> None:
        """`looks` tells whether the files of the folder are there."""
        self._folder = folder
        self._looks = looks
        self._emit = emit
        self._loop = Loop("watching the storage failed", self._go_on, emit)
        self.is_there = True

    def start(self) -> None:
        """Starts checking every two seconds."""
        self._loop.start()

    async def stop(self) -> None:
        """Stops."""
        await self._loop.stop()

    async def _go_on(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(_EVERY)

    def look(self) -> bool:
        """Whether the files are there; reports a change."""
        there = self._looks()
        if there != self.is_there:
            self.is_there = there
            self._emit(StorageLost(there, str(self._folder)))
        return there
