"""Label matchers: `name="value"` and the like, read and applied as Alertmanager does."""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Literal, NamedTuple, cast

import re2
from msgspec import Struct

from relay.core.alert import Labels

Op = Literal["=", "!=", "=~", "!~"]

# White space in Go's unicode.IsSpace; Python's str.isspace has four more characters.
_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_RESERVED = rf"{_SPACE}{{}}!=~,\\\"'`"
_TOKEN = re.compile(
    rf"""[{_SPACE}]*(?:
        (?P<open>\{{) | (?P<close>\}}) | (?P<comma>,) | (?P<op>=~|!~|!=|=)
        | (?P<quoted>"(?:[^"\\]|\\.)*") | (?P<bare>[^{_RESERVED}]+) | (?P<end>\Z) | (?P<wrong>.)
    )""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(
    rb"\\(?:x([0-9A-Fa-f]{2})|([0-7]{3})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.?))", re.DOTALL
)
_GO_ESCAPES = {
    b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v",
    b"\\": b"\\", b'"': b'"'
}  # fmt: skip
_GO_QUOTES = {value.decode(): f"\\{name.decode()}" for name, value in _GO_ESCAPES.items()}
_CLASSIC_SPACE = "\t\n\f\r "
_CLASSIC_HEAD = re.compile(
    r"[\t\n\f\r ]*([a-zA-Z_:][a-zA-Z0-9_:]*)[\t\n\f\r ]*(=~|=|!=|!~)[\t\n\f\r ]*"
)
_CLASSIC_VALUE = re.compile(r'"((?:[^"\\]|\\.)*)"|((?:[^"\\]|\\.)*\\?)', re.DOTALL)
_CLASSIC_ESCAPE = re.compile(r'\\([n"\\])')
_NEEDS_QUOTES = re.compile(f"[{_RESERVED}]")
_NOT_SPACE = re.compile(rf"[^{_SPACE}]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_WRONG = {
    '"': 'the double quote is not closed: add "',
    "'": 'expected a double quote: write "value"',
    "!": "expected != or !~",
    "~": "expected =~ or !~",
}
_REGEX_OPTIONS = re2.Options()
_REGEX_OPTIONS.log_errors = False
_CACHED_VALUE = 128  # characters; longer values are rare and would make the cache large


class MatcherError(ValueError):
    """Text that is not a matcher: the fault at `offset` (code points into the text), and the
    nearest valid form.
    """

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


class _RegexError(MatcherError):
    """The grammar is right but the regular expression is not."""


class Matcher(Struct, frozen=True):
    """One condition on one label. A regular expression is RE2 and has to match the whole value."""

    name: str
    op: Op
    value: str

    def __str__(self) -> str:
        """The matcher as Alertmanager prints it (pkg/labels/matcher.go); `parse` reads it back."""
        if _NEEDS_QUOTES.search(self.name):
            return f"{_go_quote(self.name)}{self.op}{_go_quote(self.value)}"
        value = self.value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
        return f'{self.name}{self.op}"{value}"'


def matches(matchers: tuple[Matcher, ...], labels: Labels) -> bool:
    """Whether all matchers match. A missing label has the value `""` (pkg/labels/matcher.go)."""
    for matcher in matchers:  # noqa: SIM110 -- on the way of every alert, and all() takes twice as long
        if not holds(matcher, labels):
            return False
    return True


def holds(matcher: Matcher, labels: Labels) -> bool:
    """Whether one matcher matches a label set."""
    value = labels.get(matcher.name, "")
    op = matcher.op
    if op == "=":
        return value == matcher.value
    if op == "!=":
        return value != matcher.value
    search = _search if len(value) <= _CACHED_VALUE else _search.__wrapped__
    return search(matcher.value, value) is (op == "=~")


def parse(text: str) -> tuple[Matcher, ...]:
    """The matchers of a text: one, or several separated by commas, with or without braces.

    Alertmanager's fallback mode: the UTF-8 grammar; the classic one if that fails; and the classic
    meaning if both work and differ (matcher/compat/parse.go). Raises MatcherError.
    """
    return parse_noting(text)[0]


def parse_noting(text: str) -> tuple[tuple[Matcher, ...], str]:
    """`parse`, with a warning if the classic grammar decided; the warning is empty otherwise."""
    if stray := _SURROGATE.search(text):
        raise MatcherError(
            "half of a surrogate pair is not a character: write the character itself", stray.start()
        )
    classic = _attempt(_classic, text)
    utf8 = _attempt(_utf8, text)
    if isinstance(classic, MatcherError):
        if isinstance(utf8, MatcherError):
            raise classic if isinstance(classic, _RegexError) else utf8
        return utf8, ""
    if classic == utf8:
        return classic, ""
    spelling = ", ".join(map(str, classic)) or "{}"
    why = utf8 if isinstance(utf8, MatcherError) else "the UTF-8 grammar reads it differently"
    return classic, f"this form is read only by the classic grammar ({why}); write {spelling}"


@lru_cache(maxsize=4096)
def _searcher(pattern: str) -> Callable[[str], object]:
    return cast(Callable[[str], object], re2.compile(f"^(?:{pattern})$", _REGEX_OPTIONS).search)


@lru_cache(maxsize=32768)
def _search(pattern: str, value: str) -> bool:
    return _searcher(pattern)(value) is not None


def _attempt(
    grammar: Callable[[str], tuple[Matcher, ...]], text: str
) -> tuple[Matcher, ...] | MatcherError:
    try:
        return grammar(text)
    except MatcherError as error:
        return error


def _new(name: str, op: Op, value: str, offset: int) -> Matcher:
    if op in ("=~", "!~"):
        try:
            _searcher(value)
        except re2.error as error:
            why = error.args[0].decode().partition(": ")[0]
            raise _RegexError(
                f"bad regular expression ({why}): write RE2, without look-around", offset
            ) from None
    return Matcher(name, op, value)


class _Token(NamedTuple):
    kind: str
    text: str
    offset: int


def _utf8(text: str) -> tuple[Matcher, ...]:
    """The grammar since Alertmanager 0.27 (matcher/parse)."""
    tokens = list(_tokens(text))
    braced = tokens[0].kind == "open"
    matchers = []
    at = int(braced)
    while tokens[at].kind not in ("close", "end"):
        matchers.append(_matcher(tokens, at))
        at += 3
        if tokens[at].kind == "comma":
            at += 1
        elif tokens[at].kind not in ("close", "end"):
            raise MatcherError(f"expected a comma before {tokens[at].text}", tokens[at].offset)
    closed = tokens[at].kind == "close"
    if braced and not closed:
        raise MatcherError("the opening brace is not closed: add }", tokens[at].offset)
    if closed and not braced:
        raise MatcherError(
            "this closing brace has no opening one: remove it, or begin with {", tokens[at].offset
        )
    if closed and tokens[at + 1].kind != "end":
        raise MatcherError(
            "text after the closing brace: join matchers by commas", tokens[at + 1].offset
        )
    return tuple(matchers)


def _tokens(text: str) -> Iterator[_Token]:
    for found in _TOKEN.finditer(text):
        kind = found.lastgroup or "end"
        token = _Token(kind, found[kind], found.start(kind))
        if kind == "wrong":
            raise MatcherError(
                _WRONG.get(token.text, f"{token.text} must be in double quotes"), token.offset
            )
        yield token


def _matcher(tokens: list[_Token], at: int) -> Matcher:
    name, op, value = (*tokens[at : at + 3], tokens[-1], tokens[-1])[:3]
    if name.kind not in ("bare", "quoted"):
        raise MatcherError(f"expected a label name before {name.text or 'the end'}", name.offset)
    if op.kind != "op":
        raise MatcherError(f"expected one of = != =~ !~ after {name.text}", op.offset)
    if value.kind not in ("bare", "quoted"):
        raise MatcherError(
            f'expected a value after {op.text}, such as "" for the empty string', value.offset
        )
    return _new(_plain(name), cast(Op, op.text), _plain(value), value.offset)


def _plain(token: _Token) -> str:
    """A token's text; a quoted one is a Go string literal
    (https://go.dev/ref/spec#String_literals).
    """
    if token.kind == "bare":
        return token.text
    if "\n" in token.text:
        raise MatcherError("a line break within quotes: write \\n", token.offset)
    try:
        return _ESCAPE.sub(_escaped, token.text[1:-1].encode()).decode()
    except ValueError:
        raise MatcherError(
            'a bad escape within quotes: write \\\\ for \\ and \\" for "', token.offset
        ) from None


def _escaped(found: re.Match[bytes]) -> bytes:
    byte, octal, short, long, other = found.groups()
    if byte:
        return bytes([int(byte, 16)])
    if octal:
        return bytes([int(octal, 8)])
    if short or long:
        return chr(int(short or long, 16)).encode()
    if other not in _GO_ESCAPES:
        raise ValueError(other)
    return _GO_ESCAPES[other]


def _go_quote(text: str) -> str:
    return '"' + "".join(map(_go_character, text)) + '"'


def _go_character(char: str) -> str:
    if char in _GO_QUOTES:
        return _GO_QUOTES[char]
    if char.isprintable():
        return char
    code = ord(char)
    return (
        f"\\x{code:02x}"
        if code < 0x80
        else f"\\u{code:04x}"
        if code < 0x10000
        else f"\\U{code:08x}"
    )


def _classic(text: str) -> tuple[Matcher, ...]:
    """The grammar before Alertmanager 0.27 (pkg/labels/parse.go)."""
    return tuple(_classic_matcher(piece, offset) for piece, offset in _classic_pieces(text))


def _classic_pieces(text: str) -> Iterator[tuple[str, int]]:
    """The text split at commas outside quotes, each piece with its offset. As in Alertmanager the
    effect of a backslash outlasts a comma.
    """
    start = int(text.startswith("{"))
    body = text[: len(text) - text.endswith("}", start)]
    quoted = escaped = False
    for at in range(start, len(body)):
        char = body[at]
        if char == "," and not quoted:
            yield body[start:at], start
            start = at + 1
        elif char == '"':
            quoted ^= not escaped
            escaped = False
        elif char != ",":
            escaped = char == "\\" and not escaped
    if _NOT_SPACE.search(body, start):
        yield body[start:], start


def _classic_matcher(piece: str, offset: int) -> Matcher:
    head = _CLASSIC_HEAD.match(piece)
    if head is None:
        raise MatcherError('expected NAME="VALUE"', offset)
    value = _CLASSIC_VALUE.fullmatch(piece[head.end() :].rstrip(_CLASSIC_SPACE))
    if value is None:
        raise MatcherError('a double quote within the value: write \\"', offset + head.end())
    name, op = head.groups()
    raw = value[2] if value[1] is None else value[1]
    return _new(name, cast(Op, op), _CLASSIC_ESCAPE.sub(_classic_escaped, raw), offset + head.end())


def _classic_escaped(found: re.Match[str]) -> str:
    return "\n" if found[1] == "n" else found[1]
