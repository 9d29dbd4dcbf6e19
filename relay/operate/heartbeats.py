"""Watches heartbeats: the loss of one is told to its receiver, with a sound, and so is its return.
While all is well an outside address gets a GET.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol

from msgspec.structs import replace

from relay.active_config import CurrentConfig
from relay.core.action.beat_notice import REPEATED, TOLD_AGAIN, lost_text, notification, spelled
from relay.core.action.heartbeat import (
    Beat,
    Lost,
    Outage,
    deadline,
    first_beats,
    lost,
    may_ping,
)
from relay.core.action.reconcile import Poll, Suppressed, reconcile
from relay.core.action.settings import HeartbeatConfig
from relay.core.alert import Notification
from relay.core.event import Answered, Event, Noted
from relay.core.routing.matcher import matches
from relay.core.text.times import Reader
from relay.delivery.calls import Exchange
from relay.platforms.http import NoAnswer, Request
from relay.store.writer import Transactions
from relay.supervised import Loop

_OFTEN, _SELDOM = 1.0, 15.0  # seconds between checks
_PING_WAITS = 5.0
_MOST_REFUSED = 10_000


class HeartbeatStore(Protocol):
    """The part of the store that heartbeats use."""

    def beats(self) -> tuple[Beat, ...]:
        """All known heartbeats."""

    def keep_beat(self, beat: Beat) -> None:
        """Stores the heartbeat."""

    def forget_beat(self, beat: Beat) -> None:
        """Removes a heartbeat that is no longer configured."""


class Heartbeats:
    """Notices missing heartbeats."""

    def __init__(
        self,
        store: HeartbeatStore,
        transactions: Transactions,
        exchange: Exchange,
        clock: Callable[[], float],
        emit: Callable[[Event], None],
        config: CurrentConfig,
        post: Callable[[Notification, str], Awaitable[None]],
        look: Callable[[str], Awaitable[Poll | None]],
    ) -> None:
        """`post` sends a notification to a receiver; `look` asks the Alertmanager of a source what
        it suppresses (None: unknown).
        """
        self._store = store
        self._transactions = transactions
        self._exchange = exchange
        self._clock = clock
        self._emit = emit
        self._config = config
        self._post = post
        self._look = look
        self._up_since = clock()
        self._refused: deque[tuple[float, str]] = deque(maxlen=_MOST_REFUSED)
        self._pinged: dict[str, float] = {}
        self._pings: set[asyncio.Task[None]] = set()
        self._loop = Loop("heartbeats failed", self._go_on, emit)

    def on_event(self, event: Event) -> None:
        """Counts payloads that the relay refused with 503, since they may explain a missing
        beat.
        """
        if isinstance(event, Answered) and event.code == 503:
            source = event.path.strip("/").removeprefix("alerts").strip("/")
            self._refused.append((self._clock(), source))

    def start(self, up_for: float = 0.0) -> None:
        """Starts. Deadlines count at the earliest from the time when this process began to hear
        heartbeats, so many seconds ago.
        """
        self._up_since = self._clock() - up_for
        self._loop.start()

    async def stop(self) -> None:
        for ping in self._pings:
            ping.cancel()
        await asyncio.gather(self._loop.stop(), *self._pings, return_exceptions=True)

    async def _go_on(self) -> None:
        while True:
            await self.round()
            spans = [each.every + each.grace for each in self._config.current.acting.heartbeats]
            await asyncio.sleep(min(max(min(spans, default=_SELDOM) / 10, _OFTEN), _SELDOM))

    async def round(self) -> None:
        """One check at the present time."""
        acting, now = self._config.current.acting, self._clock()
        beats = await self._transactions.run_unsynced(self._store.beats)
        if not acting.heartbeats and not beats:
            return
        for beat in first_beats(acting.heartbeats, beats, now):
            await self._keep(beat)
        by_name = {each.name: each for each in acting.heartbeats}
        for beat in beats:
            config = by_name.get(beat.name)
            if config is None:
                await self._forget(beat)
            else:
                await self._judge(config, beat, now)
        for config in acting.heartbeats:
            self._ping(config, beats, now)

    async def _judge(self, config: HeartbeatConfig, beat: Beat, now: float) -> None:
        if beat.lost_at is not None and beat.back_at is not None:
            said = notification(config, beat, spelled(beat), beat.back_at, firing=False)
            await self._post(said, config.receiver)
            await self._keep(Beat(beat.name, beat.values, beat.back_at))
            values = (("name", beat.name), ("seconds", f"{beat.back_at - beat.seen_at:.0f}"))
            self._emit(Noted("info", "heartbeat is back", values))
            return
        outage = Outage(self._up_since, self._refused_since(config.source, beat.seen_at))
        if beat.lost_at is None and now >= deadline(config, beat, outage):
            suppressed = await self._suppressed(config, beat)
            found = lost(config, beat, outage, suppressed, now)
            if found is not None:
                await self._tell(config, found, now)
        elif beat.lost_at is not None and now >= beat.told_at + TOLD_AGAIN:
            await self._tell(config, Lost(beat, beat.seen_at, "silence"), now, REPEATED)

    async def _tell(
        self, config: HeartbeatConfig, found: Lost, now: float, reason: str = ""
    ) -> None:
        targets = self._config.current.routing.targets.get(config.receiver, ())
        policy = targets[0].policy if targets else self._config.current.personal
        text = lost_text(found, Reader(policy.language, policy.timezone, now))
        said = notification(config, found.beat, text, now, firing=True, reason=reason)
        await self._post(said, config.receiver)
        await self._keep(replace(found.beat, told_at=now))
        values = (("name", spelled(found.beat)), ("cause", found.cause))
        self._emit(Noted("warning", "heartbeat is lost", values))

    async def _suppressed(self, config: HeartbeatConfig, beat: Beat) -> Suppressed | None:
        """What suppresses the heartbeat's alert in Alertmanager, if anything: then it is there and
        only not notified.
        """
        poll = await self._look(config.source)
        for alert in poll.suppressed if poll else ():
            values = tuple(alert.labels.get(label, "") for label in config.by)
            if poll and matches(config.matchers, alert.labels) and beat.values in ((), values):
                key = alert.fingerprint
                return reconcile([key], {}, poll, {}, self._clock()).suppressed.get(key)
        return None

    def _refused_since(self, source: str, since: float) -> int:
        return sum(1 for at, each in self._refused if at > since and each == source)

    def _ping(self, config: HeartbeatConfig, beats: tuple[Beat, ...], now: float) -> None:
        """Sends the ping in a task of its own, so that a slow answer delays nothing."""
        last = self._pinged.get(config.name, 0.0)
        if config.ping_url is None or not may_ping(config, beats, last, now, well=True):
            return
        self._pinged[config.name] = now
        request = Request("GET", config.ping_url, "ping", repeatable=True, pool="ping")
        task = asyncio.create_task(self._call(config.name, request))
        self._pings.add(task)
        task.add_done_callback(self._pings.discard)

    async def _call(self, name: str, request: Request) -> None:
        try:
            async with asyncio.timeout(_PING_WAITS):
                answer = await self._exchange(request)
        except TimeoutError:
            answer = NoAnswer(sent=True, why="timed out")
        if isinstance(answer, NoAnswer) or answer.status >= 300:
            why = answer.why if isinstance(answer, NoAnswer) else str(answer.status)
            self._emit(Noted("warning", "ping failed", (("name", name), ("err", why))))

    async def _keep(self, beat: Beat) -> None:
        await self._transactions.run(partial(self._store.keep_beat, beat))

    async def _forget(self, beat: Beat) -> None:
        await self._transactions.run(partial(self._store.forget_beat, beat))
