"""What failed calls mean: whether the card is at fault or its lane."""

import pytest
from msgspec.structs import replace

from relay.core.card.failures import (
    MOST_STOPS,
    OTHERS_FIRST,
    Failures,
    cut_short,
    doubted,
    gives_way,
    is_at_fault,
    limited,
    not_taken,
    unknown,
    yields,
)
from relay.core.card.lane_state import LaneState
from tests.build import T0

BEFORE, AFTER = LaneState(passed_at=T0 - 1), LaneState(passed_at=T0 + 1)


def failed(times: int, state: LaneState = BEFORE) -> Failures:
    failures = None
    for _ in range(times):
        failures = not_taken(failures, state, T0, 0.5, "502")
    assert failures
    return failures


def stopped(times: int) -> Failures:
    failures = None
    for _ in range(times):
        failures = cut_short(failures, T0, "the relay stopped")
    assert failures
    return failures


@pytest.mark.parametrize(
    ("failures", "state", "at_fault"),
    [
        (None, AFTER, False),
        (failed(1), BEFORE, False),
        (failed(1), AFTER, True),  # another card got through after it
        (failed(1), replace(AFTER, recovered_at=T0 + 1), False),  # the lane was in trouble
        (failed(2, AFTER), BEFORE, True),  # and it failed again
        (unknown(None, BEFORE, T0, "timed out", repeatable=False), AFTER, True),
        (stopped(1), AFTER, False),  # the relay stopped: that was not the card
        (stopped(MOST_STOPS), AFTER, False),
        (stopped(MOST_STOPS + 1), AFTER, True),  # or it is what stops the relay
        (not_taken(stopped(1), AFTER, T0, 0.5, "502"), BEFORE, False),
        (not_taken(stopped(1), AFTER, T0, 0.5, "502"), AFTER, True),
    ],
)
def test_a_card_is_at_fault_when_others_got_through(
    failures: Failures | None, state: LaneState, at_fault: bool
) -> None:
    assert is_at_fault(failures, state) == at_fault
    assert yields(failures, "card", state, T0 + 2) == at_fault
    if failures:
        late = failures.retry_at + OTHERS_FIRST
        assert not yields(failures, "card", state, late)


ONCE = limited(None, BEFORE, T0, 5.0, 0.5)
AGAIN = limited(limited(ONCE, AFTER, T0 + 2, 5.0, 0.5), BEFORE, T0 + 9, 5.0, 0.5)


@pytest.mark.parametrize(
    ("failures", "state", "times", "seconds"),
    [
        (None, BEFORE, 1, 5.0),
        (ONCE, BEFORE, 1, 5.0),  # no other card got through meanwhile: the whole chat waits
        (ONCE, AFTER, 2, 5.75),
        (AGAIN, BEFORE, 4, 8.0),  # from then on a little longer each time
        (failed(2), AFTER, 1, 5.0),
    ],
)
def test_who_is_asked_to_wait_waits_longer_only_if_others_get_through(
    failures: Failures | None, state: LaneState, times: int, seconds: float
) -> None:
    after = limited(failures, state, T0 + 20, 5.0, 0.5)
    assert (after.limited, after.retry_at - T0 - 20) == (times, seconds)
    assert after.tries == (failures.tries if failures else 0)
    assert not is_at_fault(ONCE, AFTER)


@pytest.mark.parametrize(
    ("failures", "state", "after", "gives"),
    [
        (None, AFTER, 0.0, False),
        (ONCE, BEFORE, 6.0, True),  # once
        (ONCE, AFTER, 6.0, False),  # another card got through: it may be its turn
        (AGAIN, AFTER, 6.0, True),
        (AGAIN, AFTER, OTHERS_FIRST + 30.0, False),  # but it does not starve
        (failed(2), replace(AFTER, recovered_at=T0 + 1), 2.0, True),  # the trouble just ended
        (failed(2), replace(AFTER, recovered_at=T0 + 1), 6.0, False),
    ],
)
def test_who_gives_way_to_cards_that_never_failed(
    failures: Failures | None, state: LaneState, after: float, gives: bool
) -> None:
    assert gives_way(failures, state, T0 + after) == gives


def test_pauses_grow_with_each_repetition_in_the_lane() -> None:
    """Several cards that fail again and again use up no more of a budget than one of them."""
    state, failures = LaneState(), dict.fromkeys("ab", Failures())
    pauses: list[float] = []
    for name in "ababababab":
        failures[name] = not_taken(failures[name], state, T0, 1.0, "502")
        state = doubted(state, failures[name], name, T0, 1.0)
        pauses.append(failures[name].retry_at - T0)
    assert pauses == [1, 1, 2, 4, 8, 16, 32, 64, 64, 64]


@pytest.mark.parametrize(
    ("fault_at", "others_first"),
    [(T0 + 20, True), (T0 + 5, False), (0.0, False)],  # the trouble of the lane ended at T0 + 10
)
def test_if_a_card_fails_again_after_the_trouble_others_go_before_those_that_failed_before(
    fault_at: float, *, others_first: bool
) -> None:
    state = LaneState(passed_at=T0 + 10, recovered_at=T0 + 10, fault_at=fault_at)
    assert yields(failed(1), "card", state, T0 + 21) == others_first
    again = replace(failed(2, AFTER), at=T0 + 20)
    assert again.at_fault
    assert doubted(state, again, "other", T0 + 20, 0.5).fault_at == T0 + 20
    assert doubted(state, failed(1), "other", T0 + 20, 0.5).fault_at == fault_at
