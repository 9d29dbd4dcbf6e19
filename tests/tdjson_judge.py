"""Telegram's own parser as a judge: `parseTextEntities` of TDLib, which the Bot API server calls
for a parse mode.
"""

import json
import re

import msgspec
from msgspec import Struct, field
from tdjson import td_execute

from relay.core.text.markup import MarkupName
from relay.core.text.richtext import Kind, Span, utf16_length


class Refusal(Struct, frozen=True):
    """Why Telegram refuses a source; `offset` is in bytes, None where Telegram names no place."""

    message: str
    offset: int | None


class Reading(Struct, frozen=True):
    """What Telegram makes of a source: its text, and the styles that the relay knows, in code
    points.
    """

    text: str
    spans: tuple[Span, ...]


class _Part(Struct, frozen=True):
    name: str = field(name="@type")


class _Format(Struct, frozen=True):
    name: str = field(name="@type")
    time_precision: _Part = _Part("")
    date_precision: _Part = _Part("")
    show_day_of_week: bool = False


class _Type(Struct, frozen=True):
    name: str = field(name="@type")
    url: str = ""
    language: str = ""
    unix_time: int = 0
    formatting_type: _Format | None = None


class _Entity(Struct, frozen=True):
    offset: int
    length: int
    type: _Type


class _Answer(Struct, frozen=True):
    name: str = field(name="@type")
    message: str = ""
    text: str = ""
    entities: tuple[_Entity, ...] = ()


_MODES: dict[MarkupName, dict[str, object]] = {
    "html": {"@type": "textParseModeHTML"},
    "markdownv2": {"@type": "textParseModeMarkdown", "version": 2},
    "markdown": {"@type": "textParseModeMarkdown", "version": 1},
}
_KINDS: dict[str, Kind] = {
    "textEntityTypeBold": "bold",
    "textEntityTypeItalic": "italic",
    "textEntityTypeUnderline": "underline",
    "textEntityTypeStrikethrough": "strikethrough",
    "textEntityTypeSpoiler": "spoiler",
    "textEntityTypeCode": "code",
    "textEntityTypePre": "pre",
    "textEntityTypePreCode": "pre",
    "textEntityTypeBlockQuote": "quote",
    "textEntityTypeExpandableBlockQuote": "fold",
    "textEntityTypeTextUrl": "link",
    "textEntityTypeDateTime": "time",
}


def telegram_reads(source: str, markup: MarkupName) -> Reading | Refusal:
    """What Telegram makes of `source`. Links that are not http or https and custom emoji are left
    out.
    """
    answer = _call({"@type": "parseTextEntities", "text": source, "parse_mode": _MODES[markup]})
    if answer.name == "error":
        place = re.search(r"at byte offset (\d+)", answer.message)
        return Refusal(answer.message, int(place[1]) if place else None)
    places = _code_points(answer.text)
    spans = (
        Span(_KINDS[e.type.name], places[e.offset], places[e.offset + e.length], _value(e.type))
        for e in answer.entities
        if e.type.name in _KINDS and (e.type.url or "http").startswith("http")
    )
    return Reading(answer.text, tuple(spans))


def _call(request: dict[str, object]) -> _Answer:
    return msgspec.json.decode(td_execute(json.dumps(request).encode()) or b"", type=_Answer)


def _code_points(text: str) -> dict[int, int]:
    """The code point at each UTF-16 offset where one begins."""
    places = {0: 0}
    offset = 0
    for index, character in enumerate(text):
        offset += utf16_length(character)
        places[offset] = index + 1
    return places


def _value(kind: _Type) -> str:
    if kind.unix_time:
        form = _format(kind.formatting_type) if kind.formatting_type else ""
        return f"{kind.unix_time}:{form}" if form else str(kind.unix_time)
    return kind.url or kind.language


def _format(form: _Format) -> str:
    if form.name == "dateTimeFormattingTypeRelative":
        return "r"
    sizes = {"dateTimePartPrecisionShort": str.lower, "dateTimePartPrecisionLong": str.upper}
    day = "w" if form.show_day_of_week else ""
    date = sizes[form.date_precision.name]("d") if form.date_precision.name in sizes else ""
    time = sizes[form.time_precision.name]("t") if form.time_precision.name in sizes else ""
    return day + date + time


_call({"@type": "setLogVerbosityLevel", "new_verbosity_level": 0})
