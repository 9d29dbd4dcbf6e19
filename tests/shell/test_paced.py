"""Long reads take a small share of the store's thread, however many ask for them."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import aiohttp
import pytest

from relay.app import App, Options
from relay.operate.paced import Paced

T = TypeVar("T")
TOOK = 0.02  # seconds
CONFIG = """\
route: {receiver: ops}
receivers:
  - name: ops
    telegram_configs: [{chat_id: -1001, bot_token: "111:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]
"""


class Thread:
    """Transactions that take their time, and when each ran."""

    def __init__(self) -> None:
        self.runs: list[tuple[float, float]] = []

    async def run(self, job: Callable[[], T]) -> T:
        began = time.monotonic()
        result = job()
        self.runs.append((began, time.monotonic()))
        return result

    async def run_unsynced(self, job: Callable[[], T]) -> T:
        return await self.run(job)


def read() -> int:
    until = time.monotonic() + TOOK
    while time.monotonic() < until:
        pass
    return 7


@pytest.mark.medium
async def test_reads_rest_nineteen_times_as_long_as_they_took() -> None:
    thread = Thread()
    paced = Paced(thread)
    assert await asyncio.gather(*(paced.run(read) for _ in range(3))) == [7] * 3
    for (_, ended), (began, _) in zip(thread.runs, thread.runs[1:], strict=False):
        assert began - ended >= 19 * TOOK


async def test_a_scrape_reads_the_store_only_in_that_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The balance of a large storage is long to read."""
    (tmp_path / "relay.yml").write_text(CONFIG)
    app = App(Options(tmp_path / "relay.yml", tmp_path / "data", port=0))
    url = await app.start()
    inside = False
    run, balance = Paced.run, app._store.balance

    async def paced(self: Paced, read: Callable[[], T]) -> T:
        def marked() -> T:
            nonlocal inside
            inside = True
            try:
                return read()
            finally:
                inside = False

        return await run(self, marked)

    def read_there() -> object:
        assert inside
        return balance()

    monkeypatch.setattr(Paced, "run", paced)
    monkeypatch.setattr(app._store, "balance", read_there)
    async with aiohttp.ClientSession() as session, session.get(f"http://{url}/metrics") as answer:
        assert answer.status == 200
        assert "alert_relay_deliveries_accepted_total" in await answer.text()
    await app.stop()


async def test_a_read_that_costs_nothing_waits_for_nothing() -> None:
    thread = Thread()
    paced = Paced(thread)
    began = time.monotonic()
    for _ in range(100):
        await paced.run(int)
    assert time.monotonic() - began < 5
