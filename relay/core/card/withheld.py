"""The texts that a digest or a summary withholds: if a chat accepts it without some of them, and
not with them, it gets it without them (docs/adr/0019). A digest tries them again later.

The texts are the alert names (with a severity that is no usual word), and for each name the places
of its groups.
"""

import re
from collections.abc import Iterable, Sequence
from zlib import crc32

from msgspec.structs import replace

from relay.core.card.card import Card, Withheld
from relay.core.card.digest import Line, storm_of
from relay.core.card.failures import Failures, doubts_text, is_at_fault
from relay.core.card.lane_state import LaneState
from relay.core.card.severity import UNKNOWN, rank

AGAIN, LONGEST_AGAIN = 300.0, 3600.0  # seconds until withheld texts are tried again: doubling
_WORD = re.compile(r"\w+")
_PLACES = "\0"  # the first character of the text for the places of a name's groups


def applied(lines: Sequence[Line], digest: Card, state: LaneState, now: float) -> tuple[Line, ...]:
    """The lines in the form of the digest's next call. After a failed call new texts are tried only
    once the chat accepted another message, or the digest without them: if nothing gets through,
    they are not the cause.
    """
    withheld = storm_of(digest).withheld
    if withheld is None:
        return tuple(lines)
    taken = frozenset(withheld.taken)
    shown = {text for text in _texts(lines) if words_of(text) <= taken}
    if withheld.passed or _got_through(digest.failures, state):
        new = _new(lines, withheld, frozenset(state.suspected), now)
        shown.update(new[: withheld.batch or None])
    return tuple(_told(line, shown) for line in lines)


def _got_through(failures: Failures | None, state: LaneState) -> bool:
    return failures is not None and state.passed_at > failures.at


def _new(
    lines: Sequence[Line], withheld: Withheld, suspected: frozenset[int], now: float
) -> list[str]:
    """The texts to try: the names, then the places. Texts with suspected words come last, before
    them those that no message of their own tells.
    """
    taken = frozenset(withheld.taken)
    refused = frozenset[int]() if withheld.again_at <= now else frozenset(withheld.refused)
    found: dict[str, tuple[bool, bool]] = {}
    for line in lines:
        for text, words in _with_words(line):
            if not words_of(text) <= taken and refused.isdisjoint(words | words_of(text)):
                order = (not suspected.isdisjoint(words), not line.own)
                found[text] = min(found.get(text, order), order)
    names = [text for text in found if not text.startswith(_PLACES)]
    places = [text for text in found if words_of(text[len(_PLACES) :]) <= taken]
    return sorted(names or places, key=lambda text: found[text])


def _told(line: Line, shown: set[str]) -> Line:
    named = not _title(line) or _title(line) in shown
    if named and (not any(_details(line)) or _PLACES + _title(line) in shown):
        return line
    left = replace(line, where="", cluster="", namespace="", left_out=True)
    return left if named else replace(left, name="", severity=_usual(line.severity))


def _title(line: Line) -> str:
    return line.name if _usual(line.severity) else f"{line.severity} {line.name}".strip()


def _usual(severity: str) -> str:
    """The severity if it is a usual word, else nothing."""
    return "" if rank(severity) == UNKNOWN else severity


def failed(
    withheld: Withheld | None,
    lines: Sequence[Line],
    failures: Failures,
    state: LaneState,
    now: float,
) -> Withheld | None:
    """The texts that the digest withholds after a call with these lines failed; `failures` are its
    own, that call included. Half of the new texts are tried next; one that failed twice alone,
    while a call without it passed, is withheld.
    """
    again = doubts_text(failures)
    if withheld is None:
        return Withheld() if again or is_at_fault(failures, state) else None
    new = _untaken(lines, withheld)
    if not new:  # not even the texts that the chat has accepted get through
        known = replace(withheld, taken=(), batch=0) if again and withheld.taken else withheld
        return replace(known, passed=False) if withheld.taken or withheld.refused else None
    return _narrowed(withheld, new, now)


def refused(withheld: Withheld | None, lines: Sequence[Line], now: float) -> Withheld | None:
    """The same after the platform itself refused a call with these lines; None if they hold no
    text, so that it is not one of them that it refuses.
    """
    if not _texts(lines):
        return None
    if withheld is None:
        return Withheld()
    new = _untaken(lines, withheld)
    return _narrowed(withheld, new, now) if new else replace(withheld, taken=(), passed=False)


def _untaken(lines: Sequence[Line], withheld: Withheld) -> list[str]:
    """The texts of the lines that the chat has not accepted yet."""
    taken = frozenset(withheld.taken)
    return [text for text in _texts(lines) if not words_of(text) <= taken]


def _narrowed(withheld: Withheld, new: Sequence[str], now: float) -> Withheld:
    """The state after a call with these new texts failed."""
    if len(new) > 1:
        return replace(withheld, passed=False, batch=len(new) // 2)
    words = words_of(new[0]) - frozenset(withheld.taken)
    if not words <= frozenset(withheld.doubted):
        return replace(withheld, passed=False, batch=1, doubted=tuple(sorted(words)))
    return replace(
        withheld,
        passed=False,
        batch=0,
        doubted=(),
        refused=tuple(sorted({*withheld.refused, *words})),
        again_at=now + min(AGAIN * 2.0 ** min(withheld.times, 16), LONGEST_AGAIN),
        times=withheld.times + 1,
    )


def passed(
    withheld: Withheld | None, lines: Sequence[Line], told_of: Sequence[Line]
) -> Withheld | None:
    """The texts that the digest of these lines withholds after the chat accepted those in
    `told_of`. Twice as many texts are tried next, or all places once the names are told.
    """
    if withheld is None or not any(line.left_out for line in lines):
        return None
    taken = frozenset(withheld.taken)
    told = frozenset(word for text in _texts(told_of) for word in words_of(text))
    if told <= taken:
        return replace(withheld, passed=True)
    named = all(line.name or not line.left_out for line in lines)
    begins = named and not any(any(_details(line)) for line in told_of)
    return replace(
        withheld,
        passed=True,
        batch=0 if begins else withheld.batch * 2,
        taken=tuple(sorted(told | taken)),
        doubted=() if told.intersection(withheld.doubted) else withheld.doubted,
        refused=tuple(word for word in withheld.refused if word not in told),
    )


def words_of(text: str) -> frozenset[int]:
    """Checksums of the words of a text, and of the text as a whole; for the text of places only the
    latter.
    """
    if not text:
        return frozenset()
    lower = text.lower()
    words = [] if text.startswith(_PLACES) else _WORD.findall(lower)
    return frozenset(crc32(each.encode()) for each in (lower, *words))


def _details(line: Line) -> tuple[str, str, str]:
    return line.where, line.cluster, line.namespace


def _with_words(line: Line) -> list[tuple[str, frozenset[int]]]:
    """The texts of a line, each with the words in it."""
    shown = frozenset(word for text in _details(line) for word in words_of(text))
    title = _title(line)
    texts = [(title, words_of(title)), (_PLACES + title, shown)]
    return [(text, words) for text, words in texts if words]


def _texts(lines: Iterable[Line]) -> dict[str, None]:
    return {text: None for line in lines for text, _ in _with_words(line)}
