"""Moves the stored times of everything that waits: back if a clock that was ahead wrote them, on if
the clock itself is moved on.
"""

from msgspec import Struct
from msgspec.structs import replace

from relay.core.action.escalation import ActingReply, EscalationClock
from relay.core.action.heartbeat import Beat
from relay.core.bot.people import Subscription
from relay.core.budget import Block, Budget
from relay.core.card.card import Card, Entry, Storm
from relay.core.card.failures import Failures
from relay.core.card.lane_state import LaneState

AHEAD = 10.0  # seconds that are left alone: clocks are corrected by so little all the time


class MovedTimes(Struct, frozen=True):
    """Moves times after `now` (Unix seconds) back by as many seconds as the clock of the last write
    was ahead.
    """

    now: float
    by: float

    def at(self, moment: float) -> float:
        """The moment, moved back if it lies in the future."""
        return moment - self.by if moment > self.now else moment

    def if_any(self, moment: float | None) -> float | None:
        return None if moment is None else self.at(moment)

    def card(self, card: Card) -> Card:
        """The card with its own moments moved. The times of alerts are Alertmanager's and stay."""
        shown = card.shown
        if shown:
            shown = replace(
                shown, posted_at=self.at(shown.posted_at), edited_at=self.at(shown.edited_at)
            )
        return replace(
            card,
            entries=tuple(map(self._entry, card.entries)),
            shown=shown,
            owed=tuple(
                replace(owed, since=self.at(owed.since), said=self._said(owed.said))
                for owed in card.owed
            ),
            escalated_at=self.at(card.escalated_at),
            waiting_since=self.if_any(card.waiting_since),
            counted_at=self.at(card.counted_at),
            heard_at=self.at(card.heard_at),
            closed_at=self.if_any(card.closed_at),
            storm=card.storm and self._storm(card.storm),
            failures=card.failures and self._failures(card.failures),
            tried_at=self.at(card.tried_at),
        )

    def _said(self, said: ActingReply | None) -> ActingReply | None:
        return said and replace(said, at=self.at(said.at))

    def _storm(self, storm: Storm) -> Storm:
        known = storm.withheld
        return Storm(
            self.at(storm.pressed_at),
            self.at(storm.urgent_at),
            self.at(storm.rung_at),
            self.at(storm.followed_at),
            known and replace(known, again_at=self.at(known.again_at)),
        )

    def _failures(self, failures: Failures) -> Failures:
        return replace(failures, at=self.at(failures.at), retry_at=self.at(failures.retry_at))

    def _entry(self, entry: Entry) -> Entry:
        return replace(
            entry,
            joined_at=self.at(entry.joined_at),
            seen=self.at(entry.seen),
            absent_since=self.if_any(entry.absent_since),
            held_since=self.if_any(entry.held_since),
        )

    def state(self, state: LaneState) -> LaneState:
        """The lane state with its own times moved."""
        down = state.down
        if down:
            down = replace(down, since=self.at(down.since), probe_at=self.if_any(down.probe_at))
        return replace(
            state,
            thread_again=self.at(state.thread_again),
            down=down,
            retry_at=self.at(state.retry_at),
            trouble_since=self.at(state.trouble_since),
            trouble_until=self.at(state.trouble_until),
            fresh_at=self.at(state.fresh_at),
            passed_at=self.at(state.passed_at),
            recovered_at=self.at(state.recovered_at),
            fault_at=self.at(state.fault_at),
            suspected_at=self.at(state.suspected_at),
        )

    def budget(self, budget: Budget) -> Budget:
        """The budget with its times moved. A wait that a platform asked for keeps its length."""
        return replace(
            budget.having((self.at(at), number) for at, number in budget.calls),
            blocked_until=self.at(budget.blocked_until),
            refused=self._block(budget.refused),
            refused_too=self._block(budget.refused_too),
            asked_at=self.at(budget.asked_at),
        )

    def _block(self, block: Block | None) -> Block | None:
        return block and replace(block, at=self.at(block.at))

    def subscription(self, subscription: Subscription) -> Subscription:
        """The subscription with its mute moved. A mute that would be over by now was set by another
        clock, and stays.
        """
        until = self.at(subscription.muted_until)
        return replace(subscription, muted_until=until) if until > self.now else subscription

    def beat(self, beat: Beat) -> Beat:
        """The heartbeat with its own times moved."""
        return replace(
            beat,
            seen_at=self.at(beat.seen_at),
            lost_at=self.if_any(beat.lost_at),
            told_at=self.at(beat.told_at),
            back_at=self.if_any(beat.back_at),
        )

    def escalation(self, clock: EscalationClock) -> EscalationClock:
        """The escalation with its own times moved, except the start of the alert."""
        return replace(
            clock,
            started_at=self.at(clock.started_at),
            repeated_at=self.at(clock.repeated_at),
            taken_at=self.at(clock.taken_at),
            ended_at=self.at(clock.ended_at),
            owed=self._said(clock.owed),
        )


def moved_on(by: float) -> MovedTimes:
    """Moves all times on by so many seconds."""
    return MovedTimes(1.0, -by)  # 0.0 is no moment
