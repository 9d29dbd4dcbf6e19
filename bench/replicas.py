"""What replicas on one PostgreSQL deliver, beside one relay on SQLite in the same run.

    .venv/bin/python bench/replicas.py [--messages=300] [--replicas=1,2,3] [--latency=0,2]
        [--open=0]

Messages of one alert and a group each are posted at once, in turn to each replica, for 25 chats. A
line for each number of replicas and each latency (milliseconds added to a round trip to the
database): messages a second, processor time of the relays and of PostgreSQL for each message, and
round trips for each message (with a latency: they are counted by the proxy that adds it). A
`--open`: the relays start with so many deliveries of 20,000 groups for 50 chats of an API that is
away, which they fold meanwhile. A PostgreSQL is started in a temporary folder, with its syncs; the
chat API is a server of this process, as is the proxy.
"""

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent.parent))

import aiohttp
import msgspec

from bench import running
from bench.server_process import ROOT
from relay.core.alert import GroupId
from relay.core.routing.lane import LaneKey
from relay.core.routing.route import Delivery
from relay.store.data_dir import DATABASE
from relay.store.postgres.store import PostgresStore
from relay.store.protocol import NewPayload
from relay.store.sqlite.store import SqliteStore
from tests.build import alert, notification
from tests.postgres import Cluster, Databases, cluster
from tests.postgres_proxy import Proxy, proxy

CHATS = 25
AWAY, AWAY_CHATS, AWAY_GROUPS = "http://127.0.0.1:1", 50, 20_000
_ROUTES = "".join(
    f"""
  - {{receiver: c{n}, matchers: ['alertname=~"HostHighCpu({n}|{n + CHATS})"']}}"""
    for n in range(CHATS)
)
_RECEIVERS = "".join(
    f"""
- {{name: c{n}, telegram_configs: [{{chat_id: -100{n + 1}}}]}}"""
    for n in range(CHATS)
)
_AWAY = "".join(
    f"""
  - {{chat_id: -2{n:03}, api_url: "{AWAY}", bot_token: "222:bench"}}"""
    for n in range(AWAY_CHATS)
)
CONFIG = f"""
global: {{telegram_api_url: "%s", telegram_bot_token: "111:bench", telegram_updates: none}}
limits: {{telegram: {{bot: 100000/1s, chat: 100000/1s, group: 100000/1s}}}}
route:
  receiver: c0
  routes:{_ROUTES}
receivers:{_RECEIVERS}
- name: away
  telegram_configs:{_AWAY}
"""


class Figures(NamedTuple):
    """Messages a second; milliseconds of a processor for each, of relays and of PostgreSQL; round
    trips for each, where they were counted.
    """

    rate: float
    relay: float
    database: float
    trips: float | None


class Base(NamedTuple):
    """Where the relays keep what they have: the option that says so, the SQLite file or the
    address of the PostgreSQL, its server, the proxy.
    """

    option: str
    place: Path | str
    server: Cluster | None = None
    proxy: Proxy | None = None


@contextlib.asynccontextmanager
async def relays(
    folder: str, api: str, base: Base, number: int
) -> AsyncIterator[list[running.Running]]:
    """So many relays on one storage."""
    config = Path(folder) / "relay.yml"
    config.write_text(CONFIG % api, encoding="utf-8")
    options = (f"--config.file={config}", base.option, "--web.listen-address=127.0.0.1:0")
    async with contextlib.AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(running.running("-m", "relay", "serve", *options))
            for _ in range(number)
        ]


async def measure(base: Base, number: int, messages: int, waiting: int = 0) -> Figures:
    """Delivers so many messages, beside so many open deliveries."""
    fill(base.place, waiting)
    with tempfile.TemporaryDirectory(dir=ROOT) as folder:
        async with (
            running.chat_api() as api,
            relays(folder, api.url, base, number) as servers,
        ):
            await _deliver(servers, api, messages // 4)  # statements are prepared, caches warm
            before = [each.processor() for each in servers]
            database = _processor(base.server)
            trips = base.proxy.trips if base.proxy else 0
            seconds = await _deliver(servers, api, messages)
            took = sum(s.processor() for s in servers) - sum(before)
            of_database = _processor(base.server) - database
            counted = (base.proxy.trips - trips) / messages if base.proxy else None
    cpu, its = 1000 * took / messages, 1000 * of_database / messages
    return Figures(messages / seconds, cpu, its, counted)


async def _deliver(servers: Sequence[running.Running], api: running.Api, messages: int) -> float:
    known, began = api.messages, time.perf_counter()
    urls = cycle(servers)
    waiting = iter(running.bodies(messages))
    async with aiohttp.ClientSession(headers=running.JSON) as session:

        async def send() -> None:
            for body in waiting:
                async with session.post(f"{next(urls).url}/alerts", data=body) as response:
                    response.raise_for_status()

        await asyncio.gather(*(send() for _ in range(16)))
    await running.delivered(api, known + messages, within=300)
    return time.perf_counter() - began


def _processor(server: Cluster | None) -> float:
    """Seconds of a processor of PostgreSQL's processes so far."""
    if server is None or server.process is None:
        return 0.0
    parent = running.Running("", server.process.pid)
    tasks = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
    pids = [int(pid) for pid in tasks.read_text(encoding="ascii").split()]
    own = 0.0
    for pid in pids:
        with contextlib.suppress(FileNotFoundError):
            own += running.Running("", pid).processor()
    return own + parent.processor()


def fill(place: Path | str, count: int) -> None:
    """Accepts so many deliveries for the chats of the API that is away."""
    store = SqliteStore(place) if isinstance(place, Path) else PostgresStore(place)
    for first in range(0, count, 500):
        payloads = [_away(number) for number in range(first, min(first + 500, count))]
        (kept,) = store.batch([partial(store.accept, payloads)])
        if isinstance(kept, Exception):
            raise kept
    store.close()


def _away(number: int) -> NewPayload:
    group = GroupId("", "relay", f"{{}}:{{n={number % AWAY_GROUPS}}}")
    posted = notification(alert(f"host-{number}"), group=group)
    lane = LaneKey("telegram", AWAY, "222", f"-2{number % AWAY_CHATS:03}")
    return NewPayload(
        group, msgspec.json.encode(posted), time.time(), (Delivery(lane, "away", "", None),)
    )


@contextlib.contextmanager
def postgres(folder: Path, server: Cluster, latency: float) -> Iterator[Base]:
    """A database of its own, so many seconds away."""
    url, named = Databases(server.url).fresh(), folder / "url"
    option = f"--storage.url-file={named}"
    if not latency:
        named.write_text(url, encoding="utf-8")
        yield Base(option, url, server)
        return
    with proxy(str(server.folder)) as between:
        between.latency = latency
        named.write_text(between.url(url), encoding="utf-8")
        yield Base(option, url, server, between)


def _line(name: str, told: Figures, beside: Figures) -> str:
    trips = "" if told.trips is None else f", {told.trips:.1f} round trips"
    return (
        f"{name:<28}{told.rate:6.1f} messages/s = {told.rate / beside.rate:.2f} x of SQLite;"
        f" {told.relay:.2f} + {told.database:.2f} ms CPU a message ="
        f" {(told.relay + told.database) / beside.relay:.2f} x{trips}\n"
    )


async def main(
    messages: int, replicas: Sequence[int], latencies: Sequence[float], waiting: int = 0
) -> None:
    """Prints a line for SQLite, and one for each number of replicas and each latency. `waiting`:
    open deliveries for chats of an API that is away.
    """
    with tempfile.TemporaryDirectory(dir=ROOT) as folder:
        data = Path(folder) / "data"
        data.mkdir()
        sqlite = Base(f"--storage.path={data}", data / DATABASE)
        beside = await measure(sqlite, 1, messages, waiting)
        sys.stdout.write(_line("SQLite", beside, beside))
        sys.stdout.flush()
        with cluster(()) as server:
            for latency in latencies:
                for number in replicas:
                    with postgres(Path(folder), server, latency / 1000) as base:
                        told = await measure(base, number, messages, waiting)
                    name = f"PostgreSQL x {number}, +{latency:g} ms"
                    sys.stdout.write(_line(name, told, beside))
                    sys.stdout.flush()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="What replicas on one PostgreSQL deliver.")
    parser.add_argument("--messages", type=int, default=300)
    parser.add_argument("--replicas", default="1,2,3")
    parser.add_argument("--latency", default="0,2")
    parser.add_argument("--open", type=int, default=0)
    told = parser.parse_args()
    numbers = [int(each) for each in told.replicas.split(",")]
    latencies = [float(each) for each in told.latency.split(",")]
    asyncio.run(main(told.messages, numbers, latencies, told.open))
