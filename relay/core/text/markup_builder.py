"""Builds rich text. The parsers of all markups write into it."""

from msgspec import Struct

from relay.core.text.richtext import OPEN, Kind, RichText, Span, checked, normalise


class MarkupError(ValueError):
    """Markup that Telegram would refuse. `offset` is the start of the fault in the source, in code
    points.
    """

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


class OpenStyle(Struct, frozen=True):
    """The start of a style: the length of the text there, and the pieces and spans written
    so far.
    """

    start: int
    piece: int
    span: int


class MarkupBuilder:
    """Text and spans in the order of their starts; `length` is that of the text in code points."""

    def __init__(self) -> None:
        self.length = 0
        self._pieces: list[str] = []
        self._spans: list[Span | None] = []

    def write(self, text: str) -> None:
        self._pieces.append(text)
        self.length += len(text)

    def open(self) -> OpenStyle:
        """Begins a style here. Its kind may be given when it ends."""
        self._spans.append(None)
        return OpenStyle(self.length, len(self._pieces), len(self._spans) - 1)

    def close(self, mark: OpenStyle, kind: Kind, value: str = "") -> bool:
        """Ends a style. Returns False if its value is not valid, so that the text goes without it.

        A value with a placeholder is kept as it is, and `substitute` checks it.
        """
        accepted = value if OPEN in value else checked(kind, value)
        if accepted is None:
            return False
        self._spans[mark.span] = Span(kind, mark.start, self.length, accepted)
        return True

    def since(self, mark: OpenStyle) -> str:
        """The text written since the mark."""
        return "".join(self._pieces[mark.piece :])

    def finish(self) -> RichText:
        """The rich text, with its spans in order."""
        return normalise(
            RichText("".join(self._pieces), tuple(span for span in self._spans if span))
        )
