"""What goes on for ever survives each failure of it, and each is told."""

import asyncio

import pytest

from relay import supervised
from relay.active_config import CurrentConfig
from relay.core.active_config import ActiveConfig, Refusing
from relay.core.alert import Notification
from relay.core.event import Event, Noted, TemplateFailed
from relay.core.routing.route import Route, Routing
from relay.operate.notices import Notices
from relay.store.protocol import StoreError
from tests.world import TEMPLATES


async def test_it_begins_anew_until_it_returns_and_each_failure_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervised, "AGAIN_AFTER", 0.0)
    errors: list[Exception] = [ValueError("a bug"), StoreError("disk I/O error"), KeyError("x")]
    events: list[Event] = []

    async def work() -> None:
        if errors:
            raise errors.pop(0)

    await supervised.supervised("sweeping failed", work, events.append, (("room", "7"),))
    assert events == [
        Noted("error", "sweeping failed", (("room", "7"), ("err", "ValueError('a bug')"))),
        Noted("error", "storage failed", (("at", "sweeping"), ("err", "disk I/O error"))),
        Noted("error", "sweeping failed", (("room", "7"), ("err", "KeyError('x')"))),
    ]


async def test_a_notice_that_fails_does_not_end_those_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervised, "AGAIN_AFTER", 0.0)
    events: list[Event] = []
    posted: list[Notification] = []
    done = asyncio.Event()

    async def post(notification: Notification) -> None:
        posted.append(notification)
        if len(posted) == 1:
            raise ValueError("a bug")
        done.set()

    async def refusing() -> tuple[Refusing, ...]:
        return ()

    config = CurrentConfig(ActiveConfig(Routing(Route("ops"), {}), TEMPLATES))
    notices = Notices(post, refusing, lambda: 1000.0, events.append, config)
    for template in ("a.j2", "b.j2"):
        notices.on_event(TemplateFailed(template, "no pod"))
    notices.start(())
    await asyncio.wait_for(done.wait(), 10)
    await notices.stop()
    assert [event.message for event in events if isinstance(event, Noted)] == ["notices failed"]


async def test_a_stop_that_comes_with_work_ends_it() -> None:
    async def post(_notification: Notification) -> None:
        """Takes any notice."""

    async def refusing() -> tuple[Refusing, ...]:
        return ()

    config = CurrentConfig(ActiveConfig(Routing(Route("ops"), {}), TEMPLATES))
    notices = Notices(post, refusing, lambda: 1000.0, list[Event]().append, config)
    notices.start(())
    for _ in range(10):  # until it waits for a notice
        await asyncio.sleep(0)
    notices.on_event(TemplateFailed("a.j2", "no pod"))
    async with asyncio.timeout(10):
        await notices.stop()
