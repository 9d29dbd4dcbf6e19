"""Durations, sizes, rates and times as they are written in `relay.yml` and on the command line:
`1h30m`, `512MB`, `27/1s`, `2026-11-29T23:00:00Z`.
"""

import re
from datetime import datetime

from relay.core.budget import Rate

_SECONDS = {
    "ms": 0.001,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
    "d": 86400.0,
    "w": 604800.0,
    "y": 31536000.0,
}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|[smhdwy])")
_DURATION = re.compile(rf"(?:{_PART.pattern})+")
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?"
    r"(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_SIZE = re.compile(r"([0-9]+)(B|KB|MB|GB|TB)")
_BYTES = {"B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}
_LONGEST = 100 * _SECONDS["y"]


def parse_duration(text: str) -> float:
    """Seconds of `90s`, `1h30m`, `2d`, `1100ms` or `0`, at most 100 years. Raises ValueError.

    The units are Prometheus' (common/model/time.go): ms s m h d w y.
    """
    if text == "0":
        return 0.0
    if len(text) > 40 or not _DURATION.fullmatch(text):
        raise ValueError(
            f"bad duration {quote(text)}: write a number with a unit (ms s m h d w y), such as "
            "90s or 1h30m"
        )
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))
    if seconds > _LONGEST:
        raise ValueError(f"bad duration {quote(text)}: at most 100y")
    return seconds


def parse_size(text: str) -> int:
    """Bytes of `512MB` or `1GB`; units are powers of 1024, as Prometheus' retention sizes are.
    Raises ValueError.
    """
    found = _SIZE.fullmatch(text) if len(text) <= 20 else None
    if found is None:
        raise ValueError(
            f"bad size {quote(text)}: write a whole number with a unit (B KB MB GB TB), such as "
            "512MB"
        )
    return int(found[1]) * _BYTES[found[2]]


def parse_rate(text: str) -> Rate:
    """The rate of `COUNT/DURATION`, such as `18/60s`. Raises ValueError."""
    count, slash, window = text.partition("/")
    if not slash or not re.fullmatch("[0-9]{1,6}", count) or int(count) == 0:
        raise ValueError(f"bad rate {quote(text)}: write COUNT/DURATION, such as 18/60s")
    seconds = parse_duration(window)
    if seconds == 0:
        raise ValueError(f"bad rate {quote(text)}: the duration is zero")
    return Rate(int(count), seconds)


def parse_moment(text: str) -> float:
    """Unix seconds of a time in RFC 3339, with its time zone. Raises ValueError."""
    try:
        moment = datetime.fromisoformat(text) if _MOMENT.fullmatch(text) else None
        if moment is not None:
            return moment.timestamp()
    except (ValueError, OverflowError):
        pass
    raise ValueError(
        f"bad time {quote(text)}: write it as in RFC 3339, such as 2026-11-29T23:00:00Z"
    )


def quote(text: str) -> str:
    """The text in quotes for an error message: at most 60 characters, control characters
    escaped.
    """
    shown = text if len(text) <= 60 else text[:57] + "..."
    return '"' + "".join(char if char.isprintable() else ascii(char)[1:-1] for char in shown) + '"'
