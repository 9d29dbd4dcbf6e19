"""What keeps the relay from starting: one line that says why and what to do, and status 2."""

import asyncio
import json
import os
import re
import stat
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from relay import __version__
from relay.__main__ import main
from relay.app import App, Options
from relay.core.event import Event, Loaded
from relay.operate import log
from relay.sandbox.server import Sandbox
from relay.store.data_dir import CannotStart, DataDir
from relay.store.protocol import StoreError
from relay.store.sqlite.store import SqliteStore
from tests.acceptance.life import life
from tests.acceptance.processes import fetch, until
from tests.acceptance.test_signals import OPS, set_up_chats

HOOK = "https://discord.com/api/webhooks/1/canary_canary_canary"
FALLBACK = f"""\
route: {{receiver: ops}}
receivers:
  - {{name: ops, fallback: spare, discord_configs: [{{webhook_url: {HOOK}}}]}}
  - {{name: spare}}
"""
GOOD = "route: {receiver: ops}\nreceivers:\n  - name: ops\n"


def started(*words: str) -> int:
    return main(["serve", "--web.listen-address=127.0.0.1:0", *words])


@pytest.mark.parametrize(
    ("config", "words", "said"),
    [
        ("route: {reciever: ops}\nreceivers: []\n", (), 'did you mean "receiver"?'),
        (FALLBACK, (), 'the receiver "spare" has no chat: alerts that fall back to it are lost'),
        (GOOD, ("--web.listen-address=nowhere",), "write HOST:PORT"),
        (
            GOOD,
            ("--web.external-url=example.org/relay",),
            "write an address, such as https://example.org/relay",
        ),
        (GOOD, ("--web.listen-address=0.0.0.0:0",), "--web.allow-unauthenticated"),
        (GOOD, ("--web.config.file=missing.yml",), "missing.yml"),
    ],
    ids=[
        "a faulty configuration",
        "a fallback without chats",
        "a bad address",
        "no external address",
        "an open door",
        "no web configuration",
    ],
)
def test_what_keeps_it_from_starting_is_one_line_with_the_remedy(
    config: str,
    words: tuple[str, ...],
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "relay.yml"
    file.write_text(config)
    assert started(f"--config.file={file}", f"--storage.path={tmp_path / 'data'}", *words) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("time=")]
    assert len(lines) == 1
    assert said in lines[0]


def test_the_first_line_of_the_log_says_what_runs_and_on_which_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, storage = tmp_path / "missing.yml", tmp_path / "data"
    assert started(f"--config.file={file}", f"--storage.path={storage}") == 2
    first = capsys.readouterr().err.splitlines()[0]
    assert first.endswith(
        f'level=INFO msg="starting" version={__version__} config={file} storage={storage}'
    )


def test_a_storage_folder_that_another_relay_uses_is_one_line_with_the_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "relay.yml"
    file.write_text(GOOD)
    data_dir = DataDir(tmp_path)
    assert started(f"--config.file={file}", f"--storage.path={tmp_path}") == 2
    data_dir.release()
    assert "another alert-relay uses the storage folder" in capsys.readouterr().err


@pytest.mark.parametrize("reading", ["move_times_back", "wakes"])
def test_a_storage_that_fails_at_the_start_is_one_line(
    reading: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise StoreError("disk I/O error")

    file = tmp_path / "relay.yml"
    file.write_text(GOOD)
    monkeypatch.setattr(SqliteStore, reading, fail)
    assert started(f"--config.file={file}", f"--storage.path={tmp_path}") == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("time=")]
    assert lines == [f"{tmp_path / 'relay.db'}: disk I/O error"]


def test_what_keeps_it_from_starting_is_json_where_the_log_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "missing.yml"
    assert started(f"--config.file={file}", f"--storage.path={tmp_path}", "--log.format=json") == 2
    *_, last = map(json.loads, capsys.readouterr().err.splitlines())
    assert (last["level"], "cannot read the configuration" in last["msg"]) == ("ERROR", True)


async def test_a_start_says_what_it_starts_with_and_a_reload_why_and_each_its_warnings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, storage = tmp_path / "relay.yml", tmp_path / "data"
    warned = "route: {receiver: ops, group_by: [job]}\n"
    file.write_text(
        f"{warned}receivers: [{{name: ops, discord_configs: [{{webhook_url: {HOOK}}}]}}]\n"
    )
    log.setup("info", "logfmt")
    app = App(Options(file, storage, port=0))
    await app.start()
    try:
        assert await app.reload("SIGHUP") == ()
        file.write_text(f"{warned}receivers: [{{name: ops, discord_configs: []}}, {{name: ops}}]\n")
        assert len(await app.reload("HTTP")) == 2
    finally:
        await app.stop()
    said = [re.sub("^time=[^ ]* ", "", line) for line in capsys.readouterr().err.splitlines()]
    warning = (
        f'level=WARN msg="Alertmanager groups and repeats: \\"group_by\\" has no effect '
        f'here" place={file}:1:24'
    )
    assert said[:4] == [
        'level=INFO msg="configuration loaded" why=start receivers=1 chats=1',
        warning,
        'level=INFO msg="configuration loaded" why=SIGHUP receivers=1 chats=1',
        warning,
    ]
    assert (
        said[4]
        == 'level=ERROR msg="configuration rejected, the old one stays in force" faults=1 why=HTTP'
    )


async def test_the_relay_at_work_syncs_each_commit_as_the_storage_does_that_survives_power_cuts(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    async with life(sandbox, tmp_path) as here:
        store = here.running._store
        assert isinstance(store, SqliteStore)
        db = store._db
        found = await here.running._writer.run(
            lambda: [
                db.execute(f"PRAGMA {setting}").fetchone()
                for setting in ("journal_mode", "synchronous")
            ]
        )
    assert found == [("wal",), (2,)]


async def test_no_other_user_reads_the_storage(sandbox: Sandbox, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        app = App(Options(set_up_chats(sandbox, tmp_path), tmp_path / "new" / "data", port=0))
        await app.start()
        there = [tmp_path / "new" / "data", *(tmp_path / "new" / "data").iterdir()]
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in there}
        await app.stop()
    finally:
        os.umask(before)
    assert {"data", "relay.db", "relay.db-wal", "relay.sock"} <= modes.keys()
    assert {name: oct(mode) for name, mode in modes.items() if mode & 0o077} == {}


def beside(before: set[asyncio.Task[Any]]) -> list[str]:
    """The tasks that began since and go on, without the sandbox's."""
    left = [str(task.get_coro()) for task in asyncio.all_tasks() - before]
    return [each for each in left if "relay/sandbox" not in each]


async def test_a_relay_that_has_stopped_does_nothing_more(sandbox: Sandbox, tmp_path: Path) -> None:
    before = asyncio.all_tasks()
    async with life(sandbox, tmp_path):
        pass
    await until("nothing goes on", lambda: not beside(before))


async def test_a_relay_that_was_stopped_soon_after_a_payload_does_nothing_more(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would have spread the payload a moment later, and its writer is closed."""
    monkeypatch.setattr("relay.inbound.intake._SPREAD_AFTER", 0.05)
    before = asyncio.all_tasks()
    async with life(sandbox, tmp_path) as lived:
        await lived.send("a", "firing", [])
    stopped_at = time.monotonic()
    await until("it would have", lambda: time.monotonic() > stopped_at + 0.1)
    await until("nothing goes on", lambda: not beside(before))


async def test_a_notice_that_an_earlier_run_told_is_known_to_this_one(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    options = Options(set_up_chats(sandbox, tmp_path), tmp_path / "data", port=0)
    for is_known in (False, True):
        app = App(options)
        address = await app.start()
        assert (("refused", "400") in app._notices._open) == is_known
        if not is_known:
            status, _ = await fetch("POST", f"http://{address}/alerts", "no payload")
            assert status == 400
            await until(
                "it is told", lambda: "answered with 400" in sandbox.telegram.transcript(OPS)
            )
        await app.stop()


async def test_an_address_in_use_is_told_with_what_to_do(sandbox: Sandbox, tmp_path: Path) -> None:
    port = int(sandbox.url.rpartition(":")[2])
    app = App(Options(set_up_chats(sandbox, tmp_path), tmp_path / "data", port=port))
    words = r": Address already in use; name another address with --web\.listen-address$"
    with pytest.raises(CannotStart, match=words):
        await app.start()


async def test_a_reload_is_told_when_the_new_file_routes(tmp_path: Path) -> None:
    """Whoever waits for the metric or the log line and posts then is routed by the new file."""
    told: list[tuple[str, str]] = []
    file = tmp_path / "relay.yml"
    file.write_text(GOOD)

    def on_event(event: Event) -> None:
        if isinstance(event, Loaded) and event.why != "start":
            told.append((event.why, app.config.current.routing.root.receiver))

    app = App(Options(file, tmp_path / "data", port=0), hooks=(on_event,))
    await app.start()
    file.write_text(GOOD.replace("ops", "dba"))
    await app.reload("SIGHUP")
    file.write_text("route: {receiver: nobody}\nreceivers: []\n")
    await app.reload("HTTP")
    await app.stop()
    assert told == [("SIGHUP", "dba"), ("HTTP", "dba")]


async def test_one_reload_ends_before_the_next_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []

    async def slow(why: str) -> tuple[str, ...]:
        steps.append(f"{why} begins")
        await asyncio.sleep(0)
        steps.append(f"{why} ends")
        return ()

    (tmp_path / "relay.yml").write_text(GOOD)
    app = App(Options(tmp_path / "relay.yml", tmp_path / "data", port=0))
    await app.start()
    monkeypatch.setattr(app, "_reload", slow)
    await asyncio.gather(*(app.reload(why) for why in ("SIGHUP", "HTTP", "change")))
    await app.stop()
    assert steps == [
        f"{why} {step}" for why in ("SIGHUP", "HTTP", "change") for step in ("begins", "ends")
    ]


async def test_a_reload_fails_on_a_faulty_web_configuration_and_tells_the_faults_of_both_files(
    tmp_path: Path,
) -> None:
    file, web = tmp_path / "relay.yml", tmp_path / "web.yml"
    file.write_text(GOOD)
    token = tmp_path / "token"
    token.write_text("secret")
    web.write_text(f"bearer_token_files: [{token}]\n")
    app = App(Options(file, tmp_path / "data", port=0, web_config_file=web))
    address = await app.start()
    headers = {"Authorization": "Bearer secret"}
    try:
        async with aiohttp.ClientSession(f"http://{address}", headers=headers) as relay:
            for _ in range(2):
                web.write_text("bearer_token_fils: [token]\n")
                async with relay.post("/-/reload") as answer:
                    assert answer.status == 500
                    assert 'did you mean "bearer_token_files"' in await answer.text()
            file.write_text(GOOD.replace("receiver: ops", "reciever: ops"))
            assert [line.split(":")[0] for line in await app.reload()] == [str(file), str(web)]
            file.write_text(GOOD)
            token.write_text("two words")
            web.write_text(f"bearer_token_files: [{token}]\n")
            assert "one bearer token" in (await app.reload())[0]
            token.write_text("other")
            assert await app.reload() == ()
            assert (await relay.post("/-/reload")).status == 401
    finally:
        await app.stop()
