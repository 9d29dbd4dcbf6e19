"""The filters that write numbers, as Prometheus does."""

import math

from relay.core.template.sandbox import text

_LARGE = ("", "k", "M", "G", "T", "P", "E", "Z", "Y")
_SMALL = ("", "m", "u", "n", "p", "f", "a", "z", "y")
_BINARY = ("", "ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi")


def number(value: object) -> float:
    """The number that a text, or a number, stands for. Raises ValueError."""
    return float(value) if isinstance(value, (int, float)) else float(text(value))


def _scaled(value: object, base: float, large: tuple[str, ...], small: tuple[str, ...]) -> str:
    size = number(value)
    if size == 0 or not math.isfinite(size):
        return f"{size:.4g}"
    power = 0
    while abs(size) >= base and power < len(large) - 1:
        size, power = size / base, power + 1
    while small and abs(size) < 1 and -power < len(small) - 1:
        size, power = size * base, power - 1
    return f"{size:.4g}{large[power] if power >= 0 else small[-power]}"


def humanize(value: object) -> str:
    """`1.235k`, `12m`: four digits and a metric prefix (Prometheus' `humanize`)."""
    return _scaled(value, 1000.0, _LARGE, _SMALL)


def humanize1024(value: object) -> str:
    """`1.5Mi`: four digits and a binary prefix."""
    return _scaled(value, 1024.0, _BINARY, ())


def humanize_percentage(value: object) -> str:
    """A ratio as a percentage: 0.123 as `12.3%`."""
    return f"{number(value) * 100:.4g}%"


def humanize_duration(value: object) -> str:
    """Seconds as Prometheus writes them: `1d 2h 3m 4s`, `1.5s`, `20ms`."""
    seconds = number(value)
    if not math.isfinite(seconds):
        return f"{seconds:.4g}"
    if abs(seconds) < 1:
        return f"{_scaled(seconds, 1000.0, ('',), _SMALL)}s" if seconds else "0s"
    if abs(seconds) < 60:
        return f"{seconds:.4g}s"
    sign, whole = "-" if seconds < 0 else "", int(abs(seconds))
    parts = (
        (whole // 86400, "d"),
        (whole // 3600 % 24, "h"),
        (whole // 60 % 60, "m"),
        (whole % 60, "s"),
    )
    told = [
        f"{count}{unit}"
        for at, (count, unit) in enumerate(parts)
        if any(c for c, _ in parts[: at + 1])
    ]
    return sign + " ".join(told)


def rounded(value: object, precision: int = 0) -> float | int:
    """Rounded to 0 to 9 decimals."""
    return round(number(value), min(max(precision, 0), 9)) if precision else round(number(value))
