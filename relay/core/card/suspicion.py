"""Suspicion: remembers the words of cards whose calls failed, so that another card that holds them
lets others of its lane go first (docs/adr/0019).
"""

import re
from collections.abc import Iterator
from zlib import crc32

from msgspec.structs import replace

from relay.core.card.card import Card
from relay.core.card.failures import OTHERS_FIRST
from relay.core.card.lane_state import LaneState

HUNG = 5.0  # seconds of a failed call that kept others waiting
KEPT = 3600.0  # seconds for which a suspicion lasts after the last such call
COMPARED = 16  # cards of a lane that are compared with the one whose turn it is
_MOST_WORDS = 256
_MOST_ENTRIES = 8
_WORD = re.compile(r"\w{2,40}")


def raised(state: LaneState, card: Card, now: float, seconds: float) -> LaneState:
    """The lane after a call for the card failed that took so many seconds."""
    goes_on = state.suspected and now < state.suspected_at + KEPT
    known = state.suspected if goes_on else ()
    words = sorted({*known, *words_of(card)})[:_MOST_WORDS]
    hung = seconds >= HUNG or (state.hung and bool(goes_on))
    return replace(state, suspected=tuple(words), suspected_at=now, hung=hung)


def lifted(state: LaneState, card: Card, now: float) -> LaneState:
    """The lane after the chat accepted the card: its words are not what makes calls fail."""
    if not state.suspected:
        return state
    left = () if now >= state.suspected_at + KEPT else {*state.suspected} - words_of(card)
    return replace(state, suspected=tuple(sorted(left)))


def likeness(state: LaneState, card: Card) -> int:
    """How many of the suspected words the card holds."""
    return len(words_of(card).intersection(state.suspected))


def yields(state: LaneState, card: Card, now: float) -> bool:
    """Whether a card with suspected words lets others go first: never one suspect after another; if
    calls hung, for a minute at most, even after one of the others got through.
    """
    since = card.waiting_since if card.failures is None else card.failures.retry_at
    for_long = state.hung and now < (since or 0.0) + OTHERS_FIRST
    failed_last = state.suspected_at >= state.passed_at
    return (failed_last or for_long) and likeness(state, card) > 0


def words_of(card: Card) -> frozenset[int]:
    """Checksums of the words in the labels and annotations of the card's first alerts, without the
    severity, which decides who goes first.
    """
    return frozenset(_words(card))


def _words(card: Card) -> Iterator[int]:
    number = 0
    for entry in card.entries[:_MOST_ENTRIES]:
        labels = [value for name, value in entry.labels.items() if name != "severity"]
        for value in (*labels, *entry.annotations.values()):
            for found in _WORD.finditer(value):
                yield crc32(found[0].lower().encode())
                number += 1
                if number == _MOST_WORDS:
                    return
