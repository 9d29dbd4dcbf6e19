"""The database away: with a spool what comes is answered with 200 and told in order when it is
back; without one it is refused at once.
"""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from relay.sandbox.server import Sandbox
from tests.acceptance.processes import Processes, Relay, fetch, payload, processes, until
from tests.acceptance.test_kill import ONE, set_up_chats
from tests.acceptance.test_replicas import replica, told
from tests.postgres import Cluster, Databases, cluster

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


class Gate:
    """A way to a PostgreSQL that can be shut: connections through it end, and none are made."""

    def __init__(self, folder: Path, server: Cluster) -> None:
        self.folder = folder
        self._behind = server.folder / ".s.PGSQL.5432"
        self._socket = folder / ".s.PGSQL.5432"
        self._open: asyncio.Server | None = None
        self._passing: set[asyncio.StreamWriter] = set()

    def url(self, url: str) -> str:
        """The address of the same database by this way."""
        return make_conninfo(url, host=str(self.folder))

    async def open(self) -> None:
        self._open = await asyncio.start_unix_server(self._pass, self._socket)

    async def shut(self) -> None:
        if self._open:
            self._open.close()
            self._socket.unlink(missing_ok=True)
        for writer in tuple(self._passing):
            writer.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, onward = await asyncio.open_unix_connection(self._behind)
        self._passing |= {writer, onward}
        with contextlib.suppress(OSError):
            await asyncio.gather(_copy(reader, onward), _copy(there, writer))
        self._passing -= {writer, onward}


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


@pytest.fixture
def server() -> Iterator[Cluster]:
    with cluster() as running:
        yield running


@pytest.fixture
async def running(tmp_path: Path, sandbox: Sandbox) -> AsyncIterator[Processes]:
    async with processes(tmp_path, lambda: sandbox.telegram.transcript(ONE)) as started:
        yield started


def accepted(url: str) -> list[float]:
    """When each payload was accepted, in the order of the commits."""
    with psycopg.connect(url) as connection:
        return [at for (at,) in connection.execute("SELECT accepted_at FROM payload ORDER BY id")]


async def says(relay: Relay, sample: str) -> bool:
    _, metrics = await fetch("GET", f"{relay.url}/metrics")
    return sample in metrics


async def test_without_a_spool_it_is_503_at_once(
    server: Cluster, sandbox: Sandbox, running: Processes, tmp_path: Path
) -> None:
    config, url = set_up_chats(sandbox, tmp_path), Databases(server.url).fresh()
    relay = await replica(running, config, url)
    await asyncio.to_thread(server.stop)
    began = time.monotonic()
    assert await relay.post(payload("Alert001")) == 503
    assert time.monotonic() - began < 1


async def test_with_a_spool_it_is_200_and_told_in_order_when_the_database_is_back(
    server: Cluster, sandbox: Sandbox, running: Processes, tmp_path: Path
) -> None:
    config, url = set_up_chats(sandbox, tmp_path), Databases(server.url).fresh()
    relay = await replica(running, config, url, spool=tmp_path / "spool")
    assert await relay.post(payload("Alert000")) == 200
    await asyncio.to_thread(server.stop, signal.SIGQUIT)
    sent = []
    for number in range(1, 21):
        sent.append(time.time())
        assert await relay.post(payload(f"Alert{number:03}")) == 200
    assert await relay.post({"version": "4", "alerts": "none"}) == 400
    assert await relay.post(payload("Alert001", ended=True)) == 200
    await until("metrics say so", lambda: says(relay, "alert_relay_storage_up 0.0"))
    assert await says(relay, "alert_relay_spool_payloads 21.0")
    assert (await fetch("GET", f"{relay.url}/-/ready"))[0] == 200
    await asyncio.to_thread(server.start)
    await until("all are told", lambda: "Alert020" in told(sandbox))
    await until("all is told", relay.at_rest)
    assert [told(sandbox).count(f"Alert{number:03}") for number in range(2, 21)] == [1] * 19
    times = accepted(url)[1:21]
    assert [abs(at - at_sent) < 1 for at, at_sent in zip(times, sent, strict=True)] == [True] * 20
    assert times == sorted(times)
    books = await relay.balance()
    assert (books["one"].accepted, books["one"].lost) == (22, 0)


async def test_what_a_full_disk_took_is_told_and_the_replica_is_ready_again(
    server: Cluster, sandbox: Sandbox, running: Processes, tmp_path: Path, tiny_disk: Path
) -> None:
    config, url = set_up_chats(sandbox, tmp_path), Databases(server.url).fresh()
    relay = await replica(running, config, url, spool=tiny_disk / "spool")

    async def is_ready() -> bool:
        return (await fetch("GET", f"{relay.url}/-/ready"))[0] == 200

    await asyncio.to_thread(server.stop, signal.SIGQUIT)
    answers = [
        await relay.post(payload(f"Alert{number:03}") | {"padding": "x" * 100_000})
        for number in range(40)
    ]
    taken = answers.count(200)
    assert answers == [200] * taken + [503] * (40 - taken)
    assert 10 < taken < 40
    assert not await is_ready()
    await asyncio.to_thread(server.start)
    await until("all are told", lambda: f"Alert{taken - 1:03}" in told(sandbox))
    assert [told(sandbox).count(f"Alert{number:03}") for number in range(taken)] == [1] * taken
    assert len(accepted(url)) == taken
    await until("it is ready", is_ready)
    assert await says(relay, "alert_relay_spool_payloads 0.0")


async def test_what_a_killed_replica_kept_is_taken_up_by_its_next_run(
    server: Cluster, sandbox: Sandbox, running: Processes, tmp_path: Path
) -> None:
    config, url = set_up_chats(sandbox, tmp_path), Databases(server.url).fresh()
    relay = await replica(running, config, url, spool=tmp_path / "spool")
    await asyncio.to_thread(server.stop)
    for number in range(5):
        assert await relay.post(payload(f"Alert{number:03}")) == 200
    await relay.process.kill()
    await asyncio.to_thread(server.start)
    await replica(running, config, url, spool=tmp_path / "spool")
    await until("all are told", lambda: all(f"Alert00{n}" in told(sandbox) for n in range(5)))


async def test_what_waited_changes_no_alert_of_which_something_later_is_committed(
    server: Cluster, sandbox: Sandbox, running: Processes, tmp_path: Path
) -> None:
    """One of two replicas loses its way to the database."""
    config, url = set_up_chats(sandbox, tmp_path), Databases(server.url).fresh()
    gate = Gate(tmp_path, server)
    await gate.open()
    apart = await replica(running, config, gate.url(url), spool=tmp_path / "spool")
    other: Relay = await replica(running, config, url)
    await gate.shut()
    assert await apart.post(payload("Ended")) == 200
    assert await apart.post(payload("Stays")) == 200
    assert await other.post(payload("Ended")) == 200
    assert await other.post(payload("Ended", ended=True)) == 200
    await until("its end is told", lambda: "✅" in told(sandbox) or "🟢" in told(sandbox))
    await gate.open()
    await until("what waited is told", lambda: "Stays" in told(sandbox))
    await until("the spool is empty", lambda: "the spool was taken up" in apart.process.output)

    async def is_at_rest() -> bool:  # by the books of the one that leads
        return await other.at_rest() or await apart.at_rest()

    await until("its books are closed", is_at_rest, within=20)
    lines = [line for line in told(sandbox).splitlines() if "Ended" in line]
    assert lines
    assert not any("🔴" in line for line in lines), lines
    with psycopg.connect(url) as connection:
        first = connection.execute(
            "SELECT settlement, card FROM delivery WHERE strpos(grp, 'Ended') > 0"
            " ORDER BY accepted_at LIMIT 1"
        ).fetchone()
    assert first == ("merged", None)  # no card has heard of it
    await gate.shut()
