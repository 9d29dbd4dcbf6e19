"""The transactions of the store for acting from the chat: whole ones, as in `protocol`."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from relay.core.action.escalation import EscalationClock
from relay.core.action.heartbeat import Beat
from relay.core.action.marks import Known
from relay.core.action.press import MessagePlace, Press, PressContext, PressEffects, Question
from relay.core.action.reconcile import AbsentAlert, Reconciled, Suppressed
from relay.core.action.rights import Presser
from relay.core.action.silence import Silencing
from relay.core.action.take import Taken
from relay.core.card.card import Card
from relay.core.routing.lane import LaneKey


class PressRow(Struct, frozen=True, omit_defaults=True):
    """A stored press: who pressed where, what was asked, the result, and the answer that the person
    got.
    """

    platform: str
    person: str
    name: str
    chat: str
    message: str
    verb: str
    outcome: str
    alerts: tuple[str, ...] = ()
    answer: str = ""
    alert: bool = False
    asks: bool = False
    offers: bool = False


class DueClock(Struct, frozen=True):
    """A clock whose next step is due, the lane in which it began, and the card of that lane on
    which its alert has its line.
    """

    clock: EscalationClock
    lane: LaneKey
    card: Card | None


class ActingStore(Protocol):
    """The part of the store about acting. `press_context`, then `take_press` in the same job make
    one transaction. Lanes that are returned have work now. All methods raise StoreError.
    """

    def button_key(self) -> bytes:
        """The key that authenticates buttons, made once."""

    def pressed(self, key: str) -> PressEffects | None:
        """The result of a press that was committed before: its answer, without rows to store."""

    def press_context(self, place: MessagePlace, presser: Presser, now: float) -> PressContext:
        """The card of that message, and what is known of its alerts."""

    def take_press(self, press: Press, effects: PressEffects, now: float) -> tuple[LaneKey, ...]:
        """Stores the press and its effects; the cards of its alerts become due."""

    def keep_question(self, question: Question) -> None:
        """Stores what an answer in writing will be about. Expired questions are forgotten."""

    def take_question(self, place: MessagePlace, now: float) -> Question | None:
        """The question at `place`, which is removed."""

    def known(self, source: str, alerts: Sequence[str]) -> Known:
        """What is stored about these alerts of a source."""

    def keep_takes(self, carried: Sequence[Taken]) -> None:
        """Stores takes that go on with another episode."""

    def look_again(self) -> tuple[LaneKey, ...]:
        """Makes each open card due that shows something about acting, or about whose alerts
        something is stored: after a start, or a change of the configuration.
        """

    def silencings_due(self, source: str, now: float) -> tuple[Silencing, ...]:
        """The silencings whose next call is due, the oldest first."""

    def next_silencing(self, source: str) -> float | None:
        """When the next silencing is due, Unix seconds."""

    def keep_silencing(self, silencing: Silencing) -> tuple[LaneKey, ...]:
        """Stores the silencing; once Alertmanager has confirmed it, it is in force. Cards of its
        alerts become due.
        """

    def shown_alerts(self, source: str) -> tuple[str, ...]:
        """The alerts that fire on cards, by their keys."""

    def names(self, source: str, alerts: Sequence[str]) -> dict[str, str]:
        """The cards' names for these alerts, as far as they show them."""

    def keep_listed(
        self, source: str, listed: Sequence[str], left: Sequence[str], now: float
    ) -> None:
        """Records that a payload accepted at `now` listed some alerts and lacked others that it
        should have listed: Alertmanager is asked about these. Anything newer that is known stays.
        """

    def asked_for(self, source: str, also: Sequence[str] = ()) -> dict[str, AbsentAlert]:
        """The alerts that left a list, and those of `also`, as far as cards show them as firing."""

    def known_suppressed(self, source: str) -> dict[str, Suppressed]:
        """The known suppressions, by alert key."""

    def keep_reconciled(
        self, source: str, reconciled: Reconciled, now: float
    ) -> tuple[LaneKey, ...]:
        """Stores the changes; cards of these alerts become due."""

    def session(self, application: str) -> bytes | None:
        """The stored session of a Discord application at the Gateway."""

    def keep_session(self, application: str, session: bytes) -> None:
        """Stores the session for a successor."""

    def beats(self) -> tuple[Beat, ...]:
        """The known heartbeats."""

    def heard(self, found: Sequence[tuple[str, tuple[str, ...]]], now: float) -> None:
        """Records that these heartbeats (name, and values of `by`) arrived at `now`."""

    def keep_beat(self, beat: Beat) -> None:
        """Stores the heartbeat."""

    def forget_beat(self, beat: Beat) -> None:
        """Removes a heartbeat that is no longer configured."""

    def clocks(
        self, receiver: str, source: str, alerts: Sequence[str]
    ) -> dict[str, EscalationClock]:
        """The escalation clocks of these alerts under a receiver."""

    def keep_clock(self, lane: LaneKey, clock: EscalationClock, due: float | None) -> None:
        """Stores a clock that began in the lane; `due` is the time of its next step."""

    def forget_clock(self, clock: EscalationClock) -> None:
        """Removes a clock that is no longer configured."""

    def clocks_due(self, now: float, most: int) -> tuple[DueClock, ...]:
        """Clocks whose next step is due."""

    def cards_due(self, source: str, alerts: Sequence[str]) -> tuple[LaneKey, ...]:
        """Makes the cards of these alerts due."""

    def escalated_at(self, lane: LaneKey) -> float:
        """When the chat was last told that nobody takes something."""

    def keep_escalated(self, lane: LaneKey, now: float) -> None:
        """Records that the chat was told now."""

    def purge(self, now: float, before: float, reopen_window: float) -> None:
        """Forgets takes and escalations whose alerts ended more than a day and `reopen_window`
        seconds ago, silences that ended a day ago, expired questions, and presses from before
        `before` (Unix seconds).
        """
