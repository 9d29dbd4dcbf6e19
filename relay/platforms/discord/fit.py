"""Measures a message as Discord gets it, and makes it fit.

https://docs.discord.com/developers/resources/message#embed-object-embed-limits does not name the
unit. UTF-16 code units are never fewer than characters.
"""

from collections.abc import Callable
from functools import lru_cache

from msgspec.structs import replace

from relay.core.text.message import Field, Form, Message
from relay.core.text.richtext import RichText, cut, join, shorten, styled, utf16_length
from relay.platforms.discord.text import write, write_line, write_plain

_CONTENT, _TITLE, _DESCRIPTION, _FOOTER, _FIELDS, _NAME, _VALUE, _SUM = (
    2000,
    256,
    4096,
    2048,
    25,
    256,
    1024,
    6000,
)
_SHORT_NAME, _SHORT_VALUE, _SHORT_FOOTER, _LEAST_BODY = 64, 120, 256, 1000
MOST_MENTIONS = 50
_LONGEST_LINE = 1000  # of a first line that becomes the content
_HUGE = 3 * _DESCRIPTION


def excess(message: Message) -> int:
    """By how many UTF-16 code units the written parts exceed their limits, or their sum its own."""
    large = message.file or message.fields or len(message.body.text) > _HUGE
    return _excess.__wrapped__(message) if large else _excess(message)


@lru_cache(maxsize=64)  # a message is measured, then sent
def _excess(message: Message) -> int:
    message = arranged(message)
    body = _units(message.body)
    parts = (
        (_units(content_of(message)), _CONTENT),
        (_line_units(message.title), _TITLE),
        (body, _DESCRIPTION),
        (_plain_units(message.footer), _FOOTER),
        *((_line_units(field.name), _NAME) for field in message.fields),
        *((_units(field.value), _VALUE) for field in message.fields),
        (len(message.fields), _FIELDS),
    )
    return max(
        sum(max(0, size - limit) for size, limit in parts), body + _beside_body(message) - _SUM, 0
    )


def arranged(message: Message) -> Message:
    """The message with its first line as the content, if it has neither content nor title: a push
    notification shows nothing of an embed. Of the line's styles only bold stays.
    """
    body = message.body
    if message.content.text.strip() or message.title.text.strip() or not body.text.strip():
        return message
    start = len(body.text) - len(body.text.lstrip())
    end = body.text.find("\n", start)
    end = len(body.text) if end < 0 else end
    if any(span.kind == "pre" and span.start < end for span in body.spans):
        return message
    line = cut(body, start, end)
    if _units(line) > _LONGEST_LINE:
        return message
    content = RichText(line.text, tuple(span for span in line.spans if span.kind == "bold"))
    return replace(
        message, content=content, body=cut(body, min(end + 1, len(body.text)), len(body.text))
    )


def fits(message: Message) -> bool:
    """Whether every written part keeps its limit, and their sum its own."""
    return excess(message) == 0


FORM = Form(excess)


def squeeze(message: Message) -> Message:
    """The message with each part shortened to its limit, then fields and footer if the sum demands
    it, and the body to the rest.
    """
    if fits(message):
        return message
    message = arranged(message)
    message = replace(message, title=shorten(message.title, _TITLE, _line_units))
    told = _mentions(message)
    message = replace(
        message,
        content=shorten(message.content, _CONTENT, lambda rich: _units(_beside(told, rich))),
    )
    message = _shortened(message, _NAME, _VALUE, _FOOTER)
    if _SUM - _beside_body(message) < min(_units(cut(message.body, 0, _LEAST_BODY)), _LEAST_BODY):
        message = _shortened(message, _SHORT_NAME, _SHORT_VALUE, _SHORT_FOOTER)
    room = min(_DESCRIPTION, _SUM - _beside_body(message))
    return replace(message, body=shorten(message.body, room, _units))


def _shortened(message: Message, name: int, value: int, footer: int) -> Message:
    fields = tuple(
        Field(
            shorten(field.name, name, _line_units),
            shorten(field.value, value, _units),
            field.inline,
        )
        for field in message.fields[:_FIELDS]
    )
    return replace(message, fields=fields, footer=shorten(message.footer, footer, _plain_units))


def _beside_body(message: Message) -> int:
    """The size of everything that shares the sum with the body. A blank name or value still takes
    one character.
    """
    boxes = sum(
        max(1, _line_units(field.name)) + max(1, _units(field.value)) for field in message.fields
    )
    return _line_units(message.title) + _plain_units(message.footer) + boxes


def _units(rich: RichText) -> int:
    return _size(write, rich)


def _line_units(rich: RichText) -> int:
    return _size(write_line, rich)


def _plain_units(rich: RichText) -> int:
    return _size(write_plain, rich)


def _size(form: Callable[[RichText], str], rich: RichText) -> int:
    """The written size; for a text that is far too large only its length, since writing it would be
    wasted.
    """
    if not rich.text:
        return 0
    return len(rich.text) if len(rich.text) > _HUGE else utf16_length(form(rich))


def content_of(message: Message) -> RichText:
    """The content with the mentions before it."""
    return _beside(_mentions(message), message.content)


def _beside(told: RichText, content: RichText) -> RichText:
    return join(" ", [part for part in (told, content) if part.text])


def _mentions(message: Message) -> RichText:
    """Those whom the content does not mention yet: a mention in an embed notifies nobody."""
    there = {span.value for span in message.content.spans if span.kind == "mention"}
    values = (f"{mention.kind}:{mention.id}" for mention in message.mentions[:MOST_MENTIONS])
    return join(
        " ",
        (styled("mention", "@", value) for value in dict.fromkeys(values) if value not in there),
    )
