"""The two figures of the README about Alertmanager's own Telegram sender, beside the relay's.

    .venv/bin/python bench/peers.py [--quick] [lost] [early]

lost    alerts that were accepted with 2xx and never told: the API cannot be reached for four
        seconds, and meanwhile the server is killed with SIGKILL and started again
early   calls while the API answers 429 with a `retry_after` of seven seconds, beside those that it
        allows

Debian's Alertmanager is measured where it is installed (apt-get install -y
prometheus-alertmanager).
Everything is on loopback; the storages are in a temporary folder of this disk.
"""

import argparse
import asyncio
import contextlib
import json
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence, Set
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parent.parent))

import aiohttp
from aiohttp import web

from bench.running import CONFIG
from bench.server_process import ROOT, server_process

TOKEN = "123456789:" + "AAF" + 32 * "0"
CHAT = -1001234567890
_TOKENS = re.compile(r"trc\d+z")
_ALERTMANAGER = """
route: {receiver: ops, group_by: ['...'], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}
receivers:
- name: ops
  telegram_configs: [{api_url: '%s', bot_token: '%s', chat_id: %d, parse_mode: HTML}]
"""


class Sizes(NamedTuple):
    """Alerts a second, seconds for which they come and for which the API is away, seconds of what
    is waited for, seconds of a `retry_after` and for which calls are counted.
    """

    rate: int
    seconds: float
    wait: float
    retry_after: int
    counted: float


FULL, QUICK = Sizes(50, 4.0, 25.0, 7, 58.0), Sizes(20, 1.0, 4.0, 1, 2.0)


class Api:
    """A Telegram that says how it fares: what it was told, and how often it was called."""

    def __init__(self, retry_after: int = 0) -> None:
        self._retry_after = retry_after
        self.told: set[str] = set()
        self.calls: list[float] = []
        self.port = 0
        self._came = asyncio.Condition()
        self._runner = web.ServerRunner(web.Server(self._called))

    async def tells(self, tokens: Set[str], within: float) -> None:
        """Returns when it was told of all of them, or so many seconds have passed."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within), self._came:
                await self._came.wait_for(lambda: tokens <= self.told)

    async def _called(self, request: web.BaseRequest) -> web.Response:
        body = await request.text()
        method = request.path.rpartition("/")[2].lower()
        if method != "sendmessage":
            return web.json_response({"ok": True, "result": []})
        self.calls.append(time.monotonic())
        if self._retry_after:
            wait = {"parameters": {"retry_after": self._retry_after}}
            refused = {"ok": False, "error_code": 429, "description": "Too Many Requests"}
            return web.json_response(refused | wait, status=429)
        async with self._came:
            self.told.update(_TOKENS.findall(body))
            self._came.notify_all()
        sent = {"message_id": len(self.calls), "date": 1, "chat": {"id": CHAT, "type": "group"}}
        return web.json_response({"ok": True, "result": sent})

    async def open(self) -> str:
        """Listens, on the port that it had before; its address."""
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.port = self._runner.addresses[0][1]
        return f"http://127.0.0.1:{self.port}"

    async def close(self) -> None:
        await self._runner.cleanup()
        self._runner = web.ServerRunner(web.Server(self._called))


class Server(NamedTuple):
    """A program to compare: how it is started in a folder for an API, and how alerts are posted."""

    name: str
    command: Callable[[Path, str], Sequence[str]]
    path: str
    body: Callable[[str], Any]


def _relay(folder: Path, api: str) -> Sequence[str]:
    config = folder / "relay.yml"
    config.write_text(CONFIG % api, encoding="utf-8")
    options = (f"--config.file={config}", f"--storage.path={folder}/data")
    return (
        sys.executable, "-m", "relay", "serve", *options, "--web.listen-address=127.0.0.1:0",
    )  # fmt: skip


def _alertmanager(folder: Path, api: str) -> Sequence[str]:
    config = folder / "alertmanager.yml"
    config.write_text(_ALERTMANAGER % (api, TOKEN, CHAT), encoding="utf-8")
    return (
        "prometheus-alertmanager", f"--config.file={config}", f"--storage.path={folder}/am",
        "--cluster.listen-address=", "--web.listen-address=127.0.0.1:0",
    )  # fmt: skip


def _alert(token: str) -> dict[str, object]:
    labels = {"alertname": "HostDown", "instance": token, "severity": "critical"}
    return {"labels": labels, "annotations": {"summary": f"{token} is down"}}


def _payload(token: str) -> dict[str, object]:
    group = {"alertname": "HostDown", "instance": token}
    key = f'{{}}:{{alertname="HostDown", instance="{token}"}}'
    return {
        "version": "4", "status": "firing", "receiver": "relay", "groupKey": key,
        "groupLabels": group, "alerts": [_alert(token) | {"status": "firing"}],
    }  # fmt: skip


SERVERS = (
    Server("relay", _relay, "/alerts", _payload),
    Server("alertmanager", _alertmanager, "/api/v2/alerts", lambda token: [_alert(token)]),
)


async def _post(server: Server, url: str, tokens: Sequence[str], rate: int) -> set[str]:
    """Posts an alert for each token, so many a second; those that were answered with 2xx."""
    accepted: set[str] = set()
    began = time.monotonic()

    async def send(session: aiohttp.ClientSession, number: int, token: str) -> None:
        await asyncio.sleep(began + number / rate - time.monotonic())
        body = json.dumps(server.body(token))
        headers = {"Content-Type": "application/json"}
        with contextlib.suppress(aiohttp.ClientError):
            async with session.post(url + server.path, data=body, headers=headers) as answer:
                if answer.ok:
                    accepted.add(token)

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(send(session, *each) for each in enumerate(tokens)))
    return accepted


async def lost(server: Server, sizes: Sizes) -> str:
    """What was accepted while the API was away, and told by nobody."""
    api = Api()
    address = await api.open()
    await api.close()
    tokens = [f"trc{number}z" for number in range(int(sizes.rate * sizes.seconds))]
    half = len(tokens) // 2
    with tempfile.TemporaryDirectory(dir=ROOT) as folder:
        command = server.command(Path(folder), address)
        async with server_process(*command, crash=True) as (url, _):
            accepted = await _post(server, url, tokens[:half], sizes.rate)
        async with server_process(*command, crash=True) as (url, _):
            accepted |= await _post(server, url, tokens[half:], sizes.rate)
            await api.open()
            await api.tells(accepted, sizes.wait)
    await api.close()
    return f"{len(accepted - api.told)} of {len(accepted)} alerts lost"


async def early(server: Server, sizes: Sizes) -> str:
    """The calls that were made, and those that were allowed."""
    api = Api(sizes.retry_after)
    address = await api.open()
    with tempfile.TemporaryDirectory(dir=ROOT) as folder:
        command = server.command(Path(folder), address)
        async with server_process(*command, crash=True) as (url, _):
            await _post(server, url, ["trc0z"], 1)
            await asyncio.sleep(sizes.counted)
    await api.close()
    allowed = 1 + int(sizes.counted // sizes.retry_after)
    return f"{len(api.calls)} calls where {allowed} were allowed"


SCENARIOS: dict[str, Callable[[Server, Sizes], Awaitable[str]]] = {"lost": lost, "early": early}


async def main(names: Sequence[str], sizes: Sizes) -> None:
    """Prints a line for each scenario and program."""
    for name in names:
        for server in SERVERS:
            if server.name == "relay" or shutil.which("prometheus-alertmanager"):
                found = await SCENARIOS[name](server, sizes)
                sys.stdout.write(f"{name:<7}{server.name:<14}{found}\n")
                sys.stdout.flush()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="The README's figures about Alertmanager.")
    parser.add_argument("--quick", action="store_true", help="short: see that it runs")
    parser.add_argument("names", nargs="*", choices=[*SCENARIOS, []], metavar="NAME")
    options = parser.parse_args()
    asyncio.run(main(options.names or [*SCENARIOS], QUICK if options.quick else FULL))
