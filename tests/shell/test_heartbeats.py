"""Heartbeats on a fake clock: lost to the second, for the true reason, told once, and back."""

import asyncio
from dataclasses import dataclass, field

import pytest

from relay.active_config import CurrentConfig
from relay.config.template_check import compiled
from relay.core.action.beat_notice import notification
from relay.core.action.heartbeat import Beat
from relay.core.action.reconcile import PeerStatus, Poll, SeenAlert, SeenSilence
from relay.core.action.settings import ActingConfig, HeartbeatConfig
from relay.core.active_config import ActiveConfig
from relay.core.alert import Notification
from relay.core.event import Answered, Event, Noted
from relay.core.routing.lane import Policy
from relay.core.routing.matcher import parse
from relay.core.routing.route import Route, Routing
from relay.core.secret import Secret
from relay.operate.heartbeats import Heartbeats
from relay.platforms.http import NoAnswer, Request, Response
from relay.store.sqlite.store import SqliteStore
from tests.world import AtOnce

WATCHDOG = HeartbeatConfig(
    "eu", parse('alertname="Watchdog"'), "main", 60.0, 300.0, (), "ops", Secret("http://x/ping")
)
SILENCE = SeenSilence("s1", (), 0.0, 9999.0, "Ben", "upgrade", "active")
SILENCED = SeenAlert({"alertname": "Watchdog"}, "f1", silenced_by=("s1",))
SUPPRESSED = Poll(PeerStatus(3600.0, "ready"), (SILENCED,), (SILENCE,))


@dataclass
class World:
    """A relay that listens since 0; `minute` is the Watchdog's."""

    now: float = 0.0
    status: int = 200
    poll: Poll | None = None
    told: list[Notification] = field(default_factory=list)
    asked: list[Request] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    store: SqliteStore = field(default_factory=lambda: SqliteStore(":memory:"))

    def __post_init__(self) -> None:
        acting = ActingConfig(heartbeats=(WATCHDOG,))
        config = ActiveConfig(
            Routing(Route("ops"), {}), compiled(()), personal=Policy("", "", "none"), acting=acting
        )
        self.config = CurrentConfig(config)
        self.begin()

    def begin(self) -> None:
        """A process that has just started."""
        self.heartbeats = Heartbeats(
            self.store.acting,
            AtOnce(self.store),
            self.exchange,
            lambda: self.now,
            self.events.append,
            self.config,
            self.post,
            self.look,
        )

    async def exchange(self, request: Request) -> Response | NoAnswer:
        self.asked.append(request)
        return Response(self.status, {}, b"")

    async def post(self, told: Notification, receiver: str) -> None:
        assert receiver == "ops"
        self.told.append(told)

    async def look(self, source: str) -> Poll | None:
        assert source == "main"
        return self.poll

    def hear(self) -> None:
        self.store.batch([lambda: self.store.acting.heard([("eu", ())], self.now)])

    async def at(self, seconds: float) -> list[str]:
        """One look then; what was told so far."""
        self.now = seconds
        await self.heartbeats.round()
        return [each.alerts[0].annotations["summary"] for each in self.told]


async def test_it_is_lost_to_the_second_told_once_then_every_four_hours_and_back() -> None:
    world = World(now=10.0)
    world.hear()
    assert await world.at(369.9) == []
    assert await world.at(370.0) == ["NO NEWS from eu since 00:00"]
    assert len(await world.at(371.0)) == 1
    assert len(await world.at(370.0 + 4 * 3600 - 1)) == 1
    assert len(await world.at(370.0 + 4 * 3600)) == 2
    assert world.told[1].reason == "repeat interval elapsed"
    world.now = 20_000.0
    world.hear()
    assert len(await world.at(20_010.0)) == 3
    back = world.told[2].alerts[0]
    assert (back.status, back.starts_at, back.ends_at) == ("resolved", 10.001, 20_000.0)
    assert len(await world.at(20_359.0)) == 3
    assert len(await world.at(20_360.0)) == 4


async def test_one_that_was_never_heard_is_lost_as_well() -> None:
    world = World()
    await world.at(0.0)
    assert await world.at(359.0) == []
    assert len(await world.at(360.0)) == 1


async def test_after_our_own_downtime_it_has_its_whole_time_again() -> None:
    world = World(now=10.0)
    world.hear()
    world.now = 1000.0
    world.begin()
    assert await world.at(1359.0) == []
    (said,) = await world.at(1360.0)
    assert said.endswith("this relay was down meanwhile")


async def test_a_process_that_has_accepted_before_it_leads_was_not_down() -> None:
    """Of several on one storage another one watched, and is gone."""
    world = World(now=10.0)
    world.hear()
    world.now = 300.0
    world.begin()
    world.heartbeats.start(up_for=291.0)
    await world.heartbeats.stop()
    assert await world.at(369.9) == []
    assert await world.at(370.0) == ["NO NEWS from eu since 00:00"]


async def test_payloads_that_we_refused_are_named() -> None:
    world = World(now=10.0)
    world.hear()
    for path in ("/alerts/main", "/alerts/main/", "/alerts", "/alerts/other"):
        world.now = 100.0
        world.heartbeats.on_event(Answered(503, 0.1, path=path))
    (said,) = await world.at(400.0)
    assert said.endswith("we refused 2 payloads meanwhile")


async def test_a_silence_on_its_alert_is_said_instead() -> None:
    world = World(now=10.0, poll=SUPPRESSED)
    world.hear()
    (said,) = await world.at(400.0)
    assert "its alert is silenced by Ben until" in said


@pytest.mark.parametrize(("status", "warned"), [(200, False), (500, True)])
async def test_while_all_is_well_an_address_outside_is_asked_each_interval(
    status: int, warned: bool
) -> None:
    world = World(now=10.0, status=status)
    await world.at(10.0)
    assert world.asked == []  # nothing was heard yet
    for minute in range(3):
        world.now = 60.0 * (minute + 1)
        world.hear()
        await world.at(world.now)
        await world.at(world.now + 5.0)
        await asyncio.gather(*world.heartbeats._pings)
    await world.at(9999.0)
    assert len(world.asked) == 3
    failed = [e for e in world.events if isinstance(e, Noted) and e.message == "ping failed"]
    assert bool(failed) == warned
    assert "x/ping" not in repr(world.events)


async def test_one_that_is_configured_no_more_is_forgotten() -> None:
    world = World(now=10.0)
    world.hear()
    await world.at(20.0)
    world.config.load(ActiveConfig(world.config.current.routing, compiled(())))
    await world.at(9999.0)
    assert world.told == []
    assert world.store.acting.beats() == ()


async def test_a_loss_behind_the_one_beat_that_ended_another_is_an_episode_of_its_own() -> None:
    beat, config = Beat("eu", (), 100.0), WATCHDOG
    over = notification(config, beat, "back", 200.0, firing=False).alerts[0]
    next_one = notification(config, Beat("eu", (), 200.0), "NO NEWS", 560.0, firing=True).alerts[0]
    assert over.ends_at is not None
    assert next_one.starts_at > over.ends_at
