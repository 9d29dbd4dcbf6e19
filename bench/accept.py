"""How fast webhooks are accepted durably, beside a bare server that reads the same body and answers
200.

    .venv/bin/python bench/accept.py [SECONDS]

Each row is the real `serve` process (or the bare one) on loopback, its storage in a temporary
folder of this disk.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import aiohttp
from aiohttp import web

from bench.payloads import payload
from bench.server_process import ROOT, python, server_process

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


async def bare() -> None:
    """The server to compare with."""

    async def handle(request: web.BaseRequest) -> web.Response:
        await request.read()
        return web.json_response({"status": "accepted"})

    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    sys.stderr.write(f"listening address={runner.addresses[0][0]}:{runner.addresses[0][1]}\n")
    sys.stderr.flush()
    await asyncio.Event().wait()


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
            server_process(*python(__file__, "bare")) as (plain, _),
            server_process(*python("-m", "relay", "serve", *options)) as (relay, _),
        ):
            for senders, alerts in cases:
                rates: dict[str, float] = {}
                for name, url in (("bare", f"{plain}/alerts"), ("relay", f"{relay}/alerts")):
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
