"""Fitting: the richest shape that fits, found in few drawings."""

import pytest

from relay.core.template.context import ContextShape
from relay.core.template.fitting import fit
from relay.core.text.message import Message
from relay.core.text.richtext import RichText


def _size(message: Message) -> int:
    return len(message.body.text)


class _Drawn:
    """Draws alerts as characters: `full` for one in full, one for each short line, and values up to
    their limit.
    """

    def __init__(self, full: int, value: int = 0) -> None:
        self.full, self.value, self.drawings = full, value, 0

    def __call__(self, shape: ContextShape) -> Message:
        self.drawings += 1
        size = shape.full * (self.full + min(self.value, shape.limit)) + (shape.shown - shape.full)
        return Message(body=RichText("x" * size))


@pytest.mark.parametrize(
    ("count", "full", "value", "room", "expected"),
    [
        (3, 10, 0, 30, (3, 3)),  # all in full
        (3, 10, 0, 29, (2, 3)),  # one of them short
        (3, 10, 0, 3, (0, 3)),  # all short
        (50, 1, 0, 20, (3, 20)),  # the rest counted
        (1, 10, 5000, 1010, (1, 1)),  # a long value shortened
        (1, 10, 5000, 310, (1, 1)),
        (250, 1, 0, 1000, (100, 100)),  # no reader takes more
    ],
)
def test_what_is_told_of_many_alerts(
    count: int, full: int, value: int, room: int, expected: tuple[int, int]
) -> None:
    draw = _Drawn(full, value)
    fitted = fit(draw, lambda message: _size(message) <= room, count)
    assert fitted is not None
    shape, message = fitted
    assert (shape.full, shape.shown) == expected
    assert _size(message) <= room
    assert draw.drawings <= 14


def test_nothing_fits() -> None:
    assert fit(_Drawn(10), lambda _: False, 5) is None
    assert fit(_Drawn(10), lambda _: False, 0) is None


@pytest.mark.parametrize("count", [0, 1, 2, 7, 100, 5000])
def test_few_drawings_whatever_the_room(count: int) -> None:
    for room in range(-1, 1200, 37):
        draw = _Drawn(10, 400)
        fit(draw, lambda message, room=room: _size(message) <= room, count)  # type: ignore[misc] # mypy cannot infer a default
        assert draw.drawings <= 19
