"""The share of the store's thread that is left to jobs that yield while payloads flow."""

import pytest

from relay.store.flow import TurnPace


def flowing(seconds: float, per_second: float = 400.0, began: float = 100.0) -> TurnPace:
    """Payloads that come so fast, for so long, one by one."""
    flow = TurnPace()
    for number in range(int(seconds * per_second)):
        flow.came(1, began + number / per_second)
    return flow


def test_a_job_that_worked_while_payloads_flow_has_a_fifth_of_the_time() -> None:
    flow = flowing(0.1)
    flow.worked(0.005, 100.1)
    flow.came(20, 100.1)
    assert flow.pause(100.1) == pytest.approx(0.02)
    assert flow.pause(100.119) > 0
    assert flow.pause(100.121) == 0


def test_however_long_a_job_took_the_next_one_waits_for_a_tenth_of_a_second_at_most() -> None:
    flow = flowing(0.1)
    flow.worked(3.0, 103.1)
    flow.came(20, 103.1)
    assert flow.pause(103.1) == pytest.approx(0.1)


def test_nothing_yields_to_payloads_that_come_now_and_then() -> None:
    flow = flowing(2.0, per_second=100.0)
    flow.worked(0.005, 102.0)
    assert not flow.flows(102.0)
    assert flow.pause(102.0) == 0


def test_when_the_flow_has_ended_nothing_waits_any_more() -> None:
    flow = flowing(0.1)
    flow.worked(0.05, 100.1)
    assert flow.pause(100.16) == 0


def test_to_a_flow_without_end_others_yield_for_two_seconds() -> None:
    flow = flowing(1.9)
    assert flow.flows(101.9)
    flow = flowing(2.1)
    assert not flow.flows(102.1)
    flow.worked(0.005, 102.1)
    assert flow.pause(102.1) == 0


def test_a_job_longer_than_the_flow_looks_back_does_not_hide_it() -> None:
    """Senders whose payloads came while it worked are taken up after it."""
    flow = flowing(0.1)
    flow.worked(0.08, 100.18)
    flow.came(16, 100.181)
    assert flow.pause(100.181) == pytest.approx(0.099)


def test_after_half_a_second_of_rest_they_yield_again() -> None:
    flow = flowing(2.2)
    assert not flow.flows(102.2)
    flow.came(20, 102.9)
    assert flow.flows(102.9)
