"""Time intervals, by Alertmanager's rules (timeinterval/timeinterval.go)."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.routing.interval import (
    Period,
    TimeInterval,
    contains,
    parse_clock,
    parse_days,
    parse_months,
    parse_weekdays,
    parse_years,
)


def inside(period: Period, when: str) -> bool:
    """Whether a local time of the period's own zone lies inside."""
    return contains(
        TimeInterval("x", (period,)),
        datetime.fromisoformat(when).replace(tzinfo=ZoneInfo(period.zone)).timestamp(),
    )


OFFICE = Period(minutes=((9 * 60, 17 * 60),), weekdays=((1, 5),), zone="Europe/Paris")


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("2026-11-23T09:00", True),  # a Monday
        ("2026-11-23T08:59", False),
        ("2026-11-23T16:59:59", True),
        ("2026-11-23T17:00", False),
        ("2026-11-22T12:00", False),
        ("2026-11-21T12:00", False),
        ("2026-07-17T09:00", True),  # in summer time
    ],
)
def test_all_parts_have_to_hold_and_the_end_of_times_is_outside(when: str, expected: bool) -> None:
    assert inside(OFFICE, when) is expected


@pytest.mark.parametrize(
    ("days", "when", "expected"),
    [
        ((1, 5), "2026-02-05", True),
        ((1, 5), "2026-02-06", False),
        ((-1, -1), "2026-02-28", True),
        ((-1, -1), "2028-02-28", False),
        ((-1, -1), "2028-02-29", True),
        ((-3, -1), "2026-02-25", False),
        ((1, -1), "2026-02-14", True),
        ((20, -10), "2026-02-19", False),
        ((31, 31), "2026-02-28", False),
        ((28, 31), "2026-02-28", True),
        ((-31, -1), "2026-02-01", True),
    ],
)
def test_days_count_from_either_end_of_the_month(
    days: tuple[int, int], when: str, expected: bool
) -> None:
    assert inside(Period(days=(days,)), when) is expected


def test_months_and_years_are_inclusive() -> None:
    summer = Period(months=((6, 8),), years=((2026, 2027),))
    assert inside(summer, "2026-06-01")
    assert inside(summer, "2027-08-31T23:59")
    assert not inside(summer, "2026-09-01")
    assert not inside(summer, "2028-07-01")


def test_an_interval_is_inside_one_of_its_periods() -> None:
    both = TimeInterval("x", (Period(weekdays=((0, 0),)), Period(weekdays=((6, 6),))))
    assert [contains(both, 86400.0 * day) for day in range(7)] == [
        False,
        False,
        True,
        True,
        False,
        False,
        False,
    ]
    assert not contains(TimeInterval("never", ()), 0.0)


@pytest.mark.parametrize(
    ("text", "minutes"), [("00:00", 0), ("09:30", 570), ("23:59", 1439), ("24:00", 1440)]
)
def test_a_clock_is_hours_and_minutes(text: str, minutes: int) -> None:
    assert parse_clock(text) == minutes


@pytest.mark.parametrize("text", ["", "9:30", "24:01", "12:60", "12", "12:30:00", "٠٩:٣٠"])
def test_what_is_no_clock_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="HH:MM"):
        parse_clock(text)


def test_ranges_are_names_or_numbers() -> None:
    assert parse_weekdays("monday:friday") == (1, 5)
    assert parse_weekdays("Sunday") == (0, 0)
    assert parse_months("january : march") == (1, 3)
    assert parse_months("5:december") == (5, 12)
    assert parse_days("-3:-1") == (-3, -1)
    assert parse_days("1:-1") == (1, -1)
    assert parse_days("15") == (15, 15)
    assert parse_years("2026:2028") == (2026, 2028)


@given(st.text(max_size=20))
def test_any_text_is_a_range_or_a_value_error(text: str) -> None:
    for parse in (parse_weekdays, parse_months, parse_days, parse_years):
        try:
            start, end = parse(text)
        except ValueError:
            continue
        assert start <= end or end < 0
