"""What was answered with 200 reaches its chat whatever becomes of the replicas, of their database,
and of the network between.
"""

import asyncio
import logging
import os
import random
import signal
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from relay.sandbox.server import Sandbox
from relay.store.postgres.store import PostgresStore
from tests import canary
from tests.acceptance.histories import Owners, is_notice, linear, versions
from tests.acceptance.processes import Process, Processes, free_port, processes, until
from tests.acceptance.test_kill import ONE, TEAMS, Load, Seen, judge, seen, set_up_chats
from tests.postgres import Cluster, Databases, cluster
from tests.postgres_proxy import Proxy, proxy

pytestmark = [pytest.mark.postgres, pytest.mark.slow]
REPLICAS = 3
TTL = 2.0
ROUNDS = int(os.environ.get("RELAY_ROUNDS", "12"))
LOADERS = 3
SKEW = 300.0  # seconds by which the clocks of two replicas are wrong, one ahead and one behind
# A relay on a machine whose clock is wrong.
_SKEWED = """
import sys, time
real, skew = time.time, float(sys.argv.pop(1))
time.time = lambda: real() + skew
from relay.__main__ import main
sys.exit(main())
"""
log = logging.getLogger(__name__)


@dataclass
class Replica:
    """One of the replicas: where it listens, its way to the database, what its clock is off by, and
    the process, if it runs.
    """

    port: int
    network: Proxy
    skew: float
    process: Process | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/alerts"


@dataclass
class Chaos:
    """Replicas on one database, and what is done to them."""

    running: Processes
    configs: list[Path]
    server: Cluster
    url: str
    chance: random.Random
    load: Load
    replicas: list[Replica]
    faults: list[float] = field(default_factory=list)

    async def start(self, replica: Replica) -> None:
        """With one of two configurations: others may run with the other one meanwhile."""
        named = self.running.folder / f"url-{replica.port}"
        named.write_text(replica.network.url(self.url))
        config = self.chance.choice(self.configs)
        replica.process = await self.running.start(
            "relay", sys.executable, "-P", "-c", _SKEWED, f"{replica.skew:g}", "serve",
            f"--config.file={config}", f"--storage.url-file={named}", f"--storage.lease={TTL:g}s",
            f"--web.listen-address=127.0.0.1:{replica.port}",
        )  # fmt: skip

    async def start_all(self) -> None:
        for replica in self.replicas:
            await self.start(replica)
            self.load.urls.append(replica.address)

    async def rounds(self, number: int) -> list[str]:
        """So many faults, each with a moment to go on; what they were. Each kind comes in turn."""
        kinds = (
            self.kill, self.stop_for_a_while, self.crash, self.ask_to_end, self.terminate,
            self.cut, self.delay, self.swallow, self.cut_before_commit, self.cut_after_commit,
        )  # fmt: skip
        done: list[str] = []
        while len(done) < number:
            for fault in self.chance.sample(kinds, len(kinds))[: number - len(done)]:
                await fault()
                await asyncio.sleep(self.chance.uniform(0.3, 2.0))
                done.append(fault.__name__)
                await self.restart_ended()
        return done

    async def restart_ended(self) -> None:
        """As a supervisor does: a replica that starts while the database is away ends."""
        for replica in self.replicas:
            if replica.process and not replica.process.runs:
                said = replica.process.output.splitlines()[-1:]
                log.info("a replica ended by itself: %s", said)
                await self.start(replica)

    def _one(self) -> Replica:
        return self.chance.choice(self.replicas)

    def _struck(self, times: int = 1) -> None:
        """As many calls under way in a chat may be made once more."""
        self.faults += [time.time()] * times

    async def kill(self) -> None:
        replica = self._one()
        assert replica.process
        await replica.process.kill()
        self._struck()
        await asyncio.sleep(self.chance.uniform(0.0, TTL))
        await self.start(replica)

    async def ask_to_end(self) -> None:
        replica = self._one()
        assert replica.process
        replica.process.signal(signal.SIGTERM)
        await replica.process.ended(within=30)
        self._struck()
        await self.start(replica)

    async def stop_for_a_while(self) -> None:
        """Twice the lease: others take its chats over, then it goes on where it stood. It gets
        nothing meanwhile: what lay in its socket would be accepted much later.
        """
        replica = self._one()
        assert replica.process
        self.load.urls.remove(replica.address)
        await asyncio.sleep(0.5)
        replica.process.signal(signal.SIGSTOP)
        self._struck()
        await asyncio.sleep(2 * TTL)
        replica.process.signal(signal.SIGCONT)
        self._struck()
        self.load.urls.append(replica.address)

    async def crash(self) -> None:
        """The database ends at once and comes back."""
        await asyncio.to_thread(self.server.stop, signal.SIGQUIT)
        self._struck(REPLICAS)
        await asyncio.sleep(self.chance.uniform(0.0, 1.0))
        await asyncio.to_thread(self.server.start)
        self._struck(REPLICAS)

    async def terminate(self) -> None:
        """The database ends all connections."""
        sql = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'alert-relay'"
        )
        with psycopg.connect(self.server.url(), autocommit=True) as connection:
            connection.execute(sql)
        self._struck(REPLICAS)

    async def cut(self) -> None:
        """The network resets the connections of one."""
        self._one().network.cut()
        self._struck()

    async def delay(self) -> None:
        """The database is far away for a while."""
        replica = self._one()
        replica.network.latency = self.chance.uniform(0.02, 0.3)
        await asyncio.sleep(TTL)
        replica.network.latency = 0.0
        self._struck()

    async def swallow(self) -> None:
        """Nothing goes through, and nobody is told: longer than the lease."""
        replica = self._one()
        replica.network.swallows = True
        self._struck()
        await asyncio.sleep(2 * TTL)
        replica.network.swallows = False
        replica.network.cut()  # what was swallowed is missing
        self._struck()

    async def cut_before_commit(self) -> None:
        replica = self._one()
        replica.network.cut_at_commit("before")
        await asyncio.sleep(0.5)
        self._struck()

    async def cut_after_commit(self) -> None:
        """What became of the commit is not known."""
        replica = self._one()
        replica.network.cut_at_commit("after")
        await asyncio.sleep(0.5)
        self._struck()


def alerts(sandbox: Sandbox, chat: int) -> list[Seen]:
    """The messages of a chat but for the relay's own notices: a process that stood still tells of
    it.
    """
    return [m for m in seen(sandbox, chat) if not is_notice(m.first + m.now)]


def standing(store: PostgresStore) -> str:
    """What keeps it from coming to rest."""
    return "\n".join(
        f"{sql}: {store.server.run(sql).fetchall()}"
        for sql in (
            "SELECT extract(epoch FROM clock_timestamp())",
            "SELECT * FROM lease",
            "SELECT * FROM lane_work",
            "SELECT * FROM leader",
            "SELECT * FROM progress",
            "SELECT * FROM config",
            "SELECT lane FROM attempt",
            "SELECT lane, card, count(*) FROM delivery WHERE settlement IS NULL GROUP BY 1, 2",
            "SELECT generation, count(*) FROM payload GROUP BY 1",
            "SELECT lane, due, ready, rank FROM card WHERE waiting_since IS NOT NULL",
        )
    )


def two_generations(config: Path) -> list[Path]:
    """The configuration, and one that differs: which is the newer one changes with each start."""
    other = config.with_name("other.yml")
    other.write_text(config.read_text() + "  - name: spare\n")
    return [config, other]


@pytest.mark.timeout(180 + 20 * ROUNDS)
async def test_nothing_acknowledged_is_lost_whatever_becomes_of_replicas_and_database(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    seed = int(os.environ.get("RELAY_SEED", "7"))
    with ExitStack() as stack:
        server = stack.enter_context(cluster(("fsync=off",)))
        networks = [stack.enter_context(proxy(str(server.folder))) for _ in range(REPLICAS)]
        url = Databases(server.url).fresh()
        async with processes(tmp_path) as running:
            config, chance = set_up_chats(sandbox, tmp_path), random.Random(seed)
            canary.learn(config)
            sandbox.faults.add("telegram", str(ONE), "slow", seconds=0.03)
            sandbox.faults.add("discord", "*", "slow", seconds=0.03)
            load = Load([])
            replicas = [
                Replica(free_port(), network, skew)
                for network, skew in zip(networks, (0.0, SKEW, -SKEW), strict=True)
            ]
            chaos = Chaos(running, two_generations(config), server, url, chance, load, replicas)
            await chaos.start_all()
            loaders = [asyncio.create_task(load.post(chance)) for _ in range(LOADERS)]
            owners = Owners(url)
            watching = asyncio.create_task(owners.watch())
            done = await chaos.rounds(ROUNDS)
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
            except AssertionError as error:
                error.add_note(standing(store))
                raise
            finally:
                store.close()
                watching.cancel()
    assert len(load.acknowledged) > ROUNDS
    assert [row.lost for row in books] == [0] * len(books)
    assert owners.of_several() == {}
    told = [each for chat in TEAMS.values() for each in versions(sandbox, chat)]
    assert [each for each in told if not linear(each)] == []
    repeated = {
        team: judge(alerts(sandbox, chat), load, team, chaos.faults) for team, chat in TEAMS.items()
    }
    groups = len(load.acknowledged)
    log.info("%d groups, %d posts, %d unanswered", groups, load.posts, load.unanswered)
    log.info("rounds %s, repeated %s, %s", done, repeated, books)
