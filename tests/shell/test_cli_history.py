"""`history`, `status`, `cards`, `backup`: beside a running relay and without one."""

import json
import time
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from relay.__main__ import main
from relay.cli.status import _lines
from relay.core.history import Refusal
from relay.core.routing.route import Delivery, Discarded
from relay.store.data_dir import DataDir
from relay.store.history import Durability, SeenReplica, Status, StorageStatus
from relay.store.protocol import NewPayload
from relay.store.sqlite.store import SqliteStore
from tests.build import GROUP, T0, TELEGRAM, alert, notification
from tests.store.held import settle
from tests.store.test_store import fold_all, result, shown

Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A storage at data/ in the current folder: one delivered, one discarded, one refused."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(time, "time", lambda: T0 + 750)
    folder = DataDir(Path("data"))
    store = SqliteStore(folder.database)
    store.batch([lambda: _furnish(store)])
    store.close()
    folder.release()
    return tmp_path / "data"


def _furnish(store: SqliteStore) -> None:
    generation = store.configured("0123456789abcdef", T0 - 60)
    disk = notification(alert("a"), alert("b"))
    ways = (Delivery(TELEGRAM, "ops", "", None, "root relay.yml:3"),)
    body = msgspec.json.encode(disk)
    store.accept([NewPayload(GROUP, body, T0, ways, generation=generation)])
    settle(store, replace(result(shown(fold_all(store, TELEGRAM)), now=T0 + 2), shown=True))
    group = replace(GROUP, group_key="noise")
    noise = notification(alert("n", name="Noise"), group=group)
    lost = (Discarded("null", "2 relay.yml:12", (0,)),)
    body = msgspec.json.encode(noise)
    store.accept([NewPayload(group, body, T0 + 10, (), discarded=lost, generation=generation)])
    store.refused([Refusal(T0 + 20, "eu", 401, "no valid authentication", 12, "10.0.0.9")])


def ran(capsys: Output, *words: str) -> tuple[int, str]:
    status = main(list(words))
    return status, capsys.readouterr().out


def test_history_lists_the_newest_first(capsys: Output) -> None:
    status, out = ran(capsys, "history")
    lines = out.splitlines()
    assert status == 0
    assert lines[0].split() == [
        "ID", "TIME", "SOURCE", "ALERT", "RECEIVER", "CHAT", "OUTCOME", "WHY",
    ]  # fmt: skip
    assert [line.split()[0] for line in lines[1:]] == ["refused-1", "2", "1"]
    assert "with 401: no valid authentication (12 bytes from 10.0.0.9, for source eu)" in lines[1]
    assert "discarded" in lines[2]
    assert "route 2 (relay.yml:12) leads to null" in lines[2]
    assert "Disk (2)" in lines[3]
    assert "delivered" in lines[3]


def test_history_is_filtered_and_is_json(capsys: Output) -> None:
    status, out = ran(capsys, "history", "alertname=Disk", "-o", "json")
    (row,) = json.loads(out)
    assert status == 0
    assert (row["id"], row["outcome"], row["receiver"], row["count"]) == (
        "1",
        "delivered",
        "ops",
        2,
    )
    assert (row["time"], row["ended"]) == ("2026-11-18T11:06:40.000Z", "2026-11-18T11:06:42.000Z")
    assert row["route"] == "root relay.yml:3"
    for words in (["--outcome=discarded"], ["--receiver=null"], ["alertname=Noise"]):
        assert [
            row["id"] for row in json.loads(ran(capsys, "history", *words, "-o", "json")[1])
        ] == ["2"]
    assert len(json.loads(ran(capsys, "history", "--limit=2", "-o", "json")[1])) == 2
    assert len(json.loads(ran(capsys, "history", "--since=735s", "-o", "json")[1])) == 1


def test_show_says_the_chain_and_the_configuration(capsys: Output) -> None:
    status, out = ran(capsys, "history", "show", "1")
    assert status == 0
    assert out.splitlines() == [
        "Arrived 2026-11-18 11:06:40Z from the default source: Disk (2), 2 firing and 0 resolved.",
        f"It was of the group {GROUP.group_key} of Alertmanager's receiver relay.",
        "The configuration in force was 0123456789ab, since 2026-11-18 11:05:40Z.",
        (
            "Disk (2): route root (relay.yml:3) leads to ops, telegram chat -1001. Delivered"
            " 2026-11-18 11:06:42Z in message 7."
        ),
    ]
    assert ran(capsys, "history", "show", "1/1") == (0, out)
    told = json.loads(ran(capsys, "history", "show", "2", "-o", "json")[1])
    assert told["config"]["sha256"] == "0123456789abcdef"
    assert told["rows"][0]["outcome"] == "discarded"


def test_nothing_found_says_when_it_was_last_heard(capsys: Output) -> None:
    assert ran(capsys, "history", "alertname=Nope") == (
        1,
        (
            "Nothing was found.\nNope was never heard, as far as the storage knows.\n"
            "The default source was last heard 2026-11-18 11:06:50Z (12m ago).\n"
        ),
    )
    status, out = ran(capsys, "history", "alertname=Disk", "--since=1m")
    assert status == 1
    assert "Disk was last heard 2026-11-18 11:06:40Z (12m ago), as 1." in out


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["history", "alertname"], 2),
        (["history", "show"], 2),
        (["history", "show", "99"], 1),
        (["history", "--outcome=lost"], 2),
        (["history", "--limit=0"], 2),
        (["cards", "close", "99"], 1),
    ],
)
def test_wrong_use_and_what_is_not_there(words: list[str], status: int, capsys: Output) -> None:
    assert main(words) == status
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_status_is_one_screen(capsys: Output) -> None:
    status, out = ran(capsys, "status")
    lines = out.splitlines()
    assert status == 0
    assert lines[0] == "Relay          none runs on this storage"
    assert lines[1].startswith("Configuration  last 0123456789ab")
    assert lines[2] == "Sources        (default) 12m ago"
    assert lines[3] == "Open cards     1 warning"
    assert lines[-1].split()[:5] == ["telegram", "chat", "-1001", "up", "0"]
    assert json.loads(ran(capsys, "status", "-o", "json")[1])["relay"] is None


@pytest.mark.parametrize(
    ("replicas", "said"),
    [
        ((), "none runs on this storage"),
        ((SeenReplica("pod-1", "0.1.0", 3, leads=True),), "1 replica: pod-1 0.1.0 (leads)"),
        (
            (SeenReplica("a", "0.1.0", 3, leads=False), SeenReplica("b", "0.2.0", 0, leads=True)),
            "2 replicas: a 0.1.0, b 0.2.0 (leads)",
        ),
        (
            (SeenReplica("a", "0.1.0", 3, leads=True), SeenReplica("b", "0.1.0", 44, leads=False)),
            "1 replica: a 0.1.0 (leads), b 0.1.0 (not heard of for 44s)",
        ),
        ((SeenReplica("a", "0.1.0", 900, leads=False),), "none runs on this storage"),
    ],
)
def test_the_replicas_on_a_postgresql_are_told(
    replicas: tuple[SeenReplica, ...], said: str
) -> None:
    storage = StorageStatus(None, (), (), (), (), Durability("local"), replicas)
    assert _lines(Status(None, storage), T0)[0] == f"Relay          {said}"


def test_a_card_is_listed_and_closed_by_hand(capsys: Output) -> None:
    status, out = ran(capsys, "cards", "list")
    head, row, total = out.splitlines()
    assert (status, head.split()[0], row.split()[0], total) == (0, "CARD", "1", "1 open")
    assert "Disk" in row
    (card,) = json.loads(ran(capsys, "cards", "list", "-o", "json")[1])
    assert (card["number"], card["alerts"], card["firing"]) == (1, ["Disk"], 1)
    assert ran(capsys, "cards", "close", "1") == (
        0,
        "card 1 closed; telegram chat -1001 is told\n",
    )
    assert ran(capsys, "cards", "list") == (0, "0 open\n")


def test_backup_refuses_to_overwrite(capsys: Output, tmp_path: Path) -> None:
    status, out = ran(capsys, "backup", "copy.db")
    assert (status, out.split(":")[0]) == (0, str(tmp_path / "copy.db"))
    assert (tmp_path / "copy.db").stat().st_mode & 0o777 == 0o600
    again = SqliteStore(tmp_path / "copy.db")
    assert again.balance()[0].delivered == 1
    again.close()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["cards", "close", "x"], "argument CARD: 'x' is not the number of a card"),
        (["history", "severity"], "'severity' is not a label: write NAME=VALUE"),
        (["backup", "data"], "data exists: name another file"),
        (["backup", "none/copy.db"], "none/copy.db: No such file or directory"),
        (["serve", "--storage.lease=0s"], "'0s' is below 1s"),
        (["serve", "--storage.lease=999ms"], "'999ms' is below 1s"),
        (["serve", "--web.max-body=1MiB"], "'1MiB' is not a number of bytes, such as 134217728"),
    ],
)
def test_wrong_use_is_told_in_plain_words(capsys: Output, words: list[str], why: str) -> None:
    try:
        status: object = main(words)
    except SystemExit as stopped:
        status = stopped.code
    said = capsys.readouterr().err
    assert (status, said.count("\n")) == (2, 1)
    assert why in said
    assert "Errno" not in said
