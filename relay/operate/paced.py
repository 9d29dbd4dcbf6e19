"""Paces the reads whose cost grows with the contents of the store, so that they take a small share
of its one thread.
"""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

from relay.store.writer import Transactions

T = TypeVar("T")
_REST = 19  # times the length of a read; reads get a twentieth of the thread's time
_LONGEST_REST = 5.0  # seconds


class Paced:
    """One read at a time, begun after its caller asked; a caller who asks too soon waits."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        self._one = asyncio.Lock()
        self._free_at = 0.0

    async def run(self, read: Callable[[], T]) -> T:
        """The result of `read`, at its turn. Raises StoreError."""
        took = 0.0

        def timed() -> T:
            nonlocal took
            began = time.monotonic()
            try:
                return read()
            finally:
                took = time.monotonic() - began

        async with self._one:
            await asyncio.sleep(max(0.0, self._free_at - time.monotonic()))
            try:
                return await self._transactions.run(timed)
            finally:
                self._free_at = time.monotonic() + min(took * _REST, _LONGEST_REST)
