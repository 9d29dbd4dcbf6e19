"""A scrape tells what is in the storage, of several replicas by one, and does not fail with it."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

import pytest

from relay.active_config import CurrentConfig
from relay.core.active_config import ActiveConfig
from relay.core.routing.route import Route, Routing
from relay.operate.metrics import Metrics, ReplicaStatus
from relay.operate.paced import Paced
from relay.operate.scrape import Scrapes
from relay.store.history import Durability
from relay.store.protocol import StoreError
from relay.store.sqlite.store import SqliteStore
from tests.build import TELEGRAM
from tests.store.test_store import new_payload
from tests.world import TEMPLATES

T = TypeVar("T")
ACCEPTED = 'alert_relay_deliveries_accepted_total{platform="telegram",receiver="ops"} 1.0'
REPLICA = ReplicaStatus(2, 1, is_reached=False, spooled=3)


class Transactions:
    """Those of a storage that can be away."""

    def __init__(self) -> None:
        self.is_away = False
        self.made = 0

    async def run(self, job: Callable[[], T]) -> T:
        self.made += 1
        await asyncio.sleep(0)
        if self.is_away:
            raise StoreError("away")
        return job()

    async def run_unsynced(self, job: Callable[[], T]) -> T:
        return await self.run(job)


def scrapes(transactions: Transactions, replica: ReplicaStatus | None) -> Scrapes:
    store = SqliteStore(":memory:")
    store.batch([lambda: store.accept([new_payload(TELEGRAM)])])
    config = CurrentConfig(ActiveConfig(Routing(Route("ops"), {}), TEMPLATES))

    def durability() -> Durability:
        return Durability("remote", 512)

    return Scrapes(Metrics(), store, Paced(transactions), config, lambda: replica, durability)


async def test_while_the_database_is_away_the_counters_stand_where_they_stood() -> None:
    transactions = Transactions()
    told = scrapes(transactions, REPLICA)
    assert ACCEPTED in (await told.render(leads=True)).decode()
    transactions.is_away = True
    text = (await told.render(leads=True)).decode()
    assert ACCEPTED in text
    assert "alert_relay_storage_up 0.0" in text
    assert "alert_relay_spool_payloads 3.0" in text
    assert 'alert_relay_lane_leases{state="held"} 2.0' in text
    assert 'alert_relay_store_durability{level="remote"} 1.0' in text
    assert "alert_relay_store_replication_lag_bytes 512.0" in text


async def test_scrapes_at_the_same_time_cost_the_store_one_read() -> None:
    transactions = Transactions()
    told = scrapes(transactions, None)
    texts = await asyncio.gather(*(told.render(leads=True) for _ in range(100)))
    assert len(set(texts)) == 1
    assert transactions.made == 1


async def test_what_another_replica_tells_has_no_series_here() -> None:
    """One that began at 0 would rise by all that ever was when this replica tells of it."""
    text = (await scrapes(Transactions(), REPLICA).render(leads=False)).decode()
    assert "alert_relay_deliveries_accepted_total{" not in text
    assert "alert_relay_destination_up{" not in text
    assert "alert_relay_lane_leases_lost_total 1.0" in text


async def test_a_sole_process_tells_nothing_of_replicas_and_fails_with_its_storage() -> None:
    transactions = Transactions()
    told = scrapes(transactions, None)
    text = (await told.render(leads=True)).decode()
    assert "alert_relay_lane_leases" not in text
    assert "alert_relay_storage_up" not in text
    transactions.is_away = True
    with pytest.raises(StoreError):
        await told.render(leads=True)
