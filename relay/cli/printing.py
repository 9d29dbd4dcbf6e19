"""Prints lists: tables, times and ages on lines that are safe for a terminal."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

# C0 except tab and line feed, DEL, C1, line separators, characters that reverse the direction of
# text, and halves of surrogate pairs, which cannot be encoded.
_STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_STYLE = re.compile(r"(\x1b\[[0-9;]*m)")
_WIDEST = 200  # characters of a column
_LONGEST = 4000  # characters of a line


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows under their heads, each column as wide as its contents."""
    shown = [[safe(cell, _WIDEST) for cell in row] for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    lines = (
        "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in shown
    )
    return "\n".join(line.rstrip() for line in lines)


def time_of(seconds: float) -> str:
    """Unix seconds as `2026-11-18 10:26:40Z`."""
    return (
        datetime.fromtimestamp(seconds, UTC)
        .isoformat(sep=" ", timespec="seconds")
        .replace("+00:00", "Z")
    )


def age(seconds: float) -> str:
    """An age as kubectl writes it: the largest unit alone, or with the next one while it is
    small.
    """
    left = max(0, round(seconds))
    for unit, size, smaller, part in (
        ("d", 86400, "h", 3600),
        ("h", 3600, "m", 60),
        ("m", 60, "s", 1),
    ):
        if left >= size:
            rest = left % size // part
            return (
                f"{left // size}{unit}{rest}{smaller}"
                if left < 10 * size and rest
                else f"{left // size}{unit}"
            )
    return f"{left}s"


def shown(text: str, *, styled: bool = False) -> str:
    """The text without anything that a terminal interprets, whoever wrote it: all output of verbs
    passes through here. With `styled` colours stay, for a drawing whose contents are safe already.
    """
    if not styled:
        return _STEERING.sub("\N{REPLACEMENT CHARACTER}", text)
    pieces = _STYLE.split(text)
    return "".join(each if at % 2 else shown(each) for at, each in enumerate(pieces))


def shown_json(text: str) -> str:
    """JSON with the same meaning that is safe for a terminal."""
    return _STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def safe(text: str, most: int = _LONGEST) -> str:
    """One line that is safe for a terminal, whatever an alert contains."""
    cut = text if len(text) <= most else f"{text[: most - 1]}…"
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in cut)
