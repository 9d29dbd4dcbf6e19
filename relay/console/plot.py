"""Plots as SVG, made on the server: bars by the minute."""

from collections.abc import Sequence
from typing import NamedTuple

WIDTH, HEIGHT = 600, 80


class Bar(NamedTuple):
    """A bar of a plot: its position and size in the picture."""

    x: float
    y: float
    width: float
    height: float


def bars(values: Sequence[int]) -> list[Bar]:
    """Bars of these values, the largest as high as the picture. A value above 0 can always
    be seen.
    """
    most = max(values, default=0) or 1
    step = WIDTH / max(1, len(values))
    heights = [max(1.0, HEIGHT * value / most) if value else 0.0 for value in values]
    return [
        Bar(round(at * step, 1), round(HEIGHT - high, 1), round(step * 0.8, 1), round(high, 1))
        for at, high in enumerate(heights)
    ]
