"""Fitting: the most of a view that one message holds, nothing cut in the middle."""

from collections.abc import Callable

from relay.core.template.context import MOST_SHOWN, Shape
from relay.core.text.message import Message

WHOLE = 6000  # characters of one value; no platform takes more in one message
_LONG = 1000
_SHORT = 300
_TINY = 60
_IN_FULL = 3


def fit(
    draw: Callable[[Shape], Message], fits: Callable[[Message], bool], count: int
) -> tuple[Shape, Message] | None:
    """The message of the richest shape that fits, out of `count` alerts; None when even the poorest
    does not.

    First all in full, then long values shortened, then as many in full as fit with the others in a
    short line, then as many short lines as fit and the rest counted. About a dozen drawings at
    most.
    """
    most = min(count, MOST_SHOWN)
    for limit in (WHOLE, _LONG):
        shape = Shape(most, most, limit)
        message = draw(shape)
        if fits(message):
            return shape, message
    return (
        richest(lambda full: Shape(full, most, _SHORT), 0, most, draw, fits)
        or richest(
            lambda shown: Shape(min(shown, _IN_FULL), shown, _SHORT), 1, most - 1, draw, fits
        )
        or richest(lambda shown: Shape(min(shown, 1), shown, _TINY), min(most, 1), most, draw, fits)
    )


def richest(
    shape: Callable[[int], Shape],
    least: int,
    most: int,
    draw: Callable[[Shape], Message],
    fits: Callable[[Message], bool],
) -> tuple[Shape, Message] | None:
    """The message with the largest number from `least` to `most` that fits, by halving."""
    best: tuple[Shape, Message] | None = None
    middle = least
    while least <= most:
        message = draw(shape(middle))
        if fits(message):
            best, least = (shape(middle), message), middle + 1
        elif best is None:
            return None
        else:
            most = middle - 1
        middle = (least + most + 1) // 2
    return best
