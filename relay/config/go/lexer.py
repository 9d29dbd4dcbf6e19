"""Splits Go template source into text and actions, with white space trimmed as Go does it, and an
action into tokens. https://pkg.go.dev/text/template
"""

import json
import re
from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

Kind = Literal[
    "field", "variable", "word", "string", "number", "char", "pipe", "open", "close", "comma",
    "declare", "assign", "dot",
]  # fmt: skip
_STRING = r'"(?:[^"\\\n]|\\.)*"|`[^`]*`'
_COMMENT = re.compile(r"\s*/\*.*\*/\s*", re.DOTALL)
_TOKEN = re.compile(
    rf"""\s*(?:
      (?P<field>\.[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)
    | (?P<variable>\$\w*(?:\.[A-Za-z_]\w*)*)
    | (?P<string>{_STRING})
    | (?P<char>'(?:[^'\\]|\\.)')
    | (?P<number>[-+]?[0-9][0-9.]*)
    | (?P<declare>:=) | (?P<assign>=) | (?P<comma>,) | (?P<pipe>\|)
    | (?P<open>\() | (?P<close>\)) | (?P<dot>\.)
    | (?P<word>[A-Za-z_]\w*)
    )""",
    re.VERBOSE,
)


class GoError(ValueError):
    """The source cannot be read as a Go template; `line` counts from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


class Piece(Struct, frozen=True):
    """Text, or the contents of an action; `line` counts from 1."""

    line: int
    text: str
    is_action: bool


class Token(Struct, frozen=True):
    """A token of an action; `text` is unquoted for a string."""

    kind: Kind
    text: str
    glued: bool
    """No white space before it: a field after a closing bracket belongs to it."""


def pieces(source: str) -> Iterator[Piece]:
    """The template in order, without comments. Raises GoError."""
    at, line, trimmed = 0, 1, False
    for found in _actions(source):
        start, end, body, left, right = found
        text = source[at:start]
        shown = text.rstrip() if left else text
        shown = shown.lstrip() if trimmed else shown
        if shown:
            yield Piece(line, shown, is_action=False)
        line += text.count("\n")
        if not _COMMENT.fullmatch(body):
            yield Piece(line, body.strip(), is_action=True)
        line += source.count("\n", start, end)
        at, trimmed = end, right
    rest = source[at:].lstrip() if trimmed else source[at:]
    if rest:
        yield Piece(line, rest, is_action=False)


def _actions(source: str) -> Iterator[tuple[int, int, str, bool, bool]]:
    """Each action: its range, its contents, and whether it trims at its left and right. Strings may
    contain braces.
    """
    at = 0
    while (start := source.find("{{", at)) >= 0:
        end = _end(source, start + 2)
        if end < 0:
            raise GoError(source.count("\n", 0, start) + 1, "this action has no end")
        body = source[start + 2 : end]
        left = body.startswith("-") and body[1:2].isspace()
        right = body.endswith("-") and body[-2:-1].isspace()
        inner = body[1 if left else 0 : len(body) - 1 if right else len(body)]
        yield start, end + 2, inner, left, right
        at = end + 2


def _end(source: str, at: int) -> int:
    if _COMMENT.match(source[at:].removeprefix("-")):
        return source.find("}}", source.index("*/", at))
    skipped = re.compile(rf"{_STRING}|\}}\}}", re.DOTALL)
    for found in skipped.finditer(source, at):
        if found[0] == "}}":
            return found.start()
    return -1


def tokens(piece: Piece) -> list[Token]:
    """The tokens of an action. Raises GoError."""
    found: list[Token] = []
    at, text = 0, piece.text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise GoError(piece.line, f"cannot read {text[at:].split()[0]}")
        kind = match.lastgroup
        word = match[kind] if kind else ""
        glued = match.start(kind) == at if kind else False
        value = _unquoted(word, piece.line) if kind in ("string", "char") else word
        found.append(Token(kind, value, glued))  # type: ignore[arg-type] # a group's name is a kind
        at = match.end()
    return found


def _unquoted(word: str, line: int) -> str:
    if word.startswith("`"):
        return word[1:-1]
    if word.startswith("'"):
        return word[1:-1]
    try:
        value = json.loads(re.sub(r"\\x([0-9a-fA-F]{2})", r"\\u00\1", word))
    except ValueError:
        raise GoError(line, f"cannot read the text {word}") from None
    return str(value)
