"""Styled text for a terminal: display width, wrapping, ANSI colours."""

import unicodedata
from collections.abc import Iterator

from relay.sandbox.styled_text import Kind, Styled

JOINER, EMOJI_STYLE = "\u200d", "\ufe0f"
ANSI: dict[Kind, str] = {
    "bold": "1",
    "italic": "3",
    "underline": "4",
    "strikethrough": "9",
    "spoiler": "2",
    "code": "36",
    "pre": "36",
    "fold": "2",
    "link": "4;34",
    "auto": "4;34",
    "mention": "34",
    "heading": "1",
    "subtext": "2",
}
BAR = "▎ "
StyledCharacter = tuple[str, frozenset[Kind]]
Line = list[StyledCharacter]


def columns(text: str) -> int:
    """The number of columns of `text` in a terminal: two for wide characters and emoji, none for
    combining marks.
    """
    width, before, joined = 0, 0, False
    for character in text:
        if character == JOINER:
            joined = True
            continue
        if character == EMOJI_STYLE:
            width, before = width + (before == 1), 2
            continue
        before = 0 if joined else _columns(character)
        width, joined = width + before, False
    return width


def _columns(character: str) -> int:
    if (
        unicodedata.category(character) in ("Mn", "Me", "Cf", "Cc")
        or "\U0001f3fb" <= character <= "\U0001f3ff"
    ):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def lines(text: Styled, width: int) -> list[Line]:
    """The text in lines of at most `width` columns. Quotes get a bar at their left."""
    kinds: list[set[Kind]] = [set() for _ in text.text]
    for style in text.styles:
        for index in range(style.start, style.end):
            kinds[index].add(style.kind)
    characters = [
        (_printable(character), frozenset(kind))
        for character, kind in zip(text.text, kinds, strict=True)
    ]
    return [line for paragraph in _paragraphs(characters) for line in _quoted(paragraph, width)]


def _printable(character: str) -> str:
    """Whether a terminal prints the character. It interprets control characters, so none from an
    alert may reach it.
    """
    steering = (
        unicodedata.category(character) == "Cc"
        or "\u202a" <= character <= "\u202e"
        or character in "\u2066\u2067\u2068\u2069"
    )
    return "\ufffd" if steering and character != "\n" else character


def plain(line: Line) -> str:
    return "".join(character for character, _ in line)


def with_ansi(line: Line, *, colour: bool) -> str:
    """The line for a terminal, with ANSI codes if it has colours."""
    if not colour:
        return plain(line)
    text, shown = "", ""
    for character, kinds in line:
        code = ";".join(ANSI[kind] for kind in ANSI if kind in kinds)
        if code != shown:
            text += ("\x1b[0m" if shown else "") + (f"\x1b[{code}m" if code else "")
            shown = code
        text += character
    return text + ("\x1b[0m" if shown else "")


def _paragraphs(characters: Line) -> Iterator[Line]:
    paragraph: Line = []
    for character in characters:
        if character[0] == "\n":
            yield paragraph
            paragraph = []
        else:
            paragraph.append(character)
    yield paragraph


def _quoted(paragraph: Line, width: int) -> list[Line]:
    quoted = bool(paragraph) and bool(paragraph[0][1] & {"quote", "fold"})
    if not quoted:
        return _wrapped(paragraph, width)
    bar: Line = [(character, frozenset()) for character in BAR]
    return [[*bar, *line] for line in _wrapped(paragraph, width - len(BAR))]


def _wrapped(paragraph: Line, width: int) -> list[Line]:
    done: list[Line] = []
    line: Line = []
    for word in _words(paragraph):
        if line and columns(plain(line + word).rstrip()) > width:
            done.append(line)
            line = []
        while columns(plain(word).rstrip()) > width:
            fits = _fitting(word, width)
            done.append(word[:fits])
            word = word[fits:]  # noqa: PLW2901 the rest of a word that is wider than a line
        line = line + word
    return [*done, line]


def _fitting(word: Line, width: int) -> int:
    fits = 1
    while fits < len(word) and columns(plain(word[: fits + 1])) <= width:
        fits += 1
    return fits


def _words(paragraph: Line) -> Iterator[Line]:
    word: Line = []
    for character in paragraph:
        if word and word[-1][0] == " " and character[0] != " ":
            yield word
            word = []
        word.append(character)
    if word:
        yield word
