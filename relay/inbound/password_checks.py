"""Checks of passwords, which take about 0.1 s of a processor each: one at a time, and the peers by
turns, so that one peer's guesses do not lock out the others.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from msgspec import Struct

MOST_OF_PEER = 16  # waiting checks of one peer
_MOST_PEERS = 256


class _Waiting(Struct, frozen=True, eq=False):
    check: Callable[[], bool]
    done: "asyncio.Future[bool]"


class PasswordChecks:
    """The waiting checks, in a queue for each peer."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "bcrypt")
        self._lines: dict[str, list[_Waiting]] = {}
        self._busy = False

    def begin(self, peer: str, check: Callable[[], bool]) -> "asyncio.Future[bool] | None":
        """The result of the check, at the peer's turn; None if too many checks of that peer, or too
        many peers, wait.
        """
        line = self._lines.get(peer, [])
        if len(line) >= MOST_OF_PEER or (not line and len(self._lines) >= _MOST_PEERS):
            return None
        waiting = _Waiting(check, asyncio.get_running_loop().create_future())
        self._lines[peer] = [*line, waiting]
        self._next()
        return waiting.done

    def close(self) -> None:
        """Ends the thread. Waiting checks are not made any more."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _next(self) -> None:
        if self._busy or not self._lines:
            return
        peer = next(iter(self._lines))
        waiting, *rest = self._lines.pop(peer)
        if rest:
            self._lines[peer] = rest  # after the other peers
        self._busy = True
        running = asyncio.get_running_loop().run_in_executor(self._thread, waiting.check)
        running.add_done_callback(partial(self._ended, waiting))

    def _ended(self, waiting: _Waiting, running: "asyncio.Future[bool]") -> None:
        self._busy = False
        if running.cancelled():
            waiting.done.cancel()
            return
        if not waiting.done.done():
            waiting.done.set_result(running.exception() is None and running.result())
        self._next()
