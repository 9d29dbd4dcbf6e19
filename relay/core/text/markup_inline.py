"""The styles within a line: which sign ends which, the same for every markup that is read
leniently.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from msgspec import Struct

from relay.core.text.markup_builder import MarkupBuilder, OpenStyle
from relay.core.text.richtext import Kind


class Piece(Struct, frozen=True):
    """A piece of a line: `text` alone, under its own style (`kind`), or a `sign` that may begin or
    end one. `value` is the style's, such as an address.
    """

    text: str
    kind: Kind | None = None
    value: str = ""
    sign: str = ""
    begins: bool = False
    ends: bool = False


def write_inline(
    tokens: Sequence[Piece], styles: Mapping[str, Kind], builder: MarkupBuilder
) -> None:
    """Writes the tokens. Two equal signs are the style that `styles` has for them; a sign without a
    partner is text.
    """
    tokens = list(tokens)
    pairs = _pairs(tokens)
    ends = {end: begin for begin, end in pairs.items()}
    marks: dict[int, OpenStyle] = {}
    for index, token in enumerate(tokens):
        if index in pairs:
            marks[index] = builder.open()
        elif index in ends:
            begin = tokens[ends[index]]
            builder.close(marks[ends[index]], styles[begin.sign], begin.value or token.value)
        elif token.kind:
            mark = builder.open()
            builder.write(token.text)
            builder.close(mark, token.kind, token.value)
        else:
            builder.write(token.text)


def _pairs(tokens: list[Piece]) -> dict[int, int]:
    """The positions of the two signs of each pair. A sign without a partner is text."""
    pairs: dict[int, int] = {}
    waiting: list[int] = []
    open_signs: Counter[str] = Counter()
    for index in range(len(tokens)):
        _inner_first(tokens, index, waiting)
        token = tokens[index]
        empty = token.ends and waiting[-1:] == [index - 1] and tokens[index - 1].sign == token.sign
        if token.ends and open_signs[token.sign] and not empty:
            begin = waiting.pop()
            open_signs[tokens[begin].sign] -= 1
            while tokens[begin].sign != token.sign:
                begin = waiting.pop()
                open_signs[tokens[begin].sign] -= 1
            pairs[begin] = index
        elif token.begins and not empty:
            waiting.append(index)
            open_signs[token.sign] += 1
    return pairs


def _inner_first(tokens: list[Piece], index: int, waiting: list[int]) -> None:
    """Three signs in a row: the style that began last ends before the other one."""
    token, after = tokens[index], tokens[min(index + 1, len(tokens) - 1)]
    tripled = after.ends and token.sign == after.sign * 2
    if tripled and waiting and tokens[waiting[-1]].sign == after.sign:
        tokens[index], tokens[index + 1] = after, token
