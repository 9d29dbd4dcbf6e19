"""The leases of this process on a PostgreSQL, and whether it leads: works for all of them."""

import socket
import time
from collections.abc import Awaitable, Callable
from functools import partial

from msgspec import Struct

from relay import __version__
from relay.core.routing.lane import LaneKey
from relay.store.postgres.store import PostgresStore
from relay.store.protocol import Lease, StoreError
from relay.store.writer import Transactions

_WORTH_KEEPING = 5.0  # seconds without work for which a lane stays ours
_LEAD = "for all"


class _Held(Struct):
    """A lease of this process, and its end by the monotonic clock of this process."""

    lease: Lease
    until: float


class PostgresLeases:
    """See `Leases`. `renew`, `beat`, `look` and `stand` are to be called again and again (see
    `operate.replica`).
    """

    def __init__(
        self,
        store: PostgresStore,
        transactions: Transactions,
        call_seconds: float,
        told_time: Callable[[float, float, float], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`call_seconds`: how long a call may take; none begins that could outlast its lease.
        `told_time` hears of the database's clock, and of ours before and after it was asked.
        """
        self._store = store
        self._transactions = transactions
        self._call_seconds = call_seconds
        self._told_time = told_time
        self._monotonic = monotonic
        self._held: dict[LaneKey, _Held] = {}
        self.is_reached = True  # the database answers
        self._reached_since = monotonic()
        self.lost = 0  # leases, since the start
        self._leads_until = 0.0
        self._leads = False

    async def take(self, lane: LaneKey) -> Lease | None:
        before = self._monotonic()
        lease = await self._transactions.run_unsynced(partial(self._taken, lane))
        if lease:
            self._held[lane] = _Held(lease, before + self._store.ttl)
        return lease

    def _taken(self, lane: LaneKey) -> Lease | None:
        lease = self._store.take(lane)
        if lease is None:
            self._store.ring(lane)
        return lease

    async def give_up(self, lease: Lease, until: float | None) -> None:
        held = self._held.get(lease.lane)
        if held and held.lease == lease:
            del self._held[lease.lane]
        await self._transactions.run_unsynced(partial(self._store.give_up, lease, until))

    def is_worth_keeping(self, seconds: float) -> bool:
        return seconds <= _WORTH_KEEPING

    def is_held(self, lease: Lease) -> bool:
        held = self._held.get(lease.lane)
        if held is None or held.lease != lease:
            return False
        return self._monotonic() + self._call_seconds < held.until

    @property
    def count(self) -> int:
        """The number of lanes that this process owns."""
        return len(self._held)

    @property
    def leads(self) -> bool:
        """Whether this process leads."""
        return self._leads

    @property
    def reached_for(self) -> float:
        """For how many seconds the database has answered without a break that was noticed."""
        return self._monotonic() - self._reached_since if self.is_reached else 0.0

    async def renew(self) -> None:
        """Renews the leases of this process and drops those that it lost."""
        held = list(self._held.values())
        if not held:
            return
        before = self._monotonic()
        leases = [each.lease for each in held]
        renewed = await self._transactions.run_unsynced(partial(self._store.renew, leases))
        for each in held:
            if each.lease in renewed:
                each.until = before + self._store.ttl
            elif self._held.get(each.lease.lane) is each:
                del self._held[each.lease.lane]
                self.lost += 1

    async def beat(self) -> None:
        """Says that this process runs (see `PostgresStore.beat`)."""
        if not await self._transactions.run_unsynced(self._store.beat):
            await self._transactions.run_unsynced(self._register)

    def register(self) -> None:
        """Counts this process among those that run. Raises StoreError."""
        (result,) = self._store.batch([self._register])
        if isinstance(result, Exception):
            raise result

    def _register(self) -> None:
        self._store.register(socket.gethostname(), __version__)

    async def look(self) -> tuple[LaneKey, ...]:
        """The lanes that have work and that no other process owns."""
        before = self._monotonic()
        try:
            look = await self._transactions.run_unsynced(self._store.look)
        except StoreError:
            self.is_reached = False
            raise
        if not self.is_reached:
            self.is_reached = True
            self._reached_since = self._monotonic()
        self._told_time(look.now, before, self._monotonic())
        return look.lanes

    async def stand(
        self, lead: Callable[[], Awaitable[None]], resign: Callable[[], Awaitable[None]]
    ) -> None:
        """Takes or keeps the lead, if it is free; `lead` and `resign` are called when it becomes
        ours and is ours no more.
        """
        before = self._monotonic()
        try:
            ours = await self._transactions.run_unsynced(partial(self._store.take_lead, _LEAD))
        except StoreError:
            ours = before + self._call_seconds < self._leads_until
            if self._leads and not ours:
                self._leads = False
                await resign()
            raise
        if ours:
            self._leads_until = before + self._store.ttl
        if ours != self._leads:
            self._leads = ours
            try:
                await (lead() if ours else resign())
            except Exception:
                self._leads = not ours  # tried again
                raise

    async def leave(self) -> None:
        """Gives up the lead; this process is about to end."""
        if self._leads:
            self._leads = False
            await self._transactions.run(partial(self._store.give_up_lead, _LEAD))
        await self._transactions.run(self._store.leave)
