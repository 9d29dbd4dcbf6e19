"""Lanes: one turn at a time for each, another whenever there is work, none once they stop."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from relay.core.event import Event, Noted
from relay.core.routing.lane import LaneKey
from relay.delivery import lanes
from relay.delivery.lanes import Lanes
from relay.delivery.pipeline import Next
from relay.store.protocol import Lease, StoreError
from tests.build import DISCORD, T0, TELEGRAM


class Turns:
    """Lanes whose turns come to what the test says, each once the gate is open."""

    def __init__(self, *outcomes: Next | Exception) -> None:
        self._outcomes: Iterator[Next | Exception] = iter(outcomes)
        self.begun: list[LaneKey] = []
        self.events: list[Event] = []
        self.in_turn = asyncio.Semaphore(0)
        self.gate = asyncio.Event()
        self.lanes = Lanes(self._turn, lambda: T0, self.events.append)

    async def _turn(self, lease: Lease) -> Next:
        self.begun.append(lease.lane)
        self.in_turn.release()
        await self.gate.wait()
        outcome = next(self._outcomes, Next(None))
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def finish(self) -> None:
        await asyncio.gather(*self.lanes._tasks)


@pytest.fixture
async def others() -> AsyncIterator[list[Turns]]:
    """Turns that are stopped after the test."""
    made: list[Turns] = []
    yield made
    for turns in made:
        await turns.lanes.stop(0)


async def test_when_lanes_stop_the_turn_under_way_ends_and_none_begins(others: list[Turns]) -> None:
    turns = Turns(Next(T0), Next(T0), Next(T0))
    others.append(turns)
    turns.lanes.wake([TELEGRAM])
    await turns.in_turn.acquire()
    stopping = asyncio.create_task(turns.lanes.stop(5))
    await asyncio.sleep(0)
    turns.lanes.wake([DISCORD])
    turns.gate.set()
    await stopping
    assert turns.begun == [TELEGRAM]


async def test_a_lane_that_is_woken_within_its_turn_has_another_after_it(
    others: list[Turns],
) -> None:
    turns = Turns(Next(None), Next(None))
    others.append(turns)
    turns.lanes.wake([TELEGRAM])
    await turns.in_turn.acquire()
    turns.lanes.wake([TELEGRAM])
    turns.gate.set()
    await turns.finish()
    assert turns.begun == [TELEGRAM, TELEGRAM]


async def test_a_lane_has_its_turn_beside_another_that_hangs(others: list[Turns]) -> None:
    turns = Turns()
    others.append(turns)
    turns.lanes.wake([TELEGRAM])
    await turns.in_turn.acquire()
    turns.lanes.wake([DISCORD])
    await turns.in_turn.acquire()
    assert turns.begun == [TELEGRAM, DISCORD]


@pytest.mark.parametrize(
    ("error", "message"),
    [(StoreError("disk I/O error"), "storage failed"), (ValueError("a bug"), "turn failed")],
)
async def test_a_turn_that_fails_is_told_and_the_lane_has_another(
    error: Exception, message: str, others: list[Turns], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "AFTER_FAULT", 0.0)
    turns = Turns(error, Next(None))
    others.append(turns)
    turns.gate.set()
    turns.lanes.wake([TELEGRAM])
    await turns.finish()
    assert turns.begun == [TELEGRAM, TELEGRAM]
    assert [event.message for event in turns.events if isinstance(event, Noted)] == [message]


class Lent:
    """Leases that note what they are given back with."""

    def __init__(self) -> None:
        self.given_up: list[float | None] = []

    async def take(self, lane: LaneKey) -> Lease | None:
        return Lease(lane)

    async def give_up(self, _: Lease, until: float | None) -> None:
        self.given_up.append(until)

    def is_worth_keeping(self, _: float) -> bool:
        return True

    def is_held(self, _: Lease) -> bool:
        return True


async def test_a_lane_for_a_newer_configuration_is_given_up_with_work_and_left_for_a_while() -> (
    None
):
    leases, now, begun = Lent(), [T0], []

    async def turn(lease: Lease) -> Next:
        begun.append(lease.lane)
        return Next(T0 + 5, leaves=True)

    lanes = Lanes(turn, lambda: now[0], lambda _: None, leases)
    for moment, turns in ((T0, 1), (T0 + 4, 1), (T0 + 5, 2)):
        now[0] = moment
        lanes.wake([TELEGRAM])
        await asyncio.gather(*lanes._tasks)
        assert len(begun) == turns
    assert leases.given_up == [T0, T0 + 5]
    await lanes.stop(0)
