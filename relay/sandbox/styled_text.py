"""Text with styles as a reader sees it, for the page, the terminal and the transcripts."""

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

Kind = Literal[
    "bold",
    "italic",
    "underline",
    "strikethrough",
    "spoiler",
    "code",
    "pre",  # value: language
    "quote",
    "fold",
    "link",  # value: address
    "auto",  # what the app makes clickable: value is Telegram's name for it
    "time",  # value: UNIX or UNIX:FORMAT
    "mention",
    "heading",  # value: 1 to 3
    "subtext",
]


class Style(Struct, frozen=True):
    """A style over `text[start:end]`, in code points."""

    kind: Kind
    start: int
    end: int
    value: str = ""


class Styled(Struct, frozen=True):
    """A text and its styles, in any order."""

    text: str
    styles: tuple[Style, ...] = ()


def join(parts: Iterable[Styled], between: str = "") -> Styled:
    """The parts joined, with `between` between them."""
    text = ""
    styles: list[Style] = []
    for number, part in enumerate(parts):
        text += between if number else ""
        at = len(text)
        styles += [Style(s.kind, s.start + at, s.end + at, s.value) for s in part.styles]
        text += part.text
    return Styled(text, tuple(styles))
