"""Rich text in the making: what the parsers of all markups write into."""

from msgspec import Struct

from relay.core.text.richtext import OPEN, Kind, RichText, Span, checked, normalise


class MarkupError(ValueError):
    """Markup that Telegram would refuse. `offset` is where the fault begins in the source, in code
    points.
    """

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


class OpenStyle(Struct, frozen=True):
    """A place where a style begins: the text's length there, the pieces and the spans written so
    far.
    """

    start: int
    piece: int
    span: int


class MarkupBuilder:
    """Text and spans in the order in which they begin; `length` is the text's, in code points."""

    def __init__(self) -> None:
        self.length = 0
        self._pieces: list[str] = []
        self._spans: list[Span | None] = []

    def write(self, text: str) -> None:
        self._pieces.append(text)
        self.length += len(text)

    def open(self) -> OpenStyle:
        """Begin a style here; what it is may be said when it ends."""
        self._spans.append(None)
        return OpenStyle(self.length, len(self._pieces), len(self._spans) - 1)

    def close(self, mark: OpenStyle, kind: Kind, value: str = "") -> bool:
        """End a style; False when its value cannot stand, so that the text stays without.

        A value with a placeholder is kept as it is, for `substitute` to judge.
        """
        accepted = value if OPEN in value else checked(kind, value)
        if accepted is None:
            return False
        self._spans[mark.span] = Span(kind, mark.start, self.length, accepted)
        return True

    def since(self, mark: OpenStyle) -> str:
        """The text written since then."""
        return "".join(self._pieces[mark.piece :])

    def finish(self) -> RichText:
        """What was written, spans in order."""
        return normalise(
            RichText("".join(self._pieces), tuple(span for span in self._spans if span))
        )
