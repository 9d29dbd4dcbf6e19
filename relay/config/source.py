"""A parsed file: nodes that know their place, so that a fault can be shown there."""

from typing import Literal

from msgspec import Struct

from relay.config.fault import Fault, mask_line
from relay.core.secret import mask, stars

Scalar = str | int | float | bool | None
Loc = tuple[str | int, ...]


class Position(Struct, frozen=True):
    """The range of a node in the file, its end excluded; lines and columns count from 0."""

    line: int
    column: int
    end_line: int
    end_column: int


class ScalarNode(Struct, frozen=True):
    """A string, number, boolean or null. `plain`: without quotes, so the file has its text
    unchanged.
    """

    position: Position
    value: Scalar
    plain: bool


class SequenceNode(Struct, frozen=True):
    """A list. `size` counts the nodes in it."""

    position: Position
    items: "tuple[Node, ...]"
    size: int


class MappingNode(Struct, frozen=True):
    """A mapping. Each key has its position beside its value. `size` counts the nodes in it."""

    position: Position
    pairs: "dict[str, tuple[Position, Node]]"
    size: int


Node = ScalarNode | SequenceNode | MappingNode
Plain = Scalar | list["Plain"] | dict[str, "Plain"]


class Source(Struct, frozen=True):
    """A parsed file: its lines, its nodes, and where its secrets are."""

    name: str
    lines: tuple[str, ...]
    root: Node | None
    secrets: tuple[Position, ...]

    def fault(
        self, position: Position, message: str, severity: Literal["fault", "warning"] = "fault"
    ) -> Fault:
        """A fault at a position of this file."""
        return Fault(
            self.name,
            position.line + 1,
            position.column + 1,
            mask(message),
            severity,
            self.excerpt(position.line),
        )

    def excerpt(self, line: int) -> str:
        """A line (from 0) with inline secrets masked."""
        text = self.lines[line] if line < len(self.lines) else ""
        for secret in self.secrets:
            if secret.line <= line <= secret.end_line:
                start = secret.column if line == secret.line else 0
                end = secret.end_column if line == secret.end_line else len(text)
                text = text[:start] + stars(text[start:end]) + text[end:]
        return mask_line(text)

    def node(self, loc: Loc) -> Node | None:
        """The node at a path of keys and indexes; parts that name nothing are skipped."""
        return _follow(self.root, loc)

    def position(self, loc: Loc) -> Position:
        """The position of the value at a path, or of the nearest node around it."""
        return position_of(self.root, loc)

    def key_position(self, loc: Loc) -> Position:
        """The position of the key at the end of a path; for an index that of the value."""
        parent = self.node(loc[:-1])
        if isinstance(parent, MappingNode) and loc[-1] in parent.pairs:
            return parent.pairs[str(loc[-1])][0]
        return self.position(loc)


START = Position(0, 0, 0, 0)


def position_of(root: Node | None, loc: Loc) -> Position:
    """The position of the value at a path, or of the nearest node around it."""
    node = _follow(root, loc)
    return START if node is None else node.position


def _follow(node: Node | None, loc: Loc) -> Node | None:
    for part in loc:
        node = _child(node, part) or node
    return node


def _child(node: Node | None, part: str | int) -> Node | None:
    if isinstance(node, MappingNode) and isinstance(part, str) and part in node.pairs:
        return node.pairs[part][1]
    if isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.items):
        return node.items[part]
    return None


def plain(node: Node) -> Plain:
    """The plain value of a node: dictionaries, lists and scalars."""
    match node:
        case ScalarNode():
            return node.value
        case SequenceNode():
            return [plain(item) for item in node.items]
        case MappingNode():
            return {key: plain(value) for key, (_, value) in node.pairs.items()}


def without(node: Node, loc: Loc) -> Node | None:
    """The node without the value at `loc`; None if that is the node itself."""
    if not loc:
        return None
    part, rest = loc[0], loc[1:]
    if isinstance(node, MappingNode) and isinstance(part, str) and part in node.pairs:
        position, value = node.pairs[part]
        kept = without(value, rest)
        pairs = {key: pair for key, pair in node.pairs.items() if key != part}
        return MappingNode(
            node.position,
            pairs if kept is None else {**node.pairs, part: (position, kept)},
            node.size,
        )
    if isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.items):
        kept = without(node.items[part], rest)
        middle = () if kept is None else (kept,)
        return SequenceNode(
            node.position, (*node.items[:part], *middle, *node.items[part + 1 :]), node.size
        )
    return node


def in_order(loc: Loc) -> tuple[tuple[int, str], ...]:
    """A sort key for paths: entries of a list in their order, a container before its contents."""
    return tuple((part, "") if isinstance(part, int) else (-1, part) for part in loc)
