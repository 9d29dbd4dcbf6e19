"""Messages in the form of the pages: pieces of text, each with its styles."""

from collections.abc import Iterator
from itertools import pairwise

from msgspec import Struct

from relay.core.text.message import Message
from relay.core.text.richtext import RichText


class Piece(Struct, frozen=True):
    """Characters with the names of their styles, and the address to which they lead, if any."""

    text: str
    styles: tuple[str, ...] = ()
    link: str = ""


class DrawnMessage(Struct, frozen=True):
    """A message for a page: its chat, its parts from top to bottom, and why the template did not
    make it, if it failed.
    """

    chat: str
    platform: str
    parts: tuple[tuple[Piece, ...], ...]
    failed: str = ""


def drawn(chat: str, platform: str, message: Message, failed: str = "") -> DrawnMessage:
    """The message as the page shows it."""
    parts = (
        message.content,
        message.title,
        message.body,
        *(part for field in message.fields for part in (field.name, field.value)),
        message.footer,
    )
    shown = tuple(tuple(pieces(part)) for part in parts if part.text)
    return DrawnMessage(chat, platform, shown, failed)


def pieces(rich: RichText) -> Iterator[Piece]:
    """The text in order, cut at each start and end of a style."""
    edges = sorted(
        {0, len(rich.text), *(edge for span in rich.spans for edge in (span.start, span.end))}
    )
    for start, end in pairwise(edges):
        spans = [span for span in rich.spans if span.start <= start and end <= span.end]
        link = next((span.value for span in spans if span.kind == "link"), "")
        is_web = link.startswith(("https://", "http://"))
        styles = tuple(dict.fromkeys(span.kind for span in spans))
        yield Piece(rich.text[start:end], styles, link if is_web else "")
