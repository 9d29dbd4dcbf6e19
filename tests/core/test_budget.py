"""Budgets as arithmetic: when the next call fits, how many still do, and two budgets that are
one.
"""

import pytest

from relay.core.budget import Block, Budget, Limit, block, free_at, merge, refuse, room, take

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
    ("first", "second", "rests_until"),
    [  # which part was refused, when, and for how many seconds
        (("a", 0, 30), ("b", 5, 25), 30),  # one limit, told twice
        (
            ("a", 0, 30),
            ("b", 5, 55),
            60,
        ),  # the second came too early, and is told what is left and 30 s once more
        (("a", 0, 3600), ("b", 5, 4), 14),  # the first limit is its own
        (("a", 0, 4), ("b", 3, 3600), 12),  # the second is
        (("a", 0, 30), ("a", 5, 25), 0),  # nothing is known of the others
        (("a", 0, 30), ("b", 30, 30), 0),  # the first is over
    ],
)
def test_when_a_second_part_is_refused_while_the_first_rests_all_of_it_rests(
    first: tuple[str, int, int], second: tuple[str, int, int], rests_until: int
) -> None:
    whole = Budget("bot", (1.0,))
    for part, at, seconds in (first, second):
        whole = refuse(whole, Block((part,), at, seconds, "bot"))
    assert (whole.used, whole.blocked_until) == ((1.0,), rests_until)


def test_a_part_that_rests_longer_is_not_forgotten_for_one_that_rests_shorter() -> None:
    whole = refuse(refuse(Budget("bot"), Block(("a",), 0, 100)), Block(("b",), 1, 5))
    assert refuse(whole, Block(("c",), 50, 40)).blocked_until == 100


def test_two_budgets_that_are_one_have_the_calls_of_both_in_order_and_the_longer_block() -> None:
    assert merge(Budget("a", (2.0, 4.0), 9.0), Budget("b", (1.0, 3.0), 8.0)) == Budget(
        "b", (1.0, 2.0, 3.0, 4.0), 9.0
    )
