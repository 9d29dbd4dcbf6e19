"""The marks of people, Alertmanagers and escalations on a lane's cards, within a turn."""

from msgspec.structs import replace

from relay.core.action.escalation import accepted, came_from, owed_of
from relay.core.action.escalation import due as escalation_due
from relay.core.action.heartbeat import lost_since
from relay.core.action.marks import NO_MARKS, in_use, marks_of, to_carry
from relay.core.action.rights import mentions_of
from relay.core.active_config import ActiveConfig
from relay.core.card.advance import with_edit
from relay.core.card.card import Card, is_firing, overlaid, owing, shown_alerts
from relay.core.card.plan import with_silence_over
from relay.core.notice import is_notice
from relay.core.routing.lane import LaneKey, Target
from relay.core.routing.matcher import matches
from relay.core.text.message import ButtonsIn
from relay.platforms.contract import Platforms
from relay.store.protocol import Store


class ActingTurn:
    """The acting part of a turn. It writes only through `Store.acting`."""

    def __init__(
        self, store: Store, lane: LaneKey, config: ActiveConfig, platforms: Platforms, now: float
    ) -> None:
        self._store = store
        self._lane = lane
        self._config = config
        self._platforms = platforms
        self._now = now

    def overlaid(self, card: Card, target: Target) -> Card:
        """The card with what people and Alertmanager did about its alerts; without marks if nothing
        of that is configured.
        """
        acting, group = self._config.acting, card.group
        if card.acting.lost is not None and not acting.heartbeats:
            card = with_edit(card)  # its mark does not change with it
        if not acting.is_used or not is_firing(card) or is_notice(group):
            return owing(overlaid(card, NO_MARKS, self._now), None, ())
        store, alerts = self._store.acting, shown_alerts(card)
        known = store.known(group.source, [each.key for each in alerts if each.firing])
        window = target.policy.lifecycle.reopen_window
        store.keep_takes(to_carry(alerts, known, window))
        used, lost = in_use(acting, group.source, known), None
        if acting.heartbeats:
            lost = lost_since(acting.heartbeats, store.beats(), group.source)
        marks = marks_of(
            alerts,
            used,
            window,
            self._now,
            buttons=self._buttons() if acting.is_on else "none",
            lost=lost,
            untaken_by=self._untaken_by(card),
        )
        after = overlaid(card, marks, self._now, used.presences)
        return self._escalated(with_silence_over(card, after, target.policy, self._now))

    def start_clocks(self, card: Card, now: float) -> None:
        """Starts the escalation clocks of a card, after a chat accepted a message of it."""
        plan = self._config.acting.escalations.get(card.receiver)
        target = self._config.target(self._lane, card.receiver)
        if plan is None or target is None or is_notice(card.group):
            return
        source, window = card.group.source, target.policy.lifecycle.reopen_window
        alerts = [
            each
            for each in shown_alerts(card)
            if each.firing and matches(plan.matchers, each.labels)
        ]
        store = self._store.acting
        known = store.clocks(card.receiver, source, [each.key for each in alerts])
        for each in alerts:
            before = known.get(each.key)
            clock = accepted(before, card.receiver, source, each.key, each.starts_at, now, window)
            if clock != before:
                following = escalation_due(clock, plan)
                store.keep_clock(self._lane, clock, following.at if following else None)

    def ask_for(self, card: Card) -> str | None:
        """Records the alerts of the card that are no longer listed, so that Alertmanager is asked
        about them, and forgets those that are listed. Returns the source to ask about.
        """
        source, at = card.group.source, card.heard_at
        if source not in self._config.acting.alertmanagers:
            return None
        listed = [entry.fingerprint for entry in card.entries if entry.seen == at]
        left = [entry.fingerprint for entry in card.entries if entry.absent_since == at]
        self._store.acting.keep_listed(source, listed, left, at)
        return source if left else None

    def _buttons(self) -> ButtonsIn:
        """The buttons that messages of the lane can have."""
        state, platform = self._store.state(self._lane), self._platforms[self._lane.platform]
        lane = replace(self._lane, chat=state.chat or self._lane.chat)
        return platform.buttons_in(lane, state.kind, self._config.acting)

    def _untaken_by(self, card: Card) -> tuple[str, float] | None:
        """The receiver from which the card's alerts came because nobody took them there."""
        plans = self._config.acting.escalations
        own = card.receiver
        leading = [
            name for name, plan in plans.items() if any(s.receiver == own for s in plan.steps)
        ]
        keys = [entry.fingerprint for entry in card.entries if entry.status == "firing"]
        source, store = card.group.source, self._store.acting
        clocks = [c for name in leading for c in store.clocks(name, source, keys).values()]
        return came_from(plans, clocks, own)

    def _escalated(self, card: Card) -> Card:
        """The card with the text that its escalation owes to somebody on this platform. A
        fallback's card says it for the chat that it replaces, while that one is down.
        """
        receiver = card.fallback_for or card.receiver
        is_for_one_down = not card.fallback_for or self._is_down(receiver)
        if receiver not in self._config.acting.escalations or not is_for_one_down:
            return owing(card, None, ())
        keys = [entry.fingerprint for entry in card.entries if entry.status == "firing"]
        clocks = self._store.acting.clocks(receiver, card.group.source, keys)
        said = owed_of(clocks.values(), card.escalated_at)
        if said and said.mention and not mentions_of(said.mention, self._lane.platform):
            said = None
        return owing(card, said, sorted(clocks))

    def _is_down(self, receiver: str) -> bool:
        down = {lane for lane, _ in self._store.down()}
        targets = self._config.routing.targets.get(receiver, ())
        return any(target.lane in down for target in targets)
