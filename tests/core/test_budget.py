"""Budgets as arithmetic: when the next call fits, how many more fit, and two budgets that turn out
to be one.
"""

from collections.abc import Sequence
from itertools import cycle, islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.budget import (
    ASKED,
    GRAINS,
    Block,
    Budget,
    Limit,
    answered,
    block,
    free_at,
    is_asked,
    merge,
    refuse,
    room,
    take,
)

LIMIT = Limit("chat", 2, 10.0)


@pytest.mark.parametrize(
    ("used", "blocked", "now", "free", "left"),
    [
        ((), 0.0, 100.0, 100.0, 2),
        ((99.0,), 0.0, 100.0, 100.0, 1),
        ((95.0, 99.0), 0.0, 100.0, 105.0, 0),
        (
            (90.0, 99.0),
            0.0,
            100.0,
            100.0,
            1,
        ),  # a call leaves the window when it is exactly as old as that
        ((92.0, 95.0, 99.0), 0.0, 100.0, 105.0, -1),  # the limit was lowered
        ((), 130.0, 100.0, 130.0, 2),
        ((95.0, 99.0), 130.0, 100.0, 130.0, 0),
        ((95.0, 99.0), 101.0, 100.0, 105.0, 0),
    ],
)
def test_a_call_fits_when_the_window_and_the_block_let_it(
    used: tuple[float, ...], blocked: float, now: float, free: float, left: int
) -> None:
    budget = Budget("chat", used, blocked)
    assert free_at(budget, LIMIT, now) == free
    assert room(budget, LIMIT, now) == left


def test_taking_forgets_what_has_left_the_window_and_keeps_the_block() -> None:
    assert take(Budget("chat", (80.0, 95.0), 7.0), LIMIT, 100.0) == Budget(
        "chat", (95.0, 100.0), 7.0
    )


def test_a_block_is_never_shortened() -> None:
    assert block(Budget("chat", (), 50.0), 40.0).blocked_until == 50.0
    assert block(Budget("chat", (), 50.0), 60.0).blocked_until == 60.0


@pytest.mark.parametrize(
    ("parts", "rests_until"),
    [  # which part was refused, when, and for how many seconds
        ((("a", 0, 30), ("b", 5, 55), ("c", 6, 114)), 120),  # one limit; two calls came too early
        ((("a", 0, 30), ("b", 5, 25)), 0),  # a third one is to tell
        ((("a", 0, 3600), ("b", 5, 4), ("c", 6, 3600)), 23),  # two of the limits are their own
        ((("a", 0, 30), ("b", 5, 25), ("a", 6, 25)), 0),  # nothing is known of the others
        ((("a", 0, 30), ("b", 30, 30), ("c", 31, 30)), 0),  # the first is over
    ],
)
def test_when_a_third_part_is_refused_while_two_rest_all_of_it_rests(
    parts: tuple[tuple[str, int, int], ...], rests_until: int
) -> None:
    whole = Budget("bot", (1.0,))
    for part, at, seconds in parts:
        whole = refuse(whole, Block((part,), at, seconds, "bot"))
    assert (whole.used, whole.blocked_until) == ((1.0,), rests_until)


def test_while_two_parts_rest_one_call_at_a_time_asks_and_one_that_passes_clears_the_others() -> (
    None
):
    doubted = Budget("bot")
    for part in "ab":
        doubted = refuse(doubted, Block((part,), 0, 30, "bot"))
    assert not is_asked(doubted, 1.0)
    asked = take(doubted, LIMIT, 1.0)
    assert is_asked(asked, 2.0)
    assert not is_asked(asked, 1.0 + ASKED)  # no answer came
    assert not is_asked(answered(asked, passed=False), 2.0)
    assert not is_asked(refuse(asked, Block(("c",), 2, 30, "bot")), 2.0)
    cleared = answered(asked, passed=True)
    assert refuse(cleared, Block(("c",), 3, 30, "bot")).blocked_until == 0
    assert take(cleared, LIMIT, 3.0).asked_at == 0.0


def test_the_parts_that_rest_longest_are_remembered() -> None:
    whole = Budget("bot")
    for part, at, seconds in (("a", 0, 100), ("b", 1, 5), ("c", 50, 90), ("d", 60, 30)):
        whole = refuse(whole, Block((part,), at, seconds, "bot"))
    assert whole.blocked_until == 140


def test_two_budgets_that_are_one_have_the_calls_of_both_in_order_and_the_longer_block() -> None:
    assert merge(Budget("a", (2.0, 4.0), 9.0), Budget("b", (1.0, 3.0), 8.0)) == Budget(
        "b", (1.0, 2.0, 3.0, 4.0), 9.0
    )


HIGH = Limit("bot", 300, 60.0)
GRAIN = HIGH.window / GRAINS


@given(st.lists(st.floats(0.0, 0.4), min_size=1, max_size=20))
def test_calls_of_a_high_limit_share_times_and_never_exceed_it(gaps: Sequence[float]) -> None:
    budget, now, made = Budget("bot"), 1000.0, list[float]()
    for gap in islice(cycle(gaps), 700):
        wanted = now + gap
        now = free_at(budget, HIGH, wanted)
        budget = take(budget, HIGH, now)
        made.append(now)
        assert len(budget.used) <= GRAINS + 1
        if len(made) > HIGH.count:
            before = made[-1 - HIGH.count]
            assert now - before >= HIGH.window
            assert now <= max(wanted, before + HIGH.window + GRAIN) + 1e-6


def test_calls_that_share_a_time_count_from_the_last_of_them() -> None:
    budget = Budget("bot")
    for number in range(5):
        budget = take(budget, HIGH, 1200.0 + number / 10)
    assert (budget.used, budget.counts) == ((1200.4,), (5,))
    budget = take(budget, HIGH, 1230.0)
    assert (budget.used, budget.counts) == ((1200.4, 1230.0), (5, 1))
    assert room(budget, HIGH, 1230.0) == 294
    assert [free_at(budget, Limit("bot", n, 60.0), 1230.0) for n in (1, 2, 6, 7)] == [
        1290.0,
        1260.4,
        1260.4,
        1230.0,
    ]
    assert take(budget, HIGH, 1270.0).calls == ((1230.0, 1), (1270.0, 1))
    assert merge(budget, Budget("all", (1229.0,))).calls == ((1200.4, 5), (1229.0, 1), (1230.0, 1))
    low = Limit("bot", 20, 60.0)
    assert take(budget, low, 1230.1).calls == ((1200.4, 5), (1230.0, 1), (1230.1, 1))
