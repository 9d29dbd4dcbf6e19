"""Telegram's legacy Markdown (https://core.telegram.org/bots/api#markdown-style), with the faults
of Telegram's parser.
"""

import re

from relay.core.text.markup_builder import MarkupBuilder, MarkupError
from relay.core.text.richtext import Kind, RichText

_SPECIAL = re.compile(
    r"\\([_*`\[])|```(?:([^ \t\n\r\v`]+)(?=[ \t\n\r\v]))?(?:\r\n|\n\r|\r|\n)?|[_*`\[]"
)
_STYLES: dict[str, tuple[Kind, str]] = {
    "_": ("italic", "_"),
    "*": ("bold", "*"),
    "`": ("code", "`"),
    "[": ("link", "]"),
    "```": ("pre", "```"),
}


def parse_markdown(source: str) -> RichText:
    """Legacy Markdown as rich text, as Telegram reads it: styles do not nest, and nothing can be
    escaped inside one.

    Raises MarkupError if Telegram would refuse the message.
    """
    builder = MarkupBuilder()
    position = 0
    while found := _SPECIAL.search(source, position):
        builder.write(source[position : found.start()])
        if found[1]:
            builder.write(found[1])
            position = found.end()
        else:
            position = _style(source, found, builder)
    builder.write(source[position:])
    return builder.finish()


def _style(source: str, found: re.Match[str], builder: MarkupBuilder) -> int:
    """Writes one styled piece and returns its end."""
    sign = "```" if found[0].startswith("```") else found[0]
    kind, end_sign = _STYLES[sign]
    end = source.find(end_sign, found.end())
    if end < 0:
        message = (
            f"the {kind} that begins here does not end: add {end_sign}, or write \\{sign[0]} "
            f"for the character itself"
        )
        raise MarkupError(message, found.start())
    text = source[found.end() : end]
    value, position = found[2] or "", end + len(end_sign)
    if kind == "link":
        value, position = _address(source, text, position)
    mark = builder.open()
    builder.write(text)
    builder.close(mark, kind, value)
    return position


def _address(source: str, text: str, position: int) -> tuple[str, int]:
    """The address of a link and its end. Telegram accepts an address without its end, and none
    after an empty text.
    """
    if not text or not source.startswith("(", position):
        return "", position
    end = source.find(")", position)
    end = len(source) if end < 0 else end
    return source[position + 1 : end], end + 1
