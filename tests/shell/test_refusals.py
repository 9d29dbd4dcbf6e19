"""Refused requests are written down in batches, with what history tells of them and no more."""

import asyncio

import pytest

from relay import supervised
from relay.core.event import Answered, Event, Noted, RequestRefused
from relay.core.history import Refusal
from relay.operate import refusals as room
from relay.operate.refusals import Refusals
from relay.store.history import REFUSALS_KEPT, HistoryQuery
from relay.store.protocol import StoreError
from relay.store.sqlite.store import SqliteStore
from tests.build import T0
from tests.world import AtOnce


def refused(code: int, path: str = "/alerts/eu", why: str = "not JSON") -> Answered:
    return Answered(code, 0.1, why, "POST", path, "10.0.0.9", size=7)


async def test_what_was_refused_is_kept_with_source_reason_size_and_peer() -> None:
    store = SqliteStore(":memory:")
    refusals = Refusals(store, AtOnce(store), lambda: T0, list[Event]().append)
    for code in (200, 400, 401, 405, 413, 415, 503):
        refusals.on_event(refused(code))
    for method in ("POST", "GET"):  # what is only read is no payload
        wrong = RequestRefused(404, "unknown path", method, "/x", "10.0.0.8", stranger=True)
        refusals.on_event(wrong)
    refusals.on_event(Noted("error", "x"))
    await refusals.write()
    await refusals.write()
    rows = store.history(HistoryQuery(outcome="refused")).rows
    assert [row.code for row in rows if isinstance(row, Refusal)] == [404, 503, 413, 401, 400]
    assert rows[-1] == Refusal(T0, "eu", 400, "not JSON", 7, "10.0.0.9", id=1)
    assert rows[0] == Refusal(T0, "", 404, "unknown path", 0, "10.0.0.8", id=5)


async def test_what_waits_is_bounded_and_outlives_a_failing_storage() -> None:
    class Failing(SqliteStore):
        broken = True

        def refused(self, refusals: object) -> None:
            if self.broken:
                raise StoreError("disk I/O error")
            super().refused(refusals)  # type: ignore[arg-type]

    store = Failing(":memory:")
    refusals = Refusals(store, AtOnce(store), lambda: T0, list[Event]().append)
    for _ in range(REFUSALS_KEPT + 10):
        refusals.on_event(refused(400, why="x" * 500))
    await refusals.write()
    assert store.history(HistoryQuery(outcome="refused")).rows == ()
    store.broken = False
    await refusals.write()
    page = store.history(HistoryQuery(outcome="refused"))
    assert len(page.rows) == 200
    first = page.rows[0]
    assert isinstance(first, Refusal)
    assert (first.id, len(first.why)) == (REFUSALS_KEPT, 200)


async def test_a_bug_in_writing_one_batch_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervised, "AGAIN_AFTER", 0.0)
    monkeypatch.setattr(room, "_EVERY", 0.0)
    written, events = asyncio.Event(), list[Event]()

    class Buggy(SqliteStore):
        failed = False

        def refused(self, _: object) -> None:
            if not self.failed:
                self.failed = True
                raise ValueError("a bug")
            written.set()

    store = Buggy(":memory:")
    refusals = Refusals(store, AtOnce(store), lambda: T0, events.append)
    refusals.on_event(refused(400))
    refusals.start()
    await asyncio.wait_for(written.wait(), 10)
    await refusals.stop()
    assert [event.message for event in events if isinstance(event, Noted)] == [
        "keeping refusals failed"
    ]
