"""`demo --config.file`: one's own file against the local chats, and nobody else is called."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from relay.core.routing.explain import reached
from relay.core.routing.sample_labels import labels_for_chats
from relay.sandbox.own_chats import lead_to_sandbox
from relay.settings.load import load
from tests.acceptance.processes import (
    ROOT,
    Processes,
    fetch,
    free_port,
    processes,
    start_alertmanager,
    until,
)
from tests.need import absent
from tests.shared import need_case

EXAMPLES = sorted((ROOT / "config/examples").glob("*.yml"))
CONFIG = """\
global:
  telegram_bot_token_file: /nowhere/token
  telegram_api_url: https://telegram.example.org
  http_config: {proxy_url: "http://user:pass@proxy.example.org:3128"}
templates: [own.j2]
route:
  receiver: ops
  routes: [{receiver: dba, matchers: [team="db", severity!~"info|none"]}]
receivers:
  - name: ops
    discord_configs: [{webhook_url_file: /nowhere/hook}]
  - name: dba
    telegram_configs: [{chat_id: -1001000000001, message_thread_id: 7, template: own.j2}]
"""
PAYLOAD = ROOT / "tests/importing/go/payload.json"


class Demo:
    """A demo that runs: where it listens and its page."""

    def __init__(self, output: Callable[[], str]) -> None:
        self._output = output

    @property
    def alerts(self) -> str:
        return self._output().partition("listens on ")[2].partition(";")[0]

    @property
    def page(self) -> str:
        return self._output().partition("its chats are at ")[2].split()[0].rstrip("/")

    async def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((await fetch("GET", f"{self.page}/state"))[1])
        return found

    async def texts(self) -> dict[str, str]:
        """What each chat shows, by its id."""
        return {chat["id"]: text_of(chat["messages"]) for chat in (await self.state())["chats"]}

    async def press(self, control: str) -> None:
        status, _ = await fetch("POST", f"{self.page}/controls/{control}")
        assert status == 204

    async def shows(self, text: str, within: float = 20.0) -> None:
        async def seen() -> bool:
            found = await self.texts()
            return bool(found) and all(text in each for each in found.values())

        await until(f"each chat shows {text}", seen, within)


def text_of(messages: list[dict[str, Any]]) -> str:
    return json.dumps(messages, ensure_ascii=False)


@asynccontextmanager
async def demo(running: Processes, config: Path, *words: str) -> AsyncIterator[Demo]:
    process = await running.start(
        "demo", sys.executable, "-P", "-m", "relay", "demo", f"--config.file={config}", *words
    )
    await until("the demo listens", lambda: "its chats are at" in process.output)
    yield Demo(lambda: process.output)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "own.j2").write_text("{{ state }} <b>mine</b> {{ name }}")
    (tmp_path / "relay.yml").write_text(CONFIG)
    return tmp_path / "relay.yml"


ADDRESS = "--web.listen-address=127.0.0.1:0"


@pytest.mark.medium
async def test_the_page_fires_and_resolves_an_alert_in_each_chat(
    tmp_path: Path, config: Path
) -> None:
    async with processes(tmp_path) as running, demo(running, config, ADDRESS) as it:
        assert (await it.state())["controls"] == ["fire", "resolve", "fail"]
        assert set(await it.texts()) == {"-1001000000001", "900000000000000001"}
        await it.press("fire")
        await it.shows("Example")
        assert "mine" in (await it.texts())["-1001000000001"]
        await it.press("resolve")
        await it.shows("resolved")


@pytest.mark.medium
async def test_a_change_of_a_template_is_drawn_at_once_and_a_faulty_one_is_named(
    tmp_path: Path, config: Path
) -> None:
    async with processes(tmp_path) as running, demo(running, config, ADDRESS) as it:
        await it.press("fire")
        await it.shows("Example")
        (tmp_path / "own.j2").write_text("{{ state }} changed Example")

        async def changed() -> bool:
            return "changed" in (await it.texts()).get("-1001000000001", "")

        await until("the new template is shown", changed)
        (tmp_path / "own.j2").write_text("{{ nothing }}")

        async def named() -> bool:
            return any("nothing" in note for note in (await it.state())["notes"])

        await until("the fault is shown", named)
        assert "changed" in (await it.texts())["-1001000000001"]


@pytest.mark.medium
async def test_a_chat_fails_when_it_is_told_to(tmp_path: Path, config: Path) -> None:
    async with processes(tmp_path) as running, demo(running, config, ADDRESS) as it:
        await it.press("fail?platform=telegram&chat=-1001000000001")
        await it.press("fire")

        async def other() -> bool:
            return "Example" in (await it.texts())["900000000000000001"]

        await until("the other chat has its alert", other)
        assert "Example" not in (await it.texts())["-1001000000001"]


@pytest.mark.medium
async def test_another_site_presses_no_button(tmp_path: Path, config: Path) -> None:
    async with processes(tmp_path) as running, demo(running, config, ADDRESS) as it:
        headers = {"Sec-Fetch-Site": "cross-site"}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{it.page}/controls/fire", headers=headers) as response,
        ):
            assert response.status == 403


@pytest.mark.medium
def test_it_needs_no_network_but_loopback(config: Path) -> None:
    """In a network that has nothing but loopback all is delivered, and no call went elsewhere."""
    unshare = shutil.which("unshare")
    words = [sys.executable, "-P", "-m", "relay", "demo", f"--config.file={config}", "--once",
             f"--payload={PAYLOAD}"]  # fmt: skip
    inside = ["sh", "-c", 'ip link set lo up && exec "$@"', "sh", *words]
    done = subprocess.run(
        [str(unshare), "--net", *inside],
        capture_output=True, text=True, check=False, env={"PYTHONPATH": str(ROOT), "PATH": PATH},
    )  # fmt: skip
    if unshare is None or "unshare" in done.stderr or "RTNETLINK" in done.stderr:
        absent(f"a network of its own cannot be made: run as root ({done.stderr.strip()})")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("lost=0\n")


PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_TRY = """
import asyncio, socket, sys
from relay.sandbox.loopback import stay_on_this_machine
stay_on_this_machine()
def attempt(what):
    try:
        what()
    except ConnectionRefusedError as error:
        print("refused" if "calls nobody outside" in str(error) else "nobody listens")
    except OSError as error:
        print(type(error).__name__)
    else:
        print("connected")
def udp(address):
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", address)
with socket.create_server(("127.0.0.1", 0)) as server:
    attempt(lambda: socket.create_connection(server.getsockname()))
    attempt(lambda: socket.create_connection(("192.0.2.1", 443), 1))
    attempt(lambda: socket.create_connection(("api.telegram.org", 443), 1))
    attempt(lambda: socket.create_connection(("2001:db8::1", 443), 1))
    attempt(lambda: udp(("192.0.2.1", 53)))
    attempt(lambda: asyncio.run(asyncio.open_connection("192.0.2.1", 443)))
    attempt(lambda: asyncio.run(asyncio.open_connection("discord.com", 443)))
"""


def test_every_way_to_another_address_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _TRY], capture_output=True, text=True, check=True,
        env={"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.stdout.split("\n")[:-1] == ["connected", *["refused"] * 6]


@pytest.mark.medium
def test_no_secret_proxy_or_address_of_the_file_is_left(config: Path) -> None:
    rules, faults = load(config, "check")
    assert rules, faults
    url = "http://127.0.0.1:1"
    led = lead_to_sandbox(rules.active, url).active
    for target in led.routing.all_targets:
        assert target.lane.api == url
        assert target.endpoint.http.proxy_url is None
        assert target.endpoint.secret.reveal().endswith("demo")
    assert [(bot.api, bot.updates, bot.http.proxy_url) for bot in led.bots] == [(url, "none", None)]


@pytest.mark.alertmanager
@pytest.mark.parametrize("name", [*(path.name for path in EXAMPLES), "cfg-pasted.yml"])
async def test_a_real_alertmanager_fires_and_resolves_in_each_chat(
    name: str, tmp_path: Path
) -> None:
    config = need_case(name) if name.startswith("cfg-") else ROOT / "config/examples" / name
    rules, _ = load(config, "check")
    assert rules
    led = lead_to_sandbox(rules.active, "http://127.0.0.1:1").active
    wanted = labels_for_chats(led.routing)
    routed = {route.receiver for _, route in led.routing.all_routes}  # no step of an escalation
    assert set(wanted) == {
        target.lane for name in routed for target in led.routing.targets.get(name, ())
    }
    now = time.time()
    chats = {
        lane.chat or lane.account
        for lane, labels in wanted.items()
        if not all(each.muted for each in reached(led.routing.root, labels, led.intervals, now))
    }
    async with processes(tmp_path) as running:
        address = f"127.0.0.1:{free_port()}"
        async with demo(running, config, f"--web.listen-address={address}") as it:
            alertmanager = await start_alertmanager(running, it.alerts)
            alerts = [{**labels, "n": str(n)} for n, labels in enumerate(wanted.values())]
            for word, ended in (("Example|Watchdog", False), ("", True)):
                await post(alertmanager, alerts, ended=ended)

                async def shown(word: str = word, *, ended: bool = ended) -> bool:
                    found = await it.texts()
                    said = ("🟢", "resolved", "RESOLVED", "résolu") if ended else word.split("|")
                    return all(any(each in found[chat] for each in said) for chat in chats)

                await until(f"each chat shows what {'ended' if ended else 'fires'}", shown, 40.0)


async def post(alertmanager: str, alerts: list[dict[str, str]], *, ended: bool) -> None:
    end = {"endsAt": datetime.now(UTC).isoformat()} if ended else {}
    body = [{"labels": labels, **end} for labels in alerts]
    status, text = await fetch("POST", f"{alertmanager}/api/v2/alerts", body)
    assert status == 200, text
