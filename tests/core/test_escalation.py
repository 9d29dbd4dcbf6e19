"""The timetable of an escalation: what is due when, and what stops it, to the second."""

import pytest

from relay.core.action.escalation import (
    AskDue,
    EscalationClock,
    Event,
    LastDue,
    StepDue,
    accepted,
    due,
    due_now,
    happened,
    timetable,
)
from relay.core.action.settings import Escalation, EscalationStep, Named, Person

ANNA = EscalationStep(600.0, (Named(Person("Anna", "1")),))
LEADS = EscalationStep(1500.0, (), "leads")
PLAN = Escalation((), (ANNA, LEADS), every=1800.0, times=2, taken_for=7200.0)
START = EscalationClock("dba", "", "k", 900.0, 1000.0)
WINDOW = 1800.0


def moments(
    clock: EscalationClock, until: float, plan: Escalation = PLAN
) -> list[tuple[float, str]]:
    """What is told second by second: when, and what."""
    told = []
    for second in range(int(clock.started_at), int(until) + 1):
        clock, found = due_now(clock, plan, float(second))
        for each in found:
            what = each.step.receiver or "mention" if isinstance(each, StepDue) else "last"
            told.append((second - 1000.0, "ask" if isinstance(each, AskDue) else what))
    return told


def test_the_whole_timetable_of_what_nobody_takes() -> None:
    assert moments(START, 10_000) == [
        (600.0, "mention"), (1500.0, "leads"), (3300.0, "leads"), (5100.0, "leads"),
        (6900.0, "last"),
    ]  # fmt: skip
    assert [(at, step.receiver) for at, step in timetable(PLAN)] == [
        (600.0, ""), (1500.0, "leads"), (3300.0, "leads"), (5100.0, "leads")
    ]  # fmt: skip


STOPS: tuple[Event, ...] = ("taken", "over", "suppressed", "muted")
TAKEN = happened(START, "taken", 1000.0)
# Each kind of step: the clock before it, and its second.
STEPS: dict[str, tuple[EscalationClock, float]] = {
    "mention": (START, 1600.0),
    "receiver": (due_now(START, PLAN, 1600.0)[0], 2500.0),
    "repeat": (due_now(START, PLAN, 2500.0)[0], 4300.0),
    "last line": (due_now(due_now(START, PLAN, 4300.0)[0], PLAN, 6100.0)[0], 7900.0),
    "asked again": (TAKEN, 8200.0),
}
# What a stop leaves of the question to who took it: taking it again moves it.
ENDS_QUESTION: tuple[Event, ...] = (*STOPS, "released")


def events_of(step: str) -> tuple[Event, ...]:
    return ENDS_QUESTION if step == "asked again" else STOPS


PAIRS = [(step, event) for step in STEPS for event in events_of(step)]


@pytest.mark.parametrize(("step", "event"), PAIRS)
@pytest.mark.parametrize("before", [1.0, 0.0])
def test_what_stops_it_in_the_second_before_a_step_and_in_its_second(
    step: str, event: Event, before: float
) -> None:
    """At the boundary the stop that is written first counts: nobody is rung for what is in hand."""
    clock, at = STEPS[step]
    assert due_now(clock, PLAN, at - 1.0) == (clock, ())
    assert len(due_now(clock, PLAN, at)[1]) == 1
    stopped = happened(clock, event, at - before)
    assert due_now(stopped, PLAN, at) == (stopped, ())


@pytest.mark.parametrize(("step", "event"), PAIRS)
def test_what_comes_in_the_second_of_a_step_behind_it_stops_what_would_follow(
    step: str, event: Event
) -> None:
    clock, at = STEPS[step]
    done, _ = due_now(clock, PLAN, at)
    stopped = happened(done, event, at)
    until = at + PLAN.taken_for - 1.0 if event == "taken" else at + 100_000.0
    if event != "released":  # nobody has it any more by then: it goes on as it began
        assert due_now(stopped, PLAN, until) == (stopped, ())


@pytest.mark.parametrize(
    ("stop", "restart"), [("taken", "released"), ("suppressed", "free"), ("muted", "unmuted")]
)
def test_it_starts_anew_when_what_stopped_it_is_over(stop: Event, restart: Event) -> None:
    clock, _ = due_now(START, PLAN, 1600.0)
    clock = happened(happened(clock, stop, 1700.0), restart, 2000.0)
    assert due(clock, PLAN) == StepDue(ANNA, 2600.0)


@pytest.mark.parametrize("wrong", ["released", "free", "unmuted"])
def test_another_reason_does_not_start_it(wrong: Event) -> None:
    stopped = happened(START, "over", 1700.0)
    assert happened(stopped, wrong, 2000.0) == stopped
    assert happened(START, wrong, 2000.0) == START


def test_time_counts_from_the_first_message_that_a_chat_accepted() -> None:
    first = accepted(None, "dba", "", "k", 900.0, 1000.0, WINDOW)
    assert first == START
    assert accepted(first, "dba", "", "k", 900.0, 5000.0, WINDOW) == first
    assert accepted(first, "dba", "", "k", 990.0, 5000.0, WINDOW) == first  # a replica


def test_a_flap_does_not_restart_the_clock_and_a_new_episode_does() -> None:
    over = happened(START, "over", 1300.0)
    flap = accepted(over, "dba", "", "k", 3100.0, 3110.0, WINDOW)
    assert due(flap, PLAN) == StepDue(ANNA, 1600.0)
    anew = accepted(over, "dba", "", "k", 3101.0, 3110.0, WINDOW)
    assert due(anew, PLAN) == StepDue(ANNA, 3710.0)
    assert accepted(START, "dba", "", "k", 3101.0, 3110.0, WINDOW).started_at == 3110.0


def test_a_take_is_asked_again_once_when_it_ran_out() -> None:
    clock = happened(START, "taken", 1100.0)
    assert due_now(clock, PLAN, 8299.0)[1] == ()
    clock, found = due_now(clock, PLAN, 8300.0)
    assert found == (AskDue(8300.0),)
    assert due(clock, PLAN) == StepDue(ANNA, 8900.0)
    again = happened(clock, "taken", 8400.0)
    assert due(again, PLAN) == AskDue(8400.0 + 7200.0)


def test_a_downtime_brings_each_step_once_and_no_burst_of_repeats() -> None:
    clock, found = due_now(START, PLAN, 1000.0 + 6000.0)
    assert found == (StepDue(ANNA, 1600.0), StepDue(LEADS, 2500.0), StepDue(LEADS, 4300.0, 1))
    assert due(clock, PLAN) == StepDue(LEADS, 7000.0 + 1800.0, 2)


def test_a_changed_plan_counts_from_the_same_start() -> None:
    clock, _ = due_now(START, PLAN, 1600.0)
    assert due(clock, Escalation((), (LEADS,))) == StepDue(LEADS, 2500.0)
    late = EscalationStep(700.0, (), "other")
    assert due(clock, Escalation((), (ANNA, late, LEADS))) == StepDue(late, 1700.0)
    assert due(clock, Escalation((), (ANNA,))) is None
    assert due(clock, Escalation((), ())) is None


def test_without_repeats_it_is_quiet_after_the_last_step() -> None:
    once = Escalation((), (ANNA,))
    assert moments(START, 9000, once) == [(600.0, "mention")]
    one = Escalation((), (ANNA,), every=60.0, times=1)
    clock, _ = due_now(START, one, 1600.0)
    clock, _ = due_now(clock, one, 1660.0)
    assert due(clock, one) == LastDue(1, 1720.0)
