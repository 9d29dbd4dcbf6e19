"""Times and durations as templates see them: printed for the reader, or in Go's layouts."""

import re
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Struct

from relay.core.text import texts
from relay.core.text.richtext import RichText, styled

_LAYOUT = re.compile(
    r"2006|January|Jan|Monday|Mon|MST|Z07:00|-07:00|-0700|-07|\.0{1,9}|\.9{1,9}|01|02|03|04|05|06|15|PM|pm|_2|[12345]"
)
_LONGEST_LAYOUT = 100
_STRFTIME = re.compile(r"%-?([A-Za-z])")
_IN_GO = {
    "Y": "2006", "y": "06", "m": "01", "d": "02", "e": "_2", "H": "15", "I": "03", "M": "04",
    "S": "05", "p": "PM",
    "b": "Jan", "B": "January", "a": "Mon", "A": "Monday", "Z": "MST", "z": "-0700",
    "F": "2006-01-02", "T": "15:04:05",
}  # fmt: skip
_LATEST = (
    253402300799.0 - 86_400
)  # a day before the end of the year 9999, the last one that datetime can show in every zone


class Reader(Struct, frozen=True):
    """The reader of a message: language, IANA time zone, and the present in Unix seconds."""

    language: str
    timezone: str
    now: float

    def say(self, key: str, n: int | None = None, **values: texts.Value) -> RichText:
        """A text of the catalogue in the reader's language."""
        return texts.say(self.language, key, n, **values)

    def since(self, start: float) -> RichText:
        """`since 12:04 (2 min)` for Unix seconds; 0.0 is unknown."""
        if not start:
            return self.say("since_unknown")
        return self.say("since", start=self.time(start).rich(), age=str(self.age(start)))

    def time(self, at: float) -> "Time":
        """The moment `at` in the reader's zone."""
        return Time(at, self)

    def duration(self, seconds: float) -> "Duration":
        """Seconds that print as `1 h 12 min`."""
        return Duration(seconds, self.language)

    def age(self, start: float, end: float | None = None) -> "Duration":
        """The time from `start` to `end` or now, never negative; in words if the start is
        unknown.
        """
        if start <= 0.0:
            return Duration(0.0, self.language, self.say("unknown_time").text)
        return self.duration(max((self.now if end is None else end) - start, 0.0))


class Printable:
    """A value of ours that a template may print as it is."""

    __slots__ = ()

    def rich(self) -> RichText:
        raise NotImplementedError


class Duration(float):
    """Seconds that print in at most two units."""

    def __new__(cls, seconds: float, language: str, text: str = "") -> "Duration":
        """`language` is that of the units; `text` is printed instead of the number."""
        self = super().__new__(cls, seconds)
        self._text = text or texts.duration(language, seconds)
        return self

    _text: str

    def __str__(self) -> str:
        return self._text


class Time(Printable):
    """A moment in a zone. It prints as a clock time (with the date if that is not today), which the
    platform may show in the reader's own zone; `unix` is its Unix seconds. False if the time is
    unknown.
    """

    __slots__ = ("_reader", "_zone", "unix")

    def __init__(self, unix: float, reader: Reader, zone: str = "") -> None:
        """`unix` seconds, in the reader's zone or another one."""
        self.unix = unix
        self._reader = reader
        self._zone = zone or reader.timezone

    def __bool__(self) -> bool:
        return 0.0 < self.unix < _LATEST

    def __float__(self) -> float:
        return self.unix

    def __str__(self) -> str:
        return self.rich().text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Time) and self.unix == other.unix

    def __lt__(self, other: "Time") -> bool:
        return self.unix < other.unix

    def __hash__(self) -> int:
        return hash(self.unix)

    def rich(self) -> RichText:
        """`12:04`, or `21 Nov 12:04` on another day, with a time style."""
        if not self:
            return self._reader.say("unknown_time")
        local, today = self.local(), _local(self._reader.now, self._zone)
        clock = f"{local.hour:02d}:{local.minute:02d}"
        if local.date() == today.date():
            return styled("time", clock, f"{int(self.unix)}:t")
        year = "" if local.year == today.year else f" {local.year}"
        day = f"{local.day} {texts.month(self._reader.language, local.month)}{year}"
        return styled("time", f"{day} {clock}", f"{int(self.unix)}:dt")

    def local(self) -> datetime:
        """The moment as a datetime in its zone."""
        return _local(self.unix, self._zone)

    def date(self, layout: str) -> str:
        """The moment in a Go layout, such as `2006-01-02 15:04 MST`
        (https://pkg.go.dev/time#Layout).
        """
        if len(layout) > _LONGEST_LAYOUT:
            raise ValueError(f"a layout of {len(layout)} characters: at most {_LONGEST_LAYOUT}")
        if _STRFTIME.search(layout):
            meant = _STRFTIME.sub(lambda part: _IN_GO.get(part[1], "..."), layout)
            raise ValueError(f"{layout!r} is not a layout of Go, which date takes: write {meant!r}")
        local = self.local()
        words = _words(local)
        return (
            _LAYOUT.sub(lambda part: words.get(part[0], "") or _fraction(local, part[0]), layout)
            if self
            else ""
        )

    def tz(self, zone: str) -> "Time":
        """The same moment in another zone. Raises ValueError for an unknown one."""
        if known_zone(zone) is None:
            raise ValueError(f"unknown time zone {zone!r}: write an IANA name such as Europe/Paris")
        return Time(self.unix, self._reader, zone)


@lru_cache(maxsize=256)
def known_zone(name: str) -> ZoneInfo | None:
    """The zone of that IANA name, or None."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


@lru_cache(maxsize=256)  # a message shows the same moments several times
def _local(unix: float, zone: str) -> datetime:
    known = known_zone(zone) or UTC
    return datetime.fromtimestamp(unix if 0.0 <= unix < _LATEST else 0.0, known)


def _fraction(local: datetime, token: str) -> str:
    if token[0] != ".":
        return ""
    digits = f"{local.microsecond:06d}000"[: len(token) - 1]
    kept = digits if token[1] == "0" else digits.rstrip("0")
    return f".{kept}" if kept else ""


def _words(local: datetime) -> dict[str, str]:
    """The replacement for each part of a layout except fractions."""
    hour = local.hour % 12 or 12
    offset = f"{local:%z}" or "+0000"
    colon = f"{offset[:3]}:{offset[3:5]}"
    return {
        "2006": f"{local.year:04d}", "06": f"{local.year % 100:02d}", "January": f"{local:%B}",
        "Jan": f"{local:%b}",
        "01": f"{local.month:02d}", "1": str(local.month), "Monday": f"{local:%A}",
        "Mon": f"{local:%a}",
        "02": f"{local.day:02d}", "_2": f"{local.day:2d}", "2": str(local.day),
        "15": f"{local.hour:02d}",
        "03": f"{hour:02d}", "3": str(hour), "04": f"{local.minute:02d}", "4": str(local.minute),
        "05": f"{local.second:02d}", "5": str(local.second), "PM": f"{local:%p}",
        "pm": f"{local:%p}".lower(),
        "MST": f"{local:%Z}", "Z07:00": "Z" if offset == "+0000" else colon, "-07:00": colon,
        "-0700": offset[:5], "-07": offset[:3],
    }  # fmt: skip
