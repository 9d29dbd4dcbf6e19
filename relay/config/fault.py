"""A fault of a file: its position, its message, and its printed form."""

import re
from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from relay.core.secret import mask, stars

_SECRET_KEYS = re.compile(
    r"""((?:token|password|credentials?|secrets?|webhook_?url)["']?\s*:\s+)
        (?![{|>&*\s])(\[[^\]]*\]?|[^\s,}\[#][^,}#]*)""",
    re.IGNORECASE | re.VERBOSE,
)
_WIDEST = 160


class Fault(Struct, frozen=True):
    """A fault or a `warning` at a place; lines and columns count from 1.

    `excerpt` is the line itself with inline secrets masked, empty if there is none to show. `kind`
    marks faults that some callers treat differently.
    """

    file: str
    line: int
    column: int
    message: str
    severity: Literal["fault", "warning"] = "fault"
    excerpt: str = ""
    kind: Literal["", "unreachable", "losing"] = ""


def render(fault: Fault) -> str:
    """`FILE:LINE:COL: what is wrong`, then the line and a caret under the column."""
    word = "warning: " if fault.severity == "warning" else ""
    head = f"{fault.file}:{fault.line}:{fault.column}: {word}{fault.message}"
    if not fault.excerpt.strip():
        return head
    column = min(fault.column, len(fault.excerpt) + 1)
    # A long line is cut around its column.
    start = 0 if column < _WIDEST else column - _WIDEST // 2
    shown = fault.excerpt[start : start + _WIDEST].replace("\t", " ")
    return f"{head}\n    {shown.rstrip()}\n    {' ' * (column - 1 - start)}^"


def mask_line(text: str) -> str:
    """A line of a file with everything masked that looks like a secret, or comes after a secret's
    key.

    The width stays the same, so that a caret below it still points to the right place.
    """
    return _SECRET_KEYS.sub(lambda found: found[1] + stars(found[2]), mask(text))


def faulty(faults: tuple[Fault, ...]) -> bool:
    return any(fault.severity == "fault" for fault in faults)


def ordered(faults: Iterable[Fault], first: str) -> tuple[Fault, ...]:
    """The faults by file, line and column, each once; those of the file `first` come first."""
    return tuple(
        sorted(
            dict.fromkeys(faults),
            key=lambda fault: (fault.file != first, fault.file, fault.line, fault.column),
        )
    )
