"""Go templates as a tree: text, conditions, loops, and pipelines of calls."""

from collections.abc import Iterator

from msgspec import Struct

from relay.config.go.lexer import GoError, Piece, Token, pieces, tokens


class Literal(Struct, frozen=True):
    """A text, number, boolean, or None for nil."""

    value: str | int | float | bool | None


class Field(Struct, frozen=True):
    """Fields of a value; of the dot if `of` is None."""

    of: "Expr | None"
    names: tuple[str, ...]


class Variable(Struct, frozen=True):
    """`$name`; an empty name is the data of the template."""

    name: str


class Call(Struct, frozen=True):
    """A function with its arguments; a value piped into it is the last one."""

    name: str
    arguments: "tuple[Expr, ...]"


Expr = Literal | Field | Variable | Call


class Text(Struct, frozen=True):
    """The text outside actions."""

    text: str


class Output(Struct, frozen=True):
    """A value that is printed."""

    value: Expr
    source: str
    line: int


class Assign(Struct, frozen=True):
    """`$name := value`, or `=` for one that exists."""

    name: str
    value: Expr
    declares: bool
    source: str
    line: int


class If(Struct, frozen=True):
    """`if`, or `with`, whose value is the dot of its body."""

    value: Expr
    body: "tuple[Node, ...]"
    otherwise: "tuple[Node, ...]"
    is_with: bool
    variable: str
    source: str
    line: int


class Range(Struct, frozen=True):
    """`range`, with the names of its variables."""

    value: Expr
    variables: tuple[str, ...]
    body: "tuple[Node, ...]"
    otherwise: "tuple[Node, ...]"
    source: str
    line: int


class Include(Struct, frozen=True):
    """`template "name" value`."""

    name: str
    value: Expr | None
    source: str
    line: int


class Unreadable(Struct, frozen=True):
    """An action that cannot be parsed, and why."""

    why: str
    source: str
    line: int


Node = Text | Output | Assign | If | Range | Include | Unreadable
Body = tuple[Node, ...]


class GoFile(Struct, frozen=True):
    """A source: its own text and actions, and the templates that it defines."""

    body: Body
    defined: dict[str, Body]


def parse(source: str) -> GoFile:
    """The tree of a source. Raises GoError if blocks do not end, or cannot be told apart."""
    parser = _Parser(list(pieces(source)))
    body, ended = parser.body()
    if ended is not None:
        raise GoError(ended.line, f"{{{{ {ended.text} }}}} without a beginning")
    return GoFile(body, parser.defined)


class _Parser:
    def __init__(self, found: list[Piece]) -> None:
        self.defined: dict[str, Body] = {}
        self._pieces: Iterator[Piece] = iter(found)

    def body(self) -> tuple[Body, Piece | None]:
        """Nodes up to an `end` or `else`, which is returned, or to the end of the source."""
        nodes: list[Node] = []
        for piece in self._pieces:
            if not piece.is_action:
                nodes.append(Text(piece.text))
                continue
            word = piece.text.split(maxsplit=1)[0] if piece.text else ""
            if word in ("end", "else"):
                return tuple(nodes), piece
            nodes += self._action(piece, word)
        return tuple(nodes), None

    def _action(self, piece: Piece, word: str) -> list[Node]:
        match word:
            case "if" | "with" | "range":
                return [self._block(piece, word)]
            case "define" | "block":
                return self._definition(piece, word)
            case _:
                try:
                    return [_simple(piece)]
                except GoError as error:
                    return [Unreadable(str(error), piece.text, piece.line)]

    def _definition(self, piece: Piece, word: str) -> list[Node]:
        read = tokens(piece)[1:]
        if not read or read[0].kind != "string":
            raise GoError(piece.line, f"{word} needs a name in quotes")
        body = self._to_end(piece)
        self.defined[read[0].text] = body
        if word == "define":
            return []
        value = _pipeline(read[1:], piece.line) if len(read) > 1 else None
        return [Include(read[0].text, value, piece.text, piece.line)]

    def _to_end(self, piece: Piece) -> Body:
        body, ended = self.body()
        if ended is None or ended.text != "end":
            raise GoError(piece.line, f"{{{{ {piece.text} }}}} has no end")
        return body

    def _block(self, piece: Piece, word: str) -> Node:
        body, ended = self.body()
        otherwise: Body = ()
        if ended is None:
            raise GoError(piece.line, f"{{{{ {piece.text} }}}} has no end")
        if ended.text == "else":
            otherwise = self._to_end(piece)
        elif ended.text != "end":  # `else if` ends with the same `end`
            inner = ended.text.removeprefix("else").strip()
            nested = Piece(ended.line, inner, is_action=True)
            otherwise = (self._block(nested, inner.split(maxsplit=1)[0]),)
        try:
            return _block(piece, word, body, otherwise)
        except GoError as error:
            return If(
                Call(f"unreadable: {error}", ()), body, otherwise, False, "",  # noqa: FBT003
                piece.text, piece.line,
            )  # fmt: skip


def _block(piece: Piece, word: str, body: Body, otherwise: Body) -> Node:
    read = tokens(piece)[1:]
    names: tuple[str, ...] = ()
    at = next((at for at, token in enumerate(read) if token.kind == "declare"), -1)
    if at >= 0:
        names = tuple(each.text[1:] for each in read[:at] if each.kind == "variable")
        read = read[at + 1 :]
    value = _pipeline(read, piece.line)
    if word == "range":
        return Range(value, names, body, otherwise, piece.text, piece.line)
    variable = names[0] if names else ""
    return If(value, body, otherwise, word == "with", variable, piece.text, piece.line)


def _simple(piece: Piece) -> Node:
    read = tokens(piece)
    if not read:
        raise GoError(piece.line, "an empty action")
    if read[0].kind == "word" and read[0].text == "template":
        if len(read) < 2 or read[1].kind != "string":
            raise GoError(piece.line, "template needs a name in quotes")
        value = _pipeline(read[2:], piece.line) if read[2:] else None
        return Include(read[1].text, value, piece.text, piece.line)
    if len(read) > 1 and read[0].kind == "variable" and read[1].kind in ("declare", "assign"):
        declares = read[1].kind == "declare"
        value = _pipeline(read[2:], piece.line)
        return Assign(read[0].text[1:], value, declares, piece.text, piece.line)
    return Output(_pipeline(read, piece.line), piece.text, piece.line)


def _pipeline(read: list[Token], line: int) -> Expr:
    value, left = _piped(read, line)
    if left:
        raise GoError(line, f"cannot read {left[0].text}")
    return value


def _piped(read: list[Token], line: int) -> tuple[Expr, list[Token]]:
    """A pipeline up to a closing bracket or the end, and the rest."""
    value, left = _command(read, line, None)
    while left and left[0].kind == "pipe":
        value, left = _command(left[1:], line, value)
    return value, left


def _command(read: list[Token], line: int, piped: Expr | None) -> tuple[Expr, list[Token]]:
    operands: list[Expr] = []
    name, left = "", read
    if left and left[0].kind == "word" and left[0].text not in ("true", "false", "nil"):
        name, left = left[0].text, left[1:]
    while left and left[0].kind not in ("pipe", "close"):
        operand, left = _operand(left, line)
        operands.append(operand)
    if piped is not None:
        operands.append(piped)
    if name:
        return Call(name, tuple(operands)), left
    match operands:
        case [alone]:
            return alone, left
        case [Field() as method, *arguments]:  # a method, such as `.Labels.Remove $names`
            return Call(f".{method.names[-1]}", (_without_last(method), *arguments)), left
        case _:
            raise GoError(line, "expected a value")


def _without_last(method: Field) -> Expr:
    if len(method.names) == 1:
        return method.of or Field(None, ())
    return Field(method.of, method.names[:-1])


def _operand(read: list[Token], line: int) -> tuple[Expr, list[Token]]:
    token, left = read[0], read[1:]
    value: Expr
    match token.kind:
        case "string" | "char":
            value = Literal(token.text)
        case "number":
            value = Literal(float(token.text) if "." in token.text else int(token.text))
        case "field":
            value = Field(None, tuple(token.text[1:].split(".")))
        case "dot":
            value = Field(None, ())
        case "variable":
            name, *names = token.text[1:].split(".")
            value = Field(Variable(name), tuple(names)) if names else Variable(name)
        case "word":
            words: dict[str, bool | None] = {"true": True, "false": False, "nil": None}
            value = Literal(words[token.text]) if token.text in words else Call(token.text, ())
        case "open":
            value, left = _piped(left, line)
            if not left or left[0].kind != "close":
                raise GoError(line, "a bracket is not closed")
            left = left[1:]
            if left and left[0].kind == "field" and left[0].glued:
                value = Field(value, tuple(left[0].text[1:].split(".")))
                left = left[1:]
        case _:
            raise GoError(line, f"cannot read {token.text}")
    return value, left
