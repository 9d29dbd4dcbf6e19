"""100,000 alerts in one payload: how soon it is answered, what it takes, and what others notice of
it.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import aiohttp
import pytest

from tests.acceptance.processes import Relay, payload, processes, start_relay, until

MEBIBYTE = 1 << 20
ROOM = {"sqlite": 400, "postgres": 520}  # MiB; libpq keeps what it sends and receives as well
BROUGHT = {"sqlite": 60.0, "postgres": 240.0}  # seconds
ANSWER = 20.0  # seconds
MOST_TRIES = 3
BESIDE, SHARE = 1.0, 1 / 4  # seconds; of the time from the request to the card, on a slow machine
CONFIG = """\
global:
  telegram_api_url: "http://127.0.0.1:9"
  telegram_bot_token: "111:aaaaaaaaaaaaaaaaaaaa"
  telegram_updates: none
route: {receiver: small, routes: [{receiver: large, matchers: [uid!=""]}]}
receivers:
  - {name: small, telegram_configs: [{chat_id: -1001}]}
  - {name: large, telegram_configs: [{chat_id: -1002}]}
"""


def large(count: int) -> bytes:
    """One group of as many alerts, each with the labels and annotations that Kubernetes alerts
    have.
    """
    whole = payload("KubePodCrashLooping")
    alerts = [
        {
            "status": "firing",
            "labels": {
                "alertname": "KubePodCrashLooping", "namespace": f"team-{number % 50}",
                "pod": f"shop-{number:010x}",
                "container": "app", "severity": "critical", "cluster": "eu-west-1",
                "prometheus": "monitoring/k8s",
                "job": "kube-state-metrics", "instance": "10.0.0.1:8443",
                "uid": f"{number * 0x9E3779B97F4A7C15:032x}",
            },
            "annotations": {
                "summary": f"Pod shop-{number:010x} is crash looping.",
                "description": ("The container app is in waiting state "
                    "(reason: CrashLoopBackOff) for 15 "
                    "minutes."),
                "runbook_url": "https://runbooks.example.org/runbooks/kubernetes/kubepodcrashlooping",
            },
            "startsAt": "2026-11-22T01:00:00Z",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "https://prometheus.example.org/graph?g0.expr=increase%28restarts%5B5m%5D%29+%3E+1&g0.tab=1",
            "fingerprint": f"{number:016x}",
        }
        for number in range(count)
    ]  # fmt: skip
    return json.dumps(whole | {"alerts": alerts}).encode()


@asynccontextmanager
async def good_requests(relay: Relay) -> AsyncIterator[list[float]]:
    """Small payloads of another source, one after the other; the seconds that each took."""
    taken: list[float] = []

    async def post() -> None:
        async with aiohttp.ClientSession() as session:
            while True:
                began = time.monotonic()
                async with session.post(
                    f"{relay.url}/alerts/other", json=payload("Small")
                ) as response:
                    assert response.status == 200
                taken.append(time.monotonic() - began)
                await asyncio.sleep(0.02)

    posting = asyncio.create_task(post())
    try:
        yield taken
        assert not posting.done()
    finally:
        posting.cancel()


@pytest.mark.medium
async def test_a_good_request_beside_a_large_one_is_answered_at_once(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """A disk that is busy with something else holds both up, so the better of two counts."""
    engine = _engine(request)
    for attempt in ("first", "second"):
        folder = tmp_path / attempt
        folder.mkdir()
        met = await _meet(folder, 10_000, engine)
        if met.beside < met.bound:
            return
    assert met.beside < met.bound, met.figures


def _engine(request: pytest.FixtureRequest) -> str:
    """The engine of the store, where the test is for both."""
    callspec = getattr(request.node, "callspec", None)
    return str(callspec.params["engine"]) if callspec else "sqlite"


@pytest.mark.slow
@pytest.mark.timeout(420)
async def test_100_000_alerts_are_taken_in_time_and_in_bounded_memory_and_others_hardly_notice(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    met = await _meet(tmp_path, 100_000, _engine(request))
    assert met.beside < met.bound, met.figures


class Met(NamedTuple):
    """How long a small request took beside a large one, and may take (seconds), with all
    figures.
    """

    beside: float
    bound: float
    figures: str


async def _meet(folder: Path, count: int, engine: str) -> Met:
    config = folder / "relay.yml"
    config.write_text(CONFIG)
    body = large(count)
    async with processes(folder) as running:
        relay = await start_relay(running, config)
        async with good_requests(relay) as taken, aiohttp.ClientSession() as session:
            await until("requests are answered", lambda: len(taken) > 5)
            headers = {"Content-Type": "application/json"}
            began = time.monotonic()
            tries = 0
            status = 503
            while status == 503 and tries < MOST_TRIES:  # on a slow machine, as Alertmanager does
                tries += 1
                async with session.post(
                    f"{relay.url}/alerts", data=BytesIO(body), headers=headers
                ) as response:
                    status = response.status
            assert status == 200
            answered = time.monotonic() - began
            await until(
                "its card is brought",
                lambda: "receiver=large method=sendMessage" in relay.process.output,
                BROUGHT[engine],
            )
            brought = time.monotonic() - began
            parts, pending = -(-count // 256), (await relay.balance())["large"].pending
            assert parts <= pending <= parts * tries
        times = (
            f"answered in {answered:.2f} s, brought in {brought:.2f} s, beside {max(taken):.2f} s"
        )
        figures = f"{len(body) // MEBIBYTE} MiB: {times}, {relay.process.peak} MiB"
        assert answered < ANSWER, figures
        assert relay.process.peak < ROOM[engine], figures
        print(figures)  # noqa: T201 - for the one who runs it with -s
        return Met(max(taken), max(BESIDE, SHARE * brought), figures)
