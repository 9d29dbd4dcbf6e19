"""The cost of a template in steps, from the size of the values that it makes, compares, searches
and passes to calls.
"""

from collections.abc import Sized
from typing import Any

from relay.core.text.richtext import RichText
from relay.core.text.times import Printable

_MADE = 256  # characters that cost a step to make
_LOOK = 4096  # characters that cost a step to search
_SAME = 1 << 16  # characters that cost a step to compare
_ITEMS_LOOK = 64
# Characters of a split text, and numbers of a range, per step: each may become an item.
_ITEM = 32
_SPAN = 64  # characters that one style counts as
_ARGUMENTS = 8
_LAYOUT = 4  # characters passed to a method of our own, per step
_MOST = 1 << 22  # items that are counted; nobody can pay for more


def made(value: object) -> int:
    """Steps for making the value. The items of a list existed before."""
    if type(value) is str:
        return len(value) // _MADE
    if type(value) is RichText:
        return _bulk(value) // _MADE
    if isinstance(value, Sized) and not isinstance(value, (str, range)):
        return len(value)
    return _bulk(value) // _MADE


def given(value: object) -> int:
    """Steps for going through the value and everything in it."""
    items, characters = _measured(value)
    return items + characters // _MADE


def looked(value: object) -> int:
    """Steps for comparing or searching the value and everything in it."""
    items, characters = _measured(value)
    return items // _ITEMS_LOOK + characters // _LOOK


def same(value: object) -> int:
    """Steps for comparing the value for equality."""
    items, characters = _measured(value)
    return items // _ITEMS_LOOK + characters // _SAME


def begun(value: object) -> int:
    """`given`, for a function that reads only the beginning of a text."""
    return 0 if isinstance(value, str) else given(value)


def taken_apart(value: object) -> int:
    """`given`, for a function that reads a text character by character."""
    return len(value) if isinstance(value, str) else given(value)


def called(function: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    """Steps for a call, before its result is known."""
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
    """The characters of a text."""
    found = value.text if isinstance(value, RichText) else value
    return len(found) if isinstance(found, str) else 0


def _bulk(value: object) -> int:
    return size(value) + (_SPAN * len(value.spans) if isinstance(value, RichText) else 0)


def _measured(value: object) -> tuple[int, int]:
    """Items and characters. A list that occurs several times counts each time."""
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
