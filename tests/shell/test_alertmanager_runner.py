"""Silences from the press to Alertmanager and back to the cards, with kills and faults between."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from relay.alertmanager.runner import AlertmanagerRunner
from relay.core.action.episode import ShownAlert
from relay.core.action.press import ShownCard
from relay.core.action.reconcile import Presence, Suppressed
from relay.core.action.settings import AlertmanagerConfig
from relay.core.action.silence import Silencing
from relay.core.action.take import Holder
from relay.core.event import Event
from relay.core.routing.lane import LaneKey
from relay.core.routing.matcher import Matcher
from tests.shell.acting_store import MemoryActing, Now
from tests.shell.twins import NOW, Twins, two_peers
from tests.twin_alertmanager import Fault

LABELS = {"alertname": "A", "pod": "a"}
ALERT = ShownAlert(LABELS, NOW - 60)
LANE = LaneKey("telegram", "https://api.telegram.org", "7", "-1001")
MATCHERS = (Matcher("alertname", "=", "A"), Matcher("pod", "=", "a"))


@dataclass
class World(Twins):
    """One open card, a relay, and two peers of an Alertmanager."""

    store: MemoryActing = field(default_factory=MemoryActing)
    events: list[Event] = field(default_factory=list)
    woken: list[LaneKey] = field(default_factory=list)

    def runner(self) -> AlertmanagerRunner:
        """A relay that has just started."""
        return AlertmanagerRunner(
            AlertmanagerConfig("", self.urls, 0.01),
            self.store,
            Now(self.store),
            self.connections.send,
            self.clock,
            self.events.append,
            self.woken.extend,
        )

    def ask(self, action: str = "act1", **changes: object) -> None:
        plain = Silencing(
            action, "", "silence", Holder("Anna", "Anna"), self.clock.now, (ALERT.key,), (LABELS,),
            MATCHERS, 3600.0, "A: by Anna", due=self.clock.now,
        )  # fmt: skip
        self.store.silencings[action] = replace(plain, **changes)

    @property
    def silenced(self) -> list[str]:
        """The states of the silences that there are."""
        cluster = self.twins[0].cluster
        return [each.state(self.clock.now) for each in cluster.silences.values()]

    async def settle(self, runner: AlertmanagerRunner, action: str = "act1") -> Silencing:
        """Calls until the silencing is over; time passes as it wants it to."""
        for _ in range(100):
            silencing = self.store.silencings[action]
            if silencing.due is None:
                break
            self.clock.now = max(self.clock.now, silencing.due)
            await runner.advance(silencing)
        return self.store.silencings[action]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with two_peers() as twins:
        found = World(**vars(twins))
        found.store.show(LANE, "5", ShownCard("name", "", {}, (ALERT,), title="A"))
        for twin in found.twins:
            twin.alerts = [dict(LABELS)]
        found.clock.now += 400.0  # its uptime is believed
        yield found


async def test_a_press_makes_one_silence_and_the_card_shows_what_alertmanager_says(
    world: World,
) -> None:
    runner = world.runner()
    world.ask()
    assert (await world.settle(runner)).state == "done"
    assert world.silenced == ["active"]
    assert not world.store.suppressed  # it was asked for, and not yet seen
    await runner.look()
    (found,) = world.store.suppressed.values()
    assert (found.kind, found.by, found.until) == ("silenced", "Anna", world.clock.now + 3600.0)
    assert LANE in world.woken


async def test_an_end_is_told_when_the_poll_sees_it_and_the_alert_still_fires(world: World) -> None:
    runner = world.runner()
    world.ask()
    silencing = await world.settle(runner)
    await runner.look()
    world.ask("act2", kind="end", silence_id=silencing.silence_id, phase="delete")
    await world.settle(runner, "act2")
    assert world.silenced == ["expired"]
    await runner.look()
    assert not world.store.suppressed


async def test_a_failing_api_changes_no_card(world: World) -> None:
    runner = world.runner()
    world.ask()
    await world.settle(runner)
    await runner.look()
    before = dict(world.store.suppressed)
    for twin in world.twins:
        twin.faults.extend(["busy"] * 3)
    await runner.look()
    await runner.look()
    assert world.store.suppressed == before


async def test_a_restart_with_nothing_ends_no_silence_of_a_card(world: World) -> None:
    runner = world.runner()
    world.ask()
    await world.settle(runner)
    await runner.look()
    for twin in world.twins:
        twin.restart()
    await runner.look()
    assert world.store.suppressed
    world.clock.now += 301.0
    await runner.look()
    assert not world.store.suppressed  # it has had the time to hear of the alert


async def test_an_alertmanager_that_never_answers_is_given_up_after_ten_minutes(
    world: World,
) -> None:
    for twin in world.twins:
        twin.faults.extend(["busy"] * 200)
    world.ask()
    found = await world.settle(world.runner())
    assert (found.state, found.due) == ("unknown", None)
    assert world.silenced == []


async def test_without_open_cards_it_is_not_polled(world: World) -> None:
    world.store.cards.clear()
    await world.runner().look()
    assert world.twins[0].calls == []


async def test_it_works_by_itself_and_at_once(world: World) -> None:
    runner = world.runner()
    runner.start()
    world.ask()
    runner.ring()
    async with asyncio.timeout(10):
        while not world.store.suppressed:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)
    await runner.stop()
    assert world.silenced == ["active"]


fates: st.SearchStrategy[Fault | None] = st.sampled_from(
    [None, None, "lost after", "lost before", "busy", "error after", "success without answer"]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    faults=st.lists(st.tuples(fates, fates), max_size=8),
    kills=st.sets(st.integers(0, 12)),
    gossip=st.sampled_from([0.0, 0.2, 5.0]),
)
async def test_whatever_is_lost_or_killed_no_action_makes_two_silences(
    world: World, faults: list[tuple[Fault | None, Fault | None]], kills: set[int], gossip: float
) -> None:
    """A kill loses what the last answer changed, and starts another relay on the same rows."""
    world.twins[0].cluster.silences.clear()
    world.twins[0].cluster.gossip = gossip
    for at, twin in enumerate(world.twins):
        twin.faults.clear()
        twin.faults.extend(pair[at] for pair in faults)
    world.store.silencings.clear()
    world.ask()
    runner = world.runner()
    for step in range(60):
        silencing = world.store.silencings["act1"]
        if silencing.due is None:
            break
        world.clock.now = max(world.clock.now, silencing.due)
        await runner.advance(silencing)
        if step in kills and world.store.silencings["act1"].posted_at is not None:
            begun_row = world.store.silencings["act1"]
            world.store.silencings["act1"] = replace(
                begun_row, state="asked", phase="find", due=world.clock.now + 2.0, silence_id=""
            )
            runner = world.runner()
    made = [each for each in world.silenced if each == "active"]
    assert len(made) <= 1
    if world.store.silencings["act1"].state == "done":
        assert len(made) == 1


async def test_what_left_a_list_is_asked_for_on_every_peer_and_again_two_minutes_later(
    world: World,
) -> None:
    runner = world.runner()
    world.store.presences[ALERT.key] = Presence("left", NOW)
    await runner.look()
    assert world.store.presences[ALERT.key].state == "present"
    world.twins[0].alerts.clear()
    await runner.look()  # the other peer has it: alerts are not gossiped
    assert world.store.presences[ALERT.key].state == "present"
    world.twins[1].alerts.clear()
    next_at = await runner.look()
    assert world.store.presences[ALERT.key].state == "absent"
    assert next_at == pytest.approx(world.clock.now + 120.0, abs=2.0)
    world.clock.now += 121.0
    for twin in world.twins:
        twin.faults.extend(["busy"] * 9)
    await runner.look()
    assert world.store.presences[ALERT.key].state == "absent"
    for twin in world.twins:
        twin.faults.clear()
    await runner.look()
    assert world.store.presences[ALERT.key].state == "gone"
    filters = [call for call in world.twins[0].calls if "filter=" in call]
    assert filters[0].count("filter=") == len(LABELS)


async def test_what_is_freed_is_asked_for_in_the_same_look(world: World) -> None:
    runner = world.runner()
    world.store.suppressed[ALERT.key] = Suppressed("silenced", NOW + 100, "Ben", "", "s1")
    await runner.look()
    assert world.store.suppressed == {}
    assert world.store.presences[ALERT.key].state == "present"
