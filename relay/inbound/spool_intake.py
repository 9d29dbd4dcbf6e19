"""Intake with a spool: what arrives while the shared storage is away is kept on the local disk, and
accepted in order when it is back.
"""

import asyncio
from collections.abc import Callable

from relay.core.event import Event, Noted
from relay.core.intake_result import IntakeResult, InvalidPayload, RetryLater
from relay.core.webhook.payload import parse
from relay.core.webhook.shape import PayloadError
from relay.inbound.intake import COMMITTED, FAILS_FOR, LARGE, Intake, Seen
from relay.store.protocol import Store, StoreError
from relay.store.spool import DamagedPayload, Spool, Spooled, SpoolError
from relay.supervised import Loop

PATIENCE = 3.0  # seconds for the storage to answer; that leaves time for the disk
_AGAIN_AFTER = 0.5  # seconds between two attempts to accept what waits
_READ_AGAIN_AFTER = 5.0  # seconds between two attempts to read it
_RETRY_AFTER = 5


class SpoolIntake:
    """Accepts webhook bodies as `Intake` does, and into the spool while the storage is away. A body
    that arrives while others wait there goes behind them, so that the order is kept.
    """

    def __init__(
        self,
        intake: Intake,
        spool: Spool,
        store: Store,
        clock: Callable[[], float],
        emit: Callable[[Event], None],
        patience: float = PATIENCE,
    ) -> None:
        self._intake = intake
        self._spool = spool
        self._store = store
        self._clock = clock
        self._emit = emit
        self._patience = patience
        self._failed_at = -FAILS_FOR
        self._waits = asyncio.Event()
        self._kept = 0  # bodies since the spool was empty
        self._taking_up = Loop("taking up the spool failed", self._take_up, emit)

    @property
    def why_not(self) -> str:
        """Why a payload would be refused now, as far as is known; empty if it would not."""
        if self._clock() < self._failed_at + FAILS_FOR:
            return "the spool failed"
        return "overloaded" if self._intake.is_overloaded else ""

    def start(self) -> None:
        """Begins to accept what an earlier run left, and what arrives."""
        if self._spool.count:
            self._waits.set()
        self._taking_up.start()

    async def stop(self) -> None:
        """Stops. What still waits is accepted by the next run."""
        await self._taking_up.stop()
        await self._spool.close()

    def accept(self, source: str, body: bytes) -> "asyncio.Future[IntakeResult]":
        """Committed when every delivery that follows from the body is committed and synced, or the
        body is on the local disk.
        """
        return asyncio.ensure_future(self._accept(source, body))

    async def _accept(self, source: str, body: bytes) -> IntakeResult:
        at = self._clock()
        if self._spool.count and self._spool.is_readable:
            refused = await _refusal(source, body)
            return refused or await self._keep(Spooled(source, at, body))
        accepting = self._intake.accept(source, body)
        await asyncio.wait((accepting,), timeout=self._patience)
        if not accepting.done():
            accepting.add_done_callback(_forget)
            return await self._keep(Spooled(source, at, body))
        match accepting.result():
            case RetryLater(away=True):
                return await self._keep(Spooled(source, at, body))
            case result:
                return result

    async def _keep(self, spooled: Spooled) -> IntakeResult:
        try:
            await self._spool.keep(spooled)
        except SpoolError as error:
            self._failed_at = self._clock()
            self._failed(error)
            return RetryLater("the spool failed", _RETRY_AFTER)
        self._failed_at = -FAILS_FOR
        self._kept += 1
        if not self._waits.is_set():
            self._waits.set()
            self._emit(Noted("warning", "the storage is away, payloads wait in the spool"))
        return COMMITTED

    def _failed(self, error: SpoolError) -> None:
        self._emit(Noted("error", "storage failed", (("at", "spool"), ("err", str(error)))))

    async def _take_up(self) -> None:
        while True:
            await self._waits.wait()
            try:
                await self._take_up_all()
            except SpoolError as error:  # what comes goes to the storage meanwhile
                self._failed(error)
                await asyncio.sleep(_READ_AGAIN_AFTER)
            except StoreError:
                await asyncio.sleep(_AGAIN_AFTER)

    async def _take_up_all(self) -> None:
        seen: Seen | None = None
        taken = 0
        while spooled := await self._spool.first():
            if isinstance(spooled, DamagedPayload):
                await self._put_aside(spooled.number, spooled.why)
                continue
            seen = await self._take_up_one(spooled, seen or Seen(spooled.at))
            taken += 1
        if not self._spool.count:
            self._waits.clear()
            self._emit(Noted("info", "the spool was taken up", (("payloads", taken),)))

    async def _take_up_one(self, spooled: Spooled, seen: Seen) -> Seen:
        try:
            seen = await self._intake.take_up(spooled, seen, self._store)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - one body must not hold up those behind it
            await self._put_aside(spooled.number, repr(error))
        else:
            await self._spool.remove(spooled.number)
        return seen

    async def _put_aside(self, number: int, why: str) -> None:
        await self._spool.put_aside(number)
        values = (("number", number), ("err", why))
        self._emit(Noted("error", "a payload stays in the spool", values))


async def _refusal(source: str, body: bytes) -> InvalidPayload | None:
    """Why the body is not a payload."""
    try:
        if len(body) < LARGE:
            _read(source, body)
        else:
            await asyncio.to_thread(_read, source, body)
    except PayloadError as error:
        return InvalidPayload(str(error))
    return None


def _read(source: str, body: bytes) -> None:
    for _ in parse(body, source):
        pass


def _forget(accepting: "asyncio.Future[IntakeResult]") -> None:
    """Ignores a result that comes too late: the intake reports it, and the spool has the body."""
    if not accepting.cancelled():
        accepting.exception()
