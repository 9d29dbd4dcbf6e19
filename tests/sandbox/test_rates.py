"""The counters behind the rate rules."""

from hypothesis import given
from hypothesis import strategies as st

from relay.sandbox.rates import Window


@given(st.lists(st.floats(0.0, 3.0), max_size=60), st.integers(1, 5))
def test_no_window_ever_holds_more_than_its_limit_and_the_wait_told_is_enough(
    gaps: list[float], limit: int
) -> None:
    window, now, taken = Window(limit, 4.0), 1000.0, []
    for gap in gaps:
        now += gap
        wait = window.wait(now)
        if wait > 0:
            now += wait + 1e-9
            assert window.wait(now) == 0.0
        window.take(now)
        taken.append(now)
    assert all(later - earlier >= 4.0 for earlier, later in zip(taken, taken[limit:], strict=False))
