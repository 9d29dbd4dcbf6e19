"""Telegram's own finder of links, mentions and commands as a judge: `getTextEntities` of TDLib."""

import json
from collections.abc import Sequence

import msgspec
from msgspec import Struct, field
from tdjson import td_execute

from relay.platforms.telegram.text import Entity

_HIDING = {"code", "pre", "text_link", "text_mention"}
_HARMLESS = {"textEntityTypeMediaTimestamp"}  # bots' messages have none: it needs a video


class _Type(Struct, frozen=True):
    name: str = field(name="@type")


class _Found(Struct, frozen=True):
    offset: int
    length: int
    type: _Type


class _Answer(Struct, frozen=True):
    entities: tuple[_Found, ...]


def found_in(text: str, entities: Sequence[Entity] = ()) -> list[tuple[str, str]]:
    """What Telegram finds by itself and none of our entities hides: kinds and texts."""
    question = json.dumps({"@type": "getTextEntities", "text": text}).encode()
    answer = msgspec.json.decode(td_execute(question) or b"", type=_Answer)
    hidden = [(e.offset, e.offset + e.length) for e in entities if e.type in _HIDING]
    units = text.encode("utf-16-le")
    return [
        (
            found.type.name,
            units[2 * found.offset : 2 * (found.offset + found.length)].decode("utf-16-le"),
        )
        for found in answer.entities
        if found.type.name not in _HARMLESS
        and not any(
            start < found.offset + found.length and found.offset < end for start, end in hidden
        )
    ]
