"""`queue`: what a person reads at night, beside a running relay and without one, and the exit
statuses.
"""

import asyncio
import contextlib
import json
import socket
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import msgspec
import pytest

from relay.__main__ import main
from relay.app import App, Options
from relay.core.alert import GroupId, Notification
from relay.core.card.lane_state import Down, LaneState
from relay.core.event import ChatChanged, Event
from relay.core.routing.route import Delivery
from relay.sandbox.server import Sandbox
from relay.store.data_dir import DATABASE, SOCKET, DataDir, InUse
from relay.store.protocol import NewPayload
from relay.store.sqlite.store import SqliteStore
from tests.build import GROUP, T0, TELEGRAM, alert, notification
from tests.store.held import own, settle
from tests.store.test_store import fold_all, new_payload, result

Output = pytest.CaptureFixture[str]
TOKEN, CHAT = "111:sandboxtoken", -1001


@pytest.fixture
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A storage at data/ in the current folder that no relay uses: two deliveries pending, one
    dead.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(time, "time", lambda: T0 + 750)
    folder = DataDir(Path("data"))
    store = SqliteStore(folder.database)
    posted = notification(alert("a"), alert("b", "resolved"), alert("c", name="Cpu"))
    store.batch([lambda: _furnish(store, posted)])
    store.close()
    folder.release()


def _furnish(store: SqliteStore, posted: Notification) -> None:
    other = notification(alert("x"), group=GroupId("", "relay", "other"))
    store.accept([new_payload(TELEGRAM, posted=other, receiver="dba")])
    store.dismiss(own(store, TELEGRAM), [1], "dead", "receiver_removed")
    body = msgspec.json.encode(posted)
    store.accept([NewPayload(GROUP, body, T0 + 30, (Delivery(TELEGRAM, "ops", "", None),))])
    card = fold_all(store, TELEGRAM)
    down = LaneState(attempts=4, down=Down("bot was kicked", T0, T0 + 790))
    settle(store, msgspec.structs.replace(result(card), state=down))
    store.copy_to_fallback(
        own(store, TELEGRAM),
        "ops",
        "spare",
        [msgspec.structs.replace(TELEGRAM, chat="-1002", thread="7")],
    )


def said(capsys: Output) -> tuple[str, str]:
    out, err = capsys.readouterr()
    return out, err


@pytest.mark.usefixtures("storage")
def test_list_shows_what_waits_for_what_and_what_is_dead(capsys: Output) -> None:
    assert main(["queue", "list"]) == 0
    down = "the chat is down: bot was kicked; 4 failed; next try in 40s"
    assert said(capsys)[0].splitlines() == [
        "ID    STATE     AGE   RECEIVER         CHAT                          ALERTS         WHY",
        (
            "1/2   pending   12m   ops              telegram chat -1001           Disk,Cpu (3)   "
            f"{down}"
        ),
        (
            "2/1   pending   12m   ops (to spare)   telegram chat -1002 topic 7   "
            "Disk,Cpu (3)   its "
            "turn comes"
        ),
        (
            "1/1   dead      12m   dba              telegram chat -1001           Disk           "
            "receiver_removed"
        ),
        "2 pending, 1 dead",
    ]


@pytest.mark.usefixtures("storage")
def test_list_is_filtered_and_paged(capsys: Output) -> None:
    assert main(["queue", "list", "--limit=1"]) == 0
    lines = said(capsys)[0].splitlines()
    assert [line.split()[0] for line in lines] == ["ID", "1/2", "2", "the"]
    assert lines[-1] == "the next page: --after=pending:1/2"
    assert main(["queue", "list", "--limit=1", "--after=pending:1/2"]) == 0
    assert said(capsys)[0].splitlines()[1].startswith("2/1 ")
    assert main(["queue", "list", "--receiver=dba", "--state=dead"]) == 0
    assert [line.split()[0] for line in said(capsys)[0].splitlines()] == ["ID", "1/1", "0"]


@pytest.mark.usefixtures("storage")
def test_list_says_that_a_receiver_never_had_a_delivery_and_which_had(capsys: Output) -> None:
    assert main(["queue", "list", "--receiver=nobody"]) == 0
    had = "alert-relay queue: nobody never had a delivery; these receivers had some: dba, ops\n"
    assert said(capsys) == ("0 pending, 0 dead for nobody\n", had)
    assert main(["queue", "list", "--receiver=ops", "--state=dead"]) == 0
    assert said(capsys) == ("2 pending, 0 dead for ops\n", "")


@pytest.mark.usefixtures("storage")
def test_a_long_list_is_fetched_in_as_many_pages_as_it_takes(
    capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relay.cli.queue.MOST_LISTED", 1)
    assert main(["queue", "list", "--limit=9", "-o", "json"]) == 0
    page = json.loads(said(capsys)[0])
    assert [each["id"] for each in page["deliveries"]] == ["1/2", "2/1", "1/1"]
    assert (page["pending"], page["dead"], page["next"]) == (2, 1, "")
    assert page["deliveries"][0]["lane"]["chat"] == "-1001"


@pytest.mark.usefixtures("storage")
def test_show_tells_all_of_a_delivery_with_what_fires_first(capsys: Output) -> None:
    assert main(["queue", "show", "1/2"]) == 0
    assert said(capsys)[0].splitlines() == [
        "ID         1/2",
        "State      pending",
        "Why        the chat is down: bot was kicked; 4 failed; next try in 40s",
        "Receiver   ops",
        "Chat       telegram chat -1001 at http://127.0.0.1:1",
        "Accepted   2026-11-18 11:07:10Z (12m ago)",
        'Group      {}:{alertname="Disk"}',
        "From       Alertmanager's receiver relay",
        "Alerts     3",
        '  firing   Disk{instance="a",severity="warning"} since 2026-11-18 11:06:40Z',
        '  firing   Cpu{instance="c",severity="warning"} since 2026-11-18 11:06:40Z',
        '  resolved Disk{instance="b",severity="warning"} since 2026-11-18 11:06:40Z',
    ]
    assert main(["queue", "show", "1/2", "-o", "json"]) == 0
    whole = json.loads(said(capsys)[0])
    assert (whole["delivery"]["id"], len(whole["notification"]["alerts"])) == ("1/2", 3)


@pytest.mark.usefixtures("storage")
def test_retry_and_drop_take_many_ids_and_fail_when_one_is_refused(capsys: Output) -> None:
    assert main(["queue", "retry", "1/1", "1/2"]) == 0
    assert said(capsys) == ("1/1 retried as 1/3\n1/2 is tried at once\n", "")
    assert main(["queue", "drop", "1/1", "1/2"]) == 1
    out, err = said(capsys)
    assert out == "1/2 dropped\n"
    assert err == "alert-relay queue: 1/1 ended as dead: only what is pending can be dropped\n"
    assert main(["queue", "show", "1/1"]) == 0
    assert "Why        receiver_removed; retried as 1/3\n" in said(capsys)[0]


@pytest.mark.parametrize("verb", [["list"], ["show", "1/1"], ["retry", "1/1"], ["drop", "1/1"]])
def test_without_a_storage_every_verb_ends_with_status_2_one_line_and_makes_none(
    verb: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["queue", *verb, "--storage.path=gone"]) == 2
    assert said(capsys) == (
        "",
        "alert-relay queue: no storage at gone: name the relay's folder with --storage.path\n",
    )
    assert not (tmp_path / "gone").exists()


@pytest.mark.usefixtures("storage")
def test_a_relay_that_holds_the_folder_but_does_not_answer_is_not_pushed_aside(
    capsys: Output,
) -> None:
    folder = DataDir(Path("data"))
    assert main(["queue", "list"]) == 2
    assert "does not answer yet, or no longer: try again in a few seconds" in said(capsys)[1]
    folder.release()


@pytest.mark.usefixtures("storage")
def test_a_socket_that_a_killed_relay_left_behind_does_not_hinder(capsys: Output) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(f"data/{SOCKET}")
    assert main(["queue", "list"]) == 0
    assert "2 pending, 1 dead" in said(capsys)[0]


def test_a_storage_path_that_is_no_folder_is_a_clear_error(tmp_path: Path, capsys: Output) -> None:
    (tmp_path / "data").touch()
    assert main(["queue", "list", f"--storage.path={tmp_path}/data"]) == 2
    assert "Not a directory; run this as its user, with its --storage.path" in said(capsys)[1]


def test_a_path_that_is_too_long_for_a_socket_is_a_clear_error(capsys: Output) -> None:
    assert main(["queue", "list", f"--storage.path=/{'d' * 120}"]) == 2
    assert "name a shorter --storage.path" in said(capsys)[1]


@pytest.mark.usefixtures("storage")
def test_a_storage_of_a_newer_version_is_a_clear_error(capsys: Output) -> None:
    with contextlib.closing(sqlite3.connect(f"data/{DATABASE}")) as db:
        db.execute("PRAGMA user_version=99")
    assert main(["queue", "list"]) == 2
    assert "schema 99" in said(capsys)[1]


@pytest.mark.usefixtures("storage")
def test_a_damaged_storage_is_said_and_not_taken_for_an_empty_one(capsys: Output) -> None:
    Path(f"data/{DATABASE}").write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    for beside in ("-wal", "-shm"):
        Path(f"data/{DATABASE}{beside}").unlink(missing_ok=True)
    main(["queue", "list"])
    assert "the storage was damaged" in said(capsys)[1]


@pytest.mark.parametrize(
    "words",
    [["list", "--limit=0"], ["list", "--limit=x"], ["retry"], ["show"], ["list", "--state=odd"]],
)
def test_wrong_use_is_one_line_and_status_2(words: list[str], capsys: Output) -> None:
    assert main(["queue", *words]) == 2
    assert said(capsys)[1].count("\n") == 1


def test_what_an_alert_holds_cannot_play_with_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = DataDir(Path("data"))
    store = SqliteStore(folder.database)
    evil = notification(alert("\x1b[2J\u202e", name="\x1b]0;x\x07\n1/9 dead"))
    store.batch([lambda: store.accept([new_payload(TELEGRAM, posted=evil)])])
    store.close()
    folder.release()
    assert main(["queue", "list"]) == 0
    assert main(["queue", "show", "1/1"]) == 0
    out = said(capsys)[0]
    assert all(char.isprintable() or char == "\n" for char in out)
    assert "\n1/9" not in out


class Night:
    """A relay at work, thrown out of its only chat, with one alert that waits for it."""

    def __init__(self, sandbox: Sandbox, config: Path) -> None:
        self.sandbox = sandbox
        self.runs = True
        self.changes: asyncio.Queue[ChatChanged] = asyncio.Queue()
        self.app = App(Options(config, Path("data"), port=0), (self._listen,))

    def _listen(self, event: Event) -> None:
        if isinstance(event, ChatChanged):
            self.changes.put_nowait(event)

    async def begin(self) -> None:
        address = await self.app.start()
        alerts = [
            {
                "status": "firing",
                "labels": {"alertname": "Disk"},
                "startsAt": "2026-11-22T10:00:00Z",
            }
        ]
        hook = f"http://{address}/alerts"
        async with (
            aiohttp.ClientSession() as session,
            session.post(hook, json={"alerts": alerts}) as response,
        ):
            assert response.status == 200
        assert not (await self.changes.get()).up

    async def stop(self) -> None:
        if self.runs:
            self.runs = False
            await self.app.stop()


@pytest.fixture
async def night(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Night]:
    monkeypatch.chdir(tmp_path)
    sandbox.telegram.add_bot(TOKEN, "relay_bot")
    sandbox.telegram.add_chat(CHAT, "supergroup", "On call")
    sandbox.telegram.kick(CHAT)
    config = tmp_path / "relay.yml"
    config.write_text(
        f'global: {{telegram_api_url: "{sandbox.url}", telegram_bot_token: "{TOKEN}", '
        f"notices_receiver: nobody}}\n"
        "route: {receiver: ops}\n"
        f"receivers: [{{name: ops, telegram_configs: [{{chat_id: {CHAT}}}]}}, {{name: nobody}}]\n"
    )
    night = Night(sandbox, config)
    await night.begin()
    yield night
    await night.stop()


async def verb(*words: str) -> int:
    """The verb as a process of its own would run it, beside the relay."""
    return await asyncio.to_thread(main, ["queue", *words])


async def test_the_verbs_say_the_same_beside_a_running_relay_and_without_one(
    night: Night, capsys: Output
) -> None:
    words = (
        ["list", "-o", "json"],
        ["show", "1/1", "-o", "json"],
        ["show", "9/9"],
        ["drop", "1/1"],
        ["drop", "1/1"],
    )
    beside = [(await verb(*each), *said(capsys)) for each in words[:3]]
    assert json.loads(beside[0][1])["deliveries"][0]["why"].startswith("the chat is down: ")
    await night.stop()
    alone = [(await verb(*each), *said(capsys)) for each in words]
    assert alone[:3] == beside
    assert [status for status, _, _ in alone] == [0, 0, 1, 0, 1]


@pytest.mark.medium
async def test_a_mended_chat_gets_what_waits_for_it_by_a_retry_beside_the_relay(
    night: Night, capsys: Output
) -> None:
    night.sandbox.telegram.chats[CHAT].refusal = ""
    assert await verb("retry", "1/1") == 0
    assert said(capsys)[0] == "1/1 is tried at once\n"
    assert (await night.changes.get()).up
    assert "Disk" in night.sandbox.telegram.transcript(CHAT)


async def test_a_drop_beside_the_relay_ends_the_delivery(night: Night, capsys: Output) -> None:
    assert await verb("drop", "1/1") == 0
    assert await verb("list") == 0
    assert said(capsys)[0].splitlines()[-1].endswith(" pending, 1 dead")
    (row,) = await night.app.balance()
    assert (row.dead, row.lost) == (1, 0)


@pytest.mark.usefixtures("night")
async def test_a_second_relay_on_the_folder_does_not_take_its_socket(tmp_path: Path) -> None:
    with pytest.raises(InUse):
        App(Options(tmp_path / "relay.yml", Path("data"), port=0))
    assert await verb("list") == 0
