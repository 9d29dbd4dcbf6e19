"""An independent check: npm's telegram-test-api, another hand's idea of Telegram, from `/start
TOKEN` to the alert.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from relay.app import App, Options
from relay.core.bot.people import Invite, hash_of
from relay.core.bot.update import BotId
from relay.core.event import Event
from relay.core.routing.matcher import parse
from tests.acceptance.processes import ROOT, Processes, free_port, processes, until
from tests.build import T0
from tests.need import need_program
from tests.npm import need_package

pytestmark = pytest.mark.slow
PACKAGE = "telegram-test-api@4.2.1"
HOME = ".emulator"
TOKEN, ADA = "666:emulated", 555
_START = """\
const Server = require("telegram-test-api");
new Server({port: Number(process.argv[1]), host: "127.0.0.1", storeTimeout: 600})
  .start().then(() => console.log("up"));
"""


def emulator() -> str:
    """The program that runs it, once the package is there."""
    node = need_program("node", "nodejs")
    need_package(HOME, PACKAGE)
    return node


@pytest.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    """The address of a running emulator."""
    node, port = emulator(), free_port()
    async with processes(tmp_path) as running:
        await up(running, node, port)
        yield f"http://127.0.0.1:{port}"


async def up(running: Processes, node: str, port: int) -> None:
    started = await running.start(
        "emulator",
        "env",
        f"NODE_PATH={ROOT / HOME / 'node_modules'}",
        node,
        "-e",
        _START,
        str(port),
    )
    await until("the emulator is up", lambda: "up" in started.output or not started.runs)
    assert started.runs, started.output


async def call(url: str, path: str, body: dict[str, object]) -> list[dict[str, object]]:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/{path}", json=body) as response,
    ):
        result = (await response.json())["result"]
        return result if isinstance(result, list) else []


async def says(url: str, text: str) -> None:
    """Someone writes to the bot, as the emulator's own client does it."""
    person = {"id": ADA, "first_name": "Ada", "username": "ada", "is_bot": False}
    chat = {"id": ADA, "title": "Ada", "first_name": "Ada", "username": "ada", "type": "private"}
    entities = [{"offset": 0, "length": len(text.split(maxsplit=1)[0]), "type": "bot_command"}]
    await call(
        url,
        "sendCommand",
        {
            "botToken": TOKEN,
            "from": person,
            "chat": chat,
            "date": int(T0),
            "text": text,
            "entities": entities,
        },
    )


async def texts(url: str) -> list[str]:
    """What the bot wrote to the person, as it stands now."""
    history = await call(url, "getUpdatesHistory", {"token": TOKEN})
    messages = [each["message"] for each in history]
    return [
        str(said["text"])
        for said in messages
        if isinstance(said, dict) and said.get("chat_id") == ADA
    ]


async def test_an_invited_person_gets_the_alert(url: str, tmp_path: Path) -> None:
    config = tmp_path / "relay.yml"
    config.write_text(f"""\
global: {{telegram_api_url: "{url}", telegram_bot_token: "{TOKEN}"}}
route: {{receiver: ops}}
receivers: [{{name: ops, telegram_configs: [{{chat_id: -5}}]}}]
""")
    events: list[Event] = []
    app = App(Options(config, tmp_path / "data", port=0), (events.append,))
    address = await app.start()
    try:
        invite = Invite(
            "i",
            BotId(url, "666"),
            hash_of("token"),
            "DBA",
            parse('severity="critical"'),
            T0,
            T0 * 2,
            1,
        )
        await app._writer.run(lambda: app._store.people.create_invite(invite))
        await says(url, "/start wrong")
        await wait_for(url, ["This link does not work"])
        await says(url, "/start token")
        await wait_for(
            url, ["This link", 'You will get the alerts of “DBA” here: severity="critical"']
        )
        await post(address, "firing")
        await wait_for(url, ["This link", "You will", "🔴 critical DiskFull"])
        await post(address, "resolved")
        await wait_for(url, ["This link", "You will", "🟢 resolved DiskFull", "🟢 resolved after"])
        await says(url, "/stop")
        await wait_for(
            url, ["This link", "You will", "🟢 resolved DiskFull", "🟢 resolved after", "Stopped"]
        )
    finally:
        await app.stop()


async def wait_for(url: str, wanted: list[str]) -> None:
    async def as_wanted() -> bool:
        found = await texts(url)
        return len(found) == len(wanted) and all(
            text.startswith(words) for words, text in zip(wanted, found, strict=True)
        )

    await until(f"the person reads {wanted}", as_wanted, 30)


async def post(address: str, status: str) -> None:
    alert = {
        "status": status,
        "labels": {"alertname": "DiskFull", "severity": "critical"},
        "annotations": {},
        "startsAt": "2026-11-19T02:40:00Z",
        "endsAt": "2026-11-19T02:50:00Z" if status == "resolved" else "0001-01-01T00:00:00Z",
        "generatorURL": "",
        "fingerprint": "f",
    }
    body = {
        "version": "4", "receiver": "relay", "status": status, "groupKey": "{}:{}",
        "groupLabels": {},
        "commonLabels": {}, "commonAnnotations": {}, "externalURL": "", "truncatedAlerts": 0,
        "alerts": [alert],
    }  # fmt: skip
    url = f"http://{address}/alerts"
    async with aiohttp.ClientSession() as session, session.post(url, json=body) as response:
        assert response.status == 200
