"""Suspicion: the words of the cards whose calls failed, so that a card that holds them too lets
others of its lane go first (docs/adr/0019).
"""

import re
from collections.abc import Iterator, Sequence
from zlib import crc32

from msgspec.structs import replace

from relay.core.card.card import Card
from relay.core.card.digest import Line
from relay.core.card.failures import OTHERS_FIRST, Failures
from relay.core.card.lane_state import LaneState

HUNG = 5.0  # seconds of a failed call that held others up
KEPT = 900.0  # seconds for which suspicion lasts after the last such call
COMPARED = 16  # cards of a lane that are compared with the one whose turn it is
_MOST_WORDS = 256
_MOST_ENTRIES = 8
_WORD = re.compile(r"\w{2,40}")


def raised(
    state: LaneState, words: frozenset[int], now: float, seconds: float, *, hushed: bool = False
) -> LaneState:
    """The lane after a call with these words failed that took so many seconds. One that was
    `hushed` shows that they are not the cause.
    """
    if hushed:
        return replace(state, suspected=(), hung=False, withheld=False)
    goes_on = _goes_on(state, now)
    known = state.suspected if goes_on else ()
    return replace(
        state,
        suspected=tuple(sorted({*known, *words})[:_MOST_WORDS]),
        suspected_at=now,
        hung=seconds >= HUNG or (state.hung and goes_on),
        withheld=state.withheld and goes_on,
    )


def lifted(
    state: LaneState, words: frozenset[int], now: float, *, hushed: bool = False
) -> LaneState:
    """The lane after the chat took these words: they are not what makes calls fail. One that was
    `hushed` shows that those which it left out may be.
    """
    if not state.suspected:
        return state
    left = {*state.suspected} - words if _goes_on(state, now) else set[int]()
    kept = bool(left)
    return replace(
        state,
        suspected=tuple(sorted(left)),
        hung=state.hung and kept,
        withheld=kept and (state.withheld or hushed),
    )


def _goes_on(state: LaneState, now: float) -> bool:
    return bool(state.suspected) and now < state.suspected_at + KEPT


def hushed(
    lines: Sequence[Line], state: LaneState, failures: Failures | None, now: float
) -> tuple[Line, ...]:
    """The lines of a digest. After a call that hung, or two that failed at once, one tries whether
    it gets through without those that hold suspected words; where it did, they stay away.
    """
    once = failures is not None and failures.tries == (1 if state.hung else 2)
    if not (_goes_on(state, now) and (once or state.withheld)):
        return tuple(lines)
    suspected = frozenset(state.suspected)
    return tuple(
        replace(line, hushed=not suspected.isdisjoint(words_of_line(line))) for line in lines
    )


def words_of_line(line: Line) -> frozenset[int]:
    """Checksums of the words of a line of a digest."""
    values = (line.name, line.where, line.cluster, line.namespace)
    return frozenset(found for value in values for found in _checksums(value))


def likeness(state: LaneState, card: Card) -> int:
    """How many of the suspected words the card holds."""
    return len(words_of(card).intersection(state.suspected))


def yields(state: LaneState, card: Card, now: float) -> bool:
    """Whether a card with suspected words lets others go first: never one suspect after another;
    where calls hung, for a minute at most even after one of the others got through.
    """
    since = card.waiting_since if card.failures is None else card.failures.retry_at
    for_long = state.hung and now < (since or 0.0) + OTHERS_FIRST
    failed_last = state.suspected_at >= state.passed_at
    return (failed_last or for_long) and likeness(state, card) > 0


def words_of(card: Card) -> frozenset[int]:
    """Checksums of the words in the labels and annotations of the card's first alerts, but for the
    severity, which decides who goes first.
    """
    return frozenset(_words(card))


def _words(card: Card) -> Iterator[int]:
    number = 0
    for entry in card.entries[:_MOST_ENTRIES]:
        labels = [value for name, value in entry.labels.items() if name != "severity"]
        for value in (*labels, *entry.annotations.values()):
            for found in _checksums(value):
                yield found
                number += 1
                if number == _MOST_WORDS:
                    return


def _checksums(text: str) -> Iterator[int]:
    for found in _WORD.finditer(text):
        yield crc32(found[0].lower().encode())
