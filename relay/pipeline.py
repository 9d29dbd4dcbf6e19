"""The way of one delivery from the store to a chat, on one screen: claim, fold, plan, render, begin, send, settle."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Literal, Protocol, TypeVar, assert_never

from msgspec import Struct
from msgspec.structs import replace

from relay.core.advance import Advanced, advance, rest
from relay.core.alert import GroupId
from relay.core.budget import Limit
from relay.core.card import Card, Head, is_settled
from relay.core.digest import DIGEST, QUIET, DigestView, absorbing, capacity, is_over
from relay.core.digest import mark as mark_digest
from relay.core.digest import plan as plan_digest
from relay.core.digest import view as view_digest
from relay.core.event import (
    Called,
    ChatChanged,
    ChatMoved,
    Contradicted,
    Event,
    FailureReason,
    Noted,
    Settled,
    TemplateFailed,
)
from relay.core.fold import Arriving, contradiction, fold, ripen
from relay.core.hush import Hush, hush
from relay.core.inforce import InForce
from relay.core.lane import Endpoint, LaneKey, Policy, Target
from relay.core.lanestate import LaneState
from relay.core.look import look
from relay.core.message import Message
from relay.core.outcome import (
    BotDown,
    ChatDown,
    Delivered,
    MessageGone,
    Moved,
    Outcome,
    RateLimited,
    Rejected,
    ThreadGone,
    Unavailable,
    Unknown,
)
from relay.core.plan import due, is_urgent, plan
from relay.core.step import Post, Reply, Step, Wait
from relay.core.template import RenderedDigest, render, render_digest
from relay.core.view import View
from relay.platforms import platform_of
from relay.platforms.wire import NoAnswer, Request, Response
from relay.store.protocol import (
    Attempt,
    CardChange,
    Claim,
    Denied,
    Ended,
    Open,
    Outturn,
    Store,
    StoreError,
)

T = TypeVar("T")
PAGE = 128  # deliveries folded at a time
SETTLE_AGAIN = 1.0  # seconds between tries to write down what a platform has already done


class Next(Struct, frozen=True):
    """When a lane's next turn is due: a moment not after now means at once, None that nothing is to come. `wake` are
    other lanes that have work since this turn."""

    until: float | None
    wake: tuple[LaneKey, ...] = ()


class Run(Protocol):
    """Runs one store transaction and returns when it is committed."""

    async def __call__(self, job: Callable[[], T]) -> T:
        """The job's result; raises StoreError when it could not be committed."""


class Pipeline:
    """Turns of lanes. One lane has one turn at a time; turns of different lanes run side by side."""

    def __init__(
        self,
        store: Store,
        run: Run,
        send: Callable[[Request], Awaitable[Response | NoAnswer]],
        clock: Callable[[], float],
        jitter: Callable[[], float],
        tell: Callable[[Event], None],
        in_force: InForce,
    ) -> None:
        """`clock` gives Unix seconds, `jitter` 0 to 1; both are arguments so that a test can own them."""
        self._store = store
        self._run = run
        self._send = send
        self._clock = clock
        self._jitter = jitter
        self._tell = tell
        self.in_force = in_force

    async def turn(self, lane: LaneKey) -> Next:
        """Folds a page of the lane's deliveries, or brings one card one step further."""
        now = self._clock()
        claim = await self._run(partial(self._store.claim, lane, now, PAGE))
        if claim.page:
            await self._fold(claim, now)
            return Next(now)
        down = claim.state.down
        if down and (down.probe_at is None or down.probe_at > now):
            return Next(down.probe_at, await self._stand_in(lane))
        return await self._bring(claim, claim.cards[0], now) if claim.cards else Next(claim.next_due)

    async def recover(self) -> None:
        """Settles as unknown what an earlier run began: the message may stand in the chat."""
        for attempt in await self._run(self._store.in_doubt):
            now = self._clock()
            claim = await self._run(partial(self._store.claim, attempt.lane, now, 0))
            card = await self._run(partial(self._store.card, attempt.lane, attempt.group, attempt.fingerprint))
            target = self.in_force.target(attempt.lane, card.receiver) if card else None
            if card and target:
                unknown = Unknown("the relay stopped during the call")
                advanced = advance(card, claim.state, attempt.step, unknown, now, self._jitter())
                await self._settle(claim, target, advanced, now)

    async def _fold(self, claim: Claim, now: float) -> None:
        known = {(card.group, card.fingerprint): card for card in claim.cards}
        arriving: dict[tuple[GroupId, str], list[Open]] = {}
        for opened in claim.page:
            arriving.setdefault((opened.notification.group, opened.fingerprint), []).append(opened)
        changes: list[CardChange] = []
        for key, page in arriving.items():
            target = self.in_force.target(claim.lane, page[-1].receiver)
            if target is None:
                await self._dismiss(claim.lane, [opened.seq for opened in page])
                continue
            card = known.get(key) or Card(*key, receiver=target.policy.receiver)
            folded = fold(card, [_arriving(opened) for opened in page], target.policy)
            change = self._change(folded.card, target, now)
            seqs = tuple(opened.seq for opened in page)
            changes.append(replace(change, folded=seqs, duplicates=folded.duplicates))
        self._tell_ended(claim.lane, await self._run(partial(self._store.fold, claim.lane, changes)))

    async def _dismiss(self, lane: LaneKey, seqs: list[int]) -> None:
        why = "receiver_removed"
        self._tell_ended(lane, await self._run(partial(self._store.dismiss, lane, seqs, "dead", why)), why)

    async def _bring(self, claim: Claim, card: Card, now: float) -> Next:
        target = self.in_force.target(claim.lane, card.receiver)
        if target is None:
            change = CardChange(card, None, urgent=False)
            orphan = Outturn(claim.lane, claim.state, change, now, dead="receiver_removed")
            self._tell_ended(claim.lane, await self._run(partial(self._store.settle, orphan)), orphan.dead)
            return Next(now)
        if card.group == DIGEST:
            return await self._bring_digest(claim, target, card, now)
        if card.group == QUIET:
            return await self._bring_summary(claim, target, card, now)
        limits = self._limits(target, claim.state)
        room = capacity(limits, target.policy.digest_after)
        ripe = ripen(card, target.policy, now)
        against = contradiction(card, ripe)
        if against:
            self._tell(Contradicted(card.group.group_key, *against))
        card = ripe
        if claim.owed > room / 2:  # replies are optional: their sense is in the edit
            card = replace(card, owed=())
        hushed = self._hush(card, target, now)
        step = plan(card, target.policy, now, hushed)
        if isinstance(step, Wait):
            rested = self._change(rest(card, now), target, now)
            self._tell_ended(claim.lane, await self._run(partial(self._store.fold, claim.lane, [rested])))
            return Next(now)
        if claim.owed > room and isinstance(step, Post) and not is_urgent(card, target.policy):
            return await self._absorb(claim.lane, target.policy, now)
        message = self._render(look(card, claim.state, step, target.policy, now), target, step)
        taken = await self._take(claim, target, card, step, message, limits, now)
        if isinstance(taken, Denied):
            return Next(taken.until)
        ended_at, outcome, blocks = taken
        advanced = advance(card, claim.state, step, outcome, ended_at, self._jitter())
        await self._settle(claim, target, replace(advanced, blocks=advanced.blocks + blocks), ended_at)
        if hushed.quiet:
            summary = CardChange(Card(QUIET, "", target.policy.receiver), hushed.until, urgent=False)
            await self._run(partial(self._store.fold, claim.lane, [summary]))
        return Next(ended_at)

    async def _bring_summary(self, claim: Claim, target: Target, summary: Card, now: float) -> Next:
        """After quiet hours: one message with sound, if something urgent still fires."""
        change = CardChange(summary, None, urgent=False)
        if not claim.lines:
            await self._run(partial(self._store.fold, claim.lane, [change]))
            return Next(now)
        limits, step = self._limits(target, claim.state), Post(silent=target.policy.silent)
        message = self._render_digest(claim, target, view_digest(claim.lines, limits, now, "quiet")).message
        taken = await self._take(claim, target, summary, step, message, limits, now)
        if isinstance(taken, Denied):
            return Next(taken.until)
        ended_at, outcome, blocks = taken
        advanced = advance(summary, claim.state, step, outcome, ended_at, self._jitter(), "told")
        again_at = None if advanced.shown or advanced.dead else max(advanced.card.retry_at, ended_at)
        change = CardChange(advanced.card, again_at, urgent=False)
        outturn = Outturn(claim.lane, advanced.state, change, ended_at, advanced.blocks + blocks)
        await self._write_down(claim, target, outturn)
        return Next(ended_at)

    async def _absorb(self, lane: LaneKey, policy: Policy, now: float) -> Next:
        """Too much waits for this chat to be told one by one: a digest takes it in."""
        found = await self._run(partial(self._store.card, lane, DIGEST, ""))
        change = CardChange(absorbing(found, policy.receiver, now), now, urgent=False)
        await self._run(partial(self._store.absorb, lane, change, now, now + policy.stale_after))
        return Next(now)

    async def _bring_digest(self, claim: Claim, target: Target, digest: Card, now: float) -> Next:
        lines, limits = claim.lines, self._limits(target, claim.state)
        step = plan_digest(digest, lines, target.policy, now)
        if isinstance(step, Wait):
            at_rest = step.until is None
            await self._settle_digest(claim, target, Advanced(digest, claim.state, shown=at_rest), step.until, now)
            return Next(now)
        rendered = self._render_digest(claim, target, view_digest(lines, limits, now))
        taken = await self._take(claim, target, digest, step, rendered.message, limits, now)
        if isinstance(taken, Denied):
            return Next(taken.until)
        ended_at, outcome, blocks = taken
        advanced = advance(digest, claim.state, step, outcome, ended_at, self._jitter(), mark_digest(lines))
        advanced = replace(advanced, blocks=advanced.blocks + blocks)
        due_at = None if advanced.shown else max(advanced.card.retry_at, ended_at)
        await self._settle_digest(claim, target, advanced, due_at, ended_at, rendered.named)
        return Next(ended_at)

    async def _settle_digest(
        self,
        claim: Claim,
        target: Target,
        advanced: Advanced,
        due_at: float | None,
        now: float,
        named: frozenset[tuple[GroupId, str]] = frozenset(),
    ) -> None:
        closes = advanced.shown and is_over(claim.lines)
        digest = advanced.card
        if advanced.shown:
            digest = replace(digest, waiting_since=None, closed_at=now if closes else None)
        outturn = Outturn(
            lane=claim.lane,
            state=advanced.state,
            change=CardChange(digest, due_at, urgent=False),
            now=now,
            blocks=advanced.blocks,
            shown=advanced.shown,
            digest=named,
        )
        await self._write_down(claim, target, outturn)

    async def _take(
        self,
        claim: Claim,
        target: Target,
        card: Card,
        step: Step,
        message: Message,
        limits: tuple[Limit, ...],
        now: float,
    ) -> Denied | tuple[float, Outcome, tuple[tuple[str, float], ...]]:
        """Takes the step, if the budgets allow: when it ended, what it came to, and what the answer forbids."""
        platform, endpoint = platform_of(claim.lane.platform), _endpoint(target, claim.state)
        request = platform.request(endpoint, target.policy, step, message, plain=card.plain)
        since = now if card.waiting_since is None else card.waiting_since
        urgent = is_urgent(card, target.policy)
        attempt = Attempt(claim.lane, card.group, card.fingerprint, step, urgent, since)
        begun = await self._run(partial(self._store.begin, attempt, limits, now))
        if isinstance(begun, Denied):
            return begun
        response = await self._send(request)
        ended_at = self._clock()
        outcome = platform.outcome(endpoint.lane, step, response)
        self._tell(_called(target, request, response, outcome, ended_at - now))
        paces = platform.pace(endpoint.lane, response) if isinstance(response, Response) else ()
        return ended_at, outcome, tuple((key, ended_at + seconds) for key, seconds in paces)

    def _hush(self, card: Card, target: Target, now: float) -> Hush:
        in_force = self.in_force
        return hush(in_force.routing, in_force.intervals, card, target.lane, target.policy, now)

    def _change(self, card: Card, target: Target, now: float) -> CardChange:
        """The card as it is to be kept. What a muted card brings is merged: it will show the state after the mute."""
        policy, hushed = target.policy, self._hush(card, target, now)
        urgent = is_urgent(card, policy)
        card = replace(card, absorbed=card.absorbed and not urgent)
        if hushed.muted:
            card = replace(card, waiting_since=None, owed=())
        due_at = due(card, policy, now, hushed)
        return CardChange(card, due_at, urgent, settled=hushed.muted or is_settled(card))

    def _limits(self, target: Target, state: LaneState) -> tuple[Limit, ...]:
        platform = platform_of(target.lane.platform)
        return platform.budgets(_endpoint(target, state), self.in_force.limits, state.channel)

    def _render(self, view: View, target: Target, step: Step) -> Message:
        fits = platform_of(target.lane.platform).fits
        reply = step.kind if isinstance(step, Reply) else None
        rendered = render(self.in_force.templates, target.policy, view, "reply" if reply else "card", reply, fits)
        if rendered.failed:
            self._tell(TemplateFailed(target.policy.template, rendered.failed))
        return rendered.message

    def _render_digest(self, claim: Claim, target: Target, view: DigestView) -> RenderedDigest:
        fits = platform_of(claim.lane.platform).fits
        rendered = render_digest(self.in_force.templates, target.policy, view, fits)
        if rendered.failed:
            self._tell(TemplateFailed(target.policy.template, rendered.failed))
        return rendered

    async def _stand_in(self, lane: LaneKey) -> tuple[LaneKey, ...]:
        """Hands what a lane that is down owes to the fallbacks of its receivers; the lanes that have work now."""
        woken: list[LaneKey] = []
        for target in self.in_force.targets(lane):
            to = [other.lane for other in self.in_force.routing.targets.get(target.policy.fallback, ())]
            if to:
                receiver, fallback = target.policy.receiver, target.policy.fallback
                woken += await self._run(partial(self._store.stand_in, lane, receiver, fallback, to))
        return tuple(woken)

    async def _settle(self, claim: Claim, target: Target, advanced: Advanced, now: float) -> None:
        change = self._change(advanced.card, target, now)
        outturn = Outturn(
            claim.lane, advanced.state, change, now, advanced.blocks, shown=advanced.shown, dead=advanced.dead
        )
        await self._write_down(claim, target, outturn)

    async def _write_down(self, claim: Claim, target: Target, outturn: Outturn) -> None:
        outturn = replace(outturn, renamed=self._renamed(claim, target, outturn.state))
        ended = await self._insist(partial(self._store.settle, outturn))
        self._tell_ended(claim.lane, ended, outturn.dead)
        down = outturn.state.down
        if (claim.state.down is None) != (down is None):
            why = down.why if down else ""
            self._tell(ChatChanged(claim.lane.platform, target.policy.receiver, up=down is None, why=why))
        if outturn.state.chat != claim.state.chat or outturn.state.thread_gone != claim.state.thread_gone:
            chat = outturn.state.chat if outturn.state.chat != claim.state.chat else ""
            self._tell(ChatMoved(claim.lane.platform, target.policy.receiver, target.place, chat))

    def _renamed(self, claim: Claim, target: Target, after: LaneState) -> tuple[tuple[str, str], ...]:
        """The budgets that turned out to be others: the channel of a webhook is known only by where messages arrive."""
        before = self._limits(target, claim.state)
        learnt = self._limits(target, replace(claim.state, channel=after.channel))
        return tuple((old.key, new.key) for old, new in zip(before, learnt, strict=True) if old.key != new.key)

    async def _insist(self, job: Callable[[], T]) -> T:
        """What a platform did cannot be undone: it is written down however long the storage takes."""
        while True:
            try:
                return await self._run(job)
            except StoreError as error:
                self._tell(Noted("error", "cannot record what was sent, trying again", (("err", str(error)),)))
                await asyncio.sleep(SETTLE_AGAIN)

    def _tell_ended(self, lane: LaneKey, ended: Sequence[Ended], why: str = "") -> None:
        for end in ended:
            self._tell(Settled(lane.platform, end.receiver, end.settlement, end.count, end.latencies, why))


def _arriving(opened: Open) -> Arriving:
    told = opened.notification
    chosen = told.alerts if opened.alerts is None else tuple(told.alerts[index] for index in opened.alerts)
    return Arriving(
        seq=opened.seq,
        accepted_at=opened.accepted_at,
        head=Head(told.group_labels, told.route_labels, told.external_url, told.reason, told.truncated, told.state),
        alerts=chosen,
        last=told.part == told.parts - 1,
        whole=told.truncated == 0,
    )


def _endpoint(target: Target, state: LaneState) -> Endpoint:
    lane = target.lane
    moved = replace(lane, chat=state.chat or lane.chat, thread="" if state.thread_gone else lane.thread)
    return replace(target.endpoint, lane=moved)


def _called(
    target: Target, request: Request, response: Response | NoAnswer, outcome: Outcome, seconds: float
) -> Called:
    code = response.status if isinstance(response, Response) else 0
    reason, why = _reason(outcome)
    return Called(target.lane.platform, target.policy.receiver, request.name, code, seconds, reason, why)


def _reason(outcome: Outcome) -> tuple[FailureReason | Literal[""], str]:
    match outcome:
        case Delivered():
            return "", ""
        case RateLimited(retry_after):
            return "rateLimited", f"retry after {retry_after:g} s"
        case Unavailable(why):
            return "serverError", why
        case Unknown(why):
            return "contextDeadlineExceeded", why
        case Moved():
            return "clientError", "the group became a supergroup"
        case Rejected(why) | MessageGone(why) | ThreadGone(why) | ChatDown(why):
            return "clientError", why
        case BotDown(why):
            return "authError", why
        case _:
            assert_never(outcome)
