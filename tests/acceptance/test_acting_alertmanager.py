"""Presses in a chat and a real Alertmanager: what amtool shows of them, and the other way round."""

import asyncio
import json
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from relay.core.alert import alert_key
from relay.sandbox.server import Sandbox
from relay.sandbox.telegram_updates import Query
from tests.acceptance.acting import CHAT, acting
from tests.acceptance.processes import (
    Processes,
    amtool,
    free_port,
    processes,
    start_alertmanager,
    start_relay,
    until,
)
from tests.acceptance.test_alertmanager_api import fire

pytestmark = pytest.mark.alertmanager


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Processes]:
    async with processes(tmp_path) as found:
        yield found


async def silences(url: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(await amtool(url, "silence", "query", "-o", "json"))
    return found


def is_answered(query: Query) -> bool:
    return query.answer is not None


async def pair(running: Processes) -> tuple[str, str]:
    """Two peers of one cluster, which gossip over loopback."""
    first, second = (f"127.0.0.1:{free_port()}" for _ in range(2))
    nowhere = "http://127.0.0.1:9/alerts"
    return (
        await start_alertmanager(running, nowhere, cluster=(first,)),
        await start_alertmanager(running, nowhere, cluster=(second, first)),
    )


async def test_a_press_makes_one_silence_that_amtool_shows_and_end_silence_expires_it(
    sandbox: Sandbox, running: Processes, tmp_path: Path
) -> None:
    urls = await pair(running)
    async with acting(sandbox, tmp_path, twin_url=" ".join(urls)) as here:
        await here.post("a")
        for url in urls:  # Prometheus sends alerts to each peer
            await fire(url, *here.twin.alerts)
        await here.shows("Crash")
        await here.press("🔕 1 h")
        await here.shows("🔕 until", "Anna")

        async def gossiped() -> bool:
            return [len(await silences(url)) for url in urls] == [1, 1]

        await until("both peers have it", gossiped)
        (silence,) = await silences(urls[0])
        assert silence["createdBy"] == "Anna"
        assert silence["comment"].startswith("[alert-relay ")
        assert silence["comment"].endswith(": Crash, by Anna (telegram 12)]")
        own = {each["name"]: (each["value"], each["isRegex"]) for each in silence["matchers"]}
        assert own == {name: (value, False) for name, value in here.twin.alerts[0].items()}
        await until("it may be ended", lambda: "🔔 End silence" in here.buttons())
        await here.press("🔔 End silence")
        await here.shows(absent="🔕 until")

        async def ended() -> bool:
            return [await silences(url) for url in urls] == [[], []]

        await until("both peers have ended it", ended)


async def test_a_silence_that_amtool_made_shows_on_all_cards_and_so_does_its_end(
    sandbox: Sandbox, running: Processes, tmp_path: Path
) -> None:
    first, second = await pair(running)
    async with acting(sandbox, tmp_path, twin_url=f"{first} {second}") as here:
        await here.post("a")
        await fire(first, *here.twin.alerts)
        await here.shows("Crash")
        # made on the peer that the relay does not read
        made = await amtool(
            second, "silence", "add", "alertname=Crash", "--author=Ben", "--comment=deploy"
        )
        await here.shows("🔕 until", "Ben: deploy")
        await amtool(second, "silence", "expire", made.strip())
        await here.shows(absent="🔕 until")


async def test_a_kill_between_a_press_and_its_answer_leaves_one_silence_on_the_pair(
    sandbox: Sandbox, running: Processes, tmp_path: Path
) -> None:
    """The relay is killed at several moments behind the press and started within a minute."""
    urls = await pair(running)
    async with acting(sandbox, tmp_path, twin_url=" ".join(urls)) as here:
        await here.stop()
        config = tmp_path / "relay.yml"
        relay = await start_relay(running, config)
        for number, moment in enumerate((0.0, 0.03, 0.08, 0.15, 0.3)):
            here.address = relay.url.removeprefix("http://")
            name = f"Crash{number}"
            await here.post("a", name=name)
            for url in urls:
                await fire(url, here.twin.alerts[-1])
            await here.shows(name)
            await until("it is written down", relay.at_rest)
            query = here.begin_press("🔕 1 h")
            await asyncio.sleep(moment)
            await relay.process.kill()
            relay = await start_relay(running, config)
            await here.shows(name, "🔕 until")
            await until("the press is answered", partial(is_answered, query))
        for url in urls:
            comments = [each["comment"].split()[2].rstrip(",") for each in await silences(url)]
            assert sorted(comments) == [f"Crash{number}" for number in range(5)]


async def test_what_one_peer_alone_has_goes_on_firing_though_no_payload_lists_it(
    sandbox: Sandbox, running: Processes, tmp_path: Path
) -> None:
    urls = await pair(running)
    async with acting(sandbox, tmp_path, twin_url=" ".join(urls)) as here:
        await here.post("a")
        await fire(urls[0], *here.twin.alerts)
        await here.shows("Crash")
        await here.post("a", "b")
        await fire(urls[1], here.twin.alerts[-1])
        await until("both are shown", lambda: "×2" in here.texts(CHAT)[0])
        await here.post("a")
        store, key = here.running._store, alert_key(here.twin.alerts[-1])

        async def state() -> str:
            asked = await here.running._writer.run(partial(store.acting.asked_for, ""))
            return asked[key].presence.state if key in asked else ""

        async def is_present() -> bool:
            return await state() == "present"

        await until("the second peer has it", is_present)
        assert "no longer reported" not in here.texts(CHAT)[0]
