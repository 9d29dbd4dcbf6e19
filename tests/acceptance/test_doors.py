"""The doors of a relay as it runs: files that its configuration names, requests of strangers and of
those who guess, and reads whose cost grows.
"""

import asyncio
import base64
import contextlib
import itertools
import json
import os
import re
import signal
import socket
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path

import aiohttp
import bcrypt
import msgspec
import pytest
import yaml

from relay.sandbox.faults import Refusal
from relay.sandbox.server import Sandbox
from relay.store.data_dir import DATABASE, SOCKET
from relay.store.queue import MOST_LISTED, Query
from tests.acceptance.processes import (
    RELAY,
    ROOT,
    Relay,
    fetch,
    launch_relay,
    payload,
    processes,
    start_relay,
    storage_of,
    until,
    verb,
)
from tests.acceptance.test_large import CONFIG as OF_LARGE
from tests.acceptance.test_large import MEBIBYTE, large
from tests.need import absent
from tests.shell.test_cli_printing import ASKED, BIDI, CONFIG, EVIL, steering
from tests.shell.test_template_check import SLOW

pytestmark = [pytest.mark.medium, pytest.mark.sqlite]
TOKEN, OPS, DBA = "1000001:sandbox-bot", -1001, -1002
HOOK, HOOK_TOKEN, CHANNEL = 4001, "sandbox-webhook", 3001
OWN = "{{ mark }} own {{ name }}"


def set_up(sandbox: Sandbox, folder: Path, more: str = "", entry: str = "") -> Path:
    """A group and a channel whose secrets stand in files. `more` are keys at the top of the file,
    `entry` of the group.
    """
    sandbox.telegram.add_bot(TOKEN, "relay_bot")
    for chat_id in (OPS, DBA):
        sandbox.telegram.add_chat(chat_id, "supergroup", "Ops")
    sandbox.discord.add_channel(CHANNEL, "alerts")
    sandbox.discord.add_webhook(HOOK, HOOK_TOKEN, CHANNEL)
    (folder / "bot").write_text(TOKEN)
    (folder / "chat").write_text(str(OPS))
    (folder / "hook").write_text(f"{sandbox.url}/api/webhooks/{HOOK}/{HOOK_TOKEN}")
    config = folder / "relay.yml"
    config.write_text(f"""\
global:
  telegram_api_url: {sandbox.url}
  telegram_bot_token_file: bot
  telegram_updates: none
  notices_receiver: dba
{more}
route: {{receiver: ops}}
receivers:
  - name: ops
    telegram_configs: [{{chat_id_file: chat{entry}}}]
    discord_configs: [{{webhook_url_file: hook}}]
  - name: dba
    telegram_configs: [{{chat_id: {DBA}}}]
""")
    return config


async def reloaded(relay: Relay) -> tuple[int, str]:
    return await fetch("POST", f"{relay.url}/-/reload")


async def shows(sandbox: Sandbox, chat: int, text: str, within: float = 15.0) -> None:
    await until(f"it shows {text}", lambda: text in sandbox.telegram.transcript(chat), within)


def link_to_a_secret(folder: Path) -> str:
    (folder / "own.j2").symlink_to("bot")
    return "own.j2 is a secret file too"


def hard_link_to_a_secret(folder: Path) -> str:
    (folder / "own.j2").hardlink_to(folder / "hook")
    return "own.j2 is a secret file too"


def link_to_another_file(folder: Path) -> str:
    (folder / "own.j2").symlink_to("/etc/passwd")
    return "a link to a file whose name does not end in .j2"


def pipe(folder: Path) -> str:
    os.mkfifo(folder / "own.j2")
    return "own.j2 is not a regular file"


async def test_a_template_shows_no_file_of_the_machine_and_one_of_a_config_map_is_followed(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    more, entry = 'templates: ["*.j2"]', ", template: own.j2"
    async with processes(tmp_path) as running:
        config = set_up(sandbox, tmp_path, more, entry)
        own = tmp_path / "own.j2"
        link_to_a_secret(tmp_path)
        process = await launch_relay(running, config)
        assert await process.ended() == 2
        assert "own.j2 is a secret file too" in process.output
        own.unlink()

        for name, text in (("..2026_1", OWN), ("..2026_2", OWN.replace("own", "newer"))):
            (tmp_path / name).mkdir()
            (tmp_path / name / "own.j2").write_text(text)
        (tmp_path / "..data").symlink_to("..2026_1")
        own.symlink_to("..data/own.j2")
        relay = await start_relay(running, config)
        assert await relay.post(payload("First")) == 200
        await shows(sandbox, OPS, "own First")
        (tmp_path / "..swapped").symlink_to("..2026_2")
        (tmp_path / "..swapped").rename(tmp_path / "..data")
        assert await reloaded(relay) == (200, "OK\n")
        assert await relay.post(payload("Second")) == 200
        await shows(sandbox, OPS, "newer Second")
        for odd in (link_to_a_secret, hard_link_to_a_secret, link_to_another_file, pipe):
            own.unlink()
            why = odd(tmp_path)
            status, said = await reloaded(relay)
            assert (status, why in said) == (500, True), (odd, said)
            status, said = await verb(running, "check-config", config)
            assert (status, why in said) == (1, True)
            assert TOKEN not in said
            assert "root:" not in said
        assert await relay.post(payload("Third")) == 200
        await shows(sandbox, OPS, "newer Third")


async def test_a_pipe_in_place_of_any_file_stops_neither_reload_nor_intake_nor_sigterm(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """It hangs on open, as a file of a dead mount does."""
    (tmp_path / "guard").write_text("sesame")
    (tmp_path / "web.yml").write_text("bearer_token_files: [guard]\n")
    async with (
        processes(tmp_path) as running,
        aiohttp.ClientSession(headers={"Authorization": "Bearer sesame"}) as session,
    ):
        config = set_up(sandbox, tmp_path)
        relay = await start_relay(running, config, 0, f"--web.config.file={tmp_path / 'web.yml'}")

        async def ask(path: str, body: object = None) -> tuple[int, str]:
            async with session.post(relay.url + path, json=body) as answer:
                return answer.status, await answer.text()

        for number, name in enumerate(("relay.yml", "bot", "chat", "hook", "guard", "web.yml")):
            (tmp_path / name).rename(tmp_path / "kept")
            os.mkfifo(tmp_path / name)
            began = time.monotonic()
            status, said = await ask("/-/reload")
            assert (status, "not a regular file" in said) == (500, True), (name, said)
            assert (await ask("/alerts", payload(f"Pipe{number}")))[0] == 200
            assert time.monotonic() - began < 5
            (tmp_path / name).unlink()
            (tmp_path / "kept").rename(tmp_path / name)
        assert (await ask("/-/reload"))[0] == 200
        (tmp_path / "bot").unlink()
        os.mkfifo(tmp_path / "bot")
        relay.process.signal(signal.SIGHUP)
        relay.process.signal(signal.SIGTERM)
        assert await relay.process.ended() == 0


async def test_a_slow_reload_stops_neither_intake_nor_sigterm_and_another_waits_for_it(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    async with processes(tmp_path) as running:
        (tmp_path / "own.j2").write_text(OWN)
        relay = await start_relay(running, set_up(sandbox, tmp_path, 'templates: ["*.j2"]'))
        for number in range(30):
            (tmp_path / f"slow{number}.j2").write_text(SLOW)
        reloads = [asyncio.create_task(reloaded(relay)) for _ in range(2)]
        relay.process.signal(signal.SIGHUP)
        longest = 0.0
        for number in range(20):
            began = time.monotonic()
            assert await relay.post(payload(f"Beside{number}")) == 200
            longest = max(longest, time.monotonic() - began)
            await asyncio.sleep(0.1)
        assert longest < 1
        await shows(sandbox, OPS, "Beside2")
        assert not any(each.done() for each in reloads)
        assert tried(relay) == 1
        relay.process.signal(signal.SIGTERM)
        assert await relay.process.ended() == 0
        await asyncio.gather(*reloads, return_exceptions=True)


def tried(relay: Relay) -> int:
    """How many processes of its own try templates."""
    children = Path(f"/proc/{relay.process.child.pid}/task").glob("*/children")
    return sum(len(each.read_text().split()) for each in children)


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a name server that never answers."""
    address = "127.0.53.1"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        try:
            server.bind((address, 53))
        except OSError:
            absent("no name server can be played: run as root")
        yield address


IN_NAMESPACE = ("unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"')


async def test_a_dead_name_server_stops_neither_intake_nor_other_chats_nor_sigterm(
    sandbox: Sandbox, tmp_path: Path, silent: str
) -> None:
    (tmp_path / "resolv.conf").write_text(f"nameserver {silent}\n")
    program = (*IN_NAMESPACE, str(tmp_path / "resolv.conf"), *RELAY)
    child = await asyncio.create_subprocess_exec(*program[:-4], "true")
    if await child.wait():
        absent("no namespace for mounts: run as root, in a container with --cap-add=SYS_ADMIN")
    async with processes(tmp_path) as running:
        config = set_up(sandbox, tmp_path)
        dead = ", ".join(
            f'{{webhook_url: "https://dead{number}.example.org/api/webhooks/{number}/x"}}'
            for number in range(1, 9)
        )
        told = config.read_text()
        config.write_text(told.replace("[{webhook_url_file: hook}]", f"[{dead}]"))
        relay = await start_relay(running, config, program=program)
        for number in range(5):
            began = time.monotonic()
            assert await relay.post(payload(f"Name{number}")) == 200
            assert time.monotonic() - began < 1
            await shows(sandbox, OPS, f"Name{number}", within=3)
        large = payload("Large") | {"commonAnnotations": {"text": "x" * 600_000}}
        assert await relay.post(large) == 200
        assert await reloaded(relay) == (200, "OK\n")
        await until("calls were given up", lambda: "no connection within" in relay.process.output)
        relay.process.signal(signal.SIGTERM)
        assert await relay.process.ended(within=13) == 0


MANY = 40_000
FOR = 4.0  # seconds


async def test_scrapes_and_lists_leave_the_thread_of_the_store_to_the_alerts(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """A large queue is long to count and to list, and many ask for it all the time."""
    config, data = set_up(sandbox, tmp_path), tmp_path / "data"
    sandbox.telegram.kick(OPS)
    async with processes(tmp_path) as running:
        relay = await start_relay(running, config)
        assert await relay.post(payload("Down")) == 200
        await shows(sandbox, DBA, "AlertRelayChatDown")
        relay.process.signal(signal.SIGTERM)
        assert await relay.process.ended() == 0
        multiply_pending(data / DATABASE)
        relay = await start_relay(running, config)
        _, text = await fetch("GET", f"{relay.url}/metrics")
        assert f"{MANY + 1:.1f}" in text
        before, answered, until_then = store_seconds(relay), [0, 0], time.monotonic() + FOR

        async def scrape() -> None:
            while time.monotonic() < until_then:
                await fetch("GET", f"{relay.url}/metrics")
                answered[0] += 1

        async def ask() -> None:
            while time.monotonic() < until_then:
                reader, writer = await asyncio.open_unix_connection(data / SOCKET, limit=1 << 26)
                with contextlib.closing(writer):
                    writer.write(msgspec.json.encode(Query(limit=MOST_LISTED)) + b"\n")
                    assert await reader.readline()
                answered[1] += 1

        crowd = [asyncio.create_task(each()) for each in (scrape, ask) for _ in range(10)]
        longest = 0.0
        while time.monotonic() < until_then:
            began = time.monotonic()
            assert await relay.post(payload("Beside", "dba")) == 200
            longest = max(longest, time.monotonic() - began)
            await asyncio.sleep(0.2)
        took = store_seconds(relay) - before
        for each in crowd:
            each.cancel()
        await asyncio.gather(*crowd, return_exceptions=True)
    print(f"{took:.2f} s of {FOR:g}, {answered} answers, longest {longest:.2f} s")  # noqa: T201
    assert took < FOR / 5  # a twentieth each, what is posted, and a read that had just begun
    assert longest < 1


def multiply_pending(database: Path) -> None:
    """The one delivery that waits stands there so many times more."""
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as db:
        names = [row[1] for row in db.execute("PRAGMA table_info(delivery)")]
        columns = ", ".join("one.seq + n" if name == "seq" else f"one.{name}" for name in names)
        db.execute(
            f"WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {MANY})"
            f" INSERT INTO delivery SELECT {columns} FROM delivery AS one, n"
            " WHERE one.settlement IS NULL"
        )
        db.execute("UPDATE lane SET last_seq = last_seq + ?", (MANY,))


def store_seconds(relay: Relay) -> float:
    """Seconds of a processor that all threads but the first have used."""
    pid = relay.process.child.pid
    used = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        if task.name != str(pid):
            user, system = (task / "stat").read_text().rpartition(")")[2].split()[11:13]
            used += int(user) + int(system)
    return used / os.sysconf("SC_CLK_TCK")


async def test_a_page_under_a_name_of_its_own_gets_nothing_from_a_relay_on_loopback(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    async with processes(tmp_path) as running, aiohttp.ClientSession() as session:
        relay = await start_relay(running, set_up(sandbox, tmp_path))
        for host, good in (
            ("rebound.example.net", False),
            ("localhost.example.net", False),
            ("localhost", True),
            ("example.org", True),  # that of --web.external-url
        ):
            for method, path in (
                ("POST", "/alerts"),
                ("POST", "/-/reload"),
                ("GET", "/metrics"),
                ("GET", "/-/ready"),
            ):
                body = payload("Page") if path == "/alerts" else None
                async with session.request(
                    method, relay.url + path, json=body, headers={"Host": host}
                ) as answer:
                    assert answer.status == (200 if good else 403), (host, path)


GUESSERS = 64


async def test_wrong_passwords_keep_the_right_one_of_nobody_out(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """Of a peer that is heard for the first time, and of one that shares its address with those
    who guess and was heard before.
    """
    hashed = {
        name: bcrypt.hashpw(name.encode(), bcrypt.gensalt(10)).decode() for name in ("am", "new")
    }
    (tmp_path / "web.yml").write_text(f"basic_auth_users: {json.dumps(hashed)}")

    async def post(name: str, password: str, of: str) -> int:
        shown = base64.b64encode(f"{name}:{password}".encode()).decode()
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(local_addr=(of, 0))) as session,
            session.post(
                f"{relay.url}/alerts",
                json=payload(name),
                headers={"Authorization": f"Basic {shown}"},
            ) as answer,
        ):
            return answer.status

    refused, numbers = Counter[int](), itertools.count()

    async def guess() -> None:
        for number in numbers:
            refused[await post("am", f"wrong{number}", "127.0.0.2")] += 1

    async with processes(tmp_path) as running:
        config = set_up(sandbox, tmp_path)
        relay = await start_relay(running, config, 0, f"--web.config.file={tmp_path / 'web.yml'}")
        assert await post("am", "am", "127.0.0.2") == 200
        guesses = [asyncio.create_task(guess()) for _ in range(GUESSERS)]
        await until("a crowd is refused", lambda: refused[401] > 2 and refused[503] > GUESSERS)
        for name, of in (("am", "127.0.0.2"), ("new", "127.0.0.3"), ("new", "127.0.0.2")):
            began = time.monotonic()
            assert await post(name, name, of) == 200
            assert time.monotonic() - began < 2
        for each in guesses:
            each.cancel()
        await asyncio.gather(*guesses, return_exceptions=True)
        assert set(refused) == {401, 503}


# What is asked of a relay on loopback by the peer of that address, in the namespace of its network.
ASKING = """\
import http.client, sys
of, port = sys.argv[1], int(sys.argv[2])
for verb, path, body in (
    ("GET", "/wp-login.php", None), ("POST", "/api/v2/alerts", b"[]"), ("POST", "/alerts", b"{"),
    ("POST", "/alerts/" + "x" * 999, b"{}"),
):
    relay = http.client.HTTPConnection("127.0.0.1", port, source_address=(of, 0))
    relay.request(verb, path, body, {"Content-Type": "application/json", "Host": "localhost"})
    print(relay.getresponse().status)
"""
STRANGER = "9.9.9.9"
UP = f'ip link set lo up && ip address add {STRANGER}/32 dev lo && exec "$@"'
IN_NETWORK = ("unshare", "--net", "sh", "-c", UP, "sh")


async def test_what_strangers_ask_wrongly_rings_no_chat_and_stands_in_the_history(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    child = await asyncio.create_subprocess_exec(
        *IN_NETWORK, "true", stderr=asyncio.subprocess.DEVNULL
    )
    if await child.wait():
        absent("no namespace for networks: run as root, in a container with --cap-add=SYS_ADMIN")
    async with processes(tmp_path) as running:
        relay = await start_relay(running, set_up(sandbox, tmp_path), program=(*IN_NETWORK, *RELAY))
        port, inside = relay.url.rpartition(":")[2], f"/proc/{relay.process.child.pid}/ns/net"

        async def asked(of: str) -> list[str]:
            child = await asyncio.create_subprocess_exec(
                "nsenter", f"--net={inside}", sys.executable, "-c", ASKING, of, port,
                stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip
            said, _ = await child.communicate()
            return said.decode().split()

        assert await asked(STRANGER) == ["404", "404", "400", "404"]
        await asyncio.sleep(1)
        assert "group_key=notice/" not in relay.process.output
        _, said = await verb(running, "history", "--outcome=refused", storage_of(tmp_path)[0])
        assert said.count("refused") >= 3
        assert await asked("127.0.0.1") == ["404", "404", "400", "404"]
        await until("operators are told", lambda: "group_key=notice/" in relay.process.output)


COLOURS = re.compile(r"\x1b\[[0-9;]*m")
AT_ONCE = 2


@pytest.mark.timeout(180)
async def test_no_verb_beside_a_relay_writes_what_a_terminal_obeys(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """What alerts, files, the API and the relay said, on a terminal."""
    config = set_up(sandbox, tmp_path)
    odd = f'"r{BIDI.replace(chr(0x9B), "")}"'
    config.write_text(
        config.read_text().replace("receiver: ops}", f"receiver: {odd}}}").replace("ops", odd)
    )
    (tmp_path / "evil.yml").write_text(CONFIG)
    (tmp_path / "broken.yml").write_text(f"route: {{receiver: ops}}  # {EVIL}\n{EVIL}: [\n")
    labels = {"alertname": EVIL, "severity": EVIL, "team": EVIL}
    alert = {"status": "firing", "labels": labels, "annotations": {"summary": EVIL}}
    posted = payload(EVIL) | {"alerts": [alert]}
    (tmp_path / "evil.json").write_text(json.dumps(posted))
    refused = Refusal(400, f"Bad Request: odd {EVIL}")
    sandbox.faults.add("telegram", str(OPS), "refused", refusal=refused)
    async with processes(tmp_path) as running:
        relay = await start_relay(running, config)
        assert await relay.post(posted) == 200
        await until("the API has refused it", lambda: len(sandbox.faults.struck) > 1)
        asked = [(verb, *words) for verb, many in ASKED.items() for words in many]
        room = asyncio.Semaphore(AT_ONCE)

        async def check(words: Sequence[str]) -> None:
            async with room:
                said = COLOURS.sub("", (await on_terminal(tmp_path, *words)).replace("\r\n", "\n"))
            assert said, words
            assert steering(said) == "", words
            if "json" in words and said[0] in "{[":
                json.loads(said)

        await asyncio.gather(*map(check, asked))
        listed = await on_terminal(tmp_path, "queue", "list")
        assert "odd" in listed  # the words of the API came so far
        assert steering(relay.process.output) == ""


async def on_terminal(folder: Path, *words: str) -> str:
    """What a verb writes to a terminal."""
    ours, its = os.openpty()
    child = await asyncio.create_subprocess_exec(
        *RELAY, *words,
        cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT), "TERM": "xterm"},
        stdin=asyncio.subprocess.DEVNULL, stdout=its, stderr=its,
    )  # fmt: skip
    os.close(its)

    def read() -> bytes:
        said = b""
        with contextlib.suppress(OSError):  # the other end is closed
            while piece := os.read(ours, 1 << 16):
                said += piece
        return said

    said = await asyncio.to_thread(read)
    await child.wait()
    os.close(ours)
    return said.decode()


async def test_two_bodies_of_the_largest_size_of_the_chart_fit_into_the_memory_that_it_asks_for(
    tmp_path: Path,
) -> None:
    values = yaml.safe_load((ROOT / "helm/alert-relay/values.yaml").read_text())
    most = values["maxBody"]
    least = 128 + 8 * most // MEBIBYTE  # what the chart refuses less than
    each = len(large(2)) - len(large(1))
    body = large(most // each - 100)
    assert most * 0.98 < len(body) <= most
    (tmp_path / "relay.yml").write_text(OF_LARGE)
    async with processes(tmp_path) as running, aiohttp.ClientSession() as session:
        relay = await start_relay(running, tmp_path / "relay.yml", 0, f"--web.max-body={most}")

        async def post(source: str, sent: bytes = body) -> int:
            headers = {"Content-Type": "application/json"}
            url = f"{relay.url}/alerts/{source}"
            async with session.post(url, data=BytesIO(sent), headers=headers) as answer:
                return answer.status

        assert list(await asyncio.gather(post("a"), post("b"))) == [200, 200]
        assert await post("a", body + b" " * MEBIBYTE) == 413
        peak = relay.process.peak
    print(f"{peak} MiB of {least}")  # noqa: T201 - a figure
    assert peak <= least
