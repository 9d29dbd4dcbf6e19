"""Presses in a chat and a real Alertmanager: what amtool shows of them, and the other way round."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relay.sandbox.server import Sandbox
from tests.acceptance.acting import Acting, acting
from tests.acceptance.processes import Processes, amtool, processes, start_alertmanager, until
from tests.acceptance.test_alertmanager_api import fire

pytestmark = pytest.mark.alertmanager


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Processes]:
    async with processes(tmp_path) as found:
        yield found


async def silences(url: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(await amtool(url, "silence", "query", "-o", "json"))
    return found


async def shown(here: Acting, url: str) -> None:
    """An alert fires there and on the cards."""
    await here.post("a")
    await fire(url, *here.twin.alerts)
    await here.shows("Crash")


async def test_a_press_makes_one_silence_that_amtool_shows_and_end_silence_expires_it(
    sandbox: Sandbox, running: Processes, tmp_path: Path
) -> None:
    url = await start_alertmanager(running, "http://127.0.0.1:9/alerts")
    async with acting(sandbox, tmp_path, twin_url=url) as here:
        await shown(here, url)
        await here.press("🔕 1 h")
        await here.shows("🔕 until", "Anna")
        (silence,) = await silences(url)
        assert silence["createdBy"] == "Anna"
        assert silence["comment"].startswith("Crash: by Anna (telegram 12) [alert-relay ")
        await until("it may be ended", lambda: "🔔 End silence" in here.buttons())
        await here.press("🔔 End silence")
        await here.shows(absent="🔕 until")
        assert await silences(url) == []


async def test_a_silence_that_amtool_made_shows_on_all_cards_and_so_does_its_end(
    sandbox: Sandbox, running: Processes, tmp_path: Path
) -> None:
    url = await start_alertmanager(running, "http://127.0.0.1:9/alerts")
    async with acting(sandbox, tmp_path, twin_url=url) as here:
        await shown(here, url)
        made = await amtool(
            url, "silence", "add", "alertname=Crash", "--author=Ben", "--comment=deploy"
        )
        await here.shows("🔕 until", "Ben: deploy")
        await amtool(url, "silence", "expire", made.strip())
        await here.shows(absent="🔕 until")
