"""Real processes for the acceptance tests: relays and Alertmanagers on loopback ports, gone when
their test ends.
"""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import msgspec
from prometheus_client.parser import text_string_to_metric_families

from relay.core.balance import BalanceRow
from tests import canary
from tests.need import need_program

ROOT = Path(__file__).parent.parent.parent
LOOK_EVERY = 0.05  # seconds
TAIL = 4000  # characters of a program's output that a failure shows
_PREFIX = "alert_relay_deliveries"


async def until(
    what: str, holds: Callable[[], bool | Awaitable[bool]], within: float = 15.0
) -> None:
    """Returns as soon as `holds`; AssertionError saying `what` did not come about `within` that
    many seconds.
    """
    try:
        async with asyncio.timeout(within):
            while not await _held(holds()):  # noqa: ASYNC110 - another process sets no event of ours
                await asyncio.sleep(LOOK_EVERY)
    except TimeoutError:
        raise AssertionError(f"not within {within:g} s: {what}") from None


async def _held(answer: bool | Awaitable[bool]) -> bool:
    return answer if isinstance(answer, bool) else await answer


@dataclass
class Process:
    """A program in a process group of its own, with everything it writes in one file."""

    child: asyncio.subprocess.Process
    log: Path

    @property
    def output(self) -> str:
        """What it has written so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    @property
    def runs(self) -> bool:
        """It has not ended."""
        return self.child.returncode is None

    @property
    def peak(self) -> int:
        """The most memory that it had, in MiB."""
        status = Path(f"/proc/{self.child.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) // 1024

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to the whole group, if it still runs."""
        if self.runs:
            os.killpg(self.child.pid, number)

    async def ended(self, within: float = 15.0) -> int:
        """Its exit status; minus the signal that ended it."""
        return await asyncio.wait_for(self.child.wait(), within)

    async def kill(self) -> None:
        """Signal 9, and no return before it is dead."""
        self.signal(signal.SIGKILL)
        await self.child.wait()


@dataclass
class Processes:
    """The programs of one test, and the folder that holds their files."""

    folder: Path
    started: list[Process] = field(default_factory=list)

    async def start(self, name: str, *command: str | Path) -> Process:
        """Runs a program."""
        log = self.folder / f"{len(self.started):03}-{name}.log"
        with log.open("wb") as file:
            child = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                # An empty PYTHONUNBUFFERED is none: a pipe gets what its program sends at once.
                env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": ""},
                start_new_session=True,
            )
        self.started.append(Process(child, log))
        return self.started[-1]


@asynccontextmanager
async def processes(folder: Path, scene: Callable[[], str] = str) -> AsyncIterator[Processes]:
    """Programs started inside end with the block; a failure shows the last that they wrote, and the
    `scene`.
    """
    running = Processes(folder)
    try:
        yield running
    except BaseException as error:
        for process in running.started[-5:]:
            error.add_note(f"--- {process.log.name}\n{process.output[-TAIL:]}")
        error.add_note(scene())
        raise
    finally:
        for process in running.started:
            await process.kill()
    for process in running.started:
        canary.check(process.output)


def free_port() -> int:
    """A port that nothing listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Relay:
    """A relay that listens at `url`."""

    process: Process
    url: str

    async def post(self, payload: object) -> int:
        """Posts a webhook payload; the HTTP status of the answer."""
        status, _ = await fetch("POST", f"{self.url}/alerts", payload)
        return status

    async def balance(self) -> dict[str, BalanceRow]:
        """The balance by receiver, as /metrics shows it (each receiver here has one platform)."""
        _, text = await fetch("GET", f"{self.url}/metrics")
        return read_balance(text)

    async def at_rest(self) -> bool:
        """Nothing is pending, as the relay that leads tells it."""
        books = await self.balance()
        return bool(books) and not any(row.pending for row in books.values())


def read_balance(text: str) -> dict[str, BalanceRow]:
    """The delivery metrics of a scrape, by receiver."""
    rows: dict[str, dict[str, str | int]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if family.name in (_PREFIX, f"{_PREFIX}_accepted", f"{_PREFIX}_pending"):
                name = sample.labels.get("outcome") or family.name.removeprefix(f"{_PREFIX}_")
                labels = {
                    "platform": sample.labels["platform"],
                    "receiver": sample.labels["receiver"],
                }
                rows.setdefault(labels["receiver"], {}).update(labels | {name: int(sample.value)})
    return msgspec.convert(rows, dict[str, BalanceRow])


async def fetch(verb: str, url: str, json: object = None) -> tuple[int, str]:
    """Status and text of the answer. Raises aiohttp.ClientError when there is none."""
    async with (
        aiohttp.ClientSession() as session,
        session.request(verb, url, json=json) as response,
    ):
        return response.status, await response.text()


def in_folder(folder: Path) -> tuple[str, ...]:
    """The options of a relay whose storage is `data` in the folder of the processes."""
    return (f"--storage.path={folder / 'data'}",)


_storage: list[Callable[[Path], tuple[str, ...]]] = [in_folder]


@contextmanager
def storages(options: Callable[[Path], tuple[str, ...]]) -> Iterator[None]:
    """Meanwhile relays are started with these options for their storage."""
    _storage.append(options)
    yield
    _storage.pop()


def storage_of(folder: Path) -> tuple[str, ...]:
    """The options of the storage that relays of these processes have."""
    return _storage[-1](folder)


RELAY: tuple[str, ...] = (sys.executable, "-P", "-m", "relay")


async def launch_relay(
    running: Processes, config: Path, port: int = 0, *flags: str, program: Sequence[str] = RELAY
) -> Process:
    """Starts a relay and waits for nothing. Its storage is the one of the folder of the
    processes.
    """
    canary.learn(config)
    return await running.start(
        "relay", *program, "serve",
        f"--config.file={config}", *storage_of(running.folder),
        f"--web.listen-address=127.0.0.1:{port}", "--web.external-url=https://example.org/relay/",
        *flags,
    )  # fmt: skip


async def start_relay(
    running: Processes, config: Path, port: int = 0, *flags: str, program: Sequence[str] = RELAY
) -> Relay:
    """Starts a relay and returns when it listens."""
    process = await launch_relay(running, config, port, *flags, program=program)
    await until("the relay listens", lambda: listens(process) or not process.runs)
    assert listens(process), process.output
    address = process.output.partition('msg="listening" address=')[2].split()[0]
    return Relay(process, f"http://{address}")


async def verb(
    running: Processes, *words: str | Path, program: Sequence[str] = RELAY
) -> tuple[int, str]:
    """Runs a verb of the command line; its exit status, and what it wrote."""
    process = await running.start("verb", *program, *words)
    status = await process.ended()
    return status, process.output


def listens(process: Process) -> bool:
    """A relay has said where it listens."""
    return 'msg="listening" address=' in process.output


def payload(name: str, team: str = "one", *, ended: bool = False) -> dict[str, object]:
    """A group of one alert, as Alertmanager 0.25 posts it."""
    status = "resolved" if ended else "firing"
    labels = {"alertname": name, "team": team}
    return {
        "version": "4",
        "receiver": "relay",
        "status": status,
        "alerts": [
            {
                "status": status,
                "labels": labels,
                "annotations": {},
                "startsAt": "2026-11-22T01:00:00Z",
                "endsAt": "2026-11-22T01:05:00Z" if ended else "0001-01-01T00:00:00Z",
                "generatorURL": "",
                "fingerprint": name,
            }
        ],
        "groupLabels": {"alertname": name},
        "commonLabels": labels,
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.example.org",
        "groupKey": f'{{}}:{{alertname="{name}"}}',
        "truncatedAlerts": 0,
    }


def alertmanager_program() -> str:
    """The Alertmanager to run: the one that RELAY_ALERTMANAGER names, else the one on the path."""
    return os.environ.get("RELAY_ALERTMANAGER") or need_program(
        "prometheus-alertmanager", "prometheus-alertmanager"
    )


async def start_alertmanager(
    running: Processes,
    webhook: str,
    route: str = "repeat_interval: 1h",
    cluster: Sequence[str] = ("",),
) -> str:
    """Starts an Alertmanager that posts groups by alert name to `webhook`; its URL, once it is
    ready.

    `route` are further keys of its root route. `cluster` is its own cluster address, then those of
    its peers.
    """
    url, name = f"127.0.0.1:{free_port()}", f"alertmanager-{len(running.started)}"
    config = running.folder / f"{name}.yml"
    config.write_text(f"""\
route:
  receiver: relay
  group_by: [alertname]
  group_wait: 1s
  group_interval: 5s
  {route}
receivers:
  - name: relay
    webhook_configs:
      - url: {webhook}
""")
    own, *peers = cluster
    await running.start(
        name, alertmanager_program(), f"--config.file={config}",
        f"--storage.path={running.folder / name}",
        f"--web.listen-address={url}", f"--cluster.listen-address={own}",
        *(f"--cluster.peer={peer}" for peer in peers),
        "--cluster.peer-timeout=1ms", "--cluster.settle-timeout=1s",
    )  # fmt: skip

    async def ready() -> bool:
        try:
            return (await fetch("GET", f"http://{url}/-/ready"))[0] == 200
        except aiohttp.ClientConnectionError:
            return False

    await until("Alertmanager is ready", ready)
    return f"http://{url}"


async def amtool(alertmanager: str, *words: str) -> str:
    """What amtool says, asked about that Alertmanager; it must succeed."""
    program = need_program("amtool", "prometheus-alertmanager")
    child = await asyncio.create_subprocess_exec(
        program, f"--alertmanager.url={alertmanager}", *words,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await child.communicate()
    assert child.returncode == 0, said.decode()
    return said.decode()
