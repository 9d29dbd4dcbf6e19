"""Fitting: the most of a view that one message holds, nothing cut in the middle."""

from collections.abc import Callable

from relay.core.template.context import MOST_SHOWN, ContextShape
from relay.core.text.message import Message

WHOLE = 6000  # characters of one value; no platform takes more in one message
_LONG = 1000
_SHORT = 300
_TINY = 60
_IN_FULL = 3


def fit(
    draw: Callable[[ContextShape], Message], fits: Callable[[Message], bool], count: int
) -> tuple[ContextShape, Message] | None:
    """The message of the richest shape that fits, out of `count` alerts; None when even the poorest
    does not.

    First all in full, then long values shortened, then as many in full as fit with the others in a
    short line, then as many short lines as fit and the rest counted. About a dozen drawings at
    most.
    """
    most = min(count, MOST_SHOWN)
    for limit in (WHOLE, _LONG):
        context_shape = ContextShape(most, most, limit)
        message = draw(context_shape)
        if fits(message):
            return context_shape, message
    return (
        richest(lambda full: ContextShape(full, most, _SHORT), 0, most, draw, fits)
        or richest(
            lambda shown: ContextShape(min(shown, _IN_FULL), shown, _SHORT), 1, most - 1, draw, fits
        )
        or richest(
            lambda shown: ContextShape(min(shown, 1), shown, _TINY), min(most, 1), most, draw, fits
        )
    )


def richest(
    context_shape: Callable[[int], ContextShape],
    least: int,
    most: int,
    draw: Callable[[ContextShape], Message],
    fits: Callable[[Message], bool],
) -> tuple[ContextShape, Message] | None:
    """The message with the largest number from `least` to `most` that fits, by halving."""
    best: tuple[ContextShape, Message] | None = None
    middle = least
    while least <= most:
        message = draw(context_shape(middle))
        if fits(message):
            best, least = (context_shape(middle), message), middle + 1
        elif best is None:
            return None
        else:
            most = middle - 1
        middle = (least + most + 1) // 2
    return best
