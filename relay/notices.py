"""Notices at work: listens to what happens and posts what operators have to know, at most hourly each."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

from msgspec.structs import replace

from relay.core.alert import Notification
from relay.core.card.card import Card
from relay.core.event import Event
from relay.core.notice import HOURLY, Notice, notice_of, notification, told_by

_LOOK_EVERY = 60.0  # seconds
_MOST_WAITING = 100
_Key = tuple[str, str]


class Notices:
    """Turns events into notifications of the relay's own. `post` delivers one to the receiver of notices."""

    def __init__(self, post: Callable[[Notification], Awaitable[None]], clock: Callable[[], float]) -> None:
        self._post = post
        self._clock = clock
        self._waiting: asyncio.Queue[Notice] = asyncio.Queue(_MOST_WAITING)
        self._open: dict[_Key, tuple[Notice, float, float]] = {}
        self._task: asyncio.Task[None] | None = None
        self.language = "en"

    def listen(self, event: Event) -> None:
        """Takes an event; never waits, and forgets the notice when too many wait already."""
        notice = notice_of(event)
        if notice is not None and not self._waiting.full():
            self._waiting.put_nowait(notice)

    def start(self, told: Iterable[Card]) -> None:
        """Begins to post. What an earlier run told by these cards is over when nothing renews it for an hour."""
        for card in told:
            notice = told_by(card)
            if notice:
                self._open[notice.kind, notice.subject] = (notice, card.entries[0].starts_at, self._clock())
        self._task = asyncio.create_task(self._go_on())

    async def stop(self) -> None:
        """Ends it; what still waits is dropped: its cause stands in the log."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _go_on(self) -> None:
        while True:
            with suppress(TimeoutError):
                await self.take(await asyncio.wait_for(self._waiting.get(), _LOOK_EVERY))
            await self.look()

    async def take(self, notice: Notice) -> None:
        """Posts the notice, unless it is open already."""
        key, now = (notice.kind, notice.subject), self._clock()
        known = self._open.get(key)
        began = known[1] if known else now
        if notice.firing:
            self._open[key] = (notice, began, now)
        else:
            self._open.pop(key, None)
        if known is None or not notice.firing:
            await self._post(notification(notice, self.language, began, now))

    async def look(self) -> None:
        """Ends the notices that nothing renewed for an hour."""
        now = self._clock()
        for key, (notice, began, last) in list(self._open.items()):
            if not notice.lasting and last + HOURLY <= now:
                del self._open[key]
                await self._post(notification(replace(notice, firing=False), self.language, began, now))
