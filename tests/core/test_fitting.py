"""Fitting: the richest shape that fits, found in few drawings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.template.context import ContextShape
from relay.core.template.fitting import Drawn, fit
from relay.core.text.message import Form, Message
from relay.core.text.richtext import RichText


def _size(message: Message) -> int:
    return len(message.body.text)


def _room(room: int) -> Form:
    return Form(lambda message: max(0, _size(message) - room))


class _Drawn:
    """Draws alerts as characters: a head, `full` for one in full and values up to their limit,
    `line` for one in short, `terse` for one by who is ill alone.
    """

    def __init__(
        self, full: int, value: int = 0, head: int = 0, line: int = 1, terse: int = 1
    ) -> None:
        self.full, self.value, self.head, self.line = full, value, head, line
        self.terse, self.drawings = terse, 0

    def __call__(self, shape: ContextShape) -> Drawn:
        self.drawings += 1
        size = self.head + shape.full * (self.full + min(self.value, shape.limit))
        lines = max(0, min(shape.brief, shape.shown) - shape.full)
        size += self.line * lines + self.terse * (shape.shown - shape.full - lines)
        return Drawn(Message(body=RichText("x" * size)), self.value or 1)


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
    fitted = fit(draw, _room(room), count)
    assert fitted is not None
    shape, message = fitted
    assert (shape.full, shape.shown) == expected
    assert _size(message) <= room
    assert draw.drawings <= 14


@pytest.mark.parametrize(
    ("room", "expected"),
    [
        (5000, (100, 100)),  # all in short
        (3000, (50, 100)),  # some of them by who is ill alone
        (1000, (0, 100)),  # all of them
        (900, (10, 50)),  # ten in short, the rest counted
    ],
)
def test_before_alerts_are_counted_who_is_ill_is_told_of_all(
    room: int, expected: tuple[int, int]
) -> None:
    draw = _Drawn(50, line=50, terse=10)
    fitted = fit(draw, _room(room), 100, 0)
    assert fitted is not None
    assert (min(fitted[0].brief, 100), fitted[0].shown) == expected
    assert draw.drawings <= 9


def test_nothing_fits() -> None:
    assert fit(_Drawn(10), Form(lambda _: 1), 5) is None
    assert fit(_Drawn(10), Form(lambda _: 1), 0) is None


@pytest.mark.parametrize("count", [0, 1, 2, 7, 100, 5000])
def test_few_drawings_whatever_the_room(count: int) -> None:
    for room in range(-1, 1200, 37):
        draw = _Drawn(10, 400)
        fit(draw, _room(room), count)
        assert draw.drawings <= 19


@given(
    count=st.integers(1, 120),
    full=st.integers(1, 60),
    head=st.integers(0, 200),
    value=st.sampled_from([0, 10, 299, 301, 999, 1001, 7000]),
    room=st.integers(1, 8000),
    alike=st.booleans(),
    line=st.integers(1, 9),
)
def test_no_richer_shape_would_have_fitted(
    count: int, full: int, head: int, value: int, room: int, alike: bool, line: int
) -> None:
    draw = _Drawn(line if alike else line + full - 1, 0 if alike else value, head, line)
    fitted = fit(draw, _room(room), count, 0 if alike else count)
    most = min(count, 100)
    shapes = [
        *(ContextShape(most, most, limit) for limit in (6000, 1000)),
        *(ContextShape(n, most, 300) for n in range(most, -1, -1)),
        *([fitted[0]] if fitted and fitted[0].brief < fitted[0].shown == most else []),
        *(ContextShape(min(n, 3), n, 300, min(n, 10)) for n in range(most - 1, 0, -1)),
        *(ContextShape(min(n, 1), n, 60) for n in range(most, 0, -1)),
    ]
    best = next((s for s in shapes if _size(draw(s).message) <= room), None)
    assert (fitted and (fitted[0].shown, fitted[1])) == (best and (best.shown, draw(best).message))


@pytest.mark.parametrize("room", [1200, 2500, 4096])
def test_many_alerts_that_are_drawn_alike_take_few_drawings(room: int) -> None:
    draw = _Drawn(50, head=150, line=50)
    fit(draw, _room(room), 100, 0)
    assert draw.drawings <= 6
