"""Every secret of a configuration is a canary; a whole life of a relay shows none of them
anywhere.
"""

import asyncio
import base64
import json
import signal
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import aiohttp
import bcrypt
import pytest

from relay.__main__ import main
from relay.sandbox.discord import Discord
from relay.sandbox.faults import FaultKind, Faults, Refusal
from relay.sandbox.server import Sandbox
from relay.sandbox.telegram import Telegram
from relay.settings import load as settings
from tests.acceptance.processes import (
    Processes,
    Relay,
    launch_relay,
    listens,
    payload,
    processes,
    until,
)

Output = pytest.CaptureFixture[str]
PORT_OF_NOBODY = 9
PROGRAM = """\
import sys
from relay.__main__ import main
from relay.cli import serve
from relay.core.card import advance
serve.SECRETS_EVERY = 0.1
advance.FIRST_PAUSE = advance.LONGEST_PAUSE = advance.BLIND_PAUSE = advance.PROBE_PAUSE = 0.1
sys.exit(main(sys.argv[1:]))
"""
TEAMS = ("file", "inline", "lost", "hook", "hook-file", "proxied", "no-proxy")
FAULTS: tuple[FaultKind, ...] = (
    "500",
    "502",
    "429",
    "cut before",
    "cut after",
    "not json",
    "ok false",
)
REFUSED = (400, 403, 413, 429, 404, 401)


class Canaries:
    """Makes secrets, no two alike, and knows where one of them stands."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self.texts: list[str] = []

    def word(self) -> str:
        self.texts.append(f"cAnArY{next(self._numbers):02}cAnArYcAnArYcAnArYcAnArY")
        return self.texts[-1]

    def add(self, text: str) -> str:
        self.texts.append(text)
        return text

    def found_in(self, text: str) -> list[str]:
        return [canary for canary in self.texts if canary.lower() in text.lower()]


class House:
    """A folder with a configuration full of secrets, the chats, and everything that was said to
    anybody.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.canaries = Canaries()
        self.heard: dict[str, str] = {}
        self.faults = Faults()
        self.telegram, self.discord = Telegram(faults=self.faults), Discord(faults=self.faults)
        time = asyncio.get_running_loop().time
        self.sandbox = Sandbox(
            self.telegram, self.discord, self.faults, lambda: 100 * time()
        )  # soon ready for more
        self.bearer, self.password = self.canaries.word(), self.canaries.word()
        self.token = f"1000001:{self.canaries.word()}"
        self.inline = f"1000002:{self.canaries.word()}"
        self.lost = f"1000003:{self.canaries.word()}"
        self.hooks = [self.canaries.word() for _ in range(3)]
        self.proxy = f"http://user:{self.canaries.word()}@127.0.0.1"

    async def open(self) -> None:
        await self.sandbox.listen("127.0.0.1", 0)
        for token in (self.token, self.inline):
            self.telegram.add_bot(token, f"bot_{token[:7]}")
            self.canaries.add(base64.b64encode(token.encode()).decode().rstrip("="))
        self.telegram.add_chat(-1001, "supergroup", "On call")
        self.discord.add_channel(333, "alerts")
        for number, hook in enumerate(self.hooks, 1):
            self.discord.add_webhook(number, hook, 333)
        self.write("token", self.token)
        self.write("hook", f"{self.sandbox.url}/api/webhooks/2/{self.hooks[1]}")
        self.write("bearer", self.bearer)
        hashed = bcrypt.hashpw(self.password.encode(), bcrypt.gensalt(4)).decode()
        self.canaries.add(hashed)
        self.canaries.add(base64.b64encode(f"prometheus:{self.password}".encode()).decode())
        self.write(
            "web.yml",
            f"basic_auth_users: {{prometheus: '{hashed}'}}\nbearer_token_files: [bearer]\n",
        )
        self.write(
            "broken.html.j2", "{{ alerts[99 if common_labels.team == 'broken' else 0].name }}"
        )
        self.write("relay.yml", self.config())

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def config(self) -> str:
        here = self.sandbox.url
        through = f"{self.proxy}:{here.rpartition(':')[2]}"
        return f"""\
global:
  telegram_api_url: {here}
  telegram_bot_token_file: token
templates: ["*.j2"]
limits:
  telegram: {{bot: 999/1s, chat: 999/1s, group: 999/1s}}
  discord: {{webhook: 999/1s, channel: 999/1s, address: 999/1s}}
route:
  receiver: file
  routes:
    - {{receiver: inline, matchers: [team="inline"]}}
    - {{receiver: lost, matchers: [team="lost"]}}
    - {{receiver: hook, matchers: [team="hook"]}}
    - {{receiver: hook-file, matchers: [team="hook-file"]}}
    - {{receiver: proxied, matchers: [team="proxied"]}}
    - {{receiver: no-proxy, matchers: [team="no-proxy"]}}
receivers:
  - {{name: file, telegram_configs: [{{chat_id: -1001, template: broken.html.j2}}]}}
  - name: inline
    telegram_configs: [{{chat_id: -1001, bot_token: "{self.inline}"}}]
  - name: lost
    telegram_configs: [{{chat_id: -1001, bot_token: "{self.lost}", api_url: "http://127.0.0.1:{PORT_OF_NOBODY}"}}]
  - name: hook
    discord_configs: [{{webhook_url: "{here}/api/webhooks/1/{self.hooks[0]}"}}]
  - name: hook-file
    discord_configs: [{{webhook_url_file: hook}}]
  - name: proxied
    discord_configs:
      - webhook_url: "{here}/api/webhooks/3/{self.hooks[2]}"
        http_config: {{proxy_url: "{through}"}}
  - name: no-proxy
    telegram_configs:
      - {{chat_id: -1001, bot_token: "{self.lost}", api_url: "http://127.0.0.1:{PORT_OF_NOBODY}/other",
         http_config: {{proxy_url: "{self.proxy}:{PORT_OF_NOBODY}"}}}}
"""

    def bad_configs(self) -> Iterator[str]:
        """Each wrong in another place near a secret."""
        good = self.config()
        yield good.replace("bot_token:", "bot_tokn:")
        yield good.replace("receiver: lost,", "receiver: nobody,").replace(
            self.inline, f"{self.canaries.word()}"
        )
        yield good.replace(f'"{self.inline}"', f'"{self.inline}')
        yield good.replace("/api/webhooks/1/", "/api/webhook/1/")
        yield good.replace("proxy_url:", "proxy_urls:")
        yield good.replace(
            f"telegram_api_url: {self.sandbox.url}",
            f"telegram_api_url: http://user:{self.canaries.word()}@chat",
        )
        yield good.replace("telegram_bot_token_file: token", f"telegram_bot_token: [{self.token}]")

    def hear(self, where: str, text: str) -> None:
        self.heard[where] = self.heard.get(where, "") + text

    def check(self) -> None:
        """No secret was seen anywhere."""
        for path in (self.folder / "data").iterdir():
            self.hear(path.name, path.read_bytes().decode("latin-1"))
        assert {
            where: found
            for where, text in self.heard.items()
            if (found := self.canaries.found_in(text))
        } == {}


async def start(house: House, running: Processes) -> Relay:
    process = await running.start(
        "relay", sys.executable, "-P", "-c", PROGRAM, "serve",
        f"--config.file={house.folder / 'relay.yml'}",
        f"--storage.path={house.folder / 'data'}", "--web.listen-address=127.0.0.1:0",
        "--log.level=debug",
        f"--web.config.file={house.folder / 'web.yml'}",
    )  # fmt: skip
    await until("the relay listens", lambda: listens(process) or not process.runs)
    assert listens(process), process.output
    address = process.output.partition('msg="listening" address=')[2].split()[0]
    return Relay(process, f"http://{address}")


async def ask(
    house: House, relay: Relay, verb: str, path: str, auth: str = "", data: object = None
) -> int:
    """The status of the answer; all of it is heard."""
    headers = {"Authorization": auth} if auth else {}
    async with (
        aiohttp.ClientSession() as session,
        session.request(verb, relay.url + path, headers=headers, json=data) as response,
    ):
        house.hear(
            f"answers of {path.partition('?')[0][:20]}",
            f"{response.headers} {await response.text()}",
        )
        return response.status


async def run_verb(house: House, capsys: Output, *words: str) -> str:
    """What a verb writes, in this process."""
    await asyncio.to_thread(main, words)
    said = capsys.readouterr()
    house.hear(f"alert-relay {words[0]}", said.out + said.err)
    return said.out


async def life(house: House, running: Processes, capsys: Output) -> None:
    relay = await start(house, running)
    bearer = f"Bearer {house.bearer}"
    await knock(house, relay, bearer)
    await suffer(house, relay, bearer)
    await rotate(house, relay, bearer)
    await misconfigure(house, relay, capsys)
    await look_around(house, relay, capsys)
    second = await launch_relay(running, house.folder / "relay.yml")
    assert await second.ended() == 2  # the folder is in use
    relay.process.signal(signal.SIGTERM)
    assert await relay.process.ended() == 0


async def knock(house: House, relay: Relay, bearer: str) -> None:
    """Everybody sends a request."""
    basic = base64.b64encode(f"prometheus:{house.password}".encode()).decode()
    wrong = house.canaries.word()
    assert await ask(house, relay, "POST", "/alerts", "", payload("a")) == 401
    assert await ask(house, relay, "POST", "/alerts", f"Bearer {wrong}", payload("a")) == 401
    assert (
        await ask(
            house, relay, "POST", f"/alerts/{wrong}?token={wrong}", "Basic " + wrong, payload("a")
        )
        == 401
    )
    assert await ask(house, relay, "POST", "/alerts", f"Basic {basic}", payload("a")) == 200
    assert await ask(house, relay, "POST", "/alerts", bearer, {"alerts": wrong}) == 400
    assert await ask(house, relay, "GET", f"/{wrong}", bearer) == 404


async def suffer(house: House, relay: Relay, bearer: str) -> None:
    """Every kind of error, one after the other; the platforms repeat the secrets in their own
    words.
    """
    echo = (
        f"/bot{house.token}/sendMessage {house.sandbox.url}/api/webhooks/1/{house.hooks[0]} "
        f"and no more"
    )
    for kind in FAULTS:
        house.faults.add("telegram", "*", kind, count=1)
        house.faults.add("discord", "*", kind, count=1)
    for status in REFUSED:
        house.faults.add("telegram", "*", "refused", count=1, refusal=Refusal(status, echo))
    for hook, status in (("1", 400), ("1", 403), ("2", 404), ("1", 401)):
        house.faults.add("discord", hook, "refused", count=1, refusal=Refusal(status, echo, 50035))
    for number in range(6):  # pauses grow with each repetition; a new message is tried at once
        for team in TEAMS:
            told = payload(f"{team}-{number}", team)
            assert await ask(house, relay, "POST", "/alerts", bearer, told) == 200
    await until(
        "every fault struck", lambda: all(fault.count == 0 for fault in house.faults.script), 100
    )
    house.faults.clear()
    assert await ask(house, relay, "POST", "/alerts", bearer, payload("broken", "broken")) == 200
    await until("a template failed", lambda: 'msg="template failed' in relay.process.output)


async def rotate(house: House, relay: Relay, bearer: str) -> None:
    """The bot gets a new token, and its file tells the relay."""
    old = house.token
    house.token = f"1000001:{house.canaries.word()}"
    house.faults.clear()
    bot = house.telegram.bots.pop(old)
    house.telegram.bots[house.token] = bot
    before = relay.process.output.count('msg="configuration loaded"')
    house.write("token", house.token)
    await until(
        "it is read", lambda: relay.process.output.count('msg="configuration loaded"') > before
    )
    house.write("bearer", fresh := house.canaries.word())
    assert await ask(house, relay, "POST", "/alerts", bearer, payload("late")) == 401
    assert (
        await ask(house, relay, "POST", "/alerts", f"Bearer {fresh}", payload("afterwards")) == 200
    )
    await until("the new token serves", lambda: "afterwards" in house.telegram.transcript(-1001))
    house.bearer = fresh


async def misconfigure(house: House, relay: Relay, capsys: Output) -> None:
    """A faulty file is reloaded, by signal and by request, and checked."""
    bearer = f"Bearer {house.bearer}"
    for bad in house.bad_configs():
        house.write("relay.yml", bad)
        relay.process.signal(signal.SIGHUP)
        assert await ask(house, relay, "POST", "/-/reload", bearer) == 500
        await run_verb(house, capsys, "check-config", str(house.folder / "relay.yml"))
    house.write("relay.yml", house.config())
    assert await ask(house, relay, "POST", "/-/reload", bearer) == 200


async def look_around(house: House, relay: Relay, capsys: Output) -> None:
    """Whatever prints something, prints."""
    config, storage = (
        f"--config.file={house.folder / 'relay.yml'}",
        f"--storage.path={house.folder / 'data'}",
    )
    for path in ("/metrics", "/-/ready", "/-/healthy"):
        assert await ask(house, relay, "GET", path) == 200
    for receiver in ("file", "inline", "lost", "hook", "proxied", "no-proxy"):
        await run_verb(house, capsys, "send-test", config, f"--receiver={receiver}")
        await run_verb(
            house, capsys, "template", "render", config, f"--receiver={receiver}", "-o", "json"
        )
    listed = await run_verb(house, capsys, "queue", "list", storage, "-o", "json")
    deliveries = json.loads(listed)["deliveries"]
    assert {each["receiver"] for each in deliveries} >= {"lost", "no-proxy"}
    for each in deliveries[:3]:
        for action in ("show", "retry"):
            await run_verb(house, capsys, "queue", action, storage, each["id"])
    await run_verb(house, capsys, "routes", "show", config)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_no_secret_is_seen_in_a_whole_life(tmp_path: Path, capsys: Output) -> None:
    house = House(tmp_path)
    await house.open()
    try:
        async with processes(tmp_path) as running:
            await life(house, running, capsys)
            for process in running.started:
                house.hear(process.log.name, process.output)
        rules, faults = settings.load(tmp_path / "relay.yml", "serve")
        house.hear("reprs", repr((rules, faults, rules and rules.active)))
        house.hear("chats", house.telegram.transcript(-1001) + house.discord.transcript(333))
        house.check()
    finally:
        await house.sandbox.stop()


@pytest.mark.medium
async def test_a_secret_that_stands_in_an_alert_does_not_come_into_the_log(tmp_path: Path) -> None:
    house = House(tmp_path)
    await house.open()
    try:
        async with processes(tmp_path) as running:
            relay = await start(house, running)
            told = payload(f"found {house.hooks[1]} in a file", "hook")
            assert await ask(house, relay, "POST", "/alerts", f"Bearer {house.bearer}", told) == 200
            await until("it is logged", lambda: 'msg="alerts accepted"' in relay.process.output)
            assert "found <secret> in a file" in relay.process.output
            assert not house.canaries.found_in(relay.process.output)
    finally:
        await house.sandbox.stop()
