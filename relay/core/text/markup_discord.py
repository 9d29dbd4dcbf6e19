"""Discord's dialect of Markdown, read leniently: whatever is not markup is text
(https://support.discord.com/hc/en-us/articles/210298617).
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from relay.core.text.markup_builder import MarkupBuilder
from relay.core.text.markup_inline import Piece, write_inline
from relay.core.text.richtext import CLOSE, OPEN, Kind, RichText

_BLOCK = re.compile(
    r"\\.|(?P<fence>```)|^(?:(?P<rest>>>> )|(?P<quote>> )|(?P<heading>#{1,3}) +|(?P<subtext>-# )"
    r"|(?P<item> *(?:[-*]|[0-9]{1,3}\.) +(?=\S)))",
    re.M,
)
_QUOTED_LINES = re.compile("(?:> .*(?:\n|$))+")
_QUOTE_SIGN = re.compile("^> ", re.MULTILINE)
_TOKEN = re.compile(
    rf"\\(?P<escaped>_|[^\w\s{OPEN}{CLOSE}])"
    r"|(?P<ticks>`+)"
    r"|<#(?P<channel>[0-9]{1,20})>"
    rf"|<t:(?P<unix>[0-9]{{1,10}}|{OPEN}[0-9]+{CLOSE})(?::(?P<style>[tTdDfFsSR]))?>"
    r"|(?P<sign>\*\*|\*|__|_|~~|\|\||\[)"
    r"|\]\(<?(?P<address>[^\s()<>]*(?:\([^\s()<>]*\)[^\s()<>]*)*)>?\)"
)
_LANGUAGE = re.compile(rf"([\w+#.\-{OPEN}{CLOSE}]+)\n")
_TIME_FORMATS = {
    "f": "Dt",
    "F": "WDt",
    "s": "dt",
    "S": "dT",
}  # Discord's style letters in Telegram's
_STYLES: dict[str, Kind] = {
    "*": "italic",
    "_": "italic",
    "**": "bold",
    "__": "underline",
    "~~": "strikethrough",
    "||": "spoiler",
    "[": "link",
}


def parse_discord(source: str) -> RichText:
    """Discord's Markdown as rich text; it has no faults. Mentions stay text, since only the
    configuration mentions people.

    The fallback text of a time is the moment in UTC, or its placeholder.
    """
    builder = MarkupBuilder()
    _blocks(source, builder, quoted=False)
    return builder.finish()


def _blocks(source: str, builder: MarkupBuilder, *, quoted: bool) -> None:
    begin = position = 0
    while found := _BLOCK.search(source, position):
        position = found.end()
        if found["fence"]:
            end = source.find("```", position)
            position = position if end < 0 else end + 3
        elif (
            found["heading"]
            or found["subtext"]
            or found["item"]
            or (not quoted and (found["quote"] or found["rest"]))
        ):
            _inline(source[begin : found.start()], builder)
            begin = position = _block(source, found, builder)
    _inline(source[begin:], builder)


def _block(source: str, found: re.Match[str], builder: MarkupBuilder) -> int:
    """Writes the block that begins here and returns its end, before the line feed."""
    mark = builder.open()
    if found["item"]:
        builder.write(found["item"])
        builder.close(mark, "item")
        return found.end()
    if found["rest"]:
        _blocks(source[found.end() :], builder, quoted=True)
        builder.close(mark, "quote")
        return len(source)
    if found["quote"]:
        lines = _QUOTED_LINES.match(source, found.start())
        text = lines[0].removesuffix("\n") if lines else ""
        _blocks(_QUOTE_SIGN.sub("", text), builder, quoted=True)
        builder.close(mark, "quote")
        return found.start() + len(text)
    end = source.find("\n", found.end())
    end = len(source) if end < 0 else end
    _inline(source[found.end() : end], builder)
    if found["heading"]:
        builder.close(mark, "heading", str(len(found["heading"])))
    else:
        builder.close(mark, "subtext")
    return end


def _inline(source: str, builder: MarkupBuilder) -> None:
    write_inline(list(_tokens(source)), _STYLES, builder)


def _tokens(source: str) -> Iterator[Piece]:
    position = 0
    while found := _TOKEN.search(source, position):
        if found.start() > position:
            yield Piece(source[position : found.start()])
        position = found.end()
        if found["escaped"]:
            yield Piece(found["escaped"])
        elif found["channel"]:
            yield Piece(found[0], kind="channel", value=found["channel"])
        elif found["unix"]:
            yield _time(found)
        elif found["sign"]:
            yield _sign(source, found)
        elif found["ticks"]:
            token, position = _code(source, found)
            yield token
        else:
            yield Piece(found[0], value=found["address"], sign="[", ends=True)
    yield Piece(source[position:])


def _sign(source: str, found: re.Match[str]) -> Piece:
    sign = found["sign"]
    before, after = (
        source[max(found.start() - 1, 0) : found.start()],
        source[found.end() : found.end() + 1],
    )
    begins, ends = True, sign != "["
    if sign in {"*", "_"}:
        begins = bool(after.strip())
        ends = bool(before.strip()) and not (sign == "_" and after.isalnum())
    return Piece(sign, sign=sign, begins=begins, ends=ends)


def _time(found: re.Match[str]) -> Piece:
    unix, style = found["unix"], found["style"]
    value = f"{unix}:{_TIME_FORMATS.get(style, style)}" if style else unix
    text = unix if OPEN in unix else f"{datetime.fromtimestamp(int(unix), UTC):%Y-%m-%d %H:%M} UTC"
    return Piece(text, kind="time", value=value)


def _code(source: str, found: re.Match[str]) -> tuple[Piece, int]:
    """Writes code, a block of it, or plain back-ticks if they have no end, and returns where to
    continue.
    """
    size, begin = len(found[0]), found.end()
    if size >= 3:
        begin = found.start() + 3
        end = source.find("```", begin)
        if end >= 0 and source[begin:end].strip():
            language = _LANGUAGE.match(source, begin, end)
            body = source[language.end() if language else begin : end].strip("\n")
            return Piece(body, kind="pre", value=language[1] if language else ""), end + 3
    elif close := re.compile(f"(?<!`){found[0]}(?!`)").search(source, begin):
        return Piece(source[begin : close.start()], kind="code"), close.end()
    return Piece(found[0]), found.end()
