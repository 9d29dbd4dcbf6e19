"""Telegram's MarkdownV2 (https://core.telegram.org/bots/api#markdownv2-style), with the faults of
Telegram's parser.
"""

import re

from msgspec import Struct

from relay.core.text.markup_builder import MarkupBuilder, MarkupError, OpenStyle
from relay.core.text.richtext import OPEN, Kind, RichText

_SPECIAL = re.compile(r"\\[\x01-\x7e]|[_*\[\]()~`>#+\-=|{}.!\n]")
_SPECIAL_IN_CODE = re.compile(r"\\[\x01-\x7e]|`")
_ESCAPE = re.compile(r"\\([\x01-\x7e])")
_FENCE = re.compile(r"```(?:([^ \t\n\r\v`]+)(?=[ \t\n\r\v]))?(?:\r\n|\n\r|\r|\n)?")
_ADDRESS = re.compile(r"\(((?:\\[\x01-\x7e]|[^)])*+)\)")
_TG_ADDRESS = re.compile(r"tg:(?://)?(time|emoji)/?\?([^#]*)(?:#.*)?", re.IGNORECASE | re.DOTALL)
_UNIX = re.compile("[1-9][0-9]{0,9}")
_TIME_FORMAT = re.compile("[rR]|[tTdDwW]*")
_EMOJI = re.compile("-?[1-9][0-9]{0,18}")

_BEGINNINGS: dict[str, Kind] = {
    "*": "bold",
    "_": "italic",
    "__": "underline",
    "~": "strikethrough",
    "||": "spoiler",
    "`": "code",
    "```": "pre",
    "[": "link",
    "![": "time",
}
_ENDS: dict[Kind, str] = {kind: sign for sign, kind in _BEGINNINGS.items()} | {
    "link": "]",
    "time": "]",
}
_SIGN = re.compile(r"\|\||__|_|\*|~|```|`|!?\[")


class _Open(Struct, frozen=True):
    kind: Kind
    offset: int
    mark: OpenStyle
    language: str = ""


def parse_markdownv2(source: str) -> RichText:
    """MarkdownV2 as rich text. Raises MarkupError if Telegram would refuse the message.

    The span of a quote includes the line feed that ends it. Custom emoji and links that are not
    http or https keep only their text.
    """
    return _MarkdownV2(source).parse()


class _MarkdownV2:
    def __init__(self, source: str) -> None:
        self._source = source
        self._position = 0
        self._builder = MarkupBuilder()
        self._open: list[_Open] = []
        self._quoting = False
        self._line_begins = True

    def parse(self) -> RichText:
        while self._position < len(self._source):
            pattern = (
                _SPECIAL_IN_CODE
                if self._open and self._open[-1].kind in {"code", "pre"}
                else _SPECIAL
            )
            found = pattern.search(self._source, self._position)
            self._write(
                self._source[self._position : found.start() if found else len(self._source)]
            )
            self._position = found.start() if found else len(self._source)
            if found:
                self._sign(found[0])
        if self._quoting:
            self._end_quote(at_end=True)
        if self._open:
            raise _unclosed(self._open[-1])
        return self._builder.finish()

    def _sign(self, sign: str) -> None:
        if sign.startswith("\\"):
            self._write_one(sign[1])
            self._position += 2
        elif sign == "\n":
            self._line_feed()
        elif self._open and self._ends(self._open[-1].kind):
            self._end()
        elif sign == ">":
            self._quote()
        else:
            self._begin()

    def _write(self, text: str) -> None:
        if text:
            self._builder.write(text)
            self._line_begins = self._line_begins and not text.strip("\r")

    def _write_one(self, character: str) -> None:
        self._write(character)
        self._line_begins = self._line_begins or character == "\n"

    def _line_feed(self) -> None:
        if self._quoting and not self._source.startswith(">", self._position + 1):
            self._end_quote(at_end=False)
        else:
            self._write_one("\n")
        self._position += 1

    def _quote(self) -> None:
        if not self._line_begins:
            raise _reserved(">", self._position)
        if not self._quoting:
            self._open.append(_Open("quote", self._position, self._builder.open()))
            self._quoting = True
        self._position += 1

    def _end_quote(self, *, at_end: bool) -> None:
        """Ends the quote with its line. Two bars just before the end make it expandable."""
        kind: Kind = "quote"
        top = self._open[-1]
        bars = self._position - 2 - (not at_end and self._source[self._position - 1] == "\r")
        if top.kind == "spoiler" and top.offset == bars:
            self._open.pop()
            kind = "fold"
        top = self._open[-1]
        if top.kind != "quote":
            raise _unclosed(top)
        if not at_end:
            self._write_one("\n")
        self._open.pop()
        self._quoting = False
        self._builder.close(top.mark, kind)

    def _ends(self, kind: Kind) -> bool:
        if kind == "italic" and self._source.startswith("__", self._position):
            return False
        return kind != "quote" and self._source.startswith(_ENDS[kind], self._position)

    def _begin(self) -> None:
        begin = self._position
        sign = _SIGN.match(self._source, begin)
        if not sign:
            raise _reserved(self._source[begin], begin)
        language = ""
        self._position = sign.end()
        if sign[0] == "```":
            fence = _FENCE.match(self._source, begin)
            if fence:
                self._position, language = fence.end(), fence[1] or ""
        self._open.append(_Open(_BEGINNINGS[sign[0]], begin, self._builder.open(), language))

    def _end(self) -> None:
        top = self._open.pop()
        self._position += len(_ENDS[top.kind])
        match top.kind:
            case "link":
                address = self._address()
                if address is None:
                    inner = any(outer.kind == "link" for outer in self._open)
                    address = "" if inner else self._builder.since(top.mark)
                self._builder.close(top.mark, "link", address)
            case "time":
                value = _time(self._address(), top.offset)
                if value:
                    self._builder.close(top.mark, "time", value)
            case kind:
                self._builder.close(top.mark, kind, top.language)

    def _address(self) -> str | None:
        """The address in parentheses at this position, if there is one."""
        begin = self._position
        if not self._source.startswith("(", begin):
            return None
        found = _ADDRESS.match(self._source, begin)
        if not found:
            raise MarkupError(
                "the address that begins here does not end: close it with )", begin + 1
            )
        self._position = found.end()
        return _ESCAPE.sub(r"\1", found[1])


def _time(address: str | None, offset: int) -> str:
    """The value of a time; empty for an emoji, which keeps only its text."""
    found = _TG_ADDRESS.fullmatch(address or "")
    parameters = dict(part.partition("=")[::2] for part in found[2].split("&")) if found else {}
    unix, form = parameters.get("unix", ""), parameters.get("format", "")
    if not found:
        known = False
    elif found[1].lower() == "emoji":
        known = bool(_EMOJI.fullmatch(parameters.get("id", "")))
        unix = form = ""
    else:
        known = bool(OPEN in unix or (_UNIX.fullmatch(unix) and int(unix) < 2**31))
        known = known and bool(OPEN in form or _TIME_FORMAT.fullmatch(form))
    if not known:
        message = (
            "after ![text] an address like (tg://time?unix=1700000000&format=r) is needed: "
            "write \\! for a plain !"
        )
        raise MarkupError(message, offset)
    return f"{unix}:{form}" if form else unix


def _reserved(character: str, offset: int) -> MarkupError:
    return MarkupError(
        f"'{character}' is reserved in MarkdownV2: write '\\{character}' for the character itself",
        offset,
    )


def _unclosed(style: _Open) -> MarkupError:
    sign = "]" if style.kind in {"link", "time"} else _ENDS[style.kind]
    return MarkupError(
        f"the {style.kind} that begins here does not end: add {sign}, or write \\ before it for "
        "the character itself",
        style.offset,
    )
