"""The types of single values in relay.yml, with faults in plain words."""

import difflib
import re
from collections.abc import Callable, Iterable
from functools import cache
from typing import Annotated, ClassVar, TypeVar
from zoneinfo import ZoneInfo, available_timezones

from msgspec import Struct
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainValidator,
    Strict,
    WithJsonSchema,
    model_validator,
)

from relay.core.budget import Rate
from relay.core.duration import parse_duration, parse_moment, parse_rate, parse_size, quote
from relay.core.routing.interval import (
    Range,
    parse_clock,
    parse_days,
    parse_months,
    parse_weekdays,
    parse_years,
)
from relay.core.secret import Secret

T = TypeVar("T")


_FEW = 12  # keys that a fault lists


def _instead(key: str, keys: frozenset[str]) -> str:
    """The nearest key, as the end of a sentence; if none is near, all of them if they are few."""
    near = nearest(key, keys)
    return near or (f", write one of {', '.join(sorted(keys))}" if len(keys) <= _FEW else "")


class Unknown(Struct, frozen=True):
    """The value of a key that its model does not have, so that the fault can name a similar key."""

    advice: str


class Model(BaseModel):
    """The base of all models: frozen, strict, no unknown keys; a key without a value counts as
    missing.

    `advice` is for keys that people are likely to paste, where the nearest name does not help.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)
    advice: ClassVar[dict[str, str]] = {}

    @classmethod
    @cache
    def keys(cls) -> frozenset[str]:
        """The keys as the file writes them."""
        return frozenset(info.alias or name for name, info in cls.model_fields.items())

    @model_validator(mode="before")
    @classmethod
    def _known(cls, data: object) -> object:
        if not isinstance(data, dict):
            return data
        keys = cls.keys()
        return {
            key: value if key in keys else Unknown(cls.advice.get(key) or _instead(key, keys))
            for key, value in data.items()
            if value is not None or key not in keys
        }


def nearest(name: str, names: Iterable[str]) -> str:
    """`, did you mean "x"?`, or an empty text if no name is near."""
    found = difflib.get_close_matches(name[:100], list(names), 1, 0.6)
    return f", did you mean {quote(found[0])}?" if found else ""


def _text(value: object) -> object:
    """Whole numbers are accepted as texts, since nothing is lost."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _one_or_many(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _read(read: Callable[[str], T], what: str) -> PlainValidator:
    def validate(value: object) -> T:
        text = _text(value)
        if not isinstance(text, str):
            raise ValueError(f"expected {what}")
        return read(text)

    return PlainValidator(validate)


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        zones = sorted(available_timezones())
        city = next((zone for zone in zones if zone.lower().endswith("/" + name.lower())), name)
        advice = nearest(city, zones) or ", write one such as Europe/Paris"
        raise ValueError(f"unknown timezone {quote(name)}{advice}") from None
    return name


def _address(text: str) -> str:
    scheme, _, rest = text.partition("://")
    if scheme not in ("http", "https") or not rest or not text.isprintable() or " " in text:
        raise ValueError("expected an address that begins with http:// or https://")
    return text.rstrip("/")


def _proxy(text: str) -> str:
    if text.startswith("socks"):
        raise ValueError("SOCKS proxies are not supported: name an HTTP proxy")
    return _address(text)


def _open_address(text: str) -> str:
    if "@" in text.partition("://")[2].partition("/")[0]:
        raise ValueError("this address is shown to people: remove the user and password from it")
    return _address(text)


_LINK = re.compile("(?:https?://)?t\\.me/c/([0-9]{1,12})(?:/|$)")  # of a message in a private chat
_WITH_TOPIC = re.compile("(-?[0-9]+)[_:/]([0-9]+)")


def _chat_id(value: object) -> int:
    if isinstance(value, str) and (found := _WITH_TOPIC.fullmatch(value)):
        chat, topic = found.groups()
        raise ValueError(f"write chat_id: {chat} and message_thread_id: {topic}")
    if isinstance(value, str) and (found := _LINK.match(value)):
        raise ValueError(f"write chat_id: -100{found[1]}, the number of the chat of this link")
    if isinstance(value, str) and value.startswith("@"):
        raise ValueError(
            "a channel is named by its number here: alert-relay setup telegram finds it"
        )
    if isinstance(value, str) and value.removeprefix("-").isdecimal():
        raise ValueError("write the chat id as a number, without quotes")
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError("expected a chat id: a number, negative for groups and channels")
    if value == 0 or abs(value) >= 1 << 52:
        raise ValueError("invalid chat id: write the number that Telegram gave the chat")
    return value


def _schema(pattern: str, *examples: str) -> WithJsonSchema:
    """The JSON schema of a text in this form (anchored, ECMA 262), for editors."""
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": list(examples)})


_STRING = WithJsonSchema({"type": "string"})
_TEXT = WithJsonSchema({"type": ["string", "integer"]})
_UNIT = r"[0-9]+(\.[0-9]+)?(ms|[smhdwy])"
_DURATION = WithJsonSchema(
    {
        "anyOf": [
            {"type": "string", "pattern": rf"^(({_UNIT})+|0)$"},
            {"const": 0},
        ],
        "examples": ["90s", "5m", "1h30m", "7d"],
    }
)
_SIZE = _schema("^[0-9]+(B|KB|MB|GB|TB)$", "512MB", "1GB")
_RATE = _schema(rf"^[0-9]+/({_UNIT})+$", "18/60s", "5/2200ms")
_ZONE = _schema("^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$", "UTC", "Europe/Paris", "America/New_York")
_CLOCK = _schema("^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$", "09:30", "24:00")
_WEEKDAYS = _schema(r"^\s*[A-Za-z]+day\s*(:\s*[A-Za-z]+day\s*)?$", "monday:friday", "sunday")
_MOMENT = _schema(
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})$",
    "2026-11-29T23:00:00Z",
    "2026-11-30T00:00:00+01:00",
)
_MATCHER = {
    "type": ["string", "integer"],
    "pattern": "=|!~",
    "examples": ['severity="critical"', 'severity=~"critical|page"', 'team!="db"', "env!~dev.*"],
}

Many = Annotated[tuple[T, ...], Strict(strict=False)]
Text = Annotated[str, BeforeValidator(_text), _TEXT]
Texts = Annotated[
    tuple[Text, ...],
    Strict(strict=False),
    BeforeValidator(_one_or_many),
    WithJsonSchema({"type": ["string", "array"], "items": {"type": ["string", "integer"]}}),
]
Matchers = Annotated[
    tuple[Text, ...],
    Strict(strict=False),
    BeforeValidator(_one_or_many),
    WithJsonSchema({"anyOf": [_MATCHER, {"type": "array", "items": _MATCHER}]}),
]
Duration = Annotated[float, _read(parse_duration, "a duration such as 90s"), _DURATION]
Size = Annotated[int, _read(parse_size, "a size such as 512MB"), _SIZE]
RateText = Annotated[Rate, _read(parse_rate, "a rate such as 18/60s"), _RATE]
Moment = Annotated[float, _read(parse_moment, "a time such as 2026-11-29T23:00:00Z"), _MOMENT]
SecretText = Annotated[Secret, _read(Secret, "text"), _STRING]
Timezone = Annotated[str, _read(_zone, "a timezone such as Europe/Paris"), _ZONE]
Address = Annotated[str, _read(_open_address, "an address"), _STRING]
SecretAddress = Annotated[Secret, _read(lambda text: Secret(_proxy(text)), "an address"), _STRING]
ChatId = Annotated[int, PlainValidator(_chat_id), WithJsonSchema({"type": "integer"})]
Clock = Annotated[int, _read(parse_clock, 'a time such as "09:30"'), _CLOCK]
Weekdays = Annotated[Range, _read(parse_weekdays, "weekdays such as monday:friday"), _WEEKDAYS]
Days = Annotated[Range, _read(parse_days, 'days such as "1:5"'), _TEXT]
Months = Annotated[Range, _read(parse_months, "months such as january:march"), _TEXT]
Years = Annotated[Range, _read(parse_years, 'years such as "2026:2028"'), _TEXT]
