"""What the durable state can do for acting from the chat: whole transactions, as in `protocol`."""

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
    """A press as it is kept: who pressed where, what was asked, what came of it, and the answer as
    the person read it.
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
    """A clock whose next step is due, the lane in which it began, and the card on which its alert
    has its line there.
    """

    clock: EscalationClock
    lane: LaneKey
    card: Card | None


class ActingStore(Protocol):
    """The part of the store about acting. `press_context`, then `take_press` in the same job make
    one transaction. Lanes that are returned have work now. All raise StoreError.
    """

    def button_key(self) -> bytes:
        """The key that authenticates buttons, made once."""

    def pressed(self, key: str) -> PressEffects | None:
        """What a press came to that was committed before: its answer, without rows to keep."""

    def press_context(self, place: MessagePlace, presser: Presser, now: float) -> PressContext:
        """The card of that message, and what is known of its alerts."""

    def take_press(self, press: Press, effects: PressEffects, now: float) -> tuple[LaneKey, ...]:
        """Keeps the press and what follows from it; cards of these alerts are due."""

    def keep_question(self, question: Question) -> None:
        """Remembers what an answer in writing is about. Those that expired are forgotten."""

    def take_question(self, place: MessagePlace, now: float) -> Question | None:
        """The question at `place`, once."""

    def known(self, source: str, alerts: Sequence[str]) -> Known:
        """What is kept about these alerts of a source."""

    def keep_takes(self, carried: Sequence[Taken]) -> None:
        """Keeps takes that go on with another episode."""

    def look_again(self) -> tuple[LaneKey, ...]:
        """Makes each open card due that shows something of acting, or whose alerts something is
        kept about: the configuration is another one, or the process is."""

    def silencings_due(self, source: str, now: float) -> tuple[Silencing, ...]:
        """Those whose next call is due, the oldest first."""

    def next_silencing(self, source: str) -> float | None:
        """When the next one is due, Unix seconds."""

    def keep_silencing(self, silencing: Silencing) -> tuple[LaneKey, ...]:
        """Keeps it; what Alertmanager has confirmed is in force. Cards of its alerts are due."""

    def shown_alerts(self, source: str) -> tuple[str, ...]:
        """The alerts that fire on cards, by their keys."""

    def names(self, source: str, alerts: Sequence[str]) -> dict[str, str]:
        """How cards call these alerts, as far as they show them."""

    def keep_listed(
        self, source: str, listed: Sequence[str], left: Sequence[str], now: float
    ) -> None:
        """A payload that was accepted at `now` listed some alerts, and others that it should have
        listed not: these are to be asked for. What was learnt since then stays.
        """

    def asked_for(self, source: str, also: Sequence[str] = ()) -> dict[str, AbsentAlert]:
        """The alerts that left a list, and `also` these, as far as cards show them as firing."""

    def known_suppressed(self, source: str) -> dict[str, Suppressed]:
        """What is known to be suppressed, by key."""

    def keep_reconciled(
        self, source: str, reconciled: Reconciled, now: float
    ) -> tuple[LaneKey, ...]:
        """Keeps what changed; cards of these alerts are due."""

    def session(self, application: str) -> bytes | None:
        """What was kept of a Discord application's session at the Gateway."""

    def keep_session(self, application: str, session: bytes) -> None:
        """Keeps it for a successor."""

    def beats(self) -> tuple[Beat, ...]:
        """The heartbeats that are known."""

    def heard(self, found: Sequence[tuple[str, tuple[str, ...]]], now: float) -> None:
        """These heartbeats (name, and values of `by`) were heard at `now`."""

    def keep_beat(self, beat: Beat) -> None:
        """Keeps it."""

    def forget_beat(self, beat: Beat) -> None:
        """It is configured no more."""

    def clocks(
        self, receiver: str, source: str, alerts: Sequence[str]
    ) -> dict[str, EscalationClock]:
        """The escalation clocks of these alerts under a receiver."""

    def keep_clock(self, lane: LaneKey, clock: EscalationClock, due: float | None) -> None:
        """Keeps a clock that began in the lane; `due` is when its next step is."""

    def forget_clock(self, clock: EscalationClock) -> None:
        """It is configured no more."""

    def clocks_due(self, now: float, most: int) -> tuple[DueClock, ...]:
        """Clocks whose next step is due."""

    def cards_due(self, source: str, alerts: Sequence[str]) -> tuple[LaneKey, ...]:
        """Makes the cards of these alerts due."""

    def escalated_at(self, lane: LaneKey) -> float:
        """When the chat was last told that nobody takes something."""

    def keep_escalated(self, lane: LaneKey, now: float) -> None:
        """It is told now."""

    def purge(self, now: float, before: float, reopen_window: float) -> None:
        """Forgets takes and escalations whose alerts are over for a day, and for so many seconds
        within which one may fire again; silences that came to their end a day ago, questions that
        expired, and presses from `before` then (Unix seconds)."""
