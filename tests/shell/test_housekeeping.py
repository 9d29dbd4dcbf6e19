"""Housekeeping: what waits too long expires, what ended long ago is forgotten, and no failure ends
it.
"""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace

from relay.active_config import CurrentConfig
from relay.core.active_config import ActiveConfig
from relay.core.event import Event, Noted, Settled
from relay.core.retention import Retention
from relay.core.routing.route import Route, Routing
from relay.operate import housekeeping
from relay.operate.housekeeping import GRACE, Housekeeping
from relay.store.protocol import StoreError
from relay.store.sqlite.store import SqliteStore
from relay.store.writer import Writer
from tests.build import POLICY, T0, TELEGRAM, target
from tests.store.held import own, settle
from tests.store.test_store import fold_all, new_payload, result
from tests.world import TEMPLATES

DAY = 86400.0
LATE = replace(POLICY, expire_after=DAY)


class House:
    """Housekeeping over a real store, on a clock that the test moves."""

    def __init__(self, folder: Path) -> None:
        self.now = T0
        self.events: list[Event] = []
        self.store = SqliteStore(folder / "relay.db")
        self.writer = Writer(self.store)
        routing = Routing(Route("ops"), {"ops": (target(policy=LATE),)})
        self.config = CurrentConfig(ActiveConfig(routing, TEMPLATES))
        self.housekeeping = self.begun()

    def begun(self) -> Housekeeping:
        """What a new run has."""
        return Housekeeping(
            self.store, self.writer, lambda: self.now, self.events.append, self.config
        )

    async def accept(self, *seqs_dead: int, count: int = 1) -> None:
        """Accepts that many deliveries now; those of these numbers end at once."""
        arriving = [new_payload(TELEGRAM, at=self.now)]
        await asyncio.gather(*(self.writer.accept(arriving) for _ in range(count)))
        if seqs_dead:
            await self.writer.run(
                partial(self.store.dismiss, own(self.store, TELEGRAM), seqs_dead, "dead", "test")
            )

    async def call_in_vain(self) -> None:
        """The chat is called with all that it is owed, and takes nothing."""
        await self.writer.run(self._called)

    def _called(self) -> None:
        card = replace(fold_all(self.store, TELEGRAM), tried_at=self.now)
        settle(self.store, result(card, now=self.now))

    async def round(self, retention: Retention | None = None) -> None:
        kept = retention or Retention()
        self.config.load(replace(self.config.current, retention=kept))
        await self.housekeeping.round()

    async def rows(self, table: str) -> int:
        """How many there are in the file."""
        (found,) = (
            await self.writer.run(partial(self.store._db.execute, f"SELECT count(*) FROM {table}"))
        ).fetchone()
        return int(found)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    house = House(tmp_path)
    yield house
    await house.housekeeping.stop()
    house.writer.close()


async def test_what_waits_longer_than_it_may_expires_is_counted_and_told(house: House) -> None:
    await house.accept()
    house.now += DAY
    await house.call_in_vain()
    await house.accept()
    house.now += 1
    await house.round()
    (row,) = house.store.balance()
    assert (row.expired, row.pending, row.lost) == (1, 1, 0)
    assert house.events == [
        Settled("telegram", "ops", "expired", 1, why="expire_after", lost="warning Disk · a")
    ]


async def test_after_a_long_stop_every_chat_has_its_chance_before_anything_expires(
    house: House,
) -> None:
    await house.accept()
    house.now += 30 * DAY
    house.housekeeping = house.begun()
    house.now += GRACE - 1
    await house.round()
    assert [(row.expired, row.pending) for row in house.store.balance()] == [(0, 1)]
    await house.call_in_vain()
    house.now += 1
    await house.round()
    assert [(row.expired, row.pending) for row in house.store.balance()] == [(1, 0)]


async def test_nothing_expires_untried(house: House) -> None:
    await house.accept()
    house.now += 30 * DAY
    await house.round()
    assert [(row.expired, row.pending) for row in house.store.balance()] == [(0, 1)]


async def test_what_ended_is_forgotten_when_it_is_older_than_is_kept(house: House) -> None:
    await house.accept(1)
    house.now += 3600
    await house.accept(2)
    await house.round(Retention(3600.0))
    assert (await house.rows("delivery"), await house.rows("payload")) == (2, 2)
    house.now += 1
    await house.round(Retention(3600.0))
    assert (await house.rows("delivery"), await house.rows("payload")) == (1, 1)


async def test_what_ended_is_forgotten_sooner_when_it_takes_more_room_than_it_may(
    house: House,
) -> None:
    await house.accept(*range(1, 500), count=499)
    await house.accept()
    await house.round(Retention(bytes=1))
    assert (await house.rows("delivery"), await house.rows("payload")) == (1, 1)
    assert [(row.dead, row.pending, row.lost) for row in house.store.balance()] == [(499, 1, 0)]


async def test_what_is_open_is_never_forgotten(house: House) -> None:
    await house.accept()
    house.now += DAY
    await house.round(Retention(0.0, 0))
    assert await house.rows("delivery") == 1


@pytest.mark.parametrize(
    "error", [StoreError("disk I/O error"), OSError("read-only file system"), ValueError("a bug")]
)
async def test_a_round_that_fails_is_told_and_another_comes(
    error: Exception, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "PERIOD", 0.0)
    monkeypatch.setattr("relay.supervised.AGAIN_AFTER", 0.0)
    loop, again = asyncio.get_running_loop(), asyncio.Event()

    def fail_once(*_: object) -> int:
        if not house.events:
            raise error
        loop.call_soon_threadsafe(again.set)
        return 0

    monkeypatch.setattr(house.store, "purge", fail_once)
    house.housekeeping.start()
    await asyncio.wait_for(again.wait(), 10)
    assert [type(event) for event in house.events] == [Noted]
