"""The door to all markups: a template's output as rich text."""

from functools import lru_cache
from typing import Literal, assert_never

from relay.core.text.markup_builder import MarkupError
from relay.core.text.markup_discord import parse_discord
from relay.core.text.markup_html import parse_html
from relay.core.text.markup_markdown import parse_markdown
from relay.core.text.markup_markdownv2 import parse_markdownv2
from relay.core.text.richtext import RichText, plain

__all__ = ["MarkupError", "MarkupName", "parse"]

_REMEMBERED = 2048  # characters of an output that is kept
MarkupName = Literal["html", "markdownv2", "markdown", "discord", "none"]


def parse(source: str, markup: MarkupName) -> RichText:
    """`source` read as `markup`. Raises MarkupError with the place of the fault; Discord's dialect
    knows none.

    The placeholders of `richtext.placeholder` pass as ordinary characters, in texts and in the
    values of styles.
    """
    return _remembered(source, markup) if len(source) <= _REMEMBERED else _parse(source, markup)


@lru_cache(maxsize=256)  # what a template prints around its values is alike for many cards
def _remembered(source: str, markup: MarkupName) -> RichText:
    return _parse(source, markup)


def _parse(source: str, markup: MarkupName) -> RichText:
    match markup:
        case "html":
            return parse_html(source)
        case "markdownv2":
            return parse_markdownv2(source)
        case "markdown":
            return parse_markdown(source)
        case "discord":
            return parse_discord(source)
        case "none":
            return plain(source)
        case _:
            assert_never(markup)
