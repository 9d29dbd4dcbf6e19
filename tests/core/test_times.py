"""Times: printed for the reader's day and zone, and in Go's layouts."""

import pytest

from relay.core.text.richtext import RichText, Span
from relay.core.text.times import Reader

NOON_IN_PARIS = 1795345200.0  # 2026-11-22 11:00:00 UTC
READER = Reader("en", "Europe/Paris", NOON_IN_PARIS)


@pytest.mark.parametrize(
    ("at", "printed"),
    [
        (NOON_IN_PARIS + 240, "12:04"),
        (NOON_IN_PARIS - 86400, "21 Nov 12:00"),
        (NOON_IN_PARIS - 86400 * 365, "22 Nov 2025 12:00"),
        (0.0, "unknown time"),
        (1e15, "unknown time"),
    ],
)
def test_a_time_prints_with_its_date_unless_that_is_today(at: float, printed: str) -> None:
    assert str(READER.time(at)) == printed


def test_the_platform_may_show_it_in_the_readers_own_zone() -> None:
    assert READER.time(NOON_IN_PARIS).rich() == RichText(
        "12:00", (Span("time", 0, 5, "1795345200:t"),)
    )
    assert READER.time(NOON_IN_PARIS - 86400).rich().spans[0].value == "1795258800:dt"


def test_french_months() -> None:
    assert (
        str(Reader("fr", "UTC", NOON_IN_PARIS).time(NOON_IN_PARIS - 40 * 86400)) == "13 oct. 11:00"
    )


@pytest.mark.parametrize(
    ("layout", "printed"),
    [
        ("2006-01-02 15:04:05", "2026-11-22 12:04:09"),
        ("Mon, 02 Jan 2006 15:04:05 MST", "Sun, 22 Nov 2026 12:04:09 CET"),
        ("Monday, January 2 2006 3:04PM", "Sunday, November 22 2026 12:04PM"),
        ("2006-01-02T15:04:05Z07:00", "2026-11-22T12:04:09+01:00"),
        ("02/01/06 _2 -0700 -07 .000", "22/11/26 22 +0100 +01 .500"),
        ("15h04", "12h04"),
    ],
)
def test_go_layouts(layout: str, printed: str) -> None:
    assert READER.time(NOON_IN_PARIS + 249.5).date(layout) == printed


@pytest.mark.parametrize(
    ("layout", "meant"),
    [("%Y-%m-%d", "2006-01-02"), ("%d %b at %-H:%M", "02 Jan at 15:04"), ("%j", "...")],
)
@pytest.mark.parametrize("at", [NOON_IN_PARIS, 0.0])
def test_percent_signs_are_no_layout_and_what_was_meant_is_said(
    layout: str, meant: str, at: float
) -> None:
    with pytest.raises(
        ValueError, match=f"{layout!r} is not a layout of Go, which date takes: write {meant!r}"
    ):
        READER.time(at).date(layout)


def test_another_zone_and_an_unknown_one() -> None:
    assert READER.time(NOON_IN_PARIS).tz("Asia/Tokyo").date("15:04 MST") == "20:00 JST"
    assert READER.time(NOON_IN_PARIS).tz("UTC").date("Z07:00") == "Z"
    with pytest.raises(ValueError, match="Mars/Phobos"):
        READER.time(NOON_IN_PARIS).tz("Mars/Phobos")


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "UTC", "America/New_York"])
def test_the_last_moments_that_a_clock_knows_are_unknown_in_every_zone(zone: str) -> None:
    reader = Reader("en", zone, 0.0)
    assert str(reader.time(253402300799.0 - 3600)) == str(reader.time(0.0))


def test_an_unknown_zone_of_the_reader_is_utc() -> None:
    assert str(Reader("en", "nowhere", NOON_IN_PARIS).time(NOON_IN_PARIS)) == "11:00"


def test_times_compare_and_durations_are_numbers() -> None:
    early, late = READER.time(1.0), READER.time(2.0)
    assert early < late
    assert sorted([late, early])[0] is early
    assert not READER.time(0.0)
    assert READER.age(NOON_IN_PARIS - 90) == 90.0
    assert str(READER.age(NOON_IN_PARIS + 90)) == "0\u00a0s"
