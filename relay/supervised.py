"""Keeps endless work going: a failure is logged, and the work begins again."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from relay.core.event import Event, Noted
from relay.store.protocol import StoreError

AGAIN_AFTER = 5.0  # seconds
_Values = tuple[tuple[str, str | int | float], ...]


async def supervised(
    failed: str,
    work: Callable[[], Awaitable[None]],
    emit: Callable[[Event], None],
    values: _Values = (),
) -> None:
    """Runs `work` until it returns. An exception is logged as `failed` with these values, one of
    the storage as `storage failed`; after AGAIN_AFTER seconds the work begins again.
    """
    while True:
        try:
            return await work()
        except StoreError as error:
            where = ("at", failed.removesuffix(" failed"))
            emit(Noted("error", "storage failed", (where, ("err", str(error)))))
        except Exception as error:  # noqa: BLE001 - a bug must not end for good what nobody else does
            emit(Noted("error", failed, (*values, ("err", repr(error)))))
        await asyncio.sleep(AGAIN_AFTER)


class Loop:
    """Work that goes on from `start` to `stop`, supervised."""

    def __init__(
        self,
        failed: str,
        work: Callable[[], Awaitable[None]],
        emit: Callable[[Event], None],
        values: _Values = (),
    ) -> None:
        self._supervised = partial(supervised, failed, work, emit, values)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Starts the work."""
        self._task = asyncio.create_task(self._supervised())

    async def stop(self) -> None:
        """Cancels the work where it waits; returns when it has ended."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
