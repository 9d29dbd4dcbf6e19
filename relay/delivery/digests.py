"""Digests at work: the turns of a lane's digest, and of its summary after quiet hours."""

from collections.abc import Callable
from functools import partial

from msgspec.structs import replace

from relay.core.alert import GroupId
from relay.core.card.advance import Advanced, advance
from relay.core.card.card import Card
from relay.core.card.digest import DIGEST, DigestView, absorbing, is_over, mark, plan, view
from relay.core.card.hours import UNRESTRICTED, Hours
from relay.core.card.step import Post, Wait
from relay.core.event import Event, TemplateFailed
from relay.core.routing.lane import LaneKey, Policy, Target
from relay.core.template.build_view import late
from relay.core.template.template import RenderedDigest, Templates, render_digest
from relay.delivery.calls import Calls, Run, limits_of
from relay.store.protocol import AttemptResult, CardChange, Claim, Denied, Store


class Digests:
    """Brings digests to their chats. Each method returns when the lane's next turn is due."""

    def __init__(
        self,
        store: Store,
        run: Run,
        calls: Calls,
        jitter: Callable[[], float],
        emit: Callable[[Event], None],
    ) -> None:
        self._store = store
        self._run = run
        self._calls = calls
        self._jitter = jitter
        self._emit = emit

    async def absorb(self, lane: LaneKey, policy: Policy, now: float) -> float:
        """Too much waits for this chat to be told one by one: a digest takes it in."""
        found = await self._run(partial(self._store.card, lane, DIGEST, ""))
        change = CardChange(absorbing(found, policy.receiver, now), now, urgent=False)
        await self._run(partial(self._store.absorb, lane, change, now, now + policy.late_hold))
        return now

    async def bring(
        self,
        claim: Claim,
        target: Target,
        digest: Card,
        hours: Hours,
        templates: Templates,
        now: float,
    ) -> float:
        """One step further for the digest."""
        lines = claim.lines
        step = plan(digest, lines, target.policy, now, hours)
        if isinstance(step, Wait):
            at_rest = step.until is None
            await self._settle(
                claim, target, Advanced(digest, claim.state, shown=at_rest), step.until, now
            )
            return now
        limits = limits_of(target, claim.state, self._calls.rates, self._calls.platforms)
        told = view(digest, lines, limits, now, late(digest, claim.state, now))
        rendered = self._render(claim, target, told, templates)
        taken = await self._calls.take(claim, target, digest, step, rendered.message, now)
        if isinstance(taken, Denied):
            return taken.until
        advanced = advance(
            digest, taken.state, step, taken.outcome, taken.at, self._jitter(), mark(lines)
        )
        advanced = replace(advanced, blocks=advanced.blocks + taken.blocks)
        due_at = None if advanced.shown else taken.at
        await self._settle(claim, target, advanced, due_at, taken.at, rendered.named)
        return taken.at

    async def summarise(
        self,
        claim: Claim,
        target: Target,
        summary: Card,
        hours: Hours,
        templates: Templates,
        now: float,
    ) -> float:
        """After quiet hours: one message with sound, if something urgent still fires. `hours`:
        they go on.
        """
        change = CardChange(summary, hours.until, urgent=False)
        if hours != UNRESTRICTED or not claim.lines:
            await self._run(partial(self._store.fold, claim.lane, [change]))
            return now
        limits, step = (
            limits_of(target, claim.state, self._calls.rates, self._calls.platforms),
            Post(silent=target.policy.silent),
        )
        told = view(summary, claim.lines, limits, now, None, "quiet")
        message = self._render(claim, target, told, templates).message
        taken = await self._calls.take(claim, target, summary, step, message, now)
        if isinstance(taken, Denied):
            return taken.until
        advanced = advance(
            summary, taken.state, step, taken.outcome, taken.at, self._jitter(), "told"
        )
        again_at = None if advanced.shown or advanced.dead else taken.at
        change = CardChange(advanced.card, again_at, urgent=False)
        result = AttemptResult(
            claim.lane, advanced.state, change, taken.at, advanced.blocks + taken.blocks
        )
        await self._calls.write_down(claim, target, result)
        return taken.at

    async def _settle(
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
        result = AttemptResult(
            lane=claim.lane,
            state=advanced.state,
            change=CardChange(digest, due_at, urgent=False),
            now=now,
            blocks=advanced.blocks,
            shown=advanced.shown,
            dead=advanced.dead,
            digest=named,
        )
        await self._calls.write_down(claim, target, result)

    def _render(
        self, claim: Claim, target: Target, told: DigestView, templates: Templates
    ) -> RenderedDigest:
        fits = self._calls.platforms[claim.lane.platform].fits
        rendered = render_digest(templates, target.policy, told, fits)
        if rendered.failed:
            self._emit(TemplateFailed(target.policy.template, rendered.failed))
        return rendered
