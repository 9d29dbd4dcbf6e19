"""A relay whose storage was damaged: it starts, says so, and gets back what can be read."""

import asyncio
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import aiohttp
import pytest

from relay.__main__ import main
from relay.app import App, Options
from relay.core.bot.people import ChatEntry, Invite, hash_of, subscribe
from relay.core.bot.update import BotId, ChatInfo, Topic
from relay.core.event import Event, StorageDamaged
from relay.core.routing.lane import LaneKey
from relay.core.routing.matcher import parse
from relay.core.routing.route import SUBSCRIPTION
from relay.sandbox.server import Sandbox
from relay.store.data_dir import DATABASE
from relay.store.sqlite.store import SqliteStore
from tests.build import T0
from tests.store.test_damage import accept, head_overwritten, overwrite, text
from tests.store.test_people import take

Output = pytest.CaptureFixture[str]
TOKEN, CHAT, ADA = "111:sandboxtoken", -1001, 555
ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def config(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration with one chat, and data/ in the current folder with an alert that it waits
    for.
    """
    monkeypatch.chdir(tmp_path)
    sandbox.telegram.add_bot(TOKEN, "relay_bot")
    sandbox.telegram.add_chat(CHAT, "supergroup", "On call")
    Path("data").mkdir()
    store = SqliteStore(Path("data") / DATABASE)
    accept(store, 7, 1_795_000_000.0, LaneKey("telegram", sandbox.url, "111", str(CHAT)))
    store.close()
    return written(tmp_path / "relay.yml", sandbox.url)


def written(path: Path, url: str) -> Path:
    path.write_text(
        f'global: {{telegram_api_url: "{url}", telegram_bot_token: "{TOKEN}", '
        f"telegram_updates: none}}\n"
        f"route: {{receiver: ops}}\nreceivers: "
        f"[{{name: ops, telegram_configs: [{{chat_id: {CHAT}}}]}}]\n"
    )
    return path


async def metrics(address: str) -> str:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://{address}/metrics") as response,
    ):
        return await response.text()


@pytest.mark.medium
async def test_a_relay_with_a_damaged_storage_starts_says_so_and_delivers_what_is_salvaged(
    config: Path, sandbox: Sandbox, capsys: Output, caplog: pytest.LogCaptureFixture
) -> None:
    head_overwritten(Path("data") / DATABASE)
    events: asyncio.Queue[Event] = asyncio.Queue()
    app = App(Options(config, Path("data"), port=0), (events.put_nowait,))
    address = await app.start()
    (moved,) = [event.moved_to for event in drained(events) if isinstance(event, StorageDamaged)]
    assert "alert_relay_storage_damaged_total 1.0" in await metrics(address)
    (logged,) = [
        record
        for record in caplog.records
        if record.getMessage() == "storage damaged, an empty one started"
    ]
    assert logged.levelname == "ERROR"
    assert ("remedy", f"alert-relay queue salvage {moved}") in logged.__dict__["values"]
    assert await asyncio.to_thread(main, ["queue", "salvage", moved]) == 0
    assert capsys.readouterr().out == "1 deliveries accepted anew, 0 cards restored\n"
    for told in ("AlertRelayStorageDamaged", "host-7"):
        while told not in sandbox.telegram.transcript(CHAT):
            await events.get()
    await app.stop()


async def test_who_subscribed_gets_alerts_again_as_soon_as_they_are_salvaged(
    config: Path, sandbox: Sandbox, capsys: Output
) -> None:
    sandbox.telegram.add_chat(ADA, "private", "Ada")
    lane = LaneKey("telegram", sandbox.url, "111", str(ADA))
    invite = Invite(
        "i1",
        BotId(sandbox.url, "111"),
        hash_of("token"),
        "on call",
        parse("instance=~.+"),
        T0,
        T0 * 2,
        2,
    )
    own = subscribe(invite, ChatInfo(str(ADA), "private", "Ada"), "", ADA, "en", T0, str(ADA))
    store = SqliteStore(Path("data") / DATABASE)
    store.batch(
        [partial(take, store, added=own, used=""), partial(store.people.create_invite, invite)]
    )
    accept(store, 8, 1_795_000_000.0, lane, receiver=SUBSCRIPTION)
    store.close()
    head_overwritten(Path("data") / DATABASE)
    events: asyncio.Queue[Event] = asyncio.Queue()
    app = App(Options(config, Path("data"), port=0), (events.put_nowait,))
    await app.start()
    (moved,) = [event.moved_to for event in drained(events) if isinstance(event, StorageDamaged)]
    assert await asyncio.to_thread(main, ["queue", "salvage", moved]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "2 deliveries accepted anew, 0 cards restored",
        "1 invitations, 1 subscriptions and 0 chats of the registry restored",
    ]
    while "host-8" not in sandbox.telegram.transcript(ADA):
        await events.get()
    await app.stop()


@pytest.mark.usefixtures("config")
def test_the_chats_that_bots_were_seen_in_are_listed_again_with_their_topics(
    capsys: Output,
) -> None:
    team = ChatInfo("-1001", "supergroup", "On call", forum=True)
    entry = ChatEntry(BotId("http://127.0.0.1:1", "111"), team, topics=(Topic("7", "Databases"),))
    store = SqliteStore(Path("data") / DATABASE)
    store.batch([partial(take, store, entry=entry)])
    store.close()
    (Path("data") / DATABASE).rename("wreck.db")
    SqliteStore(Path("data") / DATABASE).close()
    assert main(["queue", "salvage", "wreck.db"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "1 deliveries accepted anew, 0 cards restored",
        "0 invitations, 0 subscriptions and 1 chats of the registry restored",
    ]
    assert main(["chats"]) == 0
    assert "Databases" in capsys.readouterr().out


async def test_a_storage_that_is_damaged_at_work_is_told_of_in_the_loop_and_costs_no_answer(
    config: Path,
) -> None:
    told = asyncio.Event()
    app = App(
        Options(config, Path("data"), port=0),
        (lambda e: told.set() if isinstance(e, StorageDamaged) else None,),
    )
    address = await app.start()
    await app.balance()
    assert isinstance(app._store, SqliteStore)
    app._store._db.execute("PRAGMA cache_size=1")
    overwrite(Path("data") / DATABASE, 4096, random.Random(1).randbytes(4096 * 40))
    alerts = [
        {"status": "firing", "labels": {"alertname": "Disk"}, "startsAt": "2026-11-22T10:00:00Z"}
    ]
    async with aiohttp.ClientSession() as session:
        for _ in range(3):
            async with session.post(
                f"http://{address}/alerts", json={"alerts": alerts}
            ) as response:
                assert response.status == 200
    await told.wait()
    await app.stop()


def drained(events: asyncio.Queue[Event]) -> list[Event]:
    return [events.get_nowait() for _ in range(events.qsize())]


@pytest.mark.usefixtures("config")
def test_salvage_works_without_a_relay_too(capsys: Output) -> None:
    shutil.copy(Path("data") / DATABASE, "wreck.db")
    (Path("data") / DATABASE).unlink()
    SqliteStore(Path("data") / DATABASE).close()
    assert main(["queue", "salvage", "wreck.db"]) == 0
    assert main(["queue", "list"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "1 pending, 0 dead"


@pytest.mark.usefixtures("config")
def test_a_file_that_holds_nothing_is_status_1_and_none_at_all_status_2(capsys: Output) -> None:
    text(Path("wreck.db"))
    assert main(["queue", "salvage", "wreck.db"]) == 1
    assert main(["queue", "salvage", "nowhere.db"]) == 2
    assert (
        capsys.readouterr().err.splitlines()[-1] == "alert-relay queue: there is no file nowhere.db"
    )


def newer(path: Path) -> str:
    SqliteStore(path).close()
    with sqlite3.connect(path) as db:
        (known,) = db.execute("PRAGMA user_version").fetchone()
        db.execute("PRAGMA user_version=99")
    db.close()
    return f"the storage has schema 99, this alert-relay knows {known}: upgrade it"


def a_folder(path: Path) -> str:
    path.mkdir()
    return "cannot open the storage: unable to open database file"


@pytest.mark.medium
@pytest.mark.parametrize("make", [newer, a_folder])
def test_serve_ends_with_status_2_and_why_and_touches_nothing(
    make: Callable[[Path], str], tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / DATABASE
    why = make(path)
    before = path.read_bytes() if path.is_file() else b""
    options = (
        f"--config.file={written(tmp_path / 'relay.yml', 'http://127.0.0.1:1')}",
        "--storage.path=data",
    )
    command = [sys.executable, "-m", "relay", "serve", *options, "--web.listen-address=127.0.0.1:0"]
    ended = subprocess.run(
        command,
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].endswith(why)
    assert (path.read_bytes() if path.is_file() else b"") == before
