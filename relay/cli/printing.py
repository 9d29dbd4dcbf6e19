"""How verbs print what they list: tables, times and ages on lines that a terminal shows as they
are.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

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


def safe(text: str, most: int = _LONGEST) -> str:
    """One line that a terminal shows as it is, whatever an alert holds."""
    cut = text if len(text) <= most else f"{text[: most - 1]}…"
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in cut)
