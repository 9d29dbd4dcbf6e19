"""How fast webhooks are accepted durably, beside a bare server that reads the same body and answers
200.

    .venv/bin/python bench/accept.py [SECONDS]

Each row is the real `serve` process (or the bare one) on loopback, its storage in a temporary
folder of this disk.
"""

import asyncio
import contextlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
from aiohttp import web

ROOT = Path(__file__).parent.parent
SECONDS = 10.0  # for the whole
WARM_UP = 0.5
CONFIG = """
global:
  telegram_api_url: "http://127.0.0.1:1"
  telegram_bot_token: "111:bench"
  telegram_updates: none
route: {receiver: ops}
receivers: [{name: ops, telegram_configs: [{chat_id: -1001}]}]
"""


def payload(alerts: int, group: int) -> bytes:
    """A webhook body of so many firing alerts, of a group of its own."""
    labels = {"alertname": "Disk", "severity": "warning", "cluster": f"c{group}"}
    one = {
        "status": "firing",
        "startsAt": "2026-11-22T10:00:00Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "annotations": {
            "summary": "the disk is nearly full",
            "runbook_url": "https://runbooks.example.org/disk",
        },
        "generatorURL": "https://prometheus.example.org/graph?g0.expr=up",
    }
    listed = [
        {**one, "labels": {**labels, "instance": f"host-{n}"}, "fingerprint": f"{n:016x}"}
        for n in range(alerts)
    ]
    body = {
        "version": "4",
        "groupKey": f"{{}}:{{n={group}}}",
        "receiver": "relay",
        "status": "firing",
    }
    rest = {
        "alerts": listed,
        "groupLabels": labels,
        "commonLabels": labels,
        "commonAnnotations": {},
        "externalURL": "",
    }
    return json.dumps(body | rest).encode()


async def bare() -> None:
    """The server to compare with."""

    async def handle(request: web.BaseRequest) -> web.Response:
        await request.read()
        return web.json_response({"status": "accepted"})

    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    sys.stderr.write(f"address={runner.addresses[0][0]}:{runner.addresses[0][1]}\n")
    sys.stderr.flush()
    await asyncio.Event().wait()


@contextlib.asynccontextmanager
async def serving(*arguments: str) -> AsyncIterator[str]:
    """A server process; gives the URL that it says it listens on."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, cwd=ROOT, stderr=asyncio.subprocess.PIPE
    )
    said = process.stderr or asyncio.StreamReader()
    address = ""
    while not address:
        line = (await said.readline()).decode()
        if not line:
            raise SystemExit(f"{arguments} did not start")
        address = line.rpartition("address=")[2].split()[0] if "address=" in line else ""
    drain = asyncio.ensure_future(said.read())
    yield f"http://{address}/alerts"
    process.terminate()
    await process.wait()
    await drain


async def measure(url: str, senders: int, alerts: int, seconds: float) -> tuple[float, list[float]]:
    """Requests a second, and the seconds that each took; every answer is 200."""
    bodies = [payload(alerts, group) for group in range(64)]
    took: list[float] = []
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(
        connector=connector, headers={"Content-Type": "application/json"}
    ) as session:

        async def send(number: int, until: float) -> None:
            while (began := time.perf_counter()) < until:
                number += senders
                async with session.post(url, data=bodies[number % len(bodies)]) as response:
                    await response.read()
                    response.raise_for_status()
                took.append(time.perf_counter() - began)

        for length in (WARM_UP, seconds):
            took.clear()
            start = time.perf_counter()
            await asyncio.gather(*(send(number, start + length) for number in range(senders)))
            elapsed = time.perf_counter() - start
    return len(took) / elapsed, sorted(took)


async def main(seconds: float) -> None:
    """Prints the table."""
    with tempfile.TemporaryDirectory(dir=ROOT) as folder:
        config = Path(folder) / "relay.yml"
        config.write_text(CONFIG, encoding="utf-8")
        options = (
            f"--config.file={config}",
            f"--storage.path={folder}/data",
            "--web.listen-address=127.0.0.1:0",
        )
        cases = [(senders, alerts) for alerts in (1, 100) for senders in (1, 32)]
        head = (
            "alerts",
            "senders",
            "server",
            "requests/s",
            "p50 ms",
            "p99 ms",
            "max ms",
            "of bare",
        )
        sys.stdout.write("".join(f"{name:>11}" for name in head) + "\n")
        async with (
            serving(__file__, "bare") as plain,
            serving("-m", "relay", "serve", *options) as relay,
        ):
            for senders, alerts in cases:
                rates: dict[str, float] = {}
                for name, url in (("bare", plain), ("relay", relay)):
                    rates[name], took = await measure(
                        url, senders, alerts, seconds / len(cases) / 2 - WARM_UP
                    )
                    p99 = statistics.quantiles(took, n=100)[98]
                    row = (
                        alerts,
                        senders,
                        name,
                        f"{rates[name]:.0f}",
                        *(f"{1000 * t:.1f}" for t in _of(took, p99)),
                    )
                    share = f"{100 * rates[name] / rates['bare']:.0f} %"
                    sys.stdout.write("".join(f"{cell:>11}" for cell in (*row, share)) + "\n")


def _of(took: list[float], p99: float) -> tuple[float, float, float]:
    return statistics.median(took), p99, took[-1]


if __name__ == "__main__":
    asyncio.run(
        bare()
        if sys.argv[1:] == ["bare"]
        else main(float(sys.argv[1]) if sys.argv[1:] else SECONDS)
    )
