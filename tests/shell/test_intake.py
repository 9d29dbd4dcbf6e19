"""Intake: what is committed before which answer, in which order, and when the chats are woken."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any

import pytest

from relay.active_config import CurrentConfig
from relay.core.active_config import ActiveConfig
from relay.core.event import Accepted, Event, Noted
from relay.core.intake_result import Committed, IntakeResult, InvalidPayload, RetryLater
from relay.core.routing import route
from relay.core.routing.lane import LaneKey
from relay.core.routing.route import Route, Routing
from relay.core.webhook import payload
from relay.inbound.intake import LARGE, Intake
from relay.store.protocol import Kept, NewPayload, StoreError
from relay.store.sqlite.store import SqliteStore
from relay.store.writer import Writer
from tests.build import T0, target
from tests.world import TEMPLATES

ALERTS = 12_000  # in parts of 256, of which 16 are one transaction


def body(count: int, group: str = "large") -> bytes:
    alert = {"status": "firing", "labels": {"alertname": "Disk"}, "annotations": {}}
    alerts = [{**alert, "fingerprint": f"{number:x}"} for number in range(count)]
    return json.dumps({"groupKey": group, "alerts": alerts}).encode()


class Watched(SqliteStore):
    """A store that remembers what it took in which order. Its first batch waits for `gate`."""

    def __init__(self) -> None:
        super().__init__(":memory:")
        self.begun = threading.Event()
        self.gate = threading.Event()
        self.taken: list[str] = []
        self.full_after = 1000

    def batch(self, jobs: Sequence[Callable[[], object]], *, durable: bool = True) -> list[object]:
        self.begun.set()
        self.gate.wait(10)
        return super().batch(jobs, durable=durable)

    def accept(self, payloads: Sequence[NewPayload]) -> Kept:
        if len(self.taken) + len(payloads) > self.full_after:
            raise StoreError("the disk is full")
        self.taken += [each.group.group_key + (" ends" if each.last else "") for each in payloads]
        return super().accept(payloads)


class Relay:
    """An intake with its store, and who was woken when how much was taken."""

    def __init__(self) -> None:
        self.store = Watched()
        self.writer = Writer(self.store)
        self.woken: list[tuple[int, tuple[LaneKey, ...]]] = []
        self.events: list[Event] = []
        routing = Routing(Route("ops"), {"ops": (target(),)})
        config = CurrentConfig(ActiveConfig(routing, TEMPLATES))
        self.intake = Intake(self.writer, self._wake, lambda: T0, self.events.append, config)

    def _wake(self, lanes: Iterable[LaneKey]) -> None:
        self.woken.append((len(self.store.taken), tuple(lanes)))

    def post(self, body: bytes, source: str = "") -> "asyncio.Future[IntakeResult]":
        return asyncio.ensure_future(self.intake.accept(source, body))


@pytest.fixture
async def relay() -> AsyncIterator[Relay]:
    relay = Relay()
    yield relay
    relay.store.gate.set()
    await asyncio.to_thread(relay.writer.close)


@pytest.mark.medium
async def test_every_part_is_committed_before_the_answer_and_chats_are_woken_once_at_the_end(
    relay: Relay,
) -> None:
    relay.store.gate.set()
    assert len(body(ALERTS)) > LARGE
    assert await relay.post(body(ALERTS)) == Committed()
    assert relay.store.taken == ["large"] * 46 + ["large ends"]
    assert relay.woken == [(47, (target().lane,))]
    assert sum(event.firing for event in relay.events if isinstance(event, Accepted)) == ALERTS


@pytest.mark.medium
async def test_a_large_body_is_read_and_routed_beside_the_event_loop(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    worked: dict[str, set[bool]] = {"parse": set(), "deliveries": set()}

    def watch(name: str, function: Callable[..., object]) -> None:
        def watched(*args: object) -> object:
            worked[name].add(threading.current_thread() is threading.main_thread())
            return function(*args)

        monkeypatch.setattr(f"relay.inbound.intake.{name}", watched)

    watch("parse", payload.parse)
    watch("deliveries", route.deliveries)
    relay.store.gate.set()
    assert await relay.post(body(ALERTS)) == Committed()
    assert worked == {"parse": {False}, "deliveries": {False}}


@pytest.mark.medium
async def test_a_small_body_of_many_alerts_is_one_transaction(relay: Relay) -> None:
    relay.store.gate.set()
    many = b'{"groupKey": "g", "alerts": [' + b"{}," * 20_000 + b"{}]}"
    assert len(many) < LARGE
    assert await relay.post(many) == Committed()
    assert relay.store.taken == ["g"] * 78 + ["g ends"]


@pytest.mark.medium
async def test_a_large_body_is_split_before_any_later_one_of_its_source(relay: Relay) -> None:
    large = relay.post(body(ALERTS))
    await asyncio.to_thread(relay.store.begun.wait, 10)
    same, other = relay.post(body(1, "same")), relay.post(body(1, "other"), "eu")
    await asyncio.sleep(0)
    relay.store.gate.set()
    assert [await each for each in (large, same, other)] == [Committed()] * 3
    order = [
        relay.store.taken.index(name) for name in ("large", "other ends", "large ends", "same ends")
    ]
    assert order == sorted(order)


@pytest.mark.medium
async def test_the_next_parts_are_read_while_the_first_ones_are_stored(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    routed, ahead = [0], threading.Event()

    def watched(*args: Any) -> object:
        routed[0] += 1
        if routed[0] == 32:
            ahead.set()
        return route.deliveries(*args)

    monkeypatch.setattr("relay.inbound.intake.deliveries", watched)
    posted = relay.post(body(ALERTS))
    await asyncio.to_thread(relay.store.begun.wait, 10)
    assert await asyncio.to_thread(ahead.wait, 10)
    assert relay.store.taken == []
    relay.store.gate.set()
    assert await posted == Committed()


async def test_a_large_body_that_comes_again_is_not_taken_again(relay: Relay) -> None:
    """Its sender did not wait for the answer."""
    relay.store.gate.set()
    large = body(2000)
    assert len(large) > LARGE
    assert await relay.post(large) == await relay.post(large) == Committed()
    assert relay.store.taken == ["large"] * 7 + ["large ends"]
    assert relay.events[-1] == Noted(
        "info", "the same body was accepted already", (("source", ""),)
    )
    for other in (body(2001), body(1, "small")):
        taken = len(relay.store.taken)
        assert await relay.post(other) == await relay.post(large) == Committed()
        assert relay.store.taken[-8:] == ["large"] * 7 + ["large ends"]
        assert len(relay.store.taken) > taken + 8


async def test_a_large_body_that_came_in_part_is_taken_again(relay: Relay) -> None:
    relay.store.gate.set()
    relay.store.full_after = 20
    assert isinstance(await relay.post(body(ALERTS)), RetryLater)
    relay.store.full_after = 1000
    assert await relay.post(body(ALERTS)) == Committed()
    assert relay.store.taken == ["large"] * (16 + 46) + ["large ends"]


async def test_a_large_body_that_fails_holds_up_no_later_one(relay: Relay) -> None:
    relay.store.gate.set()
    assert isinstance(await relay.post(b"[" * (LARGE + 1)), InvalidPayload)
    relay.store.full_after = 20
    assert isinstance(await relay.post(body(ALERTS)), RetryLater)
    assert relay.woken == [(16, (target().lane,))]
    relay.store.full_after = 1000
    assert await relay.post(body(1, "next")) == Committed()


@pytest.mark.medium
async def test_turns_of_chats_wait_while_a_large_body_is_taken_and_are_not_forgotten(
    relay: Relay,
) -> None:
    large = relay.post(body(ALERTS))
    await asyncio.to_thread(relay.store.begun.wait, 10)
    turn = asyncio.ensure_future(relay.writer.run(lambda: relay.store.taken[-1]))
    relay.store.gate.set()
    assert await large == Committed()
    assert await turn == "large ends"


@pytest.mark.parametrize("when", ["it is due", "it has begun", "all has stopped"])
async def test_a_stop_leaves_no_spreading_that_waits_for_the_writer(
    when: str, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relay.inbound.intake._SPREAD_AFTER", 0.0)
    relay.store.gate.set()
    if when == "all has stopped":  # and a notice came late
        await relay.intake.stop()
    assert await relay.post(body(1)) == Committed()
    relay.store.gate.clear()
    relay.intake.tell()
    for _ in range(3 if when == "it has begun" else 0):
        await asyncio.sleep(0)
    if when != "all has stopped":
        await relay.intake.stop()
    for _ in range(3):
        await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_an_address_to_which_links_are_left_out_is_warned_of_once(relay: Relay) -> None:
    relay.store.gate.set()
    posted = json.loads(body(1))
    posted["externalURL"] = "http://alertmanager:9093"
    posted["alerts"][0]["generatorURL"] = "http://prometheus:9090/graph?g0.expr=up"
    for _ in range(2):
        await relay.post(json.dumps(posted).encode())
    relay.intake.tell()
    warned = [
        dict(event.values)["write"]
        for event in relay.events
        if isinstance(event, Noted) and event.level == "warning"
    ]
    assert warned == [
        f"link_rewrites: [{{match: '{address}', replace: 'https://{name}.example.org'}}]"
        for address, name in (
            ("http://alertmanager:9093", "alertmanager"),
            ("http://prometheus:9090", "prometheus"),
        )
    ]
