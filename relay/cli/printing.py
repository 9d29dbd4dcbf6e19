"""How verbs print what they list: tables, times and ages on lines that a terminal shows as they
are.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

# C0 but for tab and line feed, DEL, C1, the separators of lines, what turns the direction of text,
# and halves of surrogate pairs, which no terminal can be sent.
_STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_STYLE = re.compile(r"(\x1b\[[0-9;]*m)")
_WIDEST = 200  # characters in a column
_LONGEST = 4000  # characters on one line


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows under their heads, each column as wide as it has to be."""
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
    """As kubectl writes it: the largest unit alone, or with the next one while it is small."""
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
    """The text without anything that a terminal obeys, whoever wrote it: whatever a verb prints
    goes through here. `styled`: colors stay, of a drawing that lets none of its content through.
    """
    if not styled:
        return _STEERING.sub("\N{REPLACEMENT CHARACTER}", text)
    pieces = _STYLE.split(text)
    return "".join(each if at % 2 else shown(each) for at, each in enumerate(pieces))


def shown_json(text: str) -> str:
    """JSON with the same meaning that a terminal shows as it is."""
    return _STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def safe(text: str, most: int = _LONGEST) -> str:
    """One line that a terminal shows as it is, whatever an alert holds."""
    cut = text if len(text) <= most else f"{text[: most - 1]}…"
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in cut)
