"""The duration of a silence as people write it: `90m`, `2d`, `until 18:00`."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from relay.core.duration import parse_duration

LONGEST = 365 * 86400.0
_UNTIL = re.compile(
    r"(?:until|jusqu'à|jusqu’à|till|→)?\s*([0-9]{1,2})[:h]([0-9]{2})?", re.IGNORECASE
)
_SPACED = re.compile(r"\s+")


def parse_wish(text: str, timezone: str, now: float) -> float | None:
    """Seconds from `now`; None if it is neither a duration nor a time of day.

    A time of day is the next one in `timezone`, tomorrow's if today's is past.
    """
    text = text.strip()[:40]
    found = _UNTIL.fullmatch(text)
    is_clock = found is not None and (":" in text or not text[0].isdigit())
    if found and is_clock:
        return _until(int(found[1]), int(found[2] or 0), timezone, now)
    try:
        seconds = parse_duration(_SPACED.sub("", text.lower()).replace("min", "m"))
    except ValueError:
        return None
    return seconds if 1.0 <= seconds <= LONGEST else None


def _until(hour: int, minute: int, timezone: str, now: float) -> float | None:
    if hour > 23 or minute > 59:
        return None
    local = datetime.fromtimestamp(now, UTC).astimezone(ZoneInfo(timezone))
    then = local.replace(hour=hour, minute=minute, second=0, microsecond=0)
    if then.timestamp() <= now:
        then = (local + timedelta(days=1)).replace(
            hour=hour, minute=minute, second=0, microsecond=0
        )
    return then.timestamp() - now
