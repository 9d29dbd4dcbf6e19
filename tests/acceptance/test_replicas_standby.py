"""A PostgreSQL whose machine is gone, and the standby that takes its place."""

import asyncio
import random
import time
from functools import partial
from pathlib import Path

import psycopg
import pytest

from relay.sandbox.server import Sandbox
from relay.store.history import Durability
from relay.store.postgres.store import PostgresStore
from relay.store.protocol import Kept
from tests.acceptance.histories import linear, versions
from tests.acceptance.processes import payload, processes, until
from tests.acceptance.test_kill import TEAMS, Load, judge, set_up_chats
from tests.acceptance.test_replicas import replica
from tests.acceptance.test_replicas_chaos import alerts
from tests.build import TELEGRAM
from tests.postgres import Cluster, Databases, cluster
from tests.store.test_store import new_payload

pytestmark = [pytest.mark.postgres, pytest.mark.slow]
SETTINGS = ("fsync=off",)
REPLICAS = 2


def both(database_url: str, primary: Cluster, standby: Cluster) -> str:
    """The address of a database on whichever of the two can be written to."""
    return database_url.replace(str(primary.folder), f"{primary.folder},{standby.folder}")


def follows(primary: Cluster) -> bool:
    """A standby has said that it is one."""
    with psycopg.connect(primary.url(), autocommit=True) as connection:
        (found,) = connection.execute(
            "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"
        ).fetchone() or (0,)
    return bool(found)


def wait_for_standbys(primary: Cluster) -> None:
    """Commits wait for one from now on; its copies that are made before do not know."""
    with psycopg.connect(primary.url(), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        connection.execute("SELECT pg_reload_conf()")


@pytest.mark.timeout(180)
async def test_a_synchronous_standby_that_takes_over_loses_nothing(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """The replica that asks for a standby accepts nothing after that: there is none any more."""
    with cluster(SETTINGS) as old:
        url, chance = Databases(old.url).fresh(), random.Random(7)
        with cluster(SETTINGS, primary=old) as new:
            wait_for_standbys(old)
            await until("the standby follows", lambda: follows(old))
            config, load = set_up_chats(sandbox, tmp_path), Load([])
            sandbox.faults.add("telegram", "*", "slow", seconds=0.03)
            async with processes(tmp_path) as running:
                address = both(url, old, new)
                strict = await replica(
                    running, config, address, options=("--storage.require=remote",)
                )
                other = await replica(running, config, address)
                load.urls += [f"{each.url}/alerts" for each in (strict, other)]
                loaders = [asyncio.create_task(load.post(chance)) for _ in range(2)]
                await asyncio.sleep(3)
                faults = [time.time()] * REPLICAS
                await asyncio.to_thread(old.kill)
                before = len(load.acknowledged)
                await asyncio.sleep(1)
                await asyncio.to_thread(new.promote)
                faults += [time.time()] * REPLICAS
                await until("what comes is taken", lambda: len(load.acknowledged) > before + 5)
                assert await strict.post(payload("Strict", "one")) == 503
                load.over = True
                await asyncio.wait_for(asyncio.gather(*loaders), 60)
                store = PostgresStore(address)
                await until(
                    "everything is settled",
                    lambda: not any(row.pending for row in store.balance()),
                    within=60,
                )
            books, durability = store.balance(), store.durability()
            store.close()
    assert before > 10
    assert durability == Durability("local", None)
    assert [row.lost for row in books] == [0] * len(books)
    said = [each for chat in TEAMS.values() for each in versions(sandbox, chat)]
    assert [each for each in said if not linear(each)] == []
    for team, chat in TEAMS.items():
        judge(alerts(sandbox, chat), load, team, faults)


def test_a_standby_is_told_with_what_it_has_not_stored() -> None:
    with cluster(SETTINGS) as old:
        url = Databases(old.url).fresh()
        store = PostgresStore(url, require_remote=True)
        with cluster(SETTINGS, primary=old) as new:
            wait_for_standbys(old)
            for _ in range(200):
                if follows(old):
                    break
                time.sleep(0.05)
            (kept,) = store.batch([partial(store.accept, [new_payload(TELEGRAM)])])
            assert isinstance(kept, Kept), kept
            told = store.durability()
            assert told.level == "remote"
            assert told.lag is not None
            assert told.lag < 1 << 20
            with psycopg.connect(new.url(), autocommit=True) as connection:
                found = connection.execute("SELECT pg_is_in_recovery()").fetchone()
                assert found == (True,)
        store.close()
