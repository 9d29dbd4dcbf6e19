"""The fields of a payload, read one by one: a wrong one is left out alone."""

import re
from datetime import UTC, datetime
from typing import Annotated

from msgspec import Meta, Raw, ValidationError
from msgspec.json import Decoder

from relay.core.alert import AlertStatus, Labels

Moment = Annotated[datetime, Meta(tz=True)]
Count = Annotated[int, Meta(ge=0, lt=2**31)]
ABSENT = Raw(b"null")
_LAST_MOMENT = 253_402_300_799  # the end of the year 9999
_FIRST_MILLISECONDS = 10**11  # the same number of seconds would be in the year 5138
_TEXT: Decoder[str] = Decoder(str)
_COUNT: Decoder[int] = Decoder(Count)
_MOMENT: Decoder[datetime] = Decoder(Moment)
_LABELS = Decoder(Labels | None)
_MIXED_LABELS = Decoder(dict[str, Raw])


_EPOCH = re.compile(r"\d{1,16}(?:\.\d{1,9})?(?:[eE]\+?\d)?", re.ASCII)
# RFC 3339 with the variants that senders write, and Go's Time.String: `2026-11-22 08:00:00.5 +0100
# CET m=+0.1`.
_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)"
    r"(?:[Tt ](\d\d):(\d\d)(?::(\d\d(?:[.,]\d{1,9})?))?"
    r" ?(?:[Zz]|UTC|GMT|([+-])(\d\d):?(\d\d)(?: [A-Z]{1,5}| [+-]\d{2,4})?)?(?: m=\S+)?)?",
    re.ASCII,
)


def seconds_of(moment: datetime | None) -> float | None:
    """Unix seconds; None for Go's zero time and any other time before 1970."""
    seconds = moment.timestamp() if moment else 0.0
    return seconds if seconds > 0 else None


def text_of(raw: Raw) -> str:
    """A text, number or boolean as text; empty for anything else."""
    return _scalar(raw) or ""


def count_of(raw: Raw) -> int:
    try:
        return _COUNT.decode(raw)
    except ValidationError:
        return 0


def status_of(raw: Raw) -> AlertStatus | None:
    match text_of(raw).strip().lower():
        case "firing":
            return "firing"
        case "resolved":
            return "resolved"
        case _:
            return None


def time_of(raw: Raw) -> float | None:
    """Unix seconds, as `seconds_of` gives them; None if it is not a time.

    It reads RFC 3339 and its usual variants, Go's Time.String, and Unix seconds or milliseconds. A
    time without a zone is UTC.
    """
    try:
        return seconds_of(_MOMENT.decode(raw))
    except ValidationError:
        text = text_of(raw).strip()
    seconds = _epoch(text) if _EPOCH.fullmatch(text) else _calendar(text)
    return seconds if 0 < seconds <= _LAST_MOMENT else None


def _epoch(text: str) -> float:
    number = float(text)
    return number / 1000 if number >= _FIRST_MILLISECONDS else number


def _calendar(text: str) -> float:
    """Unix seconds of a date, or of a date and a time; 0.0 for anything else. A leap second is the
    second after it.
    """
    found = _TIME.fullmatch(text)
    if found is None:
        return 0.0
    year, month, day, hour, minute, second, sign, hours, minutes = found.groups()
    past = float((second or "0").replace(",", "."))
    if past >= 61:
        return 0.0
    try:
        begun = datetime(
            int(year), int(month), int(day), int(hour or 0), int(minute or 0), tzinfo=UTC
        )
    except ValueError:
        return 0.0
    east = 60 * (60 * int(hours or 0) + int(minutes or 0)) * (-1 if sign == "-" else 1)
    return begun.timestamp() + round(past, 6) - east


def labels_of(raw: Raw) -> Labels | None:
    """A map of strings; its numbers and booleans become text, and other values are left out. Null
    is an empty map; None for anything that is not a map.
    """
    try:
        return _LABELS.decode(raw) or {}
    except ValidationError:
        pass
    try:
        mixed = _MIXED_LABELS.decode(raw)
    except ValidationError:
        return None
    return {name: text for name, value in mixed.items() if (text := _scalar(value)) is not None}


def _scalar(raw: Raw) -> str | None:
    match bytes(memoryview(raw)[:1]):
        case b'"':
            return _TEXT.decode(raw)
        case b"{" | b"[" | b"n":
            return None
        case _:
            return bytes(raw).decode()
