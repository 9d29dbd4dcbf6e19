"""A turn of a lane: the store folds and decides, the message is composed, the call is begun and
made, and its result is kept for the next turn, which begins at once.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

from msgspec import Struct

from relay.active_config import CurrentConfig
from relay.core.active_config import ActiveConfig
from relay.core.bot.people import described
from relay.core.card.card import Card
from relay.core.card.headline import headline, is_critical
from relay.core.card.lane_state import LaneState
from relay.core.card.outcome import Rejected
from relay.core.event import (
    ChatChanged,
    ChatMoved,
    Contradicted,
    Event,
    Noted,
    Settled,
    TemplateFailed,
)
from relay.core.notice import is_notice
from relay.core.routing.lane import LaneKey, Target
from relay.core.turn.change import AttemptResult
from relay.core.turn.compose import compose
from relay.core.turn.decide import Send, Situation
from relay.core.turn.finish import finish
from relay.delivery.calls import Calls, Exchange
from relay.platforms.contract import Platforms
from relay.store.protocol import Denied, Ended, Fenced, Lease, Store, StoreError
from relay.store.turn import (
    AFTER_BUG,
    Refused,
    Turn,
    doubt,
    settle_once,
    take_turn,
)
from relay.store.writer import Transactions

T = TypeVar("T")
MANY = 20  # alerts of a card whose message is composed in a thread
_MOST_CALLS = 1000  # of a lane whose times are remembered: an hour of a busy chat
_FOLD = 2  # lanes that fold a backlog at a time
_TRY_AGAIN = 1.0  # seconds during which a denied call is not even composed
SETTLE_AGAIN = 1.0  # seconds between attempts to store what a platform has done


class Next(Struct, frozen=True):
    """When a lane's next turn is due: at a moment (one that is past means at once), or None if
    nothing is to come. `wake` are other lanes that got work in this turn. `leaves`: until then the
    lane is for a process with a newer configuration.
    """

    until: float | None
    wake: tuple[LaneKey, ...] = ()
    leaves: bool = False


class _Result(Struct, frozen=True):
    """The result of a call that is not yet in the store. `before` is the lane state when it was
    made.
    """

    lease: Lease
    result: AttemptResult
    target: Target
    before: LaneState


def _not_asked(_source: str) -> None:
    """Asks nobody about alerts that are no longer listed."""


def _always(_lease: Lease) -> bool:
    """Says that a lane is always held, since no other process can have it."""
    return True


class Pipeline:
    """Turns of lanes. A lane has one turn at a time; turns of different lanes run side by side."""

    def __init__(
        self,
        store: Store,
        transactions: Transactions,
        exchange: Exchange,
        clock: Callable[[], float],
        jitter: Callable[[], float],
        emit: Callable[[Event], None],
        config: CurrentConfig,
        platforms: Platforms,
        absent: Callable[[str], None] = _not_asked,
        is_held: Callable[[Lease], bool] = _always,
    ) -> None:
        """`clock` gives Unix seconds, `jitter` 0 to 1; both are arguments so that tests can control
        them. `absent` is called with sources some of whose alerts are no longer listed. `is_held`
        tells whether a call that begins now ends before the lease does.
        """
        self._absent = absent
        self._store = store
        self._transactions = transactions
        self._clock = clock
        self._calls_made: dict[LaneKey, deque[float]] = {}
        self._jitter = jitter
        self._emit = emit
        self._config = config
        self._platforms = platforms
        self._calls = Calls(store, transactions, exchange, clock, emit, platforms, is_held)
        self._folds: set[LaneKey] = set()
        self._folding = asyncio.Semaphore(_FOLD)
        self._results: dict[LaneKey, _Result] = {}
        self._refused: dict[LaneKey, tuple[Refused, ActiveConfig]] = {}

    async def turn(self, lease: Lease) -> Next:
        """Settles the last call of the lane, folds new deliveries, and makes the next call if one
        is due. Raises Fenced if another process has the lane; that one settles the last call as
        unknown.
        """
        lane, config = lease.lane, self._config.current
        kept = self._kept(lease)
        result = kept.result if kept else None
        now, jitter = self._clock(), self._jitter()
        refused, by = self._refused.get(lane, (None, config))
        refused = refused if by is config else None
        arguments = (lease, config, self._platforms, now, result, jitter, refused)
        job = partial(take_turn, self._store, *arguments)
        try:
            turn = await self._take_turn(lane, job)
        except Fenced:
            self._results.pop(lane, None)
            raise
        except StoreError:
            if kept is None:
                raise
            return await self._settle_alone(lease, kept)
        self._settled(lane, kept)
        self._tell(turn, kept.result if kept else None)
        if isinstance(turn.next, Send) and turn.situation:
            until = await self._guarded(lease, turn.next, turn.situation, config)
            until = until if turn.hand_over_at is None else min(until, turn.hand_over_at)
            return Next(until, turn.woken)
        due = None if isinstance(turn.next, Send) else turn.next.until
        if due is not None and due <= now:
            self._folds.add(lane)
        return Next(due, turn.woken, turn.leaves)

    async def _take_turn(self, lane: LaneKey, job: Callable[[], Turn]) -> Turn:
        """The turn, as one transaction. Lanes whose last turn left more to fold have theirs a few
        at a time, so that others, which may have a call to make, need not wait for all of them.
        """
        if lane not in self._folds:
            return await self._transactions.run_unsynced(job)
        async with self._folding:
            self._folds.discard(lane)
            return await self._transactions.run_unsynced(job)

    def _kept(self, lease: Lease) -> _Result | None:
        """The result of the last call, unless another process has had the lane since: its epoch
        follows that of the call's lease only if this process has taken it again.
        """
        kept = self._results.get(lease.lane)
        if kept and lease.epoch - kept.lease.epoch > 1:
            del self._results[lease.lane]
            return None
        return kept

    async def leave(self, lease: Lease) -> None:
        """Stores the result of the last call before another process may have the lane."""
        kept = self._kept(lease)
        if kept:
            with suppress(Fenced):
                await self._settle_alone(lease, kept)

    async def settle_all(self) -> None:
        """Stores the results of the last calls if no turn follows."""
        for kept in tuple(self._results.values()):
            with suppress(Fenced):
                await self._settle_alone(kept.lease, kept)

    async def _settle_alone(self, lease: Lease, kept: _Result) -> Next:
        """Stores what a platform has done, if nothing else can be done now: a full disk has room
        for that.
        """
        try:
            settle = partial(settle_once, self._store, lease, kept.result)
            ended = await self._transactions.run(settle)
        except StoreError as error:
            self._emit(_not_recorded(error))
        else:
            self._settled(lease.lane, kept)
            for each in ended:
                self._emit(settled(lease.lane, each, kept.result.dead, _lost(each, kept.result)))
        return Next(self._clock() + SETTLE_AGAIN)

    async def _guarded(
        self, lease: Lease, send: Send, situation: Situation, config: ActiveConfig
    ) -> float:
        """Makes the call and returns when the next turn is due. A bug in one card must not silence
        the others of its chat, so that card waits for some time.
        """
        lane, card = situation.target.lane, send.card
        try:
            return await self._call(lease, send, situation, config)
        except (StoreError, Fenced):
            raise
        except Exception:
            await self._settle_doubt(lease, "the relay failed during the call")
            state = await self._transactions.run(partial(self._store.state, lane))
            until = max(self._clock(), state.retry_at) + AFTER_BUG
            postponed = partial(self._store.postpone, lease, card.group, card.fingerprint, until)
            await self._transactions.run(postponed)
            raise

    async def _call(
        self, lease: Lease, send: Send, situation: Situation, config: ActiveConfig
    ) -> float:
        target, policy = situation.target, situation.policy
        form = self._platforms[target.lane.platform].FORM
        calls = self._calls_made.setdefault(target.lane, deque(maxlen=_MOST_CALLS))
        composing = partial(compose, send, situation, config.templates, form, tuple(calls))
        composed = await _beside(len(send.card.entries), composing)
        if composed.failed:
            self._emit(TemplateFailed(policy.template, composed.failed))
        attempted = await self._calls.make(lease, send, situation, composed.message, config.limits)
        if isinstance(attempted, Denied):
            until = min(attempted.until, self._clock() + _TRY_AGAIN)
            self._refused[target.lane] = (Refused(send.rank, until), config)
            return attempted.until
        self._refused.pop(target.lane, None)
        calls.append(attempted.at)
        outcome = attempted.outcome
        if isinstance(outcome, Rejected) and not send.card.plain:
            why = f"refused by the platform: {outcome.why}"
            self._emit(TemplateFailed(policy.template, why))
        result = finish(send, situation, composed.contents, attempted, self._jitter())
        self._results[target.lane] = _Result(lease, result, target, situation.state)
        return attempted.at

    async def _settle_doubt(self, lease: Lease, why: str) -> None:
        """Settles the lane's begun call as unknown: its message may be in the chat."""
        config, now, jitter = self._config.current, self._clock(), self._jitter()
        reading = partial(doubt, self._store, lease.lane, config, now, jitter, why)
        result = await self._transactions.run(reading)
        if result is not None:
            await self._insist(partial(self._store.settle, lease, result))

    async def _insist(self, job: Callable[[], T]) -> T:
        """Repeats the job until the storage takes it, since what a platform did cannot be
        undone.
        """
        while True:
            try:
                return await self._transactions.run(job)
            except StoreError as error:
                self._emit(_not_recorded(error))
                await asyncio.sleep(SETTLE_AGAIN)

    def _settled(self, lane: LaneKey, kept: _Result | None) -> None:
        """Emits what the stored result changed about the lane."""
        if kept is None:
            return
        self._results.pop(lane, None)
        before, after, target = kept.before, kept.result.state, kept.target
        receiver = target.policy.receiver
        if (before.down is None) != (after.down is None):
            why = after.down.why if after.down else ""
            self._emit(ChatChanged(lane.platform, receiver, up=after.down is None, why=why))
        chat = after.chat if after.chat != before.chat else ""
        if chat or (after.thread_gone and not before.thread_gone):
            self._emit(ChatMoved(lane.platform, receiver, target.place, chat))

    def _tell(self, turn: Turn, result: AttemptResult | None) -> None:
        for source in turn.absent:
            self._absent(source)
        for ending in turn.endings:
            for ended in ending.ended:
                lost = _lost(ended, result) if result and ending.why == result.dead else None
                self._emit(settled(ending.lane, ended, ending.why, lost))
        for group_key, first, second in turn.contradicted:
            self._emit(Contradicted(group_key, first, second))
        for bug in turn.bugs:
            self._emit(Noted("error", "turn failed", (("err", bug),)))
        for subscription in turn.left:
            self._emit(Noted("info", "subscription ended", described(subscription)))
        if turn.left:
            self._config.subscribe(turn.subscriptions)


def settled(lane: LaneKey, ended: Ended, why: str = "", lost: Card | None = None) -> Settled:
    """The event for deliveries that ended. `lost` is the card that they will not change any more. A
    notice that is lost is not named, since its text may be what the platform refuses.
    """
    return Settled(
        lane.platform,
        ended.receiver,
        ended.settlement,
        ended.count,
        ended.latencies,
        why or ended.why,
        ended.delivery,
        ended.payload,
        headline(lost) if lost and not is_notice(lost.group) else "",
        urgent=lost is not None and is_critical(lost),
    )


def _lost(ended: Ended, result: AttemptResult) -> Card | None:
    """The card of deliveries that the platform accepts in no form."""
    return result.change.card if ended.settlement == "dead" and result.dead else None


def _not_recorded(error: StoreError) -> Noted:
    said = (("err", str(error)),)
    return Noted("error", "cannot record what was sent, trying again", said)


async def _beside(alerts: int, work: Callable[[], T]) -> T:
    """The result of the work; for many alerts it is done in a thread."""
    return await asyncio.to_thread(work) if alerts > MANY else work()
