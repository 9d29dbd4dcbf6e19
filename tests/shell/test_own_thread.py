"""A thread of its own: what it does comes back, and what never ends holds up nobody."""

import asyncio
import threading

import pytest

from relay.own_thread import OwnThread


async def test_what_a_job_returns_or_raises_comes_back() -> None:
    thread = OwnThread("test")
    assert await thread.run(lambda: 7, 5) == 7
    with pytest.raises(ZeroDivisionError):
        await thread.run(lambda: 1 // 0, 5)
    thread.close()


async def test_a_job_that_does_not_end_has_a_deadline_and_one_job_is_done_at_a_time() -> None:
    thread, release = OwnThread("test"), threading.Event()
    began: list[str] = []

    def hangs() -> None:
        began.append("first")
        release.wait()

    with pytest.raises(TimeoutError):
        await thread.run(hangs, 0.01)
    with pytest.raises(TimeoutError):
        await thread.run(lambda: began.append("given up"), 0.01)
    waiting = asyncio.ensure_future(thread.run(lambda: began.append("second"), 5))
    await asyncio.sleep(0)
    assert began == ["first"]
    release.set()
    await waiting
    assert began == ["first", "second"]
    thread.close()
