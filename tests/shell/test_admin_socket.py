"""The admin socket: who can open it, what it answers, and that a lane is changed only between its
turns.
"""

import asyncio
import json
import socket
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest

from relay.active_config import CurrentConfig
from relay.cli.prompts import ask
from relay.core.active_config import ActiveConfig
from relay.core.event import EndReason, Event, Noted, Settled
from relay.core.routing.lane import LaneKey
from relay.core.routing.route import Route, Routing
from relay.delivery.lanes import Lanes
from relay.delivery.pipeline import Next
from relay.operate import admin_socket as control
from relay.operate.admin_socket import (
    LONGEST_REQUEST,
    AdminRequest,
    AdminSocket,
    Drop,
    Retry,
    Show,
    perform,
)
from relay.store.data_dir import SOCKET, CannotStart, DataDir
from relay.store.protocol import Lease, StoreError
from relay.store.queue import Dropped, Query, Refused, Retried
from relay.store.sqlite.store import SqliteStore
from relay.store.writer import Writer
from tests.build import T0, TELEGRAM, target
from tests.store.test_store import new_payload
from tests.world import TEMPLATES


class Wanted(Lanes):
    """Lanes that tell when somebody wants to own one."""

    def __init__(
        self,
        turn: Callable[[Lease], Awaitable[Next]],
        clock: Callable[[], float],
        emit: Callable[[Event], None],
    ) -> None:
        super().__init__(turn, clock, emit)
        self.wanted = asyncio.Event()

    def own(self, lane: LaneKey) -> asyncio.Lock:
        self.wanted.set()
        return super().own(lane)


class Desk:
    """An admin socket over a real store, writer and lanes, and the turns that followed. Turns wait
    for `gate`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = SqliteStore(folder / "relay.db")
        self.writer = Writer(self.store)
        self.told: list[Event] = []
        self.begun: list[LaneKey] = []
        self.in_turn = asyncio.Semaphore(0)
        self.gate = asyncio.Event()
        self.lanes = Wanted(self._turn, lambda: T0, self.told.append)
        config = CurrentConfig(ActiveConfig(Routing(Route("ops"), {"ops": (target(),)}), TEMPLATES))
        self.control = AdminSocket(
            self.store, self.writer, self.lanes, lambda: T0, self.told.append, config
        )

    async def _turn(self, lease: Lease) -> Next:
        self.begun.append(lease.lane)
        self.in_turn.release()
        await self.gate.wait()
        return Next(None)

    async def ask(self, request: AdminRequest) -> control.AdminAnswer:
        """As a verb in another process asks."""
        return await asyncio.to_thread(ask, self.folder, request)

    async def say(self, line: bytes) -> bytes:
        """Whatever comes back for a line."""
        reader, writer = await asyncio.open_unix_connection(self.folder / SOCKET)
        writer.write(line)
        answer = await reader.read()
        writer.close()
        return answer

    async def stop(self) -> None:
        await self.control.close()
        await self.lanes.stop(1)
        self.writer.close()


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    desk = Desk(tmp_path)
    await desk.writer.accept([new_payload(TELEGRAM)])
    await desk.control.open(tmp_path / SOCKET)
    yield desk
    await desk.stop()


def test_only_the_relays_user_can_open_the_socket(desk: Desk) -> None:
    mode = (desk.folder / SOCKET).stat().st_mode
    assert (stat.S_ISSOCK(mode), stat.S_IMODE(mode)) == (True, 0o600)


async def test_no_socket_is_left_behind(desk: Desk) -> None:
    await desk.control.close()
    assert SOCKET not in [path.name for path in desk.folder.iterdir()]
    await desk.control.close()


async def test_a_socket_that_a_killed_relay_left_behind_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / SOCKET))
    desk = Desk(tmp_path)
    await desk.control.open(tmp_path / SOCKET)
    assert isinstance(await desk.ask(Show("1/1")), Refused)
    await desk.stop()


def test_a_folder_whose_socket_would_have_too_long_a_path_is_refused_with_the_remedy(
    tmp_path: Path,
) -> None:
    deep = tmp_path / ("d" * 100)
    with pytest.raises(CannotStart, match="name a shorter --storage"):
        DataDir(deep)


@pytest.mark.parametrize(
    "request_", [Query(), Query(after="pending:7/7"), Show("1/1"), Show("nonsense")]
)
async def test_the_socket_answers_what_the_storage_answers(
    desk: Desk, request_: AdminRequest
) -> None:
    here = await desk.writer.run(partial(perform, desk.store, request_, T0))
    assert await desk.ask(request_) == here


@pytest.mark.medium
async def test_a_retry_wakes_the_lane_and_is_told(desk: Desk) -> None:
    assert await desk.ask(Retry("1/1")) == Retried("1/1", "1/1", TELEGRAM, "ops")
    await desk.in_turn.acquire()
    assert desk.begun == [TELEGRAM]
    assert desk.told == [Noted("info", "delivery retried", (("delivery", "1/1"), ("as", "1/1")))]


@pytest.mark.medium
async def test_a_drop_wakes_the_lane_and_is_told_as_every_end_is(desk: Desk) -> None:
    assert await desk.ask(Drop("1/1")) == Dropped("1/1", TELEGRAM, "ops")
    await desk.in_turn.acquire()
    assert desk.begun == [TELEGRAM]
    assert desk.told == [Settled("telegram", "ops", "dead", 1, why=EndReason.DROPPED)]


@pytest.mark.parametrize("request_", [Retry("1/7"), Drop("1/7")])
async def test_what_is_refused_wakes_nobody(desk: Desk, request_: AdminRequest) -> None:
    assert isinstance(await desk.ask(request_), Refused)
    assert (desk.begun, desk.told) == ([], [])


async def test_a_lane_is_changed_only_between_its_turns(desk: Desk) -> None:
    desk.lanes.wake([TELEGRAM])
    await desk.in_turn.acquire()
    desk.lanes.wanted.clear()
    asked = asyncio.create_task(desk.ask(Drop("1/1")))
    await desk.lanes.wanted.wait()
    for _ in range(3):  # whatever was on its way to the store has come through
        await desk.writer.run(lambda: None)
    assert desk.store.balance()[0].dead == 0
    desk.gate.set()
    assert isinstance(await asked, Dropped)
    await desk.in_turn.acquire()
    assert desk.begun == [TELEGRAM, TELEGRAM]
    assert desk.store.balance()[0].dead == 1


@pytest.mark.parametrize(
    "line",
    [b"\n", b"{}\n", b'{"type":"sing"}\n', b'{"type":"show"}\n', b"\xff\n", b"[" * 9999 + b"\n"],
)
async def test_what_is_no_request_is_answered_as_such(desk: Desk, line: bytes) -> None:
    answer = json.loads(await desk.say(line))
    assert answer["type"] == "failed"
    assert "of its own version" in answer["why"]


async def test_a_request_without_end_is_cut_off_and_harms_nobody(desk: Desk) -> None:
    assert await desk.say(b"x" * (2 * LONGEST_REQUEST)) == b""
    assert isinstance(await desk.ask(Show("7/7")), Refused)


async def test_a_silent_client_is_cut_off(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "_READ_SECONDS", 0.02)
    assert await desk.say(b"") == b""


async def test_a_storage_that_fails_is_said(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> list[object]:
        raise StoreError("disk I/O error")

    monkeypatch.setattr(desk.store, "batch", fail)
    answer = await desk.ask(Show("1/1"))
    assert answer == control.Failed("the storage failed: disk I/O error")


async def test_a_relay_that_stops_lets_no_client_hang(desk: Desk) -> None:
    reader, writer = await asyncio.open_unix_connection(desk.folder / SOCKET)
    writer.write(b'{"type"')
    await desk.ask(Show("1/1"))  # a later client was let in, so this one is
    await desk.control.close()
    assert await reader.read() == b""
    writer.close()
