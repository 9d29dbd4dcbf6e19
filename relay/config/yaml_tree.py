"""YAML text to nodes that know their place. Text that YAML would silently misread is a fault."""

import re
from collections.abc import Iterator, Sequence

import yaml

from relay.config.fault import Fault
from relay.config.source import (
    START,
    MappingNode,
    Node,
    Position,
    Scalar,
    ScalarNode,
    SequenceNode,
    Source,
)
from relay.core.duration import quote

MAX_BYTES = 16 << 20
MAX_DEPTH = 100
MAX_NODES = (
    1_000_000  # aliases followed; a bomb of aliases ends here, before anything is built from it
)

_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")
_INT = re.compile(r"-?(?:0|[1-9][0-9]{0,18})")
_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]{0,18})\.[0-9]{1,18}")
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
# Plain scalars that YAML 1.1 does not read as they look: https://yaml.org/type/
_WORD_TRAP = re.compile(r"(?i:yes|no|on|off)")
_NUMBER_TRAP = re.compile(
    r"""[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?      # base 60
      | [0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt\s].*)?          # a date
      | [-+]?0[0-9_]+ | [-+]?0[bxo][0-9a-fA-F_]+ | [-+]?[0-9]+_[0-9_]*
      | \+[0-9]+ | [-+]?\.(?i:inf|nan) | [-+]?[0-9]*\.?[0-9]+[eE][-+]?[0-9]+
      | [-+]?\.[0-9]+ | [-+]?[0-9]+\.
    """,
    re.VERBOSE,
)

# Spaces that YAML takes for text, where one separates: at either end, behind a dash or a colon.
_ODD_SPACE = "[\u00a0\u2007\u202f\u3000\u200b]"
_WITH_ODD = re.compile(f"{_ODD_SPACE}.*|.*{_ODD_SPACE}|-{_ODD_SPACE}.*|[\\w.-]+:{_ODD_SPACE}.*")
_ODD = "a space here is not a plain one (such as U+00A0), and YAML takes it for text: type it again"
# A complete RFC 3339 time means the same as a text and as a date.
_MOMENT = re.compile(r"[0-9-]{10}[Tt][0-9:]{5,8}(?:\.[0-9]+)?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})")


def read(
    name: str, data: bytes, secret_keys: frozenset[str] = frozenset()
) -> tuple[Source, tuple[Fault, ...]]:
    """The nodes of a YAML file and its faults as YAML; `root` is None if nothing could be read.
    Values of `secret_keys` are noted as secret.
    """
    if len(data) > MAX_BYTES:
        return _unread(name, "", START, f"the file is larger than {MAX_BYTES >> 20} MiB")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start].decode()
        return _unread(name, before, _end(before), "invalid UTF-8: save the file as UTF-8")
    if found := _UNPRINTABLE.search(text):
        before = text[: found.start()]
        return _unread(
            name,
            text,
            _end(before),
            f"a control character (U+{ord(found[0]):04X}) is not allowed here",
        )
    return _build(name, text, secret_keys)


def _build(name: str, text: str, secret_keys: frozenset[str]) -> tuple[Source, tuple[Fault, ...]]:
    builder = _Builder(text.removeprefix("\ufeff"), secret_keys)
    problems: list[tuple[Position, str]] = []
    if text.startswith("\ufeff"):
        problems.append(
            (START, "the file begins with a byte order mark: save it as UTF-8 without one")
        )
    root: Node | None = None
    try:
        root = builder.document()
    except _Stop as stop:
        problems.append((stop.position, str(stop)))
    except yaml.MarkedYAMLError as error:
        problems.append(_syntax(error, builder.lines))
    except (yaml.YAMLError, ValueError, RecursionError):
        problems.append((START, "invalid YAML"))
    source = Source(name, builder.lines, root, tuple(builder.secrets))
    return source, tuple(source.fault(*problem) for problem in [*problems, *builder.problems])


def _unread(
    name: str, text: str, position: Position, message: str
) -> tuple[Source, tuple[Fault, ...]]:
    source = Source(name, tuple(_BREAK.split(text)), None, ())
    return source, (source.fault(position, message),)


def _end(text: str) -> Position:
    return _last(_BREAK.split(text))


def _last(lines: Sequence[str]) -> Position:
    return Position(len(lines) - 1, len(lines[-1]), len(lines) - 1, len(lines[-1]))


def _syntax(error: yaml.MarkedYAMLError, lines: tuple[str, ...]) -> tuple[Position, str]:
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return START, "invalid YAML"
    if error.context_mark is not None and not "".join(lines[mark.line :]).strip():
        mark = error.context_mark  # detected only at the end of the file; it began here
    if mark.line >= len(lines):  # the parser counts one more line without a break at the end
        return _last(lines), f"invalid YAML: {error.problem or error.context}"
    line = lines[mark.line]
    indent = line[: len(line) - len(line.lstrip())]
    if "\t" in indent:
        column = indent.index("\t")
        return Position(
            mark.line, column, mark.line, column
        ), "a tab in the indentation: YAML needs spaces"
    return Position(
        mark.line, mark.column, mark.line, mark.column
    ), f"invalid YAML: {error.problem or error.context}"


class _Stop(Exception):  # noqa: N818 - no error by itself: it carries a place out of the recursion
    def __init__(self, position: Position, message: str) -> None:
        super().__init__(message)
        self.position = position


class _Builder:
    """Builds nodes from the parser's events, so that depth, aliases and keys are checked before
    anything is built.
    """

    def __init__(self, text: str, secret_keys: frozenset[str]) -> None:
        self.lines = tuple(_BREAK.split(text))
        self.problems: list[tuple[Position, str]] = []
        self.secrets: list[Position] = []
        self._events: Iterator[yaml.Event] = iter(yaml.parse(text, Loader=yaml.CSafeLoader))
        self._secret_keys = secret_keys
        self._anchors: dict[str, Node] = {}

    def document(self) -> Node | None:
        """The one document of the stream, None if there is none."""
        root: Node | None = None
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    raise _Stop(
                        _position(event),
                        "a second YAML document begins here: a file holds one document",
                    )
                root = self._node(next(self._events), 0)
        return root

    def _node(self, event: yaml.Event, depth: int) -> Node:
        position = _position(event)
        if depth > MAX_DEPTH:
            raise _Stop(position, f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                raise _Stop(
                    position,
                    f"unknown alias {quote(f'*{event.anchor}')}: there is no such anchor before it",
                )
            return self._anchors[event.anchor]
        node = self._fresh(event, position, depth)
        if isinstance(event, yaml.NodeEvent) and event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _fresh(self, event: yaml.Event, position: Position, depth: int) -> Node:
        tag = getattr(event, "tag", None)
        if tag is not None and tag != "!":
            self.problems.append((position, f"tags such as {quote(tag)} are not supported"))
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar_node(event, position)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence_node(position, depth)
        return self._mapping_node(position, depth)

    def _scalar_node(self, event: yaml.ScalarEvent, position: Position) -> ScalarNode:
        text = event.value
        if event.style:
            return ScalarNode(position, text, plain=False)
        if _WITH_ODD.fullmatch(text):
            self.problems.append((position, _ODD))
        if _WORD_TRAP.fullmatch(text):
            self.problems.append(
                (
                    position,
                    (
                        f"YAML 1.1 reads {quote(text)} as a boolean: write true or false, "
                        f"or put it in "
                        "quotes"
                    ),
                )
            )
        elif _NUMBER_TRAP.fullmatch(text) and not _MOMENT.fullmatch(text):
            self.problems.append(
                (
                    position,
                    f"YAML may read {quote(text)} as another number or a date: put it in quotes",
                )
            )
        return ScalarNode(position, _scalar(text), plain=True)

    def _sequence_node(self, position: Position, depth: int) -> SequenceNode:
        items: list[Node] = []
        size = 1
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._node(event, depth + 1))
            size = _bounded(size + _size(items[-1]), position)
        return SequenceNode(position, tuple(items), size)

    def _mapping_node(self, position: Position, depth: int) -> MappingNode:
        pairs: dict[str, tuple[Position, Node]] = {}
        merged: list[Node] = []
        size = 1
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._node(event, depth + 1)
            value = self._node(next(self._events), depth + 1)
            size = _bounded(size + _size(value), position)
            if isinstance(key, ScalarNode) and key.plain and key.value == "<<":
                merged.append(value)
            else:
                self._pair(pairs, event, key, value)
        for value in merged:
            self._merge(pairs, value)
        return MappingNode(position, pairs, size)

    def _pair(
        self, pairs: dict[str, tuple[Position, Node]], event: yaml.Event, key: Node, value: Node
    ) -> None:
        if not isinstance(event, yaml.ScalarEvent):
            self.problems.append(
                (key.position, "a key must be a string: put it in quotes if it begins with { or [")
            )
            return
        name = event.value
        if name in pairs:
            first = pairs[name][0].line + 1
            self.problems.append(
                (key.position, f"duplicate key {quote(name)}, the first one is on line {first}")
            )
            return
        pairs[name] = (key.position, value)
        if name in self._secret_keys:
            self.secrets.extend(_scalar_positions(value))

    def _merge(self, pairs: dict[str, tuple[Position, Node]], value: Node) -> None:
        """The keys that `<<` adds: those that the mapping does not have itself."""
        for part in value.items if isinstance(value, SequenceNode) else (value,):
            if isinstance(part, MappingNode):
                for name, pair in part.pairs.items():
                    pairs.setdefault(name, pair)
            else:
                self.problems.append((part.position, "<< needs a mapping"))


def _position(event: yaml.Event) -> Position:
    start, end = event.start_mark, event.end_mark
    if start is None or end is None:  # libyaml gives every event both
        return START
    return Position(start.line, start.column, end.line, end.column)


def _size(node: Node) -> int:
    return 1 if isinstance(node, ScalarNode) else node.size


def _bounded(size: int, position: Position) -> int:
    if size > MAX_NODES:
        raise _Stop(position, f"more than {MAX_NODES} values after aliases are expanded")
    return size


def _scalar_positions(node: Node) -> Iterator[Position]:
    match node:
        case ScalarNode():
            yield node.position
        case SequenceNode():
            for item in node.items:
                yield from _scalar_positions(item)
        case MappingNode():
            for _, value in node.pairs.values():
                yield from _scalar_positions(value)


def _scalar(text: str) -> Scalar:
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text
