"""What the running relay costs, each figure beside that of a bare server in the same run.

    .venv/bin/python bench/running.py [--quick] [NAME...]

accept    processor time of a durable accept at the same offered rate as a bare aiohttp server
ack       the slowest hundredth of the answers to 32 senders of 100 alerts each
deliver   processor time of a delivered message, beside a bare aiohttp forwarder
backlog   the same with many groups posted at once, beside that at a steady rate
start     from the start to the first 200 of /-/ready, beside the import of aiohttp and jinja2
memory    resident MiB, idle and after payloads of 100 alerts

Everything is on loopback; the storage is in a temporary folder of this disk. Linux only: processor
time and memory are read from /proc. The chat API is a server of this process.
"""

import argparse
import asyncio
import contextlib
import http.client
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from itertools import count
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent.parent))

import aiohttp
from aiohttp import web

from bench.payloads import payload
from bench.server_process import ROOT, python, server_process

JSON = {"Content-Type": "application/json"}
CONFIG = """
global: {telegram_api_url: "%s", telegram_bot_token: "111:bench", telegram_updates: none}
limits: {telegram: {bot: 100000/1s, chat: 100000/1s, group: 100000/1s}}
route: {receiver: ops}
receivers: [{name: ops, telegram_configs: [{chat_id: -1001}]}]
"""
_TICK = os.sysconf("SC_CLK_TCK")


class Sizes(NamedTuple):
    """How much is done: requests a second, seconds, rounds, groups posted at once."""

    rate: int
    seconds: float
    rounds: int
    at_once: int


FULL, QUICK = Sizes(500, 4.0, 3, 1000), Sizes(50, 0.2, 1, 10)


class Running(NamedTuple):
    """A server under test."""

    url: str
    pid: int

    def processor(self) -> float:
        """Its seconds of a processor so far, its children's too."""
        stat = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return sum(map(int, stat[11:15])) / _TICK

    def resident(self) -> float:
        """Its MiB."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


class Api:
    """A chat API that takes every message at once, and counts them."""

    def __init__(self) -> None:
        self.url = ""
        self.messages = 0
        self._came = asyncio.Condition()

    async def called(self, request: web.BaseRequest) -> web.Response:
        await request.read()
        async with self._came:
            self.messages += 1
            self._came.notify_all()
        return web.json_response({"ok": True, "result": {"message_id": self.messages}})

    async def reached(self, messages: int) -> None:
        """Returns when it has so many."""
        async with self._came:
            await self._came.wait_for(lambda: self.messages >= messages)


@contextlib.asynccontextmanager
async def chat_api() -> AsyncIterator[Api]:
    """The chat API, listening."""
    api = Api()
    runner = web.ServerRunner(web.Server(api.called))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    api.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield api
    finally:
        await runner.cleanup()


async def bare(forward_to: str) -> None:
    """The server to compare with: it reads the body, forwards a message if it is to, answers."""
    session = aiohttp.ClientSession()

    async def handle(request: web.Request) -> web.Response:
        body = await request.read()
        if forward_to:
            text = body[:300].decode(errors="replace")
            async with session.post(forward_to, json={"chat_id": 1, "text": text}) as response:
                await response.json()
        return web.json_response({"status": "accepted"})

    app = web.Application(client_max_size=64 << 20)
    app.router.add_post("/alerts", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    sys.stderr.write(f"listening address=127.0.0.1:{runner.addresses[0][1]}\n")
    sys.stderr.flush()
    await asyncio.Event().wait()


@contextlib.asynccontextmanager
async def running(*arguments: str) -> AsyncIterator[Running]:
    """A Python server, from the moment that it says where it listens."""
    async with server_process(*python(*arguments)) as (url, pid):
        yield Running(url, pid)


def relay_options(folder: str, api: str) -> tuple[str, ...]:
    """How the relay is started, with all that it keeps in the folder."""
    config = Path(folder) / "relay.yml"
    config.write_text(CONFIG % api, encoding="utf-8")
    options = (f"--config.file={config}", f"--storage.path={folder}/data")
    return ("-m", "relay", "serve", *options, "--web.listen-address=127.0.0.1:0")


@contextlib.asynccontextmanager
async def relay(api: str) -> AsyncIterator[Running]:
    """The relay with a storage of its own, sending to the API without limits."""
    with tempfile.TemporaryDirectory(dir=ROOT) as folder:
        async with running(*relay_options(folder, api)) as server:
            await asyncio.sleep(0.5)  # what a start leaves for later is over
            yield server


def plain(forward_to: str = "") -> contextlib.AbstractAsyncContextManager[Running]:
    """The bare server."""
    return running(__file__, "bare", forward_to)


async def post(server: Running, bodies: Sequence[bytes], rate: float, senders: int) -> list[float]:
    """Posts the bodies, so many a second (0: as fast as it goes); the seconds that each took."""
    took: list[float] = []
    numbers = count()
    began = time.perf_counter()
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers=JSON) as session:

        async def send() -> None:
            while (number := next(numbers)) < len(bodies):
                if rate:
                    await asyncio.sleep(began + number / rate - time.perf_counter())
                sent = time.perf_counter()
                async with session.post(f"{server.url}/alerts", data=bodies[number]) as response:
                    await response.read()
                    response.raise_for_status()
                took.append(time.perf_counter() - sent)

        await asyncio.gather(*(send() for _ in range(senders)))
    return took


async def delivered(api: Api, messages: int, within: float = 60.0) -> None:
    """Waits until the API has so many messages."""
    async with asyncio.timeout(within):
        await api.reached(messages)


def bodies(number: int, alerts: int = 1) -> list[bytes]:
    """So many bodies, each of a group that no other has."""
    return [payload(alerts, group, f"t{time.monotonic_ns()}") for group in range(number)]


async def _cost(server: Running, work: Awaitable[object], messages: int) -> float:
    """Milliseconds of the server's processor for each message."""
    before = server.processor()
    await work
    return 1000 * (server.processor() - before) / messages


async def accept(sizes: Sizes) -> str:
    """Processor time of an accept. The API takes nothing, so that few messages are made."""
    number = int(sizes.rate * sizes.seconds)
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(sizes.rounds):
        for found, server in ((ours, relay("http://127.0.0.1:1")), (theirs, plain())):
            async with server as each:
                found.append(await _cost(each, post(each, bodies(number), sizes.rate, 32), number))
    return _beside("ms an accept", ours, theirs)


async def ack(sizes: Sizes) -> str:
    """How long the slowest of 32 senders of large payloads wait."""
    number = max(32, int(sizes.seconds * 100))
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(sizes.rounds):
        for found, server in ((ours, relay("http://127.0.0.1:1")), (theirs, plain())):
            async with server as each:
                took = await post(each, bodies(number, 100), 0, 32)
                found.append(1000 * statistics.quantiles(took, n=100)[98])
    return _beside("ms p99", ours, theirs)


async def _delivery(each: Running, api: Api, number: int, rate: float) -> float:
    async def all_of_it() -> None:
        known = api.messages
        await post(each, bodies(number), rate, 16)
        await delivered(api, known + number)

    return await _cost(each, all_of_it(), number)


async def deliver(sizes: Sizes) -> str:
    """Processor time of a message, from its payload to the API's answer."""
    rate = min(sizes.rate, 60)
    number = int(rate * sizes.seconds)
    ours: list[float] = []
    theirs: list[float] = []
    async with chat_api() as api:
        for _ in range(sizes.rounds):
            for found, server in ((ours, relay(api.url)), (theirs, plain(api.url))):
                async with server as each:
                    found.append(await _delivery(each, api, number, rate))
    return _beside("ms a message", ours, theirs)


async def backlog(sizes: Sizes) -> str:
    """Processor time of a message with many groups at once, beside that at a steady rate."""
    rate = min(sizes.rate, 60)
    many: list[float] = []
    steady: list[float] = []
    async with chat_api() as api:
        for _ in range(sizes.rounds):
            async with relay(api.url) as each:
                steady.append(await _delivery(each, api, int(rate * sizes.seconds), rate))
            async with relay(api.url) as each:
                many.append(await _delivery(each, api, sizes.at_once, 0))
    return _beside("ms a message at once", many, steady, "at 60/s")


async def start(sizes: Sizes) -> str:
    """From the start of the process to the first 200 of /-/ready."""
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(sizes.rounds):
        with tempfile.TemporaryDirectory(dir=ROOT) as folder:
            began = time.perf_counter()
            async with running(*relay_options(folder, "http://127.0.0.1:1")) as each:
                if not await asyncio.to_thread(_is_ready, each.url.removeprefix("http://")):
                    raise SystemExit("the relay listens and is not ready")
                ours.append(1000 * (time.perf_counter() - began))
        began = time.perf_counter()
        imports = "import aiohttp.web, jinja2.sandbox, msgspec, prometheus_client, pydantic, yaml"
        code = f"{imports}; pydantic.BaseModel, pydantic.create_model"
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
        await process.wait()
        theirs.append(1000 * (time.perf_counter() - began))
    return _beside("ms", ours, theirs, "import")


def _is_ready(host: str) -> bool:
    connection = http.client.HTTPConnection(host, timeout=5)
    try:
        connection.request("GET", "/-/ready")
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


async def memory(sizes: Sizes) -> str:
    """Resident MiB, idle and after payloads of 100 alerts each."""
    number = max(10, int(sizes.seconds * 100))
    async with relay("http://127.0.0.1:1") as each:
        await asyncio.sleep(0.5)
        idle = each.resident()
        await post(each, bodies(number, 100), 0, 16)
        flooded = each.resident()
    return (
        f"{idle:.1f} MiB idle, {flooded:.1f} after {100 * number} alerts = {flooded / idle:.2f} x"
    )


SCENARIOS: dict[str, Callable[[Sizes], Awaitable[str]]] = {
    each.__name__: each for each in (accept, ack, deliver, backlog, start, memory)
}


def _beside(what: str, ours: list[float], theirs: list[float], other: str = "bare") -> str:
    """The medians, and the median of the ratios of each round."""
    ratio = statistics.median(a / max(b, 1e-9) for a, b in zip(ours, theirs, strict=True))
    mine, its = statistics.median(ours), statistics.median(theirs)
    return f"{mine:.2f} {what} = {ratio:.2f} x of {its:.2f} ({other})"


async def main(names: Sequence[str], sizes: Sizes) -> None:
    """Prints a line for each scenario."""
    for name in names:
        sys.stdout.write(f"{name:<9} {await SCENARIOS[name](sizes)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    if sys.argv[1:2] == ["bare"]:
        asyncio.run(bare(sys.argv[2]))
    else:
        parser = argparse.ArgumentParser(description="What the running relay costs.")
        parser.add_argument("--quick", action="store_true", help="tiny counts: see that it runs")
        parser.add_argument("names", nargs="*", choices=[*SCENARIOS, []], metavar="NAME")
        options = parser.parse_args()
        asyncio.run(main(options.names or [*SCENARIOS], QUICK if options.quick else FULL))
