"""The work for one Alertmanager: carries out the silences that were asked for, and reads what it
suppresses.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Protocol

from msgspec.structs import replace

from relay.alertmanager.client import AlertmanagerClient
from relay.core.action.reconcile import (
    AbsentAlert,
    Poll,
    Presence,
    Reconciled,
    Suppressed,
    asked_again_at,
    asked_by,
    presences,
    reconcile,
)
from relay.core.action.settings import AlertmanagerConfig
from relay.core.action.silence import (
    Count,
    Counted,
    Expire,
    Silencing,
    Written,
    answered,
    begun,
    gives_up,
    next_call,
)
from relay.core.alert import Labels
from relay.core.event import Event, Noted
from relay.core.routing.lane import LaneKey
from relay.core.routing.matcher import Matcher
from relay.delivery.calls import Exchange
from relay.store.writer import Transactions
from relay.supervised import Loop

_AFTER_END = 1.0  # seconds after the end of a silence within which Alertmanager notices it
_SILENT_FOR = 600.0  # seconds of failures after which they are reported


class SilenceStore(Protocol):
    """The part of the store that one source uses. Each method is a transaction; all raise
    StoreError.
    """

    def silencings_due(self, source: str, now: float) -> tuple[Silencing, ...]:
        """The silencings whose next call is due, the oldest first."""

    def next_silencing(self, source: str) -> float | None:
        """When the next silencing is due, Unix seconds."""

    def keep_silencing(self, silencing: Silencing) -> tuple[LaneKey, ...]:
        """Stores the silencing; cards of its alerts become due. Returns the lanes that have work
        now.
        """

    def shown_alerts(self, source: str) -> tuple[str, ...]:
        """The alerts that fire on cards, by their keys."""

    def names(self, source: str, alerts: Sequence[str]) -> Mapping[str, str]:
        """The cards' names for these alerts, as far as they show them."""

    def asked_for(self, source: str, also: Sequence[str] = ()) -> Mapping[str, AbsentAlert]:
        """The alerts that left a list, and those of `also`, as far as cards show them as firing."""

    def known_suppressed(self, source: str) -> Mapping[str, Suppressed]:
        """The suppressions known so far."""

    def keep_reconciled(
        self, source: str, reconciled: Reconciled, now: float
    ) -> tuple[LaneKey, ...]:
        """Stores the changes; cards of these alerts become due. Returns the lanes that have
        work.
        """


class AlertmanagerRunner:
    """Carries out silences at once, and polls while cards are open. Each source has one."""

    def __init__(
        self,
        config: AlertmanagerConfig,
        store: SilenceStore,
        transactions: Transactions,
        exchange: Exchange,
        clock: Callable[[], float],
        emit: Callable[[Event], None],
        wake: Callable[[tuple[LaneKey, ...]], None],
    ) -> None:
        self._config = config
        self._store = store
        self._transactions = transactions
        self._client = AlertmanagerClient(config, exchange, clock)
        self._clock = clock
        self._emit = emit
        self._wake = wake
        self._work = asyncio.Event()
        self._look_again = asyncio.Event()
        self._loops = [
            Loop("alertmanager failed", partial(_for_ever, each), emit)
            for each in (self._carry_out, self._poll)
        ]
        self._failing_since: float | None = None

    def ring(self) -> None:
        """Wakes the runner for a silence that was asked for."""
        self._work.set()

    def ask(self) -> None:
        """Makes the next poll due now."""
        self._look_again.set()

    def start(self) -> None:
        """Begins with what an earlier run left."""
        self._work.set()
        for loop in self._loops:
            loop.start()

    async def stop(self) -> None:
        """Stops. The next run looks for the result of a call that was under way."""
        await asyncio.gather(*(loop.stop() for loop in self._loops))

    async def _carry_out(self) -> None:
        """Carries out what is due, one after the other; then waits until the next is due, or
        `ring`.
        """
        self._work.clear()
        now, source = self._clock(), self._config.source
        due = await self._transactions.run(partial(self._store.silencings_due, source, now))
        for silencing in due:
            await self.advance(silencing)
        next_at = await self._transactions.run(partial(self._store.next_silencing, source))
        pause = None if next_at is None else max(0.0, next_at - self._clock())
        with suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._work.wait()

    async def advance(self, silencing: Silencing) -> Silencing:
        """Makes one call of a silencing. Its state is stored before and after."""
        now = self._clock()
        over = gives_up(silencing, now)
        if over is not None:
            return await self._kept(over)
        call = next_call(silencing, now)
        if call is None:
            return silencing
        peer = self._client.peer_for(silencing.peer)
        before = begun(silencing, call, peer, now)
        if before != silencing:
            await self._kept(before)
        answer = await self._client.call(call, peer)
        after = answered(before, call, answer, self._clock())
        if after.state == "done":
            self._look_again.set()
        if isinstance(answer, Written) and silencing.replaces != answer.silence_id:
            self._emit(Noted("info", "silence written", (("id", answer.silence_id),)))
        return await self._kept(after)

    async def _kept(self, silencing: Silencing) -> Silencing:
        self._wake(await self._transactions.run(partial(self._store.keep_silencing, silencing)))
        return silencing

    async def _poll(self) -> None:
        """One poll, and the pause after it with some jitter. The pause ends early when a silence
        was written, or when one ends.
        """
        self._look_again.clear()
        next_end = await self.look()
        spread = 0.9 + 0.2 * random.random()  # noqa: S311 - jitter
        pause = self._config.poll_interval * spread
        if next_end is not None:
            pause = min(pause, max(1.0, next_end - self._clock() + _AFTER_END))
        with suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._look_again.wait()

    async def poll(self) -> Poll | None:
        """What is suppressed now, if Alertmanager answers."""
        found = await self._client.poll()
        return found if isinstance(found, Poll) else None

    async def count(self, matchers: tuple[Matcher, ...]) -> tuple[Labels, ...] | None:
        """The alerts that match, if Alertmanager answers."""
        found = await self._client.call(Count(matchers), self._client.peer)
        return found.alerts if isinstance(found, Counted) else None

    async def look(self) -> float | None:
        """Reads what is suppressed while cards are open, and asks for alerts that left a list. A
        failing API changes nothing. Returns when the next silence ends, or something is to be asked
        again.
        """
        source = self._config.source
        shown = await self._transactions.run_unsynced(partial(self._store.shown_alerts, source))
        if not shown:
            return None
        poll = await self._client.poll()
        if not isinstance(poll, Poll):
            self._failed(poll.why)
            return None
        self._failing_since = None
        known = await self._transactions.run_unsynced(partial(self._store.known_suppressed, source))
        by = {each for alert in poll.suppressed for each in alert.inhibited_by}
        job = partial(self._store.names, source, tuple(sorted(by)))
        names = await self._transactions.run_unsynced(job) if by else {}
        found = reconcile(shown, known, poll, names, self._clock())
        asked, learnt = await self._ask_for(found.freed)
        found = replace(found, presences=learnt)
        if found.suppressed or found.freed or found.presences:
            keep = partial(self._store.keep_reconciled, source, found, self._clock())
            self._wake(await self._transactions.run(keep))
        for twice in found.twice:
            await self._client.call(Expire(twice), self._client.peer)
        ends = [each.until for each in {**known, **found.suppressed}.values() if each.until]
        again = asked_again_at({**asked, **learnt}.values())
        ends += [] if again is None else [again - _AFTER_END]
        return min((at for at in ends if at > self._clock() - _AFTER_END), default=None)

    async def _ask_for(
        self, freed: Sequence[str]
    ) -> tuple[dict[str, Presence], dict[str, Presence]]:
        """The alerts that left a list, those in `freed` among them: the presence known so far, and
        the one by the answers of all peers.
        """
        job = partial(self._store.asked_for, self._config.source, freed)
        asked = await self._transactions.run_unsynced(job)
        known = {key: each.presence for key, each in asked.items()}
        open_ones = {key: each for key, each in asked.items() if each.presence.state != "gone"}
        if not open_ones:
            return known, {}
        matchers = asked_by(each.labels for each in open_ones.values())
        now = self._clock()
        learnt = presences(open_ones, await self._client.ask(matchers), now)
        left = {key: Presence("left", now) for key in freed if key in open_ones}
        news = {key: each for key, each in learnt.items() if each.state != known[key].state}
        return known, {**left, **news}

    def _failed(self, why: str) -> None:
        now = self._clock()
        if self._failing_since is None:
            self._failing_since = now
        elif now - self._failing_since >= _SILENT_FOR:
            self._failing_since = now
            source = ("source", self._config.source)
            self._emit(Noted("warning", "silences unknown", (source, ("err", why))))


class Alertmanagers:
    """The runners of all sources."""

    def __init__(
        self,
        store: SilenceStore,
        transactions: Transactions,
        exchange: Exchange,
        clock: Callable[[], float],
        emit: Callable[[Event], None],
        wake: Callable[[tuple[LaneKey, ...]], None],
    ) -> None:
        self._start = partial(
            AlertmanagerRunner,
            store=store,
            transactions=transactions,
            exchange=exchange,
            clock=clock,
            emit=emit,
            wake=wake,
        )
        self._runners: dict[AlertmanagerConfig, AlertmanagerRunner] = {}

    async def follow(self, configs: Iterable[AlertmanagerConfig]) -> None:
        """Runs these and no others. One whose settings changed stops before it begins again."""
        wanted = tuple(configs)
        for config in [each for each in self._runners if each not in wanted]:
            await self._runners.pop(config).stop()
        for config in wanted:
            if config not in self._runners:
                self._runners[config] = self._start(config)
                self._runners[config].start()

    def ask(self, source: str) -> None:
        """Polls a source now, because alerts of it are no longer listed."""
        for config, runner in self._runners.items():
            if config.source == source:
                runner.ask()

    def ring(self) -> None:
        """Wakes the runners for a silence that was asked for."""
        for runner in self._runners.values():
            runner.ring()

    async def poll(self, source: str) -> Poll | None:
        """What the Alertmanager of a source suppresses now; None if there is none, or it does not
        answer.
        """
        found = (runner for config, runner in self._runners.items() if config.source == source)
        runner = next(found, None)
        return await runner.poll() if runner else None

    async def count(self, source: str, matchers: tuple[Matcher, ...]) -> tuple[Labels, ...] | None:
        """The alerts of a source that match; None if unknown."""
        found = (runner for config, runner in self._runners.items() if config.source == source)
        runner = next(found, None)
        return await runner.count(matchers) if runner else None

    async def stop(self) -> None:
        """Stops all of them."""
        await self.follow(())


async def _for_ever(work: Callable[[], Awaitable[None]]) -> None:
    while True:
        await work()
