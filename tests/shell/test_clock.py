"""The time: it goes on by itself, whatever becomes of the clock on the wall, and nothing at work
reads another one.
"""

import re
import time
from pathlib import Path

import pytest

from relay.clock import steady_clock
from relay.core.event import Noted
from relay.sandbox.server import Sandbox
from tests.acceptance.life import GROUP, hurry, life

YEARS = 10 * 365 * 86400.0
RELAY = Path(__file__).parent.parent.parent / "relay"
WALL = re.compile(
    r"\btime\.(time|time_ns|localtime|gmtime|ctime)\b|\.(now|today|utcnow)\((UTC|\))|unixepoch|julianday|CURRENT_TIME|'now'"
)
READERS = {
    "clock.py": 1,  # once, at the start
    "store/sqlite/database.py": 1,  # the name of a file
}


@pytest.mark.parametrize("jump", [YEARS, 3 * 3600.0, -3 * 3600.0, -YEARS])
def test_a_wall_clock_that_jumps_moves_nothing(
    jump: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    wall = time.time()
    clock = steady_clock()
    assert abs(clock() - wall) < 60
    monkeypatch.setattr(time, "time", lambda: wall + jump)
    assert abs(clock() - wall) < 60


def test_time_goes_on() -> None:
    clock = steady_clock()
    before = clock()
    while clock() == before:
        pass
    assert clock() > before


async def test_a_relay_that_starts_after_a_clock_was_ahead_says_so_and_delivers_at_once(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with life(sandbox, tmp_path, rates="chat: 1/500ms") as here:
        hurry(sandbox.telegram.chats[GROUP])
        await here.stop()
        right = time.time
        monkeypatch.setattr(time, "time", lambda: right() + YEARS)
        await here.start()
        await here.post("db-1")
        await here.shows(GROUP, "db-1")
        await here.stop()
        monkeypatch.setattr(time, "time", right)
        await here.start()
        await here.post("db-1", name="Memory")
        await here.shows(GROUP, "Memory")
    assert "the clock was ahead, its times are moved back" in [
        e.message for e in here.events if isinstance(e, Noted)
    ]


def test_nothing_of_a_relay_at_work_reads_the_clock_on_the_wall() -> None:
    """The command line may, and the sandbox is a world of its own."""
    shell = [path for path in RELAY.rglob("*.*") if path.suffix in (".py", ".sql")]
    at_work = [path for path in shell if path.relative_to(RELAY).parts[0] not in ("cli", "sandbox")]
    found = {
        str(path.relative_to(RELAY)): len(WALL.findall(path.read_text(encoding="utf-8")))
        for path in at_work
    }
    assert {name: count for name, count in found.items() if count} == READERS
