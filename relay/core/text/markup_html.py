"""Telegram's HTML (https://core.telegram.org/bots/api#html-style), with the faults of Telegram's
parser.
"""

import re

from msgspec import Struct

from relay.core.text.markup_builder import MarkupBuilder, MarkupError, OpenStyle
from relay.core.text.richtext import CLOSE, OPEN, Kind, RichText

_SPACE = re.compile(r"[ \t\n\r\v]*")
_TAG_NAME = re.compile(r"[^ \t\n\r\v>]*")
_ATTRIBUTE_NAME = re.compile(r"[^ \t\n\r\v=>/\"']*")
_TOKEN = re.compile(rf"[A-Za-z0-9.\-{OPEN}{CLOSE}]*")
_ENTITY = re.compile(
    r"&(?:(lt|gt|amp|quot)(?![A-Za-z])|#([0-9]{1,7})(?![0-9])|#[xX]([0-9A-Fa-f]{1,6})(?![0-9A-Fa-f]));?"
)
_NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
_TIME_FORMAT = re.compile("[rR]|[tTdDwW]*")
_LEADING_DIGITS = re.compile("[0-9]*")

_KINDS: dict[str, Kind] = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "tg-spoiler": "spoiler",
    "span": "spoiler",
    "code": "code",
    "pre": "pre",
    "blockquote": "quote",
    "a": "link",
    "tg-time": "time",
}
_TAGS = {*_KINDS, "tg-emoji"}


class _Tag(Struct, frozen=True):
    name: str
    offset: int
    mark: OpenStyle
    attributes: dict[str, str]

    @property
    def language(self) -> str:
        given = self.attributes.get("class", "")
        return given.removeprefix("language-") if given.startswith("language-") else ""


class _Code(Struct, frozen=True):
    """The block or code that ended last, and the characters that it covers."""

    kind: Kind
    start: int
    end: int
    language: str


def parse_html(source: str) -> RichText:
    """Telegram's HTML as rich text. Raises MarkupError if Telegram would refuse the message.

    `tg-emoji` and links that are not http or https keep only their text.
    """
    return _Html(source).parse()


class _Html:
    def __init__(self, source: str) -> None:
        self._source = source
        self._position = 0
        self._builder = MarkupBuilder()
        self._open: list[_Tag] = []
        self._links = 0
        self._last: _Code | None = None

    def parse(self) -> RichText:
        while self._position < len(self._source):
            begin = self._position
            end = self._source.find("<", begin)
            end = len(self._source) if end < 0 else end
            self._builder.write(_decoded(self._source[begin:end], begin))
            self._position = end
            if self._source.startswith("</", end):
                self._end_tag()
            elif end < len(self._source):
                self._start_tag()
        if self._open:
            tag = self._open[-1]
            raise MarkupError(
                f"<{tag.name}> is never closed: end it with </{tag.name}>", tag.offset
            )
        return self._builder.finish()

    def _start_tag(self) -> None:
        offset = self._position
        self._position += 1
        name = self._take(_TAG_NAME).lower()
        if self._here() == "":
            raise MarkupError(
                "a tag begins here and does not end: write &lt; for a plain <", offset
            )
        if not name:
            raise MarkupError("a plain < must be written &lt;", offset)
        if name not in _TAGS:
            raise MarkupError(
                f"Telegram knows no tag <{name}>: remove it, or write &lt; for a plain <", offset
            )
        attributes = self._attributes(name, offset)
        if name == "span" and attributes.get("class") != "tg-spoiler":
            raise MarkupError('<span> needs class="tg-spoiler"', offset)
        self._links += name == "a"
        self._open.append(_Tag(name, offset, self._builder.open(), attributes))

    def _attributes(self, tag: str, offset: int) -> dict[str, str]:
        """The attributes up to the end of the tag, which is read as well."""
        attributes: dict[str, str] = {}
        while True:
            self._take(_SPACE)
            if self._here() == ">":
                self._position += 1
                return attributes
            name = self._take(_ATTRIBUTE_NAME)
            if not name:
                raise MarkupError(
                    f'the tag <{tag}> is malformed: write attributes as name="value"', offset
                )
            self._take(_SPACE)
            value = ""
            if self._here() == "=":
                self._position += 1
                self._take(_SPACE)
                value = self._value(offset)
            if self._here() == "":
                raise MarkupError(f"the tag <{tag}> does not end: add >", offset)
            if _counts(tag, name, value):
                attributes[name] = value

    def _value(self, offset: int) -> str:
        begin, mark = self._position, self._here()
        if mark not in {'"', "'"}:
            value = self._take(_TOKEN).lower()
            if self._here() not in {"", ">"} and not self._take(_SPACE):
                raise MarkupError('put the value of the attribute in quotes: name="value"', begin)
            return value
        end = self._source.find(mark, begin + 1) if mark else -1
        if end < 0:
            raise MarkupError(
                "the tag that begins here has a value without its closing quote", offset
            )
        self._position = end + 1
        return _decoded(self._source[begin + 1 : end], None)

    def _end_tag(self) -> None:
        offset = self._position
        if not self._open:
            raise MarkupError("a tag ends here and none is open", offset)
        self._position += 2
        name = self._take(_TAG_NAME).lower()
        self._take(_SPACE)
        if self._here() != ">":
            raise MarkupError(f"the end tag </{name}> does not end: add >", offset)
        self._position += 1
        tag = self._open[-1]
        if name not in {"", tag.name}:
            raise MarkupError(
                f"expected </{tag.name}>, got </{name}>: close the inner tag first", offset
            )
        self._open.pop()
        self._links -= tag.name == "a"
        if self._builder.length > tag.mark.start:
            self._close(tag)

    def _close(self, tag: _Tag) -> None:
        if tag.name in {"pre", "code"}:
            self._close_code(tag, _KINDS[tag.name])
        elif tag.name == "tg-emoji":
            _check_emoji(tag)
            self._last = None
        elif self._builder.close(tag.mark, *self._style(tag)):
            self._last = None

    def _style(self, tag: _Tag) -> tuple[Kind, str]:
        match tag.name:
            case "a":
                return "link", self._address(tag)
            case "tg-time":
                return "time", _time(tag)
            case "blockquote" if "expandable" in tag.attributes:
                return "fold", ""
            case name:
                return _KINDS[name], ""

    def _close_code(self, tag: _Tag, kind: Kind) -> None:
        """A block and code with a language over the same characters become one block in that
        language.
        """
        start, end, last, language = tag.mark.start, self._builder.length, self._last, tag.language
        same = last is not None and last.kind != kind and (last.start, last.end) == (start, end)
        inner = last.language if last and same else ""
        if same and (inner if kind == "pre" else language and not inner):
            kind, language = "pre", language or inner
        self._builder.close(tag.mark, kind, language if kind == "pre" else "")
        self._last = _Code(kind, start, end, language)

    def _address(self, tag: _Tag) -> str:
        given = tag.attributes.get("href", "")
        return given or (self._builder.since(tag.mark) if self._links == 0 else "")

    def _take(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._source, self._position)
        taken = found[0] if found else ""
        self._position += len(taken)
        return taken

    def _here(self) -> str:
        return self._source[self._position : self._position + 1]


def _counts(tag: str, name: str, value: str) -> bool:
    """Whether the attribute counts. Telegram ignores a class that it does not know, so that an
    earlier one stays.
    """
    if name != "class":
        return True
    return value.startswith("language-" if tag == "code" else "tg-")


def _decoded(text: str, offset: int | None) -> str:
    """The text with its character references decoded. Half surrogates are a fault in text (`offset`
    is its start), not in an attribute.
    """

    def character(found: re.Match[str]) -> str:
        if found[1]:
            return _NAMED[found[1]]
        code = int(found[2]) if found[2] else int(found[3], 16)
        if not 0 < code < 0x10FFFF:
            return found[0]
        if not 0xD800 <= code <= 0xDFFF:
            return chr(code)
        if offset is None:
            return "\ufffd"
        raise MarkupError(
            f"{found[0]} is half of a character: give the whole one", offset + found.start()
        )

    return _ENTITY.sub(character, text) if "&" in text else text


def _time(tag: _Tag) -> str:
    unix, form = tag.attributes.get("unix", ""), tag.attributes.get("format", "")
    if OPEN not in form and not _TIME_FORMAT.fullmatch(form):
        raise MarkupError(
            f'"{form}" is not a time format: use r, or letters out of t T d D w W', tag.offset
        )
    if OPEN not in unix:
        digits = _LEADING_DIGITS.match(unix)
        unix = digits[0].lstrip("0") if digits else ""
    return f"{unix}:{form}" if form else unix


def _check_emoji(tag: _Tag) -> None:
    given = tag.attributes.get("emoji-id", "")
    if (
        not re.fullmatch("-?[0-9]{1,19}", given)
        or not -(2**63) <= int(given) < 2**63
        or int(given) == 0
    ):
        raise MarkupError("<tg-emoji> needs the number of an emoji as emoji-id", tag.offset)
