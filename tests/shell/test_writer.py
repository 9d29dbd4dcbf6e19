"""The writer: group commits, webhooks first, and no fault that ends it."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from functools import partial

import pytest

from relay.store.protocol import Kept, NewPayload, StoreError
from relay.store.sqlite.store import SqliteStore
from relay.store.writer import Writer
from tests.build import T0, TELEGRAM
from tests.store.test_store import new_payload


class Watched(SqliteStore):
    """A store that remembers the sizes of its batches, and waits for `gate` before each."""

    def __init__(self) -> None:
        super().__init__(":memory:")
        self.sizes: list[int] = []
        self.done: list[str] = []
        self.synced = threading.Event()
        self.bug_at: float | None = None
        self.begun = threading.Event()
        self.gate = threading.Event()
        self.broken: Exception | None = None

    def batch(self, jobs: Sequence[Callable[[], object]], *, durable: bool = True) -> list[object]:
        self.begun.set()
        self.gate.wait(10)
        self.sizes.append(len(jobs))
        if self.broken:
            raise self.broken
        return super().batch(jobs, durable=durable)

    def sync(self) -> None:
        super().sync()
        self.synced.set()

    def accept(self, payloads: Sequence[NewPayload]) -> Kept:
        if self.bug_at in [each.accepted_at for each in payloads]:
            raise ValueError("a bug")
        self.done += [f"webhook {each.accepted_at:g}" for each in payloads]
        return super().accept(payloads)


async def test_a_payload_on_its_way_while_the_clock_is_moved_on_is_not_late() -> None:
    """It was two days late, and expired after its first failed call."""
    store = SqliteStore(":memory:")
    writer = Writer(store)
    await writer.accept([new_payload(TELEGRAM, at=T0)])
    await writer.move_times_on(1000.0, lambda: T0 + 2)
    await writer.accept([new_payload(TELEGRAM, at=at) for at in (T0 + 1, T0 + 2, T0 + 1003)])
    rows = store._db.execute("SELECT accepted_at FROM delivery ORDER BY accepted_at").fetchall()
    writer.close()
    assert [at - T0 for (at,) in rows] == [1000, 1001, 1002, 1003]


async def test_what_waits_is_committed_together_webhooks_before_all_else() -> None:
    store = Watched()
    writer = Writer(store)
    done = store.done
    began = asyncio.ensure_future(writer.run_unsynced(partial(done.append, "began")))
    await asyncio.sleep(0)
    await asyncio.to_thread(store.begun.wait, 10)
    behind = [writer.run(partial(done.append, f"turn {number}")) for number in range(40)]
    first = [writer.accept([new_payload(TELEGRAM, at=number)]) for number in range(3)]
    waiting = asyncio.gather(*behind, *first)
    await asyncio.sleep(0)
    store.gate.set()
    await waiting
    await began
    assert done[1:] == [f"webhook {n}" for n in range(3)] + [f"turn {n}" for n in range(40)]
    assert store.sizes == [1, 1, 33, 8]  # one of the 33 syncs what was committed without
    writer.close()


@pytest.mark.parametrize("error", [StoreError("full"), ValueError("a bug")])
async def test_a_batch_that_fails_is_told_to_all_and_the_next_one_runs(error: Exception) -> None:
    store = Watched()
    store.gate.set()
    writer = Writer(store)
    store.broken = error
    with pytest.raises(type(error), match=str(error)):
        await writer.run(lambda: 1)
    store.broken = None
    assert await writer.run(lambda: 2) == 2
    writer.close()


async def test_close_finishes_what_waits() -> None:
    store = Watched()
    writer = Writer(store)
    waiting = [asyncio.ensure_future(writer.run(partial(int, number))) for number in range(50)]
    await asyncio.sleep(0)
    store.gate.set()
    await asyncio.to_thread(writer.close)
    assert await asyncio.gather(*waiting) == list(range(50))


async def test_what_is_behind_waits_for_the_end_of_what_goes_ahead_and_only_once() -> None:
    store = Watched()
    store.gate.set()
    writer = Writer(store)
    with writer.ahead():
        turn = asyncio.ensure_future(writer.run(partial(int, 1)))
        await asyncio.sleep(0)
        for _ in range(2):  # a turn put before the first would be done before the second
            assert (await writer.accept([new_payload(TELEGRAM)])).lanes == (TELEGRAM,)
        assert not turn.done()
    with writer.ahead():
        assert await asyncio.wait_for(turn, 10) == 1
    assert await writer.run(partial(int, 3)) == 3
    writer.close()


async def test_a_bug_that_one_sender_meets_is_told_to_no_other() -> None:
    store = Watched()
    writer = Writer(store)
    began = asyncio.ensure_future(writer.run(partial(int, 1)))
    await asyncio.to_thread(store.begun.wait, 10)
    store.bug_at = 1
    senders = [writer.accept([new_payload(TELEGRAM, at=number)]) for number in range(3)]
    waiting = asyncio.gather(*senders, return_exceptions=True)
    await asyncio.sleep(0)
    store.gate.set()
    first, second, third = await waiting
    assert (first, third) == (Kept((TELEGRAM,), 1), Kept((TELEGRAM,), 2))
    assert isinstance(second, ValueError)
    assert store.balance()[0].accepted == 2
    await began
    writer.close()


async def test_what_was_committed_without_a_sync_is_synced_when_nothing_follows() -> None:
    store = Watched()
    store.gate.set()
    writer = Writer(store)
    await writer.run_unsynced(partial(store.people.end_subscriptions, []))
    assert await asyncio.to_thread(store.synced.wait, 10)
    writer.close()
