"""Rich text: characters plus style spans. Escaping, measuring, cutting and joining work on this
value.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from heapq import heapify, heappop, heappush
from typing import Literal
from unicodedata import category
from urllib.parse import quote

from msgspec import Struct

Kind = Literal[
    "bold",
    "italic",
    "underline",
    "strikethrough",
    "spoiler",
    "code",  # within a line
    "pre",  # block; value: language or empty
    "quote",
    "fold",  # expandable quote
    "link",  # value: http(s) address
    "time",
    # value: "UNIX" or "UNIX:FORMAT"; apps that cannot show local time show the text
    "mention",
    "heading",  # value: level 1 to 3
    "subtext",
    "command",  # a command of our own bot, never from a payload; a tap sends it
    "item",  # the bullet or number of a list's item in a template's own text
    "channel",  # value: the id of a Discord channel, from a template's own text
]


class Span(Struct, frozen=True):
    """A style over `text[start:end]`, in code points, `start < end`.

    The FORMAT of a time is Telegram's: `r` for relative, or letters out of t T (time, short or
    long), d D (date) and w W (day of the week); without one the platform's default applies.
    """

    kind: Kind
    start: int
    end: int
    value: str = ""


class RichText(Struct, frozen=True):
    """Text with styles. Spans are sorted by (start, -end) and nest: of two that overlap one
    contains the other.
    """

    text: str
    spans: tuple[Span, ...] = ()


OPEN = "\ufdd0"
CLOSE = "\ufdd1"

_PLACEHOLDER = re.compile(f"{OPEN}([0-9]{{1,9}}){CLOSE}|[{OPEN}{CLOSE}]")
_NONCHARACTERS = re.compile(f"[{OPEN}{CLOSE}]")
_LINE_ENDS = re.compile("\r\n?|[\v\f\x85\u2028\u2029]")
_UNWANTED = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_SURROGATES = re.compile("[\ud800-\udfff]")
_ADDRESS = re.compile(r"https?://[^\s/?#]+(?:[/?#]|$)", re.IGNORECASE)
_UNSAFE = re.compile(r'[\s\x00-\x20\x7f<>"]')
_TIME = re.compile(r"([0-9]{1,10})(?:\.[0-9]*)?(:(?:[rR]|[tTdDwW]+))?")
_LANGUAGE = re.compile(r"[\w+#.-]{1,40}")
_INLINE: frozenset[Kind] = frozenset(
    {"bold", "italic", "underline", "strikethrough", "spoiler", "code", "link"}
)
_FAMILY: dict[Kind, Kind] = {"fold": "quote", "pre": "code"}
_WORD = 30
_CLUSTER = 64
_SHORT_LINK = 60


def plain(text: str) -> RichText:
    """`text` without any style."""
    return RichText(text)


def styled(kind: Kind, content: RichText | str, value: str = "") -> RichText:
    """`content` with one more style around it."""
    inner = _rich(content)
    if not inner.text:
        return inner
    return RichText(inner.text, (Span(kind, 0, len(inner.text), value), *inner.spans))


def concat(parts: Iterable[RichText | str]) -> RichText:
    texts: list[str] = []
    spans: list[Span] = []
    offset = 0
    for part in parts:
        if isinstance(part, str):
            texts.append(part)
            offset += len(part)
            continue
        text, inner = part.text, part.spans
        texts.append(text)
        if inner:
            spans += _shifted(inner, offset)
        offset += len(text)
    return RichText("".join(texts), tuple(spans))


def join(separator: RichText | str, parts: Iterable[RichText | str]) -> RichText:
    """The parts with `separator` between each two."""
    pieces: list[RichText | str] = []
    for part in parts:
        pieces += (separator, part)
    return concat(pieces[1:]) if len(pieces) != 2 else _rich(pieces[1])


def cut(rich: RichText, start: int, end: int) -> RichText:
    """The characters from `start` to `end` (code points, `0 <= start <= end`), with each span
    clipped to them.
    """
    if start == 0 and end >= len(rich.text):
        return rich
    spans: list[Span] = []
    for span in rich.spans:
        if span.start >= end:
            break
        first, last = max(span.start, start) - start, min(span.end, end) - start
        if (first, last) == (span.start, span.end):
            spans.append(span)
        elif first < last:
            spans.append(Span(span.kind, first, last, span.value))
    return RichText(rich.text[start:end], tuple(spans))


def strip(rich: RichText) -> RichText:
    """`rich` without the white space at both ends."""
    start = len(rich.text) - len(rich.text.lstrip())
    return cut(rich, start, max(start, len(rich.text.rstrip())))


def without(rich: RichText, kinds: Collection[Kind]) -> RichText:
    """The same text without the styles of these kinds."""
    return RichText(rich.text, tuple(s for s in rich.spans if s.kind not in kinds))


def utf16_length(text: str) -> int:
    """The number of UTF-16 code units in `text`, the unit of Telegram's offsets."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def normalise(rich: RichText) -> RichText:
    """The same appearance with spans in order: none is empty, overlapping ones are split so that
    they nest, a style inside itself (also a quote in a quote, code in code) is dropped, and equal
    inline neighbours are joined.
    """
    size = len(rich.text)
    if len(rich.spans) <= 1 and all(0 <= s.start < s.end <= size for s in rich.spans):
        return rich
    ordered = sorted(rich.spans, key=_place)
    if _is_normal(ordered, size):
        return RichText(rich.text, tuple(ordered))
    heap = [
        (s.start, -s.end, order, s)
        for order, s in enumerate(rich.spans)
        if 0 <= s.start < s.end <= size
    ]
    heapify(heap)
    tree = _Tree()
    while heap:
        start, end, order, span = heappop(heap)
        inside = tree.room(start)
        if -end > inside > start:
            heappush(heap, (inside, end, order, span))
            end = -inside
        tree.add(span, start, -end)
    return RichText(
        rich.text, tuple(Span(n.span.kind, n.start, n.end, n.span.value) for n in tree.nodes)
    )


def _place(span: Span) -> tuple[int, int]:
    return (span.start, -span.end)


def _is_normal(ordered: Sequence[Span], size: int) -> bool:
    """Whether spans in order are as `normalise` leaves them, as most are."""
    within: list[Span] = []
    last: dict[Kind, Span] = {}
    for span in ordered:
        kind, start, end = span.kind, span.start, span.end
        while within and within[-1].end <= start:
            within.pop()
        if not 0 <= start < end <= size or (within and end > within[-1].end):
            return False
        family = _FAMILY.get(kind, kind)
        for outer in within:
            if _FAMILY.get(outer.kind, outer.kind) == family:
                return False
        before = last.get(kind)  # those of a kind follow one another
        if before and before.end == start and before.value == span.value and kind in _INLINE:
            return False
        last[kind] = span
        within.append(span)
    return True


class _Node:
    """A span that may still grow, and the last of its children."""

    def __init__(self, span: Span, start: int, end: int) -> None:
        self.span, self.start, self.end = span, start, end
        self.last: _Node | None = None


class _Tree:
    """Spans inserted in the order of (start, -end), each within the open ones."""

    def __init__(self) -> None:
        self.nodes: list[_Node] = []
        self._root = _Node(Span("bold", 0, 0), 0, 0)
        self._open: list[_Node] = []

    def room(self, start: int) -> int:
        """The end of the innermost span open at `start`; 0 if there is none."""
        while self._open and self._open[-1].end <= start:
            self._open.pop()
        return self._open[-1].end if self._open else 0

    def add(self, span: Span, start: int, end: int) -> None:
        """Puts a span into the innermost open one, unless it changes nothing there."""
        family = _family(span.kind)
        if any(_family(node.span.kind) == family for node in self._open):
            return
        parent = self._open[-1] if self._open else self._root
        last = parent.last
        if (
            last
            and last.end == start
            and span.kind in _INLINE
            and (last.span.kind, last.span.value) == (span.kind, span.value)
        ):
            last.end = end
            self._open.append(last)
            return
        node = _Node(span, start, end)
        parent.last = node
        self.nodes.append(node)
        self._open.append(node)


def shorten(rich: RichText, limit: int, measure: Callable[[RichText], int]) -> RichText:
    """As much of the beginning as `measure` allows within `limit`, then an ellipsis; the whole text
    if it fits.

    The cut falls between words if one ends nearby, never inside a character of several code points,
    and keeps a short link, a time or a mention whole. `measure` may count in any unit that grows
    with the text; it is called for a logarithmic number of beginnings, none of them much longer
    than what fits.
    """
    if measure(rich) <= limit:
        return rich
    fits, size = 0, max(limit, 1)
    while size < len(rich.text) and measure(_beginning(rich, size)) <= limit:
        fits, size = size, size * 2
    size = min(size, len(rich.text))
    while size - fits > 1:
        middle = (fits + size) // 2
        if measure(_beginning(rich, middle)) <= limit:
            fits = middle
        else:
            size = middle
    best = _beginning(rich, fits)
    return best if measure(best) <= limit else RichText("")


def _beginning(rich: RichText, size: int) -> RichText:
    end = len(rich.text[: _cut_point(rich, size)].rstrip())
    return concat([cut(rich, 0, end), " …"]) if end else RichText("…")


def _cut_point(rich: RichText, size: int) -> int:
    """The last suitable position for a cut at or before `size`."""
    text, point = rich.text, size
    whole = (i for i in range(point, max(point - _CLUSTER, 0), -1) if not _joined(text, i))
    point = next(whole, point)
    spaces = (i for i in range(point, max(point - _WORD, 0), -1) if text[i : i + 1].isspace())
    point = next(spaces, point)
    for span in rich.spans:
        if span.start >= point:
            break
        if point < span.end and _indivisible(span):
            return span.start
    return point


def _joined(text: str, index: int) -> bool:
    """Whether the code point at `index` belongs to the character before it (an approximation of
    Unicode's UAX 29).
    """
    if index >= len(text):
        return False
    before, here = text[index - 1], text[index]
    return (
        "\u200d" in (before, here)
        or category(here).startswith("M")
        or "\U0001f3fb" <= here <= "\U0001f3ff"  # skin tones
        or "\U000e0020" <= here <= "\U000e007f"  # the tags of a region's flag
        or ("\U0001f1e6" <= before <= "\U0001f1ff" and "\U0001f1e6" <= here <= "\U0001f1ff")
    )


def _indivisible(span: Span) -> bool:
    return span.kind in {"time", "mention"} or (
        span.kind == "link" and span.end - span.start <= _SHORT_LINK
    )


def placeholder(index: int) -> str:
    """The characters in a template's output that `substitute` replaces by value `index`."""
    return f"{OPEN}{index}{CLOSE}"


def substitute(rich: RichText, values: Sequence[RichText | str]) -> RichText:
    """Each placeholder replaced by its value: characters and styles as they are, never read as
    markup.

    In the values of spans the plain text of a value is inserted, and the result is checked: a link
    that is not http(s) and a time that is not valid lose their style and keep their text.
    """
    if not values and OPEN not in rich.text and CLOSE not in rich.text:
        return normalise(rich)
    safe = [_without_placeholders(value) for value in values]
    pieces: list[str] = []
    spans: list[Span] = []
    filled: list[tuple[int, int, int]] = []
    position = length = 0
    for found in _PLACEHOLDER.finditer(rich.text):
        value = _value(found, safe)
        text = value if isinstance(value, str) else value.text
        start, end = found.span()
        pieces += (rich.text[position:start], text)
        before = length + start - position
        length = before + len(text)
        position = end
        if not isinstance(value, str):
            spans += _shifted(value.spans, before)
        filled.append((start, position, length))
    pieces.append(rich.text[position:])
    styles = _moved(_settled(rich.spans, safe), filled) if rich.spans else ()
    return normalise(RichText("".join(pieces), (*styles, *spans)))


def _value(found: re.Match[str], values: Sequence[RichText | str]) -> RichText | str:
    index = int(found[1] or len(values))
    return values[index] if index < len(values) else ""


def _settled(spans: Iterable[Span], values: Sequence[RichText | str]) -> Iterator[Span]:
    for span in spans:
        if OPEN not in span.value and CLOSE not in span.value:
            yield span
            continue
        value = checked(
            span.kind, _PLACEHOLDER.sub(lambda found: _rich(_value(found, values)).text, span.value)
        )
        if value is not None:
            yield Span(span.kind, span.start, span.end, value)


def _moved(spans: Iterable[Span], filled: Sequence[tuple[int, int, int]]) -> Iterator[Span]:
    """The spans at their positions in the result, in one pass. `filled` has the start and end of
    each placeholder, and the end of its value in the result; a span that begins or ends within one
    does so at that end.
    """
    spans = list(spans)
    offsets = sorted({offset for span in spans for offset in (span.start, span.end)})
    places: dict[int, int] = {}
    following = 0
    shift = 0
    for offset in offsets:
        while following < len(filled) and filled[following][1] <= offset:
            _, end, place = filled[following]
            shift = place - end
            following += 1
        within = following < len(filled) and filled[following][0] < offset
        places[offset] = filled[following][2] if within else offset + shift
    return (Span(s.kind, places[s.start], places[s.end], s.value) for s in spans)


def checked(kind: Kind, value: str) -> str | None:
    """The safe form of a value for a span of this kind, or None if the text must go without the
    style.
    """
    match kind:
        case "link":
            return address(value) or None
        case "time":
            found = _TIME.fullmatch(value)
            return (
                f"{int(found[1])}{found[2] or ''}" if found and 0 < int(found[1]) < 2**31 else None
            )
        case "pre":
            return value if _LANGUAGE.fullmatch(value) else ""
        case _:
            return value


def address(text: str) -> str:
    """`text` as the address of a link, with white space and angle brackets percent-encoded; empty
    if it is not http or https.
    """
    text = clean(text).strip()
    return _UNSAFE.sub(lambda found: quote(found[0]), text) if _ADDRESS.match(text) else ""


def clean(text: str) -> str:
    """A value from outside as text that can be shown: lines end in a line feed. Controls, half
    surrogates, and the bidirectional controls that could reverse the rest of a message are removed.
    """
    if text.isprintable():  # none of those is printable
        return text
    text = _UNWANTED.sub("", _LINE_ENDS.sub("\n", text))
    return _SURROGATES.sub("\ufffd", text)


def _rich(content: RichText | str) -> RichText:
    return RichText(content) if isinstance(content, str) else content


def _without_placeholders(rich: RichText | str) -> RichText | str:
    if isinstance(rich, str):
        return _NONCHARACTERS.sub("\ufffd", rich) if _has_placeholders(rich) else rich
    if not _has_placeholders("".join([rich.text, *[span.value for span in rich.spans]])):
        return rich
    spans = (
        Span(s.kind, s.start, s.end, _NONCHARACTERS.sub("\ufffd", s.value)) for s in rich.spans
    )
    return RichText(_NONCHARACTERS.sub("\ufffd", rich.text), tuple(spans))


def _has_placeholders(text: str) -> bool:
    return not text.isascii() and (OPEN in text or CLOSE in text)


def _shifted(spans: Sequence[Span], by: int) -> Sequence[Span]:
    return [Span(s.kind, s.start + by, s.end + by, s.value) for s in spans] if by else spans


def _family(kind: Kind) -> Kind:
    return _FAMILY.get(kind, kind)
