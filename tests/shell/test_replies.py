"""Answers to people: whatever goes wrong with one, the next is said."""

import asyncio

import pytest

from relay import supervised
from relay.active_config import CurrentConfig
from relay.bot.replies import Replies
from relay.core.active_config import ActiveConfig
from relay.core.event import Event, Noted
from relay.core.routing.route import Route, Routing
from relay.platforms.http import NoAnswer, Request
from relay.store.people import Outgoing
from relay.store.protocol import StoreError
from relay.store.sqlite.store import SqliteStore
from relay.store.writer import Writer
from tests.world import TEMPLATES


@pytest.mark.parametrize(
    ("error", "said"),
    [(StoreError("disk I/O error"), "storage failed"), (ValueError("a bug"), "replying failed")],
)
async def test_a_round_that_fails_is_told_and_another_comes(
    error: Exception, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, events, again = SqliteStore(":memory:"), list[Event](), asyncio.Event()
    writer = Writer(store)

    async def send(_: Request) -> NoAnswer:
        raise AssertionError("there is nothing to say")

    def bot_replies() -> tuple[Outgoing, ...]:
        if not events:
            raise error
        again.set()
        return ()

    monkeypatch.setattr(supervised, "AGAIN_AFTER", 0.0)
    monkeypatch.setattr(store.people, "bot_replies", bot_replies)
    config = CurrentConfig(ActiveConfig(Routing(Route("ops"), {}), TEMPLATES))
    answering = Replies(store.people, writer, send, lambda: 0.0, events.append, config)
    answering.start()
    await asyncio.wait_for(again.wait(), 10)
    await answering.stop()
    writer.close()
    assert [event.message for event in events if isinstance(event, Noted)] == [said]
