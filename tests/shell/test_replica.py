"""What one process of several does for all: begun once it may, and begun again where it failed."""

from collections.abc import Callable
from typing import TypeVar, cast

import pytest

from relay.store.postgres.leases import PostgresLeases
from relay.store.postgres.store import PostgresStore, ReadyLanes
from relay.store.protocol import StoreError

T = TypeVar("T")


class Lead:
    """The lead in a database: it is free, or belongs to another, or the database is away."""

    ttl = 15.0

    def __init__(self) -> None:
        self.given: bool | None = True

    def take_lead(self, name: str) -> bool:
        if self.given is None:
            raise StoreError(f"{name}: away")
        return self.given

    def look(self) -> ReadyLanes:
        if self.given is None:
            raise StoreError("away")
        return ReadyLanes(0.0, ())


class Transactions:
    async def run(self, job: Callable[[], T]) -> T:
        return job()

    async def run_unsynced(self, job: Callable[[], T]) -> T:
        return job()


class Did:
    """What was begun and ended, in order; `fails` is what the next beginning raises."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.fails: Exception | None = None

    async def lead(self) -> None:
        self.log.append("lead")
        fails, self.fails = self.fails, None
        if fails:
            raise fails

    async def resign(self) -> None:
        self.log.append("resign")


def leases(database: Lead, now: Callable[[], float]) -> PostgresLeases:
    store = cast("PostgresStore", database)
    return PostgresLeases(store, Transactions(), 10.0, lambda *_: None, now)


async def test_what_one_does_for_all_is_begun_once_and_ended_when_another_does_it() -> None:
    database, did = Lead(), Did()
    held = leases(database, lambda: 100.0)
    for given in (True, True, False, False, True):
        database.given = given
        await held.stand(did.lead, did.resign)
    assert did.log == ["lead", "resign", "lead"]


async def test_a_beginning_that_failed_is_tried_again() -> None:
    did = Did()
    held = leases(Lead(), lambda: 100.0)
    did.fails = RuntimeError("a bug")
    with pytest.raises(RuntimeError):
        await held.stand(did.lead, did.resign)
    led = held.leads
    await held.stand(did.lead, did.resign)
    assert (led, held.leads) == (False, True)
    assert did.log == ["lead", "lead"]


async def test_without_the_database_it_ends_before_another_may_begin() -> None:
    database, did, now = Lead(), Did(), [100.0]
    held = leases(database, lambda: now[0])
    await held.stand(did.lead, did.resign)
    database.given = None
    for now[0], done in ((104.9, ["lead"]), (105.0, ["lead", "resign"])):
        with pytest.raises(StoreError):
            await held.stand(did.lead, did.resign)
        assert did.log == done


async def test_it_is_known_for_how_long_the_database_has_answered() -> None:
    database, now = Lead(), [100.0]
    held = leases(database, lambda: now[0])
    for now[0] in (130.0, 160.0):
        await held.look()
        assert held.reached_for == now[0] - 100.0
    database.given = None
    with pytest.raises(StoreError):
        await held.look()
    assert held.reached_for == 0.0
    database.given, now[0] = True, 200.0
    await held.look()
    now[0] = 230.0
    assert held.reached_for == 30.0
