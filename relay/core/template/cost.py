"""The cost of a template in steps: the size of the values that it makes, compares, searches and
passes to calls.
"""

from collections.abc import Sized
from typing import Any

from relay.core.text.richtext import RichText
from relay.core.text.times import Printable

_MADE = 256  # characters that cost a step to make
_LOOK = 4096  # and how many cost one to search
_SAME = 1 << 16  # and how many cost one to compare
_ITEMS_LOOK = 64
# characters of a text that is split, and numbers of a range, for a step: each may become an item
_ITEM = 32
_SPAN = 64  # characters that one style counts for
_ARGUMENTS = 8
_LAYOUT = 4  # characters of what a method of ours is given, for a step
_MOST = 1 << 22  # items that are counted: nobody can pay for more


def made(value: object) -> int:
    """Steps for having made the value. What is in a list was there before."""
    if type(value) is str:
        return len(value) // _MADE
    if type(value) is RichText:
        return _bulk(value) // _MADE
    if isinstance(value, Sized) and not isinstance(value, (str, range)):
        return len(value)
    return _bulk(value) // _MADE


def given(value: object) -> int:
    """Steps for going through the value and all that is in it."""
    items, characters = _measured(value)
    return items + characters // _MADE


def looked(value: object) -> int:
    """Steps for comparing or searching the value, with all that is in it."""
    items, characters = _measured(value)
    return items // _ITEMS_LOOK + characters // _LOOK


def same(value: object) -> int:
    """Steps for seeing whether it is another value."""
    items, characters = _measured(value)
    return items // _ITEMS_LOOK + characters // _SAME


def begun(value: object) -> int:
    """As `given`, for what of a text only sees the beginning."""
    return 0 if isinstance(value, str) else given(value)


def taken_apart(value: object) -> int:
    """As `given`, for what goes through a text character by character."""
    return len(value) if isinstance(value, str) else given(value)


def called(function: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    """Steps for a call, before it is known what comes of it."""
    price = (
        1 + (len(args) + len(kwargs)) // _ARGUMENTS + sum(map(looked, (*args, *kwargs.values())))
    )
    owner, name = getattr(function, "__self__", None), getattr(function, "__name__", "")
    texts = [len(arg) for arg in args if isinstance(arg, str)]
    if isinstance(owner, str) and name == "split":
        return price + len(owner) // _ITEM
    if isinstance(owner, str) and name in ("strip", "lstrip", "rstrip"):
        return price + len(owner) * sum(texts) // _LOOK
    return price + (sum(texts) // _LAYOUT if isinstance(owner, Printable) else 0)


def size(value: object) -> int:
    """Characters of a text."""
    found = value.text if isinstance(value, RichText) else value
    return len(found) if isinstance(found, str) else 0


def _bulk(value: object) -> int:
    return size(value) + (_SPAN * len(value.spans) if isinstance(value, RichText) else 0)


def _measured(value: object) -> tuple[int, int]:
    """Items and characters. Lists in lists are counted as often as they stand there."""
    if type(value) is str:
        return 0, len(value)
    waiting, items, characters = [value], 0, 0
    while waiting and items < _MOST:
        found = waiting.pop()
        if isinstance(found, (str, RichText)):
            characters += _bulk(found)
        elif isinstance(found, range):
            items += len(found) // _ITEM
        elif isinstance(found, Sized):
            items += len(found)
            if isinstance(found, dict):
                waiting += found.keys()
                waiting += found.values()
            elif isinstance(found, (list, tuple)):
                waiting += found
    return items, characters
