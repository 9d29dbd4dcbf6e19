"""Benchmarks run, with counts that measure nothing."""

import re

import pytest

from bench import budget, compose, console, events, parse, peers, replicas, running
from relay.app import App
from relay.delivery import pipeline
from relay.inbound.intake import Intake
from relay.store.sqlite.store import SqliteStore

_RATIO = re.compile(r"= [0-9.]+ x")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name == "deliver" else pytest.mark.slow)
        for name in running.SCENARIOS
    ],
)
async def test_a_scenario_of_the_running_relay_prints_its_ratio(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await running.main([name], running.QUICK)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(name)
    assert _RATIO.search(line)


@pytest.mark.slow
async def test_each_page_of_the_console_comes_in_time_beside_what_is_kept(
    capsys: pytest.CaptureFixture[str],
) -> None:
    await console.main(console.Sizes(2_000, 200, times=3, seconds=0.5, rounds=1, rate=20))
    _first, *pages, live = capsys.readouterr().out.splitlines()
    assert len(pages) == len(console.PAGES)
    assert all(_RATIO.search(line) for line in (*pages, live))


@pytest.mark.slow
@pytest.mark.postgres
async def test_replicas_are_measured_beside_sqlite(capsys: pytest.CaptureFixture[str]) -> None:
    await replicas.main(8, [2], [0.0, 1.0])
    sqlite, near, far = capsys.readouterr().out.splitlines()
    assert sqlite.startswith("SQLite")
    assert "round trips" not in near
    assert "round trips" in far
    assert all(_RATIO.search(line) for line in (sqlite, near, far))


def test_composing_is_measured_on_each_platform(capsys: pytest.CaptureFixture[str]) -> None:
    compose.main(1)
    rows = [line.split()[:2] for line in capsys.readouterr().out.splitlines()[1:]]
    assert rows == [[n, name] for n in ("1", "100") for name in ("telegram", "discord")]


def test_reading_and_telling_are_measured(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parse, "ROUNDS", 1)
    monkeypatch.setattr(events, "ROUNDS", 1)
    monkeypatch.setattr(events, "TIMES", 10)
    parse.main()
    events.main()
    assert len(capsys.readouterr().out.splitlines()) >= 5 + len(events.EVENTS)


@pytest.mark.slow
def test_the_budget_of_a_message_is_counted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for owner, name in (
        (SqliteStore, "batch"),
        (Intake, "_accept_now"),
        (App, "_emit"),
        (pipeline, "compose"),
    ):  # what it wraps is put back for other tests
        monkeypatch.setattr(owner, name, getattr(owner, name))
    budget.main(5, 0.0)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 12
    assert lines[-1].startswith("hops between threads: ")


@pytest.mark.slow
async def test_the_figures_beside_alertmanager_are_printed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    await peers.main(["lost", "early"], peers.QUICK)
    ours = [line for line in capsys.readouterr().out.splitlines() if " relay " in line]
    assert "0 of " in ours[0]
    assert " calls where 3 were allowed" in ours[1]
