"""Durations, sizes and rates."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.budget import Rate
from relay.core.duration import parse_duration, parse_rate, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("0s", 0),
        ("1100ms", 1.1),
        ("90s", 90),
        ("1.5h", 5400),
        ("1h30m", 5400),
        ("2d", 172800),
        ("1w", 604800),
        ("1y", 31536000),
        ("1d12h", 129600),
    ],
)
def test_a_duration_is_numbers_with_units(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    ["", "5", "s", "-5s", "1 h", "1h 30m", "5 minutes", "1,5h", "5S", "٣s", "1e3s", "1h" * 99],
)
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="such as 90s or 1h30m"):
        parse_duration(text)


def test_a_duration_beyond_a_lifetime_is_a_slip() -> None:
    with pytest.raises(ValueError, match="at most 100y"):
        parse_duration("101y")


@given(st.text(max_size=30))
def test_any_text_is_a_duration_or_a_value_error(text: str) -> None:
    try:
        seconds = parse_duration(text)
    except ValueError:
        return
    assert seconds >= 0


@pytest.mark.parametrize(
    ("text", "size"), [("1B", 1), ("512MB", 512 << 20), ("2GB", 2 << 30), ("1TB", 1 << 40)]
)
def test_a_size_is_a_number_with_a_unit(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "5", "1 GB", "1.5GB", "1GiB", "GB", "-1GB", "9" * 30 + "GB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="bad size"):
        parse_size(text)


def test_a_rate_is_a_count_over_a_duration() -> None:
    assert parse_rate("18/60s") == Rate(18, 60.0)
    assert parse_rate("1/1100ms") == Rate(1, 1.1)


@pytest.mark.parametrize(
    "text",
    ["", "18", "18/", "/60s", "0/1s", "1/0s", "-1/1s", "1.5/1s", "1/1", "9999999/1s", "1/1s/1s"],
)
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"bad (rate|duration)"):
        parse_rate(text)
