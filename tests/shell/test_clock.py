"""The time: it goes on by itself, whatever becomes of the clock on the wall, and nothing at work
reads another one.
"""

import re
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from relay.active_config import CurrentConfig
from relay.clock import PARTED, SharedClock, SteadyClock, steady_clock
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
from relay.store.protocol import StoreError
from tests.acceptance.life import GROUP, hurry, life
from tests.acceptance.processes import until
from tests.build import GROUP as GROUP_ID
from tests.build import POLICY, T0
from tests.world import TEMPLATES, telegram_target

HOUR = 3600.0
YEARS = 10 * 365 * 86400.0
RELAY = Path(__file__).parent.parent.parent / "relay"
WALL = re.compile(
    r"\btime\.(time|time_ns|localtime|gmtime|ctime)\b|\.(now|today|utcnow)\((UTC|\))|unixepoch|julianday|CURRENT_TIME|'now'"
)
READERS = {
    "clock.py": 2,  # at the start, and to tell how far it is from the steady one
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


class Clocks:
    """A clock on the wall that somebody sets, one that goes on by itself, and their watch."""

    def __init__(self) -> None:
        self.wall, self.ticks = T0, 0.0
        self.steady = SteadyClock(lambda: self.wall, lambda: self.ticks)
        self.config = CurrentConfig(ActiveConfig(Routing(Route("ops"), {}), TEMPLATES))
        self.events: list[Event] = []
        self.looked = 0
        self.full = False
        self.watch = ClockWatch(
            self.steady,
            lambda: self.wall,
            self.events.append,
            self.config,
            self._look_again,
            self._join,
        )

    async def _look_again(self) -> None:
        self.looked += 1

    async def _join(self, seconds: float) -> None:
        if self.full:
            raise StoreError("the disk is full")
        self.steady.jump(seconds)

    async def after(self, seconds: float) -> None:
        """Time goes on, and the watch looks."""
        self.wall, self.ticks = self.wall + seconds, self.ticks + seconds
        await self.watch.look()

    @property
    def apart(self) -> float:
        return self.wall - self.steady()


async def test_a_clock_that_is_set_forward_is_said_and_joined_at_once() -> None:
    clocks = Clocks()
    clocks.wall += 25.0
    await clocks.after(10)
    assert clocks.events == []
    clocks.wall += 3 * HOUR
    await clocks.after(10)
    assert clocks.events == [ClockChanged(3 * HOUR + 25), ClockChanged(0.0)]
    assert (clocks.apart, clocks.config.current.wall_ahead) == (0.0, 0.0)
    assert clocks.looked == 2
    notices = [notice_of(event) for event in clocks.events]
    assert [notice and notice.firing for notice in notices] == [True, False]


async def test_what_cannot_be_joined_now_is_tried_again_and_said_once() -> None:
    clocks = Clocks()
    clocks.full, clocks.wall = True, T0 + HOUR
    for _ in range(3):
        with pytest.raises(StoreError):
            await clocks.after(10)
    assert clocks.events == [ClockChanged(HOUR)]
    assert clocks.config.current.wall_ahead == HOUR  # hours follow it meanwhile
    clocks.full = False
    await clocks.after(10)
    assert (clocks.events[1:], clocks.apart) == ([ClockChanged(0.0)], 0.0)


async def test_a_clock_that_is_set_back_is_said_and_waited_for_and_no_wait_ends_early() -> None:
    clocks = Clocks()
    clocks.wall -= HOUR
    before = clocks.steady()
    for _ in range(4 * 360):
        await clocks.after(10)
        assert clocks.config.current.wall_ahead == pytest.approx(clocks.apart, abs=PARTED)
        assert 7.0 <= clocks.steady() - before <= 10.0
        before = clocks.steady()
    await clocks.after(10)
    assert clocks.apart == pytest.approx(0.0, abs=0.01)
    assert clocks.events == [ClockChanged(-HOUR), ClockChanged(0.0)]
    assert clocks.config.current.wall_ahead == 0.0


async def test_a_clock_that_is_set_right_while_it_is_waited_for_is_joined() -> None:
    clocks = Clocks()
    clocks.wall -= HOUR
    await clocks.after(10)
    clocks.wall = clocks.steady()
    for _ in range(6):
        await clocks.after(10)
    assert clocks.apart == pytest.approx(0.0, abs=3)
    assert clocks.events == [ClockChanged(-HOUR), ClockChanged(0.0)]


async def test_for_years_nobody_waits_but_hours_follow() -> None:
    clocks = Clocks()
    clocks.wall -= YEARS
    await clocks.after(10)
    await clocks.after(10)
    assert clocks.steady() == T0 + 20
    assert clocks.events == [ClockChanged(-YEARS)]
    clocks.config.load(clocks.config.current)  # a reload keeps it
    assert clocks.config.current.wall_ahead == -YEARS


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


async def test_a_clock_set_forward_under_a_relay_is_joined_and_no_retry_after_ends_early(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with life(sandbox, tmp_path, rates="chat: 1/10ms") as here:
        hurry(sandbox.telegram.chats[GROUP])
        sandbox.faults.add("telegram", str(GROUP), "429", count=1, seconds=2.0)
        await here.post("db-1")
        await until("it was refused", lambda: bool(sandbox.faults.struck), within=5)
        refused, right = time.monotonic(), time.time
        monkeypatch.setattr(time, "time", lambda: right() + 3 * HOUR)
        assert here.running._clock_watch
        await here.running._clock_watch.look()
        assert abs(here.running._clock() - time.time()) < 1
        await here.shows(GROUP, "db-1")
        assert time.monotonic() - refused >= 1.9

        async def told() -> bool:
            return [row.delivered for row in await here.running.balance()] == [1]

        await until("it is settled", told, within=5)
        assert "late" not in sandbox.telegram.transcript(GROUP)


def test_nothing_of_a_relay_at_work_reads_the_clock_on_the_wall() -> None:
    """The command line may, and the sandbox is a world of its own."""
    shell = [path for path in RELAY.rglob("*.*") if path.suffix in (".py", ".sql")]
    at_work = [path for path in shell if path.relative_to(RELAY).parts[0] not in ("cli", "sandbox")]
    found = {
        str(path.relative_to(RELAY)): len(WALL.findall(path.read_text(encoding="utf-8")))
        for path in at_work
    }
    assert {name: count for name, count in found.items() if count} == READERS


def test_the_clock_of_a_storage_forgets_our_own_with_its_first_word() -> None:
    """Ours may be minutes ahead, and a clock that never goes back would wait for them."""
    clock = SharedClock()
    ours = clock()
    clock.tell(ours - 300, (now := time.monotonic()), now)
    assert ours - 301 < clock() < ours - 299
    before = clock()
    clock.tell(ours - 400, (now := time.monotonic()), now)
    assert clock() >= before
