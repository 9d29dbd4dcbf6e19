"""Fitting: the most of a view that fits into one message, with nothing cut in the middle."""

import sys
from collections.abc import Callable
from typing import NamedTuple

from relay.core.template.context import MOST_SHOWN, ContextShape
from relay.core.text.message import Form, Message

WHOLE = 6000  # characters of one value; no platform accepts more in one message
_LONG = 1000
_SHORT = 300
_TINY = 60
_IN_FULL = 3
_LINES = 10  # alerts in short before others are shown only by who is ill
_ENOUGH = 3
_GUESSES = 5  # guesses after which the search halves the rest
_ROUNDING = 0.5  # of an alert, by which a guess is lowered: written text is longer


class Drawn(NamedTuple):
    """A message in one shape, and the length in characters of the longest value in it. A limit of
    at least that length would not change the message.
    """

    message: Message
    longest: int = WHOLE


class _Try(NamedTuple):
    """A message with `number` of something, the length of its text in characters, and by how much
    it is too large.
    """

    number: int
    size: int
    excess: int


Fitted = tuple[ContextShape, Message]
Draw = Callable[[ContextShape], Drawn]


def fit(draw: Draw, form: Form, count: int, in_full: int = MOST_SHOWN) -> Fitted | None:
    """The message of the richest shape that fits, for `count` alerts; None if even the poorest does
    not fit. Alerts from `in_full` on look alike in full and in short.

    The shapes in order: all alerts in full; long values shortened; as many in full as fit and the
    others in short; about ten in short and the others only by who is ill; as many of those as fit
    and the rest counted. Few messages are drawn: a shape that would look like an earlier one is
    left out, and numbers are guessed from the measured sizes.
    """
    most = min(count, MOST_SHOWN)
    full = min(most, in_full)
    known: _Try | None = None
    longest = WHOLE
    for limit in (WHOLE, _LONG):
        if limit < longest or known is None:
            context_shape = ContextShape(most, most, limit)
            message, longest = draw(context_shape)
            excess = form.excess(message)
            if excess == 0:
                return context_shape, message
            known = _Try(most, _size(message), excess)
    if longest > _SHORT:
        known = None
    all_in_short = known if full == 0 else None
    if all_in_short is None:
        lines = known and known._replace(number=full)
        found, all_in_short = _search(
            lambda number: ContextShape(number, most, _SHORT), 0, full, draw, form, lines
        )
        if found is not None:
            return found
    lines = all_in_short and all_in_short._replace(number=most)
    found, all_terse = _search(
        lambda number: ContextShape(min(number, _IN_FULL), most, _SHORT, number),
        0, most - 1, draw, form, lines, _ENOUGH,
    )  # fmt: skip
    if found is not None:
        return found
    return (
        _search(
            lambda number: ContextShape(min(number, _IN_FULL), number, _SHORT, _LINES),
            _LINES, most - 1, draw, form, all_terse and all_terse._replace(number=most),
        )[0]
        or _search(
            lambda number: ContextShape(min(number, _IN_FULL), number, _SHORT),
            1, min(_LINES, most) - 1, draw, form, None,
        )[0]
        or _search(
            lambda number: ContextShape(min(number, 1), number, _TINY),
            min(most, 1), most, draw, form, None,
        )[0]
    )  # fmt: skip


def richest(
    context_shape: Callable[[int], ContextShape],
    least: int,
    most: int,
    draw: Callable[[ContextShape], Message],
    form: Form,
) -> Fitted | None:
    """The message with the largest number from `least` to `most` that fits."""
    return _search(context_shape, least, most, lambda each: Drawn(draw(each)), form, None)[0]


def _search(
    context_shape: Callable[[int], ContextShape],
    least: int,
    most: int,
    draw: Draw,
    form: Form,
    above: _Try | None,
    enough: int = sys.maxsize,
) -> tuple[Fitted | None, _Try | None]:
    """The message with the largest number from `least` to `most` that fits, and the smallest number
    known not to fit. `above` is a number known not to fit. After `enough` messages the best so far
    is taken, if it has more than `least`.
    """
    best: Fitted | None = None
    below = _Try(least - 1, 0, 0)
    end = most + 1
    if above is not None:
        end = min(end, above.number)
    for tried in range(most - least + 2):
        if below.number + 1 >= end or (below.number > least and tried >= enough):
            break
        number = _next(below, above, end, least) if tried < _GUESSES else _middle(below, end)
        shape = context_shape(number)
        message = draw(shape).message
        now = _Try(number, _size(message), form.excess(message))
        if now.excess == 0:
            best, below = (shape, message), now
        else:
            above, end = now, number
    return best, above


def _middle(below: _Try, end: int) -> int:
    return (below.number + end) // 2


def _next(below: _Try, above: _Try | None, end: int, least: int) -> int:
    """The next number to try, by the growth of the size between the two measured numbers. The least
    number comes first, since often not even that fits.
    """
    if below.number < least:
        return least
    if above is None:
        return _middle(below, end + 1)
    room = above.size - above.excess
    rise = (above.size - below.size) / (above.number - below.number)
    guess = below.number + (room - below.size) / rise - _ROUNDING if rise > 0 else 0
    return min(max(round(guess), below.number + 1), end - 1)


def _size(message: Message) -> int:
    """The characters of all its parts, before the platform writes them."""
    fields = sum(len(field.name.text) + len(field.value.text) for field in message.fields)
    parts = (message.body, message.title, message.content, message.footer)
    return fields + sum(len(part.text) for part in parts)
