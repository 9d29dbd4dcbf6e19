"""Time intervals in Alertmanager's form: minutes of days, and whether a moment is among them."""

import calendar
import re
from datetime import datetime
from zoneinfo import ZoneInfo

from msgspec import Struct

from relay.core.duration import quote

Range = tuple[int, int]
WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
MONTHS = tuple(name.lower() for name in calendar.month_name)  # the first is empty, January is 1
_CLOCK = re.compile(r"((?:[01][0-9])|(?:2[0-3])):([0-5][0-9])|24:00")


class Period(Struct, frozen=True):
    """One period of an interval: a moment is inside if all given fields match. Ranges are
    inclusive, except the end of `minutes`.

    `minutes` count from midnight, `weekdays` from Sunday = 0, `days` may be negative (-1 is the
    month's last day).
    """

    minutes: tuple[Range, ...] = ()
    weekdays: tuple[Range, ...] = ()
    days: tuple[Range, ...] = ()
    months: tuple[Range, ...] = ()
    years: tuple[Range, ...] = ()
    zone: str = "UTC"


class TimeInterval(Struct, frozen=True):
    """A named time interval of the configuration.
    https://prometheus.io/docs/alerting/latest/configuration/#time_interval
    """

    name: str
    periods: tuple[Period, ...]


def contains(interval: TimeInterval, at: float) -> bool:
    """Whether the moment `at` (Unix seconds) lies inside."""
    return any(
        _inside(period, datetime.fromtimestamp(at, ZoneInfo(period.zone)))
        for period in interval.periods
    )


def _inside(period: Period, now: datetime) -> bool:
    minute = now.hour * 60 + now.minute
    return (
        (not period.minutes or any(start <= minute < end for start, end in period.minutes))
        and _among(period.weekdays, now.isoweekday() % 7)
        and (not period.days or _day_inside(period.days, now))
        and _among(period.months, now.month)
        and _among(period.years, now.year)
    )


def _among(ranges: tuple[Range, ...], value: int) -> bool:
    return not ranges or any(start <= value <= end for start, end in ranges)


def _day_inside(ranges: tuple[Range, ...], now: datetime) -> bool:
    """Whether the day is in the ranges, as in Alertmanager's timeinterval.go: negative days count
    from the end of the month, and an end beyond the month is its last day.
    """
    length = calendar.monthrange(now.year, now.month)[1]
    for start, end in ranges:
        first = start if start > 0 else length + start + 1
        last = end if end > 0 else length + end + 1
        if max(first, 1) <= now.day <= min(last, length):
            return True
    return False


def parse_clock(text: str) -> int:
    """Minutes since midnight of `09:30`, up to `24:00`. Raises ValueError."""
    found = _CLOCK.fullmatch(text)
    if found is None:
        raise ValueError(f"bad time {quote(text)}: write HH:MM from 00:00 to 24:00, in quotes")
    return int(found[1]) * 60 + int(found[2]) if found[1] else 24 * 60


def parse_weekdays(text: str) -> Range:
    """The range of `monday` or `monday:friday`, as numbers from Sunday = 0. Raises ValueError."""
    return _ascending(text, *(_named(part, WEEKDAYS, "weekday") for part in _halves(text)))


def parse_months(text: str) -> Range:
    """The range of `january:march`, `1:3` or `may`. Raises ValueError."""
    return _ascending(text, *(_month(part) for part in _halves(text)))


def parse_years(text: str) -> Range:
    """The range of `2026` or `2026:2028`. Raises ValueError."""
    return _ascending(text, *(_number(part, 1, 9999) for part in _halves(text)))


def parse_days(text: str) -> Range:
    """The range of `1:5`, `-3:-1`, `1:-1` or `15`, days of a month. Raises ValueError."""
    start, end = (_number(part, -31, 31) for part in _halves(text))
    if start == 0 or end == 0:
        raise ValueError(f"bad day {quote(text)}: days count from 1, or from -1 backwards")
    if start < 0 < end:
        raise ValueError(f"bad range {quote(text)}: a negative start needs a negative end")
    return (start, end) if start > 0 > end else _ascending(text, start, end)


def _halves(text: str) -> tuple[str, str]:
    start, colon, end = text.strip().lower().partition(":")
    return start.strip(), end.strip() if colon else start.strip()


def _ascending(text: str, start: int, end: int) -> Range:
    if start > end:
        raise ValueError(f"bad range {quote(text)}: it ends before it begins")
    return start, end


def _month(part: str) -> int:
    return _number(part, 1, 12) if part.isdecimal() else _named(part, MONTHS, "month")


def _named(part: str, names: tuple[str, ...], word: str) -> int:
    if not part or part not in names:
        raise ValueError(f"unknown {word} {quote(part)}, one of: {' '.join(filter(None, names))}")
    return names.index(part)


def _number(part: str, low: int, high: int) -> int:
    if not re.fullmatch("-?[0-9]{1,4}", part) or not low <= int(part) <= high:
        raise ValueError(f"bad number {quote(part)}: from {low} to {high}")
    return int(part)
