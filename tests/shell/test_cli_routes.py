"""`routes`: hours, what holds messages back, many label sets, and what a change does."""

import io
import json
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from relay.__main__ import main
from relay.core.webhook.payload import parse
from relay.store.protocol import NewPayload
from relay.store.sqlite.store import SqliteStore

ROOT = Path(__file__).parents[2]
OLD = """\
global: {telegram_bot_token: "1:a"}
time_intervals:
  - name: nights
    time_intervals: [{times: [{start_time: "22:00", end_time: "24:00"}]}]
  - name: office
    time_intervals: [{times: [{start_time: "09:00", end_time: "17:00"}]}]
route:
  receiver: ops
  routes:
    - matchers: [team="db"]
      receiver: dba
      mute_time_intervals: [nights]
      continue: true
    - matchers: [severity="page"]
      receiver: pager
      active_time_intervals: [office]
    - matchers: [alertname="Watchdog"]
      receiver: "null"
receivers:
  - {name: ops, telegram_configs: [{chat_id: -1}]}
  - {name: dba, quiet: [nights], fallback: ops, telegram_configs: [{chat_id: -2}]}
  - {name: pager, telegram_configs: [{chat_id: -3}]}
  - {name: "null"}
"""
DAY, NIGHT = "2026-11-27T12:00:00Z", "2026-11-27T23:00:00+00:00"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "relay.yml").write_text(OLD)
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_show_draws_hours_quiet_fallbacks_and_what_is_discarded(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["routes", "show"]) == 0
    assert capsys.readouterr().out == (
        "Routing tree:\n.\n"
        "└── default-route  receiver: ops\n"
        '    ├── {team="db"}  continue: true  receiver: dba  mute: nights  quiet: nights  '
        "fallback: ops\n"
        '    ├── {severity="page"}  receiver: pager  active: office\n'
        '    └── {alertname="Watchdog"}  receiver: null  discards\n'
    )
    assert main(["routes", "show", f"--at={NIGHT}"]) == 0
    out = capsys.readouterr().out
    assert "fallback: ops  (muted by nights then)\n" in out
    assert "active: office  (muted outside of office then)\n" in out
    assert main(["routes", "show", f"--at={DAY}", "-o", "json"]) == 0
    first, second, third = json.loads(capsys.readouterr().out)["routes"]
    assert (first["muted"], first["quiet"], first["fallback"]) == ("", ["nights"], ["ops"])
    assert second["active_time_intervals"] == ["office"]
    assert third["discards"]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("at", "labels", "out"),
    [
        (DAY, ["team=db", "severity=page"], "dba\npager\n"),
        (
            NIGHT,
            ["team=db", "severity=page"],
            "dba  muted by nights\npager  muted outside of office\n",
        ),
        (NIGHT, ["x=y"], "ops\n"),
    ],
)
def test_test_judges_hours_at_the_time_asked(
    at: str, labels: list[str], out: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["routes", "test", f"--at={at}", *labels]) == 0
    assert capsys.readouterr().out == out


@pytest.mark.usefixtures("folder")
def test_what_is_muted_then_is_not_reached(capsys: pytest.CaptureFixture[str]) -> None:
    verify = ["routes", "test", "--verify.receivers=dba", "team=db"]
    assert main([*verify, f"--at={DAY}"]) == 0
    assert main([*verify, f"--at={NIGHT}"]) == 1
    assert "missing: dba; dba is muted by nights" in capsys.readouterr().err


@pytest.mark.usefixtures("folder")
def test_explain_says_what_is_muted_and_discarded(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["routes", "test", "--explain", f"--at={NIGHT}", "team=db"]) == 0
    assert "matches, the alert goes to dba, muted by nights\n" in capsys.readouterr().out
    assert main(["routes", "test", "--explain", "alertname=Watchdog"]) == 0
    assert "the alert goes to null, which discards it\n" in capsys.readouterr().out


@pytest.mark.usefixtures("folder")
def test_stdin_answers_each_line_with_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = '{"team": "db"}\n\n[1]\n{"team": 1}\nnope\n{}\n'
    monkeypatch.setattr("sys.stdin", io.StringIO(lines))
    assert main(["routes", "test", "--stdin", "--explain", f"--at={NIGHT}"]) == 2
    first, listed, number, nope, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["receivers"] == ["dba"]
    assert first["muted"] == {"dba": "muted by nights"}
    assert [each["muted"] for each in first["routes"] if each["reached"]] == ["muted by nights"]
    assert listed == {"error": "not a JSON object: write labels and their values"}
    assert number == {"error": 'the value of "team" is not text'}
    assert "not JSON" in nope["error"]
    assert (last["labels"], last["receivers"]) == ({}, ["ops"])


@pytest.mark.parametrize("verb", ["show", "test"])
def test_a_time_without_a_zone_is_wrong_use(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["routes", verb, "--at=2026-11-27 12:00"]) == 2
    assert "write it as in RFC 3339" in capsys.readouterr().err


@pytest.mark.usefixtures("folder")
def test_routes_need_no_template_engine() -> None:
    code = (
        "import sys; from relay.__main__ import main; main(['routes', 'test', 'a=b']); "
        "print(sorted({'jinja2', 'aiohttp', 'relay.core.template.template'} & {*sys.modules}))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert run.stdout == "ops\n[]\n"


def with_tests(*entries: str) -> str:
    return OLD + "tests:\n" + "".join(f"  - {{name: t, {each}}}\n" for each in entries)


@pytest.mark.parametrize(
    ("entry", "wrong"),
    [
        ("labels: {team: db}, receivers: [dba]", ""),
        (f"labels: {{team: db}}, receivers: [dba], at: {DAY}", ""),
        (f"labels: {{team: db}}, receivers: [dba], at: '{NIGHT}', muted: true", ""),
        (f"labels: {{team: db}}, receivers: [], at: {NIGHT}", ""),
        (
            f"labels: {{team: db}}, receivers: [dba], at: {NIGHT}",
            "missing: dba at that time; dba is muted by nights",
        ),
        (
            f"labels: {{team: db}}, receivers: [dba], at: {DAY}, muted: true",
            "missing: dba at that time; nothing is muted",
        ),
        ("labels: {}, receivers: [ops], muted: true", '"muted" needs "at"'),
        ("labels: {}, receivers: [ops], at: noon", "bad time"),
    ],
)
def test_a_test_of_the_file_names_a_time(
    entry: str, wrong: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "relay.yml").write_text(with_tests(entry))
    assert main(["check-config"]) == bool(wrong)
    assert (wrong or "1 test passed") in capsys.readouterr().out


def body(at: str, *alerts: dict[str, str], status: str = "firing") -> dict[str, Any]:
    return {
        "version": "4", "status": status, "groupKey": "{}:{}", "receiver": "relay",
        "alerts": [
            {"status": status, "labels": labels, "annotations": {}, "startsAt": at,
             "endsAt": at if status == "resolved" else "0001-01-01T00:00:00Z"}
            for labels in alerts
        ],
    }  # fmt: skip


DISK = {"alertname": "DiskFull", "team": "db"}
LAG = {"alertname": "Lag", "team": "db"}
PAGE = {"alertname": "Down", "severity": "page"}


def compare(folder: Path, new: str, bodies: list[dict[str, Any]], *words: str) -> int:
    (folder / "new.yml").write_text(new)
    (folder / "payloads.json").write_text("\n".join(map(json.dumps, bodies)))
    return main(["routes", "diff", "new.yml", "--payload=payloads.json", *words])


def test_diff_of_the_same_file_changes_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bodies = [body(DAY, DISK, LAG), body(DAY, DISK, status="resolved")]
    assert compare(folder, OLD, bodies, "--fail-on=any") == 0
    out = capsys.readouterr().out
    assert "compared by 2 payloads, 2 firing alerts of 2 alert names, " in out
    assert "Every alert reaches the same chats as before." in out
    assert 'new.yml:14: {severity="page"}  receiver: pager' in out


def test_diff_names_what_moves_and_what_is_gained_most_frequent_first(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = OLD.replace('    - matchers: [team="db"]\n      receiver: dba\n',
                      '    - matchers: [team="db"]\n      receiver: pager\n')  # fmt: skip
    bodies = [body(DAY, LAG), body(DAY, DISK), body("2026-11-27T13:00:00Z", DISK)]
    assert compare(folder, new, bodies, "-o", "json") == 0
    found = json.loads(capsys.readouterr().out)
    dba, pager = found["receivers"]
    assert (dba["receiver"], pager["receiver"]) == ("dba", "pager")
    assert dba["moved"] == [
        {"alertname": "DiskFull", "times": 2, "example": DISK, "to": ["pager"]},
        {"alertname": "Lag", "times": 1, "example": LAG, "to": ["pager"]},
    ]
    assert [each["times"] for each in pager["gained"]] == [2, 1]
    assert found["nobody"] == []
    assert found["seen"]["payloads"] == 3


@pytest.mark.parametrize(
    ("change", "statuses"),
    [
        (("receiver: dba\n", 'receiver: "null"\n'), (1, 1, 1, 1)),
        (("receiver: pager\n", "receiver: ops\n"), (0, 0, 1, 1)),
        (("[nights]\n      continue", "[office]\n      continue"), (1, 1, 1, 1)),
        (('    - matchers: [severity="page"]\n', ('    - matchers: [severity="page"]\n      '
          "continue: true\n")), (0, 0, 0, 0)),
        (("[{chat_id: -3}]", "[{chat_id: -4}]"), (0, 0, 1, 1)),
        (("[{chat_id: -3}]", "[{chat_id: -3}, {chat_id: -4}]"), (0, 0, 1, 1)),
    ],
    ids=["nobody", "another receiver", "muted", "the same", "another chat", "one more chat"],
)  # fmt: skip
def test_fail_on_says_which_change_is_a_failure(
    change: tuple[str, str], statuses: tuple[int, ...], folder: Path
) -> None:
    bodies = [body(DAY, DISK, PAGE)]
    new = OLD.replace(*change)
    found = [
        compare(folder, new, bodies, f"--fail-on={kind}")
        for kind in ("nobody", "lost", "moved", "any")
    ]
    assert tuple(found) == statuses


def test_one_that_still_reaches_another_is_lost_for_its_receiver_alone(folder: Path) -> None:
    both = [body(DAY, {**DISK, "severity": "page"})]
    new = OLD.replace("      receiver: dba\n", '      receiver: "null"\n')
    assert compare(folder, new, both) == 0
    assert compare(folder, new, both, "--fail-on=lost") == 1
    assert compare(folder, new, both, "--fail-on=moved") == 1


def test_a_gain_is_a_change_alone_when_any_is(folder: Path) -> None:
    new = OLD.replace('receiver: "null"\nreceivers', "receiver: ops\nreceivers")
    bodies = [body(DAY, {"alertname": "Watchdog"})]
    assert compare(folder, new, bodies, "--fail-on=moved") == 0
    assert compare(folder, new, bodies, "--fail-on=any") == 1


def test_a_chat_that_would_drown_is_named_with_what_it_takes(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = OLD.replace("fallback: ops,", "fallback: ops, per: alert,")
    alerts = [{**DISK, "instance": str(number)} for number in range(30)]
    assert compare(folder, new, [body(DAY, *alerts)]) == 0
    out = capsys.readouterr().out
    assert "telegram chat -2: 30 in the minute of 2026-11-27 12:00:00Z, it takes 18" in out


def test_diff_reads_what_the_storage_keeps(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "new.yml").write_text(OLD.replace("receiver: dba\n", 'receiver: "null"\n'))
    assert main(["routes", "diff", "new.yml"]) == 2
    assert "no storage at data" in capsys.readouterr().err
    (folder / "data").mkdir()
    store = SqliteStore(folder / "data/relay.db")
    for part in parse(json.dumps(body(DAY, DISK)).encode(), "eu"):
        kept = NewPayload(part.group, msgspec.json.encode(part), time.time() - 3600, ())
        store.batch([partial(store.accept, [kept])])
    store.close()
    assert main(["routes", "diff", "new.yml", "--since=5m"]) == 2
    assert "no payload to compare" in capsys.readouterr().err
    assert main(["routes", "diff", "new.yml", "--since=2h"]) in (0, 1)
    assert "compared by 1 payload" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "says"),
    [("nope", "not JSON"), ("[1]", "not a JSON object"), ('{"a": 1}', "alerts")],
)
def test_a_file_that_is_no_payload_is_one_line(
    text: str, says: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "p.json").write_text(text)
    assert main(["routes", "diff", "relay.yml", "--payload=p.json"]) == 2
    err = capsys.readouterr().err
    assert says in err
    assert err.count("\n") == 1


def test_explain_has_the_timetable_of_an_escalation(capsys: pytest.CaptureFixture[str]) -> None:
    acting = "--config.file=config/examples/acting.yml"
    labels = ("team=db", "severity=critical")
    assert main(["routes", "test", acting, "--explain", *labels]) == 0
    *_, receiver, first, second = capsys.readouterr().out.splitlines()[:5]
    assert (receiver, first) == (
        "dba", "  after 10 min mentions discord_role:111222333444555666, Anna",
    )  # fmt: skip
    assert second == "  after 25 min goes to leads"
    assert main(["routes", "test", acting, "--explain", "team=db", "severity=info"]) == 0
    assert "after" not in capsys.readouterr().out


def test_diff_says_which_alertmanager_does_not_answer_and_why(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (folder / "relay.yml").is_file()
    words = ["routes", "diff", "relay.yml", "--alertmanager.url=http://127.0.0.1:1"]
    assert main(words) == 2
    why = "cannot ask the Alertmanager at 127.0.0.1:1: Connection refused"
    assert capsys.readouterr().err == f"alert-relay: {why}\n"
