"""The way of one delivery from the store to a chat, on one screen: claim, fold, plan, render,
begin, send, settle.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from relay.core.active_config import ActiveConfig
from relay.core.alert import GroupId
from relay.core.card.advance import Advanced, advance, rest
from relay.core.card.card import Card, Head, fires_anew, is_settled, is_untold
from relay.core.card.digest import DIGEST, QUIET, capacity, is_old, share
from relay.core.card.fold import Arriving, contradiction, fold, ripen
from relay.core.card.hours import Hours, hours
from relay.core.card.lane_state import Down, LaneState
from relay.core.card.outcome import (
    Rejected,
    Unknown,
)
from relay.core.card.plan import due, is_urgent, plan
from relay.core.card.step import Post, Reply, Step, Wait
from relay.core.event import (
    Contradicted,
    Event,
    Settlement,
    TemplateFailed,
)
from relay.core.routing.lane import LaneKey, Target
from relay.core.routing.route import deliveries
from relay.core.template.build_view import build_view
from relay.core.template.listing import pending_lanes
from relay.core.template.template import Rendered, render
from relay.delivery.calls import Calls, Run, Send, limits_of
from relay.delivery.digests import Digests
from relay.platforms.contract import Platforms
from relay.store.protocol import (
    RECEIVER_REMOVED,
    ROUTED_AGAIN,
    AttemptResult,
    CardChange,
    Claim,
    Denied,
    Open,
    Store,
    StoreError,
)

T = TypeVar("T")
PAGE = 128  # deliveries folded at a time
MANY = 2000  # alerts
AFTER_BUG = 15.0  # seconds for which the others of its chat go before a card at which a turn failed


class Next(Struct, frozen=True):
    """When a lane's next turn is due: a moment not after now means at once, None that nothing is to
    come. `wake` are other lanes that have work since this turn."""

    until: float | None
    wake: tuple[LaneKey, ...] = ()


class Pipeline:
    """Turns of lanes. One lane has one turn at a time; turns of different lanes run side by
    side.
    """

    def __init__(
        self,
        store: Store,
        run: Run,
        send: Send,
        clock: Callable[[], float],
        jitter: Callable[[], float],
        emit: Callable[[Event], None],
        active: ActiveConfig,
        platforms: Platforms,
    ) -> None:
        """`clock` gives Unix seconds, `jitter` 0 to 1; both are arguments so that a test can own
        them.
        """
        self._store = store
        self._run = run
        self._clock = clock
        self._jitter = jitter
        self._emit = emit
        self._calls = Calls(store, run, send, clock, emit, active.limits, platforms)
        self._platforms = platforms
        self._digests = Digests(store, run, self._calls, jitter, emit)
        self._active = active

    @property
    def active(self) -> ActiveConfig:
        """What deliveries and messages depend on now."""
        return self._active

    def take_over(self, active: ActiveConfig) -> None:
        """From now on this is in force."""
        self._active = active
        self._calls.rates = active.limits

    async def turn(self, lane: LaneKey) -> Next:
        """Folds a page of the lane's deliveries, or brings one card one step further."""
        now = self._clock()
        claim = await self._run(partial(self._store.claim, lane, now, PAGE))
        if claim.page:
            return Next(now, await self._fold(claim, now))
        down = claim.state.down
        if down and not self._may_probe(lane, down, now):
            return Next(down.probe_at, await self._copy_to_fallback(lane))
        if claim.state.retry_at > now:
            return Next(claim.state.retry_at)
        if not claim.cards:
            return Next(claim.next_due)
        card = claim.cards[0]
        try:
            return await self._bring(claim, card, now)
        except StoreError:
            raise
        except Exception:  # a bug in one card must not silence the others of its chat
            await self._settle_doubt(lane, "the relay failed during the call")
            paused = (await self._run(partial(self._store.claim, lane, now, 0))).state.retry_at
            until = max(self._clock(), paused) + AFTER_BUG
            await self._run(
                partial(self._store.postpone, lane, card.group, card.fingerprint, until)
            )
            raise

    async def recover(self) -> None:
        """Settles what an earlier run began."""
        await self._settle_doubt(None, "the relay stopped during the call")

    async def _settle_doubt(self, lane: LaneKey | None, why: str) -> None:
        """Settles as unknown the calls of the lane, or of all, that were begun: the message may
        stand in the chat.
        """
        for attempt in await self._run(self._store.in_doubt):
            if lane not in (None, attempt.lane):
                continue
            now = self._clock()
            claim = await self._run(partial(self._store.claim, attempt.lane, now, 0))
            card = await self._run(
                partial(self._store.card, attempt.lane, attempt.group, attempt.fingerprint)
            )
            target = self._active.target(attempt.lane, card.receiver) if card else None
            if card and target:
                unknown = Unknown(why)
                advanced = advance(card, claim.state, attempt.step, unknown, now, self._jitter())
                await self._settle(claim, target, advanced, now)

    async def _fold(self, claim: Claim, now: float) -> tuple[LaneKey, ...]:
        known = {(card.group, card.fingerprint): card for card in claim.cards}
        pages: dict[tuple[GroupId, str], list[Open]] = {}
        for opened in claim.page:
            pages.setdefault((opened.notification.group, opened.fingerprint), []).append(opened)
        absorbed = any(card.absorbed for card in claim.cards)
        digest = (
            await self._run(partial(self._store.card, claim.lane, DIGEST, "")) if absorbed else None
        )
        changes: list[CardChange] = []
        woken: list[LaneKey] = []
        for key, page in pages.items():
            target = self._active.target(claim.lane, page[-1].receiver)
            if target is None:
                for opened in page:
                    woken += await self._route_again(claim.lane, opened)
                continue
            card = known.get(key) or Card(*key, receiver=target.policy.receiver)
            size = len(card.entries) + sum(len(opened.notification.alerts) for opened in page)
            changes.append(
                await _aside(size, partial(self._folded, card, page, target, digest, now))
            )
        self._calls.emit_settled(
            claim.lane, await self._run(partial(self._store.fold, claim.lane, changes))
        )
        return tuple(woken)

    def _folded(
        self, card: Card, page: Sequence[Open], target: Target, digest: Card | None, now: float
    ) -> CardChange:
        """The card with the page. What fires anew in a digest that nobody reads any more gets a
        message of its own.
        """
        latest = page[-1]
        card = replace(card, fallback_for=latest.owner if latest.owner != latest.receiver else "")
        folded = fold(card, [arriving(opened) for opened in page], target.policy)
        leaves = is_old(digest, now) and fires_anew(card, folded.card)
        change = self._change(
            replace(folded.card, absorbed=folded.card.absorbed and not leaves), target, now
        )
        return replace(
            change, folded=tuple(opened.seq for opened in page), duplicates=folded.duplicates
        )

    async def _route_again(self, lane: LaneKey, opened: Open) -> tuple[LaneKey, ...]:
        """An open delivery whose chat or receiver is gone goes where the routes lead now, but for
        chats that have heard of the group since; it is dead where that is nowhere. The lanes that
        have work now."""
        routed = (
            deliveries(self._active.routing, opened.notification).deliveries
            if opened.alerts != ()
            else ()
        )
        ways = [way for way in routed if way.lane != lane]
        how: Settlement = "merged" if ways or opened.alerts == () else "dead"
        why = ROUTED_AGAIN if how == "merged" else RECEIVER_REMOVED
        woken = await self._run(partial(self._store.route_again, lane, opened.seq, ways))
        self._calls.emit_settled(
            lane, await self._run(partial(self._store.dismiss, lane, [opened.seq], how, why)), why
        )
        return woken

    async def _bring(self, claim: Claim, card: Card, now: float) -> Next:
        target = self._active.target(claim.lane, card.receiver)
        if target is None:
            await self._run(partial(self._store.unfold, claim.lane, card.group, card.fingerprint))
            return Next(now)
        if card.group == DIGEST:
            hours = self._hours_at(card, target, now)
            return Next(
                await self._digests.bring(claim, target, card, hours, self._active.templates, now)
            )
        if card.group == QUIET:
            hours = self._hours_at(card, target, now)
            return Next(
                await self._digests.summarise(
                    claim, target, card, hours, self._active.templates, now
                )
            )
        return await self._bring_card(claim, target, card, now)

    async def _bring_card(self, claim: Claim, target: Target, card: Card, now: float) -> Next:
        room = capacity(
            limits_of(target, claim.state, self._active.limits, self._platforms),
            target.policy.digest_after,
        )
        room = share(room, claim.others, claim.lanes)
        ripe = ripen(card, target.policy, now)
        against = contradiction(card, ripe)
        if against:
            self._emit(Contradicted(card.group.group_key, *against))
        card = ripe
        if claim.owed > room / 2:  # replies are optional: their sense is in the edit
            card = replace(card, owed=())
        hours = self._hours_at(card, target, now)
        step = plan(card, target.policy, now, hours)
        if isinstance(step, Wait):
            rested = self._change(card, target, now)
            self._calls.emit_settled(
                claim.lane, await self._run(partial(self._store.fold, claim.lane, [rested]))
            )
            return Next(now)
        if claim.owed > room and isinstance(step, Post) and not is_urgent(card, target.policy):
            return Next(await self._digests.absorb(claim.lane, target.policy, now))
        rendered = await _aside(
            len(card.entries), partial(self._rendered, card, claim.state, step, target, now)
        )
        if rendered.failed:
            self._emit(TemplateFailed(target.policy.template, rendered.failed))
        taken = await self._calls.take(claim, target, card, step, rendered.message, now)
        if isinstance(taken, Denied):
            return Next(taken.until)
        if isinstance(taken.outcome, Rejected) and not card.plain:
            self._emit(
                TemplateFailed(
                    target.policy.template, f"refused by the platform: {taken.outcome.why}"
                )
            )
        advanced = advance(card, taken.state, step, taken.outcome, taken.at, self._jitter())
        if advanced.shown:
            card = pending_lanes(advanced.card, step, rendered.counted, target.policy, taken.at)
            advanced = replace(advanced, card=card)
        await self._settle(
            claim, target, replace(advanced, blocks=advanced.blocks + taken.blocks), taken.at
        )
        if hours.quiet:
            summary = CardChange(Card(QUIET, "", target.policy.receiver), hours.until, urgent=False)
            await self._run(partial(self._store.fold, claim.lane, [summary]))
        return Next(taken.at)

    def _hours_at(self, card: Card, target: Target, now: float) -> Hours:
        active = self._active
        return hours(active.routing, active.intervals, card, target.lane, target.policy, now)

    def _change(self, card: Card, target: Target, now: float) -> CardChange:
        """The card as it is to be kept. What a muted card brings is merged: it will show the state
        after the mute.
        """
        if card.group in (DIGEST, QUIET):  # what they tell of is for their own turn to see
            return CardChange(card, now, urgent=False)
        policy, hours = target.policy, self._hours_at(card, target, now)
        urgent = is_urgent(card, policy)
        card = replace(card, absorbed=card.absorbed and not urgent)
        card = replace(card, waiting_since=None, owed=()) if hours.muted else card
        card = rest(card, now) if not hours.muted or is_untold(card) else card
        due_at = due(card, policy, now, hours)
        return CardChange(card, due_at, urgent, settled=hours.muted or is_settled(card))

    def _rendered(
        self, card: Card, state: LaneState, step: Step, target: Target, now: float
    ) -> Rendered:
        view = build_view(card, state, step, target.policy, now)
        fits = self._platforms[target.lane.platform].fits
        reply = step.kind if isinstance(step, Reply) else None
        return render(
            self._active.templates, target.policy, view, "reply" if reply else "card", reply, fits
        )

    def _may_probe(self, lane: LaneKey, down: Down, now: float) -> bool:
        """A chat that refuses is asked again when it is time, or with a secret that it has not
        refused.
        """
        marks = {target.endpoint.secret.mark for target in self._active.targets(lane)}
        return (down.probe_at is not None and down.probe_at <= now) or down.secret not in marks

    async def _copy_to_fallback(self, lane: LaneKey) -> tuple[LaneKey, ...]:
        """Hands what a lane that is down owes to the fallbacks of its receivers; the lanes that
        have work now.
        """
        woken: list[LaneKey] = []
        for target in self._active.targets(lane):
            to = [
                other.lane for other in self._active.routing.targets.get(target.policy.fallback, ())
            ]
            if to:
                receiver, fallback = target.policy.receiver, target.policy.fallback
                woken += await self._run(
                    partial(self._store.copy_to_fallback, lane, receiver, fallback, to)
                )
        return tuple(woken)

    async def _settle(self, claim: Claim, target: Target, advanced: Advanced, now: float) -> None:
        change = self._change(advanced.card, target, now)
        result = AttemptResult(
            claim.lane,
            advanced.state,
            change,
            now,
            advanced.blocks,
            shown=advanced.shown,
            dead=advanced.dead,
        )
        await self._calls.write_down(claim, target, result)


async def _aside(alerts: int, work: Callable[[], T]) -> T:
    """What the work comes to. The event loop has others to answer: they come before each card, and
    the work on many alerts is done beside it."""
    if alerts > MANY:
        return await asyncio.to_thread(work)
    await asyncio.sleep(0)
    return work()


def arriving(opened: Open) -> Arriving:
    """A delivery as its card meets it."""
    told = opened.notification
    chosen = (
        told.alerts
        if opened.alerts is None
        else tuple(told.alerts[index] for index in opened.alerts)
    )
    return Arriving(
        seq=opened.seq,
        accepted_at=opened.accepted_at,
        head=Head(
            told.group_labels,
            told.route_labels,
            told.external_url,
            told.reason,
            told.truncated,
            told.state,
        ),
        alerts=chosen,
        last=told.part == told.parts - 1,
        whole=told.truncated == 0,
    )
