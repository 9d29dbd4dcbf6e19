"""Budgets as arithmetic: when the next call fits, how many still do, and two budgets that are one."""

import pytest

from relay.core.budget import Budget, Limit, block, free_at, merge, room, take

LIMIT = Limit("chat", 2, 10.0)


@pytest.mark.parametrize(
    ("used", "blocked", "now", "free", "left"),
    [
        ((), 0.0, 100.0, 100.0, 2),
        ((99.0,), 0.0, 100.0, 100.0, 1),
        ((95.0, 99.0), 0.0, 100.0, 105.0, 0),
        ((90.0, 99.0), 0.0, 100.0, 100.0, 1),  # a call leaves the window when it is exactly as old as that
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
    assert take(Budget("chat", (80.0, 95.0), 7.0), LIMIT, 100.0) == Budget("chat", (95.0, 100.0), 7.0)


def test_a_block_is_never_shortened() -> None:
    assert block(Budget("chat", (), 50.0), 40.0).blocked_until == 50.0
    assert block(Budget("chat", (), 50.0), 60.0).blocked_until == 60.0


def test_two_budgets_that_are_one_have_the_calls_of_both_in_order_and_the_longer_block() -> None:
    assert merge(Budget("a", (2.0, 4.0), 9.0), Budget("b", (1.0, 3.0), 8.0)) == Budget("b", (1.0, 2.0, 3.0, 4.0), 9.0)
