"""Posts notices to operators from events, each at most hourly."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

from msgspec.structs import replace

from relay.active_config import CurrentConfig
from relay.core.active_config import Refusing
from relay.core.alert import Notification
from relay.core.card.card import Card
from relay.core.event import Accepted, Answered, Called, ChatChanged, Event, Settled
from relay.core.notice import (
    CHAT_DOWN,
    HOURLY,
    Notice,
    chat_down,
    is_news,
    notice_of,
    notice_of_card,
    notification,
)
from relay.store.protocol import StoreError
from relay.supervised import Loop

_CHECK_EVERY = 60.0  # seconds
_MOST_WAITING = 100
_Key = tuple[str, str]


class Notices:
    """Turns events into notifications of the relay's own. `post` delivers one to the receiver of
    notices; `refusing` returns the receivers with a chat that is down now.
    """

    def __init__(
        self,
        post: Callable[[Notification], Awaitable[None]],
        refusing: Callable[[], Awaitable[tuple[Refusing, ...]]],
        clock: Callable[[], float],
        emit: Callable[[Event], None],
        config: CurrentConfig,
    ) -> None:
        self._post = post
        self._config = config
        self._refusing = refusing
        self._clock = clock
        self._emit = emit
        self._waiting: asyncio.Queue[Notice | None] = asyncio.Queue(
            _MOST_WAITING
        )  # None: only check
        self._open: dict[_Key, tuple[Notice, float, float]] = {}
        self._loop = Loop("notices failed", self._go_on, emit)

    def on_event(self, event: Event) -> None:
        """Takes an event. Never waits, and drops the notice if too many wait already."""
        match event:
            case Accepted() | Called() | Answered(code=200) | Settled(settlement="delivered"):
                return  # the most frequent events
            case _:
                notice = notice_of(event)
        if (notice is not None or isinstance(event, ChatChanged)) and not self._waiting.full():
            self._waiting.put_nowait(notice)

    def start(self, cards: Iterable[Card]) -> None:
        """Begins to post. The notices that an earlier run told by these cards end as if this run
        had told them now.
        """
        for card in cards:
            notice = notice_of_card(card)
            if notice:
                self._open[notice.kind, notice.subject] = (
                    notice,
                    card.entries[0].starts_at,
                    self._clock(),
                )
        self._loop.start()

    async def stop(self) -> None:
        """Stops. Notices that still wait are dropped: their causes are in the log."""
        await self._loop.stop()

    async def _go_on(self) -> None:
        while True:
            await self.check()
            notice = None
            with suppress(TimeoutError):
                async with asyncio.timeout(_CHECK_EVERY):
                    notice = await self._waiting.get()
            if notice:
                await self.post_once(notice)

    async def post_once(self, notice: Notice) -> None:
        """Posts the notice, unless it is open already."""
        key, now = (notice.kind, notice.subject), self._clock()
        known = self._open.get(key)
        began = known[1] if known else now
        if known and not notice.firing:  # what began is what ends
            notice = replace(known[0], firing=False)
        if notice.firing:
            self._open[key] = (notice, began, now)
        else:
            self._open.pop(key, None)
        if is_news(notice, known=known is not None):
            await self._post(
                notification(notice, self._config.current.notices_language, began, now)
            )

    async def check(self) -> None:
        """Reports chats that are down and chats that no longer are, and ends notices that nothing
        renewed for an hour.
        """
        with suppress(StoreError):
            await self._compare(await self._refusing())
        now = self._clock()
        for key, (notice, began, last) in list(self._open.items()):
            if not notice.lasting and last + HOURLY <= now:
                del self._open[key]
                await self._post(
                    notification(
                        replace(notice, firing=False),
                        self._config.current.notices_language,
                        began,
                        now,
                    )
                )

    async def _compare(self, refusing: Iterable[Refusing]) -> None:
        """Compares the chats that are down with those reported. A chat also counts as mended when
        another one took its place, for which there is no event.
        """
        down = [chat_down(each) for each in refusing]
        for notice in down:
            await self.post_once(notice)
        over = self._open.keys() - {(notice.kind, notice.subject) for notice in down}
        for key in over:
            if key[0] == CHAT_DOWN:
                await self.post_once(replace(self._open[key][0], firing=False))
