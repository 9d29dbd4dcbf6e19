"""Escalates alerts that nobody takes: when a step is due, its cards owe a reply that rings, or
another receiver gets the alerts.
"""

import asyncio
from collections.abc import Callable, Iterable
from functools import partial

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from relay.active_config import CurrentConfig
from relay.core.action.escalation import (
    LANE_GAP,
    MOST_GROUPS,
    EscalationClock,
    StepDue,
    due,
    due_now,
    happened,
    said_of,
)
from relay.core.active_config import ActiveConfig
from relay.core.alert import Alert, GroupId, Notification
from relay.core.card.card import Card, Entry
from relay.core.card.subject import subject
from relay.core.event import EscalationSettled, Event
from relay.core.routing.lane import LaneKey
from relay.core.routing.matcher import matches
from relay.core.routing.route import Delivery
from relay.core.turn.decide import hours_of
from relay.store.acting import DueClock
from relay.store.protocol import NewPayload, Store
from relay.store.writer import Transactions
from relay.supervised import Loop

_TICK = 1.0  # seconds between checks of what is due
_MUTED = 30.0  # seconds until a muted alert is checked again
_MOST = 500  # clocks in one check


class _Round(Struct, frozen=True):
    """The result of a check: lanes that have work now, and the receivers whose steps were done."""

    lanes: tuple[LaneKey, ...] = ()
    escalated: tuple[str, ...] = ()


class Escalations:
    """Checks the clocks, in one transaction each time."""

    def __init__(
        self,
        store: Store,
        transactions: Transactions,
        clock: Callable[[], float],
        emit: Callable[[Event], None],
        config: CurrentConfig,
        wake: Callable[[Iterable[LaneKey]], None],
    ) -> None:
        self._store = store
        self._transactions = transactions
        self._clock = clock
        self._emit = emit
        self._config = config
        self._wake = wake
        self._loop = Loop("escalating failed", self._go_on, emit)

    def start(self) -> None:
        """Begins with what an earlier run left."""
        self._loop.start()

    async def stop(self) -> None:
        await self._loop.stop()

    async def _go_on(self) -> None:
        while True:
            await self.round()
            await asyncio.sleep(_TICK)

    async def round(self) -> None:
        """One check at the present time. It costs nothing if nothing escalates."""
        config, now = self._config.current, self._clock()
        if not config.acting.escalations:
            return
        read = partial(self._store.acting.clocks_due, now, 1)
        if not await self._transactions.run_unsynced(read):
            return
        done = await self._transactions.run(partial(escalate, self._store, config, now))
        self._wake(done.lanes)
        for receiver in done.escalated:
            self._emit(EscalationSettled(receiver))


def escalate(store: Store, config: ActiveConfig, now: float) -> _Round:
    """Carries out what is due by now, within `Store.batch`. A chat is told at most once a minute,
    of up to ten groups.
    """
    by_receiver: dict[str, list[DueClock]] = {}
    for each in store.acting.clocks_due(now, _MOST):
        by_receiver.setdefault(each.clock.receiver, []).append(each)
    work = _Work(store, config, now)
    for receiver, found in by_receiver.items():
        work.receiver(receiver, found)
    return _Round(tuple(dict.fromkeys(work.lanes)), tuple(work.escalated))


class _Work:
    """One check under way."""

    def __init__(self, store: Store, config: ActiveConfig, now: float) -> None:
        self._store = store
        self._config = config
        self._now = now
        self.lanes: list[LaneKey] = []
        self.escalated: list[str] = []

    def receiver(self, receiver: str, found: list[DueClock]) -> None:
        """Carries out what is due for one receiver, in groups of the same card."""
        acting = self._store.acting
        lanes = [target.lane for target in self._config.routing.targets.get(receiver, ())]
        next_at = max(map(acting.escalated_at, lanes), default=0.0) + LANE_GAP
        may_tell, leader, told = next_at <= self._now, False, 0
        groups: dict[GroupId, list[DueClock]] = {}
        for each in found:
            clock = self._at_present(each)
            if clock is not None and each.card is not None:
                groups.setdefault(each.card.group, []).append(DueClock(clock, each.lane, each.card))
        names = [_name(group[0].card) for group in groups.values()]
        for index, group in enumerate(groups.values()):
            speaks = self._speaks(group)
            if speaks and (not may_tell or told == MOST_GROUPS):
                for each in group:
                    at = next_at if not may_tell else self._now + LANE_GAP
                    acting.keep_clock(each.lane, each.clock, at)
                continue
            told += speaks
            others = names[index + 1 : index + MOST_GROUPS] if speaks and not leader else []
            self._carry_out(group, tuple(others), silent=speaks and leader)
            leader = leader or speaks
        for lane in lanes if leader else ():
            acting.keep_escalated(lane, self._now)

    def _at_present(self, each: DueClock) -> EscalationClock | None:
        """The clock, if it goes on; otherwise it is stored in its present state."""
        acting, clock, card, now = self._config.acting, each.clock, each.card, self._now
        plan = acting.escalations.get(clock.receiver)
        if plan is None or card is None:
            self._store.acting.forget_clock(clock)
            return None
        known = self._store.acting.known(clock.source, [clock.alert])
        taken = known.takes.get(clock.alert)
        # A take whose holder was asked again does not count until the holder presses once more.
        if taken is not None and taken.ended_at is None and not (clock.stopped or clock.asked):
            clock = happened(clock, "taken", taken.since)
        if clock.alert in known.suppressed and clock.stopped == "":
            clock = happened(clock, "suppressed", now)
        if self._is_muted(card, each.lane):
            clock = happened(clock, "muted", now)
            self._store.acting.keep_clock(each.lane, clock, now + _MUTED)
            return None
        if clock.stopped == "muted":
            clock = happened(clock, "unmuted", now)
        what = due(clock, plan)
        if what is None or what.at > now:
            self._store.acting.keep_clock(each.lane, clock, what.at if what else None)
            return None
        return clock

    def _is_muted(self, card: Card, lane: LaneKey) -> bool:
        target = self._config.target(lane, card.receiver)
        return target is not None and hours_of(card, target, self._config, self._now).muted

    def _speaks(self, group: list[DueClock]) -> bool:
        """Whether something about the group is to be said in the receiver's own chats."""
        plan = self._config.acting.escalations[group[0].clock.receiver]
        return any(
            said_of(each.clock, what, "", self._now) is not None
            for each in group
            for what in due_now(each.clock, plan, self._now)[1]
        )

    def _carry_out(self, group: list[DueClock], others: tuple[str, ...], *, silent: bool) -> None:
        """Carries out the steps of a group. `silent`: another group's message names this one."""
        now, store = self._now, self._store
        plan = self._config.acting.escalations[group[0].clock.receiver]
        goes_to: dict[str, list[DueClock]] = {}
        for each in group:
            clock, dues = due_now(each.clock, plan, now)
            for what in dues:
                if isinstance(what, StepDue) and what.step.receiver:
                    goes_to.setdefault(what.step.receiver, []).append(each)
                said = said_of(clock, what, self._holder(clock), now)
                if said is not None and not silent:
                    age = max(now - each.clock.started_at, 0.0)
                    clock = replace(clock, owed=replace(said, age=age, others=others))
            following = due(clock, plan)
            store.acting.keep_clock(each.lane, clock, following.at if following else None)
            self.escalated += [clock.receiver] * len(dues)
        for receiver, clocks in goes_to.items():
            self._deliver(receiver, clocks)
        keys = [each.clock.alert for each in group]
        self.lanes += store.acting.cards_due(group[0].clock.source, keys)

    def _holder(self, clock: EscalationClock) -> str:
        taken = self._store.acting.known(clock.source, [clock.alert]).takes.get(clock.alert)
        return taken.holder.name if taken else ""

    def _deliver(self, receiver: str, clocks: list[DueClock]) -> None:
        """Makes ordinary deliveries: the cards there have the same buttons and end by
        themselves.
        """
        card = clocks[0].card
        plan = self._config.acting.escalations[clocks[0].clock.receiver]
        targets = self._config.routing.targets.get(receiver, ())
        if card is None or not targets:
            return
        entries = [
            entry
            for entry in card.entries
            if entry.status == "firing" and matches(plan.matchers, entry.labels)
        ]
        told = _notification(card, entries)
        ways = tuple(Delivery(t.lane, receiver, "", None, "escalation") for t in targets)
        payload = NewPayload(
            told.group,
            msgspec.json.encode(told),
            self._now,
            ways,
            last=False,  # it tells nothing about other alerts of the group in other chats
            notification=told,
            generation=self._config.generation,
        )
        self.lanes += self._store.accept([payload]).lanes


def _name(card: Card | None) -> str:
    """The name of a group in another group's line."""
    entry = card.entries[0] if card and card.entries else None
    if entry is None:
        return ""
    name = entry.labels.get("alertname", "")
    return " ".join(filter(None, (name, subject([entry]).telling)))


def _notification(card: Card, entries: list[Entry]) -> Notification:
    """The alerts as Alertmanager would post their group."""
    alerts = tuple(
        Alert(
            "firing",
            entry.labels,
            entry.annotations,
            entry.starts_at,
            None,
            entry.generator_url,
            entry.fingerprint,
        )
        for entry in entries
    )
    group = card.group
    return Notification(
        source=group.source,
        receiver=group.receiver,
        group_key=group.group_key,
        status="firing",
        alerts=alerts,
        group_labels=card.head.group_labels,
        common_labels={},
        common_annotations={},
        route_labels=card.head.route_labels,
        external_url=card.head.external_url,
        reason="",
        truncated=0,
        state=card.head.state,
    )
