"""How a relay process answers its operator: SIGTERM ends it in good order, SIGHUP and /-/reload
read the file again.
"""

import asyncio
import json
import os
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import aiohttp
import pytest

from relay.core.card.step import Post
from relay.core.routing.lane import LaneKey
from relay.sandbox.server import Sandbox
from relay.store.data_dir import DATABASE
from relay.store.protocol import Attempt
from relay.store.sqlite.store import SqliteStore
from tests.acceptance.processes import (
    Relay,
    fetch,
    launch_relay,
    payload,
    processes,
    start_relay,
    until,
)
from tests.build import GROUP, T0
from tests.store.held import begin
from tests.store.test_disk_faults import fill
from tests.store.test_store import fold_all, new_payload

TOKEN, OPS, DBA = "1000001:sandbox-bot", -1001, -1002
BAD = "route: {receiver: nobody}\nreceivers: [{name: ops}]\n"


def set_up_chats(sandbox: Sandbox, folder: Path) -> Path:
    """Two groups, and a configuration that sends everything to the first."""
    sandbox.telegram.add_bot(TOKEN, "alert_relay_bot")
    sandbox.telegram.add_chat(OPS, "supergroup", "Ops")
    sandbox.telegram.add_chat(DBA, "supergroup", "DBA")
    config = folder / "relay.yml"
    config.write_text(rules(sandbox, "ops"))
    return config


def rules(sandbox: Sandbox, receiver: str) -> str:
    """A configuration whose root receiver is this one."""
    other = "dba" if receiver == "ops" else "ops"
    return f"""\
global:
  telegram_api_url: {sandbox.url}
  telegram_bot_token: "{TOKEN}"
route:
  receiver: {receiver}
  routes:
    - matchers: [never="matched"]
      receiver: {other}
receivers:
  - name: ops
    telegram_configs:
      - chat_id: {OPS}
  - name: dba
    telegram_configs:
      - chat_id: {DBA}
"""


@asynccontextmanager
async def half_sent(relay: Relay, name: str) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    """A webhook request of which half the body is sent; call it to send the rest and get the
    answer's status.
    """
    body = json.dumps(payload(name)).encode()
    host, _, port = relay.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = [
        "POST /alerts HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: application/json",
        "Expect: 100-continue",
    ]
    writer.write("\r\n".join([*head, f"Content-Length: {len(body)}", "", ""]).encode())
    await reader.readuntil(b"100 Continue\r\n\r\n")
    writer.write(body[:20])

    async def finish() -> int:
        writer.write(body[20:])
        return int((await reader.readline()).split()[1])

    try:
        yield finish
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def is_ready(relay: Relay) -> bool:
    try:
        return (await fetch("GET", f"{relay.url}/-/ready"))[0] == 200
    except aiohttp.ClientConnectionError:
        return False


async def is_shut(relay: Relay) -> bool:
    try:
        await fetch("GET", f"{relay.url}/-/ready")
    except aiohttp.ClientConnectionError:
        return True
    return False


@pytest.mark.parametrize(
    "times", [pytest.param(1, id="once", marks=pytest.mark.slow), pytest.param(2, id="twice")]
)
async def test_sigterm_answers_what_was_begun_and_leaves_nothing_in_doubt(
    sandbox: Sandbox, tmp_path: Path, times: int
) -> None:
    async with processes(tmp_path, lambda: sandbox.telegram.transcript(OPS)) as running:
        config = set_up_chats(sandbox, tmp_path)
        relay = await start_relay(running, config)
        sandbox.faults.add("telegram", "*", "slow", seconds=0.5, count=1)
        assert await relay.post(payload("DiskFull")) == 200
        await until("the call has reached the platform", lambda: bool(sandbox.faults.struck))
        async with half_sent(relay, "HighLoad") as finish:
            assert await is_ready(relay)
            for _ in range(times):
                relay.process.signal(signal.SIGTERM)
                await until("the relay stops", lambda: 'msg="stopping"' in relay.process.output)
            assert not await is_ready(relay)
            await until("nobody else is let in", lambda: is_shut(relay))
            assert await finish() == 200
        assert await relay.process.ended(within=15) == 0
        again = await start_relay(running, config)
        await until("everything is delivered", again.at_rest)
        shown = [message.text.split()[2] for message in sandbox.telegram.messages(OPS)]
        assert sorted(shown) == ["DiskFull", "HighLoad"]
        assert "repeated" not in sandbox.telegram.transcript(OPS)


@pytest.mark.slow
async def test_sigterm_ends_within_15_seconds_although_a_platform_and_a_sender_hang(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    async with processes(tmp_path) as running:
        relay = await start_relay(running, set_up_chats(sandbox, tmp_path))
        sandbox.faults.add("telegram", "*", "hang")
        assert await relay.post(payload("DiskFull")) == 200
        await until("the call has reached the platform", lambda: bool(sandbox.faults.struck))
        async with half_sent(relay, "HighLoad"):
            relay.process.signal(signal.SIGTERM)
            assert await relay.process.ended(within=13) == 0


@pytest.mark.medium
@pytest.mark.sqlite
async def test_sigterm_ends_a_relay_that_waits_for_room_on_the_disk(
    sandbox: Sandbox, tmp_path: Path, tiny_disk: Path
) -> None:
    """What an earlier run had begun to send has to be written down before its chat is called."""
    data = tmp_path / "data"
    data.symlink_to(tiny_disk)
    store = SqliteStore(data / DATABASE)
    lane = LaneKey("telegram", sandbox.url, "1000001", str(OPS))
    store.batch([partial(store.accept, [new_payload(lane)])])
    store.batch([partial(fold_all, store, lane)])
    store.batch([partial(begin, store, Attempt(lane, GROUP, "", Post(silent=False)), (), T0)])
    store.close()
    (data / f"{DATABASE}.reserve").unlink()
    fill(data / "others")
    async with processes(tmp_path) as running:
        process = await launch_relay(running, set_up_chats(sandbox, tmp_path))
        await until(
            "it tries to write that down",
            lambda: "database or disk is full" in process.output and "listening" in process.output,
        )
        process.signal(signal.SIGTERM)
        assert await process.ended(within=5) == 0


@pytest.mark.medium
@pytest.mark.parametrize("moment", ["at the start", "at a reload"])
async def test_a_secret_file_that_hangs_stops_neither_intake_nor_sigterm(
    sandbox: Sandbox, tmp_path: Path, moment: str
) -> None:
    """A pipe that nobody writes to hangs on open, as a file of a dead mount does."""
    async with processes(tmp_path) as running:
        config = set_up_chats(sandbox, tmp_path)
        named = config.read_text().replace(f'bot_token: "{TOKEN}"', "bot_token_file: token")
        config.write_text(named)
        (tmp_path / "token").write_text(TOKEN)
        if moment == "at a reload":
            relay = await start_relay(running, config)
            (tmp_path / "token").unlink()
            os.mkfifo(tmp_path / "token")
            relay.process.signal(signal.SIGHUP)
            status, said = await fetch("POST", f"{relay.url}/-/reload")
            assert status == 500
            assert "not a regular file" in said
            assert await relay.post(payload("First")) == 200
            relay.process.signal(signal.SIGTERM)
            assert await relay.process.ended(within=10) == 0
        else:
            (tmp_path / "token").unlink()
            os.mkfifo(tmp_path / "token")
            process = await launch_relay(running, config)
            assert await process.ended(within=10) == 2
            assert "not a regular file" in process.output


def emptied(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()


def without_log(folder: Path) -> None:
    (folder / f"{DATABASE}-wal").unlink()


def restored(folder: Path) -> None:
    """A copy takes the place of the database, as a restored backup does."""
    shutil.copy(folder / DATABASE, folder / "copy")
    (folder / "copy").rename(folder / DATABASE)


def cut(folder: Path) -> None:
    os.truncate(folder / DATABASE, 0)


def cut_to_its_head(folder: Path) -> None:
    os.truncate(folder / DATABASE, 4096)


def log_cut(folder: Path) -> None:
    os.truncate(folder / f"{DATABASE}-wal", 0)


@pytest.mark.medium
@pytest.mark.sqlite
@pytest.mark.parametrize("lose", [emptied, without_log, restored, cut, cut_to_its_head, log_cut])
async def test_a_storage_folder_that_is_emptied_under_the_relay_gets_no_200_and_is_said(
    sandbox: Sandbox, tmp_path: Path, lose: Callable[[Path], None]
) -> None:
    """What is committed to a file without a name is lost with the process."""
    async with processes(tmp_path) as running:
        relay = await start_relay(running, set_up_chats(sandbox, tmp_path))
        assert await relay.post(payload("First")) == 200
        assert await is_ready(relay)
        lose(tmp_path / "data")
        if lose is log_cut:  # a commit would write behind its end, which then looks as before
            assert not await is_ready(relay)
        assert await relay.post(payload("Second")) == 503
        status, why = await fetch("GET", f"{relay.url}/-/ready")
        assert (status, "the storage is gone" in why) == (503, True)
        await until("it is told", lambda: "StorageLost" in sandbox.telegram.transcript(OPS))
        assert 'msg="storage lost"' in relay.process.output
        relay.process.signal(signal.SIGTERM)
        assert await relay.process.ended(within=15) == 0


async def loaded_well(relay: Relay) -> bool:
    _, text = await fetch("GET", f"{relay.url}/metrics")
    return "alert_relay_config_last_reload_successful 1.0" in text


@pytest.mark.medium
async def test_a_reload_takes_a_good_file_whole_and_leaves_a_bad_one(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    async with processes(tmp_path) as running:
        config = set_up_chats(sandbox, tmp_path)
        relay = await start_relay(running, config)

        async def failed() -> bool:
            return not await loaded_well(relay)

        config.write_text(BAD)
        status, said = await fetch("POST", f"{relay.url}/-/reload")
        assert status == 500
        assert f"{config}:1:" in said
        assert "nobody" in said
        assert await failed()
        config.write_text(rules(sandbox, "ops"))
        assert await fetch("POST", f"{relay.url}/relay/-/reload") == (200, "OK\n")
        assert await loaded_well(relay)

        config.write_text(BAD)
        relay.process.signal(signal.SIGHUP)
        await until("the bad file is refused", failed)
        assert "nobody" in relay.process.output
        assert await relay.post(payload("First")) == 200
        await until("the old rules hold", lambda: "First" in sandbox.telegram.transcript(OPS))

        config.write_text(rules(sandbox, "dba"))
        relay.process.signal(signal.SIGHUP)
        await until("the good file is taken", lambda: loaded_well(relay))
        assert await relay.post(payload("Second")) == 200
        await until("the new rules hold", lambda: "Second" in sandbox.telegram.transcript(DBA))
        assert "Second" not in sandbox.telegram.transcript(OPS)
