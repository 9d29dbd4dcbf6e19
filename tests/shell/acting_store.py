"""What the durable state does for acting, in memory: the model that an engine is to follow."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from msgspec.structs import replace

from relay.core.action.episode import ShownAlert
from relay.core.action.press import (
    MessagePlace,
    Press,
    PressContext,
    PressEffects,
    Question,
    ShownCard,
)
from relay.core.action.reconcile import AbsentAlert, Presence, Reconciled, Suppressed
from relay.core.action.rights import Presser
from relay.core.action.silence import Silencing
from relay.core.action.take import Taken
from relay.core.routing.lane import LaneKey
from relay.store.protocol import StoreError

T = TypeVar("T")
KEY = b"k" * 32


@dataclass
class MemoryActing:
    """Cards by their messages, and what follows from presses and from Alertmanager's answers."""

    cards: dict[tuple[str, str], ShownCard] = field(default_factory=dict)
    lanes: dict[str, LaneKey] = field(default_factory=dict)
    takes: dict[str, Taken] = field(default_factory=dict)
    suppressed: dict[str, Suppressed] = field(default_factory=dict)
    silencings: dict[str, Silencing] = field(default_factory=dict)
    presses: list[tuple[Press, PressEffects, float]] = field(default_factory=list)
    questions: dict[MessagePlace, Question] = field(default_factory=dict)
    presences: dict[str, Presence] = field(default_factory=dict)
    broken: bool = False

    def show(self, lane: LaneKey, message: str, card: ShownCard) -> None:
        """A message of a card."""
        self.cards[lane.platform, message] = card
        self.lanes[card.name] = lane

    def button_key(self) -> bytes:
        return KEY

    def pressed(self, key: str) -> PressEffects | None:
        return next((effects for press, effects, _ in self.presses if press.key == key), None)

    def press_context(self, place: MessagePlace, presser: Presser, now: float) -> PressContext:
        card = self.cards.get((place.platform, place.message))
        own = [
            (press, effects, at)
            for press, effects, at in self.presses
            if (press.presser.platform, press.presser.id) == (presser.platform, presser.id)
        ]
        told = [
            at
            for press, effects, at in own
            if effects.outcome == "held" and press.message == place.message
        ]
        keys = {each.key for each in card.alerts} if card else set()
        return PressContext(
            card,
            {key: each for key, each in self.takes.items() if key in keys},
            {key: each for key, each in self.suppressed.items() if key in keys},
            made=tuple(
                each
                for each in self.silencings.values()
                if each.state == "done" and each.kind == "silence" and each.until > now
            ),
            told_at=max(told, default=None),
            presses=sum(1 for _, _, at in own if at > now - 60.0),
        )

    def take_press(self, press: Press, effects: PressEffects, now: float) -> tuple[LaneKey, ...]:
        self.presses.append((press, effects, now))
        for key in effects.released:
            self.takes.pop(key, None)
        self.takes |= {each.alert: each for each in effects.takes}
        self.silencings |= {each.id: each for each in effects.silencings}
        return tuple(self.lanes.values()) if effects.alerts else ()

    def keep_question(self, question: Question) -> None:
        self.questions[question.place] = question

    def take_question(self, place: MessagePlace, now: float) -> Question | None:
        found = self.questions.pop(place, None)
        return found if found is not None and found.expires_at > now else None

    def silencings_due(self, source: str, now: float) -> tuple[Silencing, ...]:
        return tuple(
            each
            for each in self.silencings.values()
            if each.source == source and each.due is not None and each.due <= now
        )

    def next_silencing(self, source: str) -> float | None:
        due = [each.due for each in self.silencings.values() if each.source == source]
        return min((at for at in due if at is not None), default=None)

    def keep_silencing(self, silencing: Silencing) -> tuple[LaneKey, ...]:
        self.silencings[silencing.id] = silencing
        return tuple(self.lanes.values())

    def shown_alerts(self, source: str) -> tuple[str, ...]:
        return tuple(alert.key for alert in self._shown(source))

    def names(self, source: str, alerts: Sequence[str]) -> dict[str, str]:
        shown = {alert.key: alert.labels["alertname"] for alert in self._shown(source)}
        return {key: shown[key] for key in alerts if key in shown}

    def _shown(self, source: str) -> list[ShownAlert]:
        return [
            alert
            for card in self.cards.values()
            if card.source == source and card.closed_at is None
            for alert in card.alerts
        ]

    def asked_for(self, source: str, also: Sequence[str] = ()) -> dict[str, AbsentAlert]:
        return {
            alert.key: AbsentAlert(
                self.presences.get(alert.key) or Presence("left", alert.seen), alert.labels
            )
            for alert in self._shown(source)
            if alert.key in self.presences or alert.key in also
        }

    def known_suppressed(self, source: str) -> dict[str, Suppressed]:
        keys = self.shown_alerts(source)
        return {key: each for key, each in self.suppressed.items() if key in keys}

    def keep_reconciled(
        self, source: str, reconciled: Reconciled, now: float
    ) -> tuple[LaneKey, ...]:
        assert source in {card.source for card in self.cards.values()}
        assert now > 0
        self.suppressed |= reconciled.suppressed
        for key in reconciled.freed:
            self.suppressed.pop(key, None)
        self.presences |= reconciled.presences
        return tuple(self.lanes.values())


@dataclass
class Now:
    """Transactions that are over at once; while the store is broken each fails."""

    store: MemoryActing

    async def run(self, job: Callable[[], T]) -> T:
        if self.store.broken:
            raise StoreError("disk full")
        return job()

    async def run_unsynced(self, job: Callable[[], T]) -> T:
        return await self.run(job)


def shown(card: ShownCard, **changes: object) -> ShownCard:
    """The card with changes."""
    return replace(card, **changes)
