"""Markup within a value, as the author of an alert wrote it: a small subset of HTML or Markdown.
Whatever is not in the subset, or has no end, stays text; there are no faults.
"""

import re
from collections.abc import Iterator
from html import unescape

from relay.core.text.markup_builder import MarkupBuilder
from relay.core.text.markup_inline import Piece, write_inline
from relay.core.text.richtext import Kind, RichText, clean

MOST_READ = 16_384  # characters; a longer value is text

_TAG = re.compile(
    r"<(?P<end>/?)(?P<name>b|strong|i|em|code|pre|br|a)(?P<rest>\s[^<>]*|/)?>", re.IGNORECASE
)
_HREF = re.compile(r"""\shref\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"']+))""", re.IGNORECASE)
_SAME = {"strong": "b", "em": "i"}
_TAGS: dict[str, Kind] = {"b": "bold", "i": "italic", "code": "code", "pre": "pre", "a": "link"}

_MARKDOWN = re.compile(
    r"\\(?P<escaped>[\\`*_\[\]()#+.!|<>~-])"
    r"|```(?:[\w+#.-]*\n)?(?P<block>[^`]+)```"
    r"|`(?P<code>[^`\n]+)`"
    r"|(?P<sign>\*\*|__|\*|_|\[)"
    r"|\]\(<?(?P<address>[^\s()<>]*(?:\([^\s()<>]*\)[^\s()<>]*)*)>?\)"
)
_SIGNS: dict[str, Kind] = {
    "**": "bold", "__": "bold", "*": "italic", "_": "italic", "[": "link"
}  # fmt: skip


def read_html(value: str) -> RichText:
    """The value with `b strong i em code pre br`, `a href` and character references read. Addresses
    of links are kept unchanged, if they are http or https.
    """
    return _read(value, _html(value), _TAGS)


def read_markdown(value: str) -> RichText:
    """The value with `**bold**`, `*italic*`, `_italic_`, code between back-ticks and
    `[text](address)` read. Addresses of links are kept unchanged, if they are http or https.
    """
    return _read(value, _markdown(value), _SIGNS)


def _read(value: str, pieces: Iterator[Piece], styles: dict[str, Kind]) -> RichText:
    if len(value) > MOST_READ:
        return RichText(clean(value))
    builder = MarkupBuilder()
    write_inline(list(pieces), styles, builder)
    return builder.finish()


def _html(value: str) -> Iterator[Piece]:
    position = 0
    for found in _TAG.finditer(value):
        yield Piece(_decoded(value[position : found.start()]))
        position = found.end()
        yield _tag(found)
    yield Piece(_decoded(value[position:]))


def _tag(found: re.Match[str]) -> Piece:
    name, rest = found["name"].lower(), found["rest"] or ""
    name = _SAME.get(name, name)
    if name == "br":
        return Piece("\n")
    if found["end"]:
        return Piece(found[0], sign=name, ends=True)
    if name != "a":
        return Piece(found[0], sign=name, begins=not rest.strip(" \t\n/"))
    href = _HREF.search(rest)
    address = _decoded(next((part for part in href.groups() if part), "")) if href else ""
    return Piece(found[0], value=address, sign=name, begins=bool(address))


def _decoded(text: str) -> str:
    """The text with its character references decoded, if they can be shown."""
    return clean(unescape(text))


def _markdown(value: str) -> Iterator[Piece]:
    position = 0
    for found in _MARKDOWN.finditer(value):
        yield Piece(clean(value[position : found.start()]))
        position = found.end()
        yield _markdown_piece(value, found)
    yield Piece(clean(value[position:]))


def _markdown_piece(value: str, found: re.Match[str]) -> Piece:
    if found["escaped"]:
        return Piece(found["escaped"])
    if found["block"]:
        return Piece(clean(found["block"]).strip("\n"), kind="pre")
    if found["code"]:
        return Piece(clean(found["code"]), kind="code")
    sign = found["sign"]
    if not sign:
        return Piece(clean(found[0]), value=found["address"], sign="[", ends=True)
    if sign == "[":
        return Piece(sign, sign=sign, begins=True)
    before = value[max(found.start() - 1, 0) : found.start()]
    after = value[found.end() : found.end() + 1]
    # A sign within a word is text, as in `http_requests_total` or `2*3*4`.
    begins = bool(after.strip()) and not before.isalnum()
    ends = bool(before.strip()) and not after.isalnum()
    return Piece(sign, sign=sign, begins=begins, ends=ends)
