"""The writer: group commits, webhooks first, and no fault that ends it."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from functools import partial

import pytest

from relay.core.routing.lane import LaneKey
from relay.store.protocol import NewPayload, StoreError
from relay.store.sqlite.store import SqliteStore
from relay.store.writer import Writer
from tests.build import TELEGRAM
from tests.store.test_store import new_payload


class Watched(SqliteStore):
    """A store that remembers the sizes of its batches, and waits for `gate` before each."""

    def __init__(self) -> None:
        super().__init__(":memory:")
        self.sizes: list[int] = []
        self.done: list[str] = []
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

    def accept(self, payloads: Sequence[NewPayload]) -> tuple[LaneKey, ...]:
        self.done += [f"webhook {each.accepted_at:g}" for each in payloads]
        return super().accept(payloads)


async def test_what_waits_is_committed_together_webhooks_before_all_else() -> None:
    store = Watched()
    writer = Writer(store)
    done = store.done
    began = asyncio.ensure_future(writer.run(partial(done.append, "began")))
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
    assert store.sizes == [1, 1, 32, 8]
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
        assert await writer.accept([new_payload(TELEGRAM)]) == (TELEGRAM,)
        assert not turn.done()
    with writer.ahead():
        assert await asyncio.wait_for(turn, 10) == 1
    assert await writer.run(partial(int, 3)) == 3
    writer.close()
