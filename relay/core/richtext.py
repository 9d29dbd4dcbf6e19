"""Rich text: characters plus style spans. Escaping, measuring, cutting and joining work on this value."""

from typing import Literal

from msgspec import Struct

Kind = Literal[
    "bold",
    "italic",
    "underline",
    "strikethrough",
    "spoiler",
    "code",  # inline
    "pre",  # block; value: language or empty
    "quote",
    "fold",  # expandable quote
    "link",  # value: http(s) address
    "time",  # value: "UNIX" or "UNIX:FORMAT"; the text under it is the fallback for apps that cannot show local time
    "mention",  # value: a user or role of the configuration, "user:ID" or "role:ID"; never from a payload
    "heading",  # value: level 1 to 3
    "subtext",
]


class Span(Struct, frozen=True):
    """A style over `text[start:end]`, in code points, `start < end`."""

    kind: Kind
    start: int
    end: int
    value: str = ""


class RichText(Struct, frozen=True):
    """Text with styles. Spans are sorted by (start, -end) and nest: of two that overlap one contains the other."""

    text: str
    spans: tuple[Span, ...] = ()
