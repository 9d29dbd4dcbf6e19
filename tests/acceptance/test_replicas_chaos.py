"""What was answered with 200 reaches its chat whatever becomes of the replicas, and of their
database.
"""

import asyncio
import logging
import os
import random
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from relay.sandbox.server import Sandbox
from relay.store.postgres.store import PostgresStore
from tests import canary
from tests.acceptance.processes import Process, Processes, free_port, processes, until
from tests.acceptance.test_kill import ONE, TEAMS, Load, Seen, judge, seen, set_up_chats
from tests.postgres import Cluster, Databases, cluster

pytestmark = [pytest.mark.postgres, pytest.mark.slow]
REPLICAS = 3
TTL = 2.0
ROUNDS = int(os.environ.get("RELAY_ROUNDS", "12"))
LOADERS = 3
log = logging.getLogger(__name__)


@dataclass
class Chaos:
    """Replicas on one database, and what is done to them."""

    running: Processes
    config: Path
    server: Cluster
    url: str
    chance: random.Random
    load: Load
    ports: list[int] = field(default_factory=lambda: [free_port() for _ in range(REPLICAS)])
    alive: dict[int, Process] = field(default_factory=dict)
    faults: list[float] = field(default_factory=list)

    async def start(self, port: int) -> None:
        named = self.running.folder / "url"
        named.write_text(self.url)
        self.alive[port] = await self.running.start(
            "relay", sys.executable, "-P", "-m", "relay", "serve", f"--config.file={self.config}",
            f"--storage.url-file={named}", f"--storage.lease={TTL:g}s",
            f"--web.listen-address=127.0.0.1:{port}",
        )  # fmt: skip

    async def start_all(self) -> None:
        for port in self.ports:
            await self.start(port)
            self.load.urls.append(f"http://127.0.0.1:{port}/alerts")

    async def round(self) -> str:
        """One fault, and a moment to go on; what it was."""
        fault = self.chance.choice((self.kill, self.stop_for_a_while, self.crash, self.ask_to_end))
        await fault()
        await asyncio.sleep(self.chance.uniform(0.3, 2.5))
        return fault.__name__

    def _one(self) -> int:
        return self.chance.choice(self.ports)

    async def kill(self) -> None:
        port = self._one()
        await self.alive[port].kill()
        self.faults.append(time.time())
        await asyncio.sleep(self.chance.uniform(0.0, TTL))
        await self.start(port)

    async def ask_to_end(self) -> None:
        port = self._one()
        self.alive[port].signal(signal.SIGTERM)
        await self.alive[port].ended(within=30)
        self.faults.append(time.time())
        await self.start(port)

    async def stop_for_a_while(self) -> None:
        """Twice the lease: others take its chats over, then it goes on where it stood. It gets
        nothing meanwhile: what lay in its socket would be accepted much later.
        """
        port = self._one()
        address = f"http://127.0.0.1:{port}/alerts"
        self.load.urls.remove(address)
        await asyncio.sleep(0.5)
        self.alive[port].signal(signal.SIGSTOP)
        self.faults.append(time.time())
        await asyncio.sleep(2 * TTL)
        self.alive[port].signal(signal.SIGCONT)
        self.faults.append(time.time())
        self.load.urls.append(address)

    async def crash(self) -> None:
        """The database ends at once and comes back."""
        await asyncio.to_thread(self.server.stop, signal.SIGQUIT)
        self.faults += [time.time()] * REPLICAS  # each may have a call under way
        await asyncio.sleep(self.chance.uniform(0.0, 1.0))
        await asyncio.to_thread(self.server.start)
        self.faults += [time.time()] * REPLICAS


def alerts(sandbox: Sandbox, chat: int) -> list[Seen]:
    """The messages of a chat but for the relay's own notices: a process that stood still tells of
    it.
    """
    return [m for m in seen(sandbox, chat) if "AlertRelay" not in m.first + m.now]


def at_rest(store: PostgresStore) -> bool:
    """Nothing is pending."""
    return not any(row.pending for row in store.balance())


@pytest.mark.timeout(180 + 20 * ROUNDS)
async def test_nothing_acknowledged_is_lost_whatever_becomes_of_replicas_and_database(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    seed = int(os.environ.get("RELAY_SEED", "7"))
    with cluster(("fsync=off",)) as server:
        url = Databases(server.url).fresh()
        async with processes(tmp_path) as running:
            config, chance = set_up_chats(sandbox, tmp_path), random.Random(seed)
            canary.learn(config)
            sandbox.faults.add("telegram", str(ONE), "slow", seconds=0.03)
            sandbox.faults.add("discord", "*", "slow", seconds=0.03)
            load = Load([])
            chaos = Chaos(running, config, server, url, chance, load)
            await chaos.start_all()
            loaders = [asyncio.create_task(load.post(chance)) for _ in range(LOADERS)]
            done = [await chaos.round() for _ in range(ROUNDS)]
            load.over = True
            await asyncio.wait_for(asyncio.gather(*loaders), 60)
            store = PostgresStore(url)
            try:
                await until(
                    "everything is settled",
                    lambda: not any(row.pending for row in store.balance()),
                    within=90,
                )
                books = store.balance()
            finally:
                store.close()
    assert len(load.acknowledged) > ROUNDS
    assert [row.lost for row in books] == [0] * len(books)
    repeated = {
        team: judge(alerts(sandbox, chat), load, team, chaos.faults) for team, chat in TEAMS.items()
    }
    groups = len(load.acknowledged)
    log.info("%d groups, %d posts, %d unanswered", groups, load.posts, load.unanswered)
    log.info("rounds %s, repeated %s, %s", done, repeated, books)
