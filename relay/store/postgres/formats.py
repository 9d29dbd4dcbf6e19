"""Formats of the values that are stored as JSON: processes of two versions share them while one
version follows the other.

A version reads all formats up to its newest, and writes the one that each process that runs reads.
A field that a value gets, or a new shape of one, is a new format: `FORMATS` then says how the value
is written in the one before.
"""

from collections.abc import Callable

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from relay.core.budget import Budget


class Formats(Struct, frozen=True):
    """The formats of a version, from 1. `steps`: the first one makes of a value of format 2 one of
    format 1, and so on; a value that is the same in both is returned as it is.
    """

    steps: tuple[Callable[[object], object], ...] = ()

    @property
    def newest(self) -> int:
        """The number of the newest one."""
        return len(self.steps) + 1

    def encoded(self, value: object, number: int) -> bytes:
        """The value as JSON, in the format of that number."""
        for step in reversed(self.steps[number - 1 :]):
            value = step(value)
        return msgspec.json.encode(value)


def _in_first(value: object) -> object:
    """Format 2 added the counts of a budget, and `LaneState.fault_at`, which the first one does not
    read.
    """
    match value:
        case Budget():
            times = (at for at, number in value.calls for _ in range(number))
            return replace(value, used=tuple(times), counts=())
        case _:
            return value


FORMATS = Formats((_in_first,))


def newer_format(number: int, newest: int) -> str:
    """Why a storage that is written in a format is not for a version whose newest is another."""
    return (
        f"the storage is written in format {number}, this alert-relay reads up to {newest}: "
        "upgrade it"
    )
