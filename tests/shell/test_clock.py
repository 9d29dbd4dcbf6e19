"""The time: it goes on by itself, whatever becomes of the clock on the wall, and nothing at work
reads another one.
"""

import re
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from relay.active_config import CurrentConfig
from relay.clock import steady_clock
from relay.core.active_config import ActiveConfig
from relay.core.card.card import Card
from relay.core.card.hours import Hours
from relay.core.event import ClockChanged, Event, Noted
from relay.core.notice import notice_of
from relay.core.routing.interval import Period, TimeInterval
from relay.core.routing.route import Route, Routing
from relay.core.turn.decide import hours_of
from relay.operate.clock_watch import ClockWatch
from relay.sandbox.server import Sandbox
from tests.acceptance.life import GROUP, hurry, life
from tests.build import GROUP as GROUP_ID
from tests.build import POLICY, T0
from tests.world import TEMPLATES, telegram_target

YEARS = 10 * 365 * 86400.0
RELAY = Path(__file__).parent.parent.parent / "relay"
WALL = re.compile(
    r"\btime\.(time|time_ns|localtime|gmtime|ctime)\b|\.(now|today|utcnow)\((UTC|\))|unixepoch|julianday|CURRENT_TIME|'now'"
)
READERS = {
    "clock.py": 3,  # once, at the start, by each kind of clock, and to tell how far they are apart
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


@pytest.mark.parametrize("jump", [3 * 3600.0, -3 * 3600.0])
def test_hours_follow_a_clock_that_was_set_and_waits_do_not(jump: float) -> None:
    config = CurrentConfig(ActiveConfig(Routing(Route("ops"), {}), TEMPLATES))
    events: list[Event] = []
    woken: list[bool] = []
    wall = T0
    watch = ClockWatch(lambda: T0, lambda: wall, events.append, config, lambda: woken.append(True))
    wall = T0 + 25.0
    watch.look()
    assert events == []
    wall = T0 + jump
    for _ in range(3):
        watch.look()
    assert events == [ClockChanged(jump)]
    assert config.current.wall_ahead == jump
    assert len(woken) == 1
    config.load(config.current)  # a reload keeps it
    assert config.current.wall_ahead == jump
    wall = T0 + 1.0
    watch.look()
    assert events[1:] == [ClockChanged(0.0)]
    notices = [notice_of(event) for event in events]
    assert [notice and notice.firing for notice in notices] == [True, False]


@pytest.mark.parametrize("ahead", [0.0, 3 * 3600.0, -3 * 3600.0])
def test_quiet_hours_begin_and_end_by_the_clock_on_the_wall(ahead: float) -> None:
    noon = TimeInterval("noon", (Period(minutes=((12 * 60, 13 * 60),)),))
    policy = replace(POLICY, quiet=(noon,))
    target = telegram_target(policy=policy)
    routing = Routing(Route("ops"), {"ops": (target,)})
    config = ActiveConfig(routing, TEMPLATES, wall_ahead=ahead)
    day = T0 - T0 % 86400
    steady = day + 12 * 3600 + 600 - ahead  # ten past twelve on the wall
    card = Card(GROUP_ID, "", "ops")
    assert hours_of(card, target, config, steady) == Hours(
        quiet=True, until=day + 13 * 3600 - ahead
    )
    assert hours_of(card, target, config, steady + 3600) == Hours()


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
