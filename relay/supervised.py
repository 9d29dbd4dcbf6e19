"""Keeps what goes on for ever going: a failure is told, and it begins anew."""

import asyncio
from collections.abc import Awaitable, Callable

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
    """Runs `work` until it returns. What it raises is logged as `failed` with these values, a fault
    of the storage as `storage failed`, and after AGAIN_AFTER seconds it begins anew.
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
