"""The judge of the chaos tests turns red for each promise that is broken."""

from collections.abc import Sequence

import pytest

from tests.acceptance.histories import Owners, linear
from tests.acceptance.test_kill import Load, Seen, judge

FIRED, OVER = "🟠 warning Kill00001", "🟢 resolved Kill00001"
AGAIN = "🟠 warning Kill00001, may be repeated"


def loaded(*, ended: bool = True) -> Load:
    load = Load([])
    load.acknowledged["Kill00001"] = "one"
    load.ended |= {"Kill00001"} if ended else set()
    return load


def test_what_was_told_once_and_ended_is_right() -> None:
    assert judge([Seen(1.0, FIRED, OVER, reply=False)], loaded(), "one", []) == 0


def test_one_marked_repeat_for_a_fault_is_right() -> None:
    told = [Seen(1.0, FIRED, OVER, reply=False), Seen(3.0, AGAIN, OVER, reply=False)]
    assert judge(told, loaded(), "one", [2.0]) == 1


@pytest.mark.parametrize(
    ("told", "ended", "faults"),
    [
        pytest.param([], True, [], id="an acknowledged alert is lost"),
        pytest.param([Seen(1.0, FIRED, FIRED, reply=False)], True, [], id="its end is lost"),
        pytest.param(
            [Seen(1.0, FIRED, OVER, reply=False)], False, [], id="an end that nobody reported"
        ),
        pytest.param(
            [Seen(1.0, FIRED, OVER, reply=False), Seen(3.0, FIRED, OVER, reply=False)],
            True,
            [2.0],
            id="a repeat without a mark",
        ),
        pytest.param(
            [Seen(1.0, FIRED, OVER, reply=False), Seen(1.5, AGAIN, OVER, reply=False)],
            True,
            [2.0],
            id="a repeat before any fault",
        ),
        pytest.param(
            [
                Seen(1.0, FIRED, OVER, reply=False),
                Seen(3.0, AGAIN, OVER, reply=False),
                Seen(4.0, AGAIN, OVER, reply=False),
            ],
            True,
            [2.0],
            id="more repeats than faults",
        ),
        pytest.param(
            [
                Seen(1.0, FIRED, OVER, reply=False),
                Seen(3.0, AGAIN, FIRED, reply=False),
            ],
            True,
            [2.0],
            id="an old owner's firing over the end",
        ),
    ],
)
def test_a_broken_promise_is_seen(told: Sequence[Seen], ended: bool, faults: list[float]) -> None:
    with pytest.raises(AssertionError):
        judge(list(told), loaded(ended=ended), "one", faults)


def test_a_lease_with_two_owners_in_one_epoch_is_seen() -> None:
    owners = Owners("")
    for lane, epoch, owner in ((1, 1, "a"), (1, 2, "b"), (2, 1, "b"), (1, 2, "b")):
        owners.note(lane, epoch, owner)
    assert owners.of_several() == {}
    owners.note(1, 2, "a")
    assert owners.of_several() == {(1, 2): {"a", "b"}}


def test_a_message_that_goes_back_to_what_was_before_is_seen() -> None:
    assert linear([FIRED, FIRED, OVER])
    assert linear([OVER])
    assert not linear([FIRED, OVER, FIRED, OVER])
