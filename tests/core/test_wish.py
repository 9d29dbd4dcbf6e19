"""For how long somebody wants silence, as people write it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.action.wish import parse_wish

NOON = 1_795_176_000.0  # Friday 20 Nov 2026 12:00 UTC


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90m", 5400.0),
        ("30 min", 1800.0),
        ("2d", 172800.0),
        ("1h30m", 5400.0),
        (" 4H ", 14400.0),
        ("until 18:00", 17 * 3600.0 - 12 * 3600.0),
        ("18:30", 17.5 * 3600.0 - 12 * 3600.0),
        ("jusqu'à 18h", 5 * 3600.0),
        ("until 12:00", 23 * 3600.0),
        ("0", None),
        ("soon", None),
        ("25:00", None),
        ("until 18:60", None),
        ("400d", None),
        ("", None),
        ("-1h", None),
    ],
)
def test_durations_and_times_of_day(text: str, seconds: float | None) -> None:
    assert parse_wish(text, "Europe/Paris", NOON) == seconds


@given(st.text(max_size=60))
def test_whatever_is_written_is_a_duration_or_none(text: str) -> None:
    found = parse_wish(text, "UTC", NOON)
    assert found is None or 0.0 < found <= 365 * 86400.0
