"""Reads a template's output, in any markup, as rich text."""

from functools import lru_cache
from typing import Literal, assert_never

from relay.core.text.markup_builder import MarkupError
from relay.core.text.markup_discord import parse_discord
from relay.core.text.markup_html import parse_html
from relay.core.text.markup_markdown import parse_markdown
from relay.core.text.markup_markdownv2 import parse_markdownv2
from relay.core.text.richtext import RichText, plain

__all__ = ["MarkupError", "MarkupName", "parse"]

_REMEMBERED = 2048  # characters of an output whose result is remembered
MarkupName = Literal["html", "markdownv2", "markdown", "discord", "none"]


def parse(source: str, markup: MarkupName) -> RichText:
    """`source`, which is written in `markup`, as rich text. Raises MarkupError with the position of
    the fault; Discord's markup has no faults.

    The placeholders of `richtext.placeholder` pass as ordinary characters, in texts and in the
    values of styles.
    """
    return _remembered(source, markup) if len(source) <= _REMEMBERED else _parse(source, markup)


@lru_cache(maxsize=256)  # what a template prints around its values is the same for many cards
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
