"""relay.yml from bytes to models: every fault of its structure at once, each with its place."""

import hashlib
import re
from collections.abc import Iterator, Sequence

from msgspec import Struct
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from relay.config.fault import Fault
from relay.config.matcher_advice import of_mapping
from relay.config.schema import File, file_model
from relay.config.source import (
    START,
    Loc,
    MappingNode,
    Node,
    Position,
    ScalarNode,
    SequenceNode,
    Source,
    in_order,
    plain,
    position_of,
    without,
)
from relay.config.yaml_tree import read
from relay.core.duration import quote
from relay.core.routing.matcher import Matcher
from relay.platforms.contract import Platforms
from relay.platforms.scalar import Unknown, nearest

_ROUNDS = 8
_MOST_FAULTS = 500
_PLACEHOLDER = re.compile(r"\$\{?[A-Z_][A-Z0-9_]*\}?|\$\([A-Z_][A-Z0-9_]*\)")
_NOT_FILLED = 'nothing is filled in here: write the value, or a key that ends in "_file"'


class Config(Struct, frozen=True):
    """A configuration whose structure is valid; `resolve` works out its meaning.

    Keys with faults are left out, so that the rest can be checked in the same pass: `incomplete`
    are the paths from which keys were left out, `routes_whole` is False if one of them was in the
    route tree. `declared` are all receiver names of the file, those left out as well. `sha256` is
    the digest of the file, hexadecimal.
    """

    file: File
    source: Source
    routes_whole: bool
    incomplete: frozenset[Position]
    declared: frozenset[str]
    sha256: str = ""


def parse(name: str, data: bytes, platforms: Platforms) -> tuple[Config | None, tuple[Fault, ...]]:
    """The configuration in a file's bytes, and its faults; None if too little of it can be
    understood.

    `name` is the file's name as faults show it, `platforms` are those that it may use.
    """
    model, source, faults = file_model(platforms), *read(name, data, secret_keys(platforms))
    if source.root is None:
        return None, faults or (
            source.fault(source.position(()), "the file is empty: it needs a route and receivers"),
        )
    if not isinstance(source.root, MappingNode):
        return None, (
            *faults,
            source.fault(
                source.position(()), "expected keys such as route and receivers at the top"
            ),
        )
    faults += (*_unquoted_nulls(source), *_placeholders(source, source.root))
    errors = _errors(model, plain(source.root))
    advised = {(fault.line, fault.column) for fault in _topics(source, errors)}
    faults = tuple(fault for fault in faults if (fault.line, fault.column) not in advised)
    trapped = {(fault.line, fault.column) for fault in faults}
    structural = (_fault(source, error) for error in errors[:_MOST_FAULTS])
    faults += tuple(fault for fault in structural if (fault.line, fault.column) not in trapped)
    if len(errors) > _MOST_FAULTS:
        faults += (source.fault(START, f"{len(errors) - _MOST_FAULTS} more faults are not shown"),)
    declared = frozenset(_names(source.root))
    pruned, file, incomplete = _readable(model, source.root, errors)
    if file is None:
        return None, faults
    routes_whole = all(error["loc"][:1] != ("route",) for error in errors)
    source = Source(source.name, source.lines, pruned, source.secrets)
    return Config(
        file, source, routes_whole, incomplete, declared, hashlib.sha256(data).hexdigest()
    ), faults


def _unquoted_nulls(source: Source) -> Iterator[Fault]:
    """Receivers that YAML reads as null: `receiver: null` means `receiver: "null"`."""
    names = _nulls(source.node(("route",)), "receiver")
    receivers = source.node(("receivers",))
    if isinstance(receivers, SequenceNode):
        names = (*names, *(each for item in receivers.items for each in _nulls(item, "name")))
    for position in names:
        word = source.lines[position.line][position.column : position.end_column]
        message = f'YAML reads {word} as no value: write "{word}", in quotes, for the receiver'
        yield source.fault(position, message)


def _placeholders(source: Source, node: Node) -> Iterator[Fault]:
    """Values that another tool should have filled in before this file is read."""
    match node:
        case ScalarNode():
            if isinstance(node.value, str) and _PLACEHOLDER.fullmatch(node.value):
                yield source.fault(node.position, _NOT_FILLED)
        case SequenceNode():
            for item in node.items:
                yield from _placeholders(source, item)
        case MappingNode():
            for _, value in node.pairs.values():
                yield from _placeholders(source, value)


def _nulls(node: Node | None, key: str) -> tuple[Position, ...]:
    """Where the key has an unquoted null, in the mapping and in the routes below it."""
    if not isinstance(node, MappingNode):
        return ()
    found: tuple[Position, ...] = ()
    value = node.pairs[key][1] if key in node.pairs else None
    if isinstance(value, ScalarNode) and value.value is None and value.plain:
        here = value.position
        found = (here,) if here.end_column > here.column else ()
    routes = node.pairs["routes"][1] if "routes" in node.pairs else None
    below = routes.items if isinstance(routes, SequenceNode) else ()
    return (*found, *(each for child in below for each in _nulls(child, key)))


def secret_keys(platforms: Platforms) -> frozenset[str]:
    """The keys whose values no excerpt of a file may show."""
    own = {"proxy_url", "credentials", "password", "secrets"}
    return frozenset(own).union(*(each.SECRET_KEYS for each in platforms.values()))


def _errors(model: type[File], data: object) -> list[ErrorDetails]:
    try:
        model.model_validate(data)
    except ValidationError as error:
        return error.errors(include_url=False)
    return []


def _readable(
    model: type[File], root: Node, errors: list[ErrorDetails]
) -> tuple[Node | None, File | None, frozenset[Position]]:
    """The file without its faulty parts, and their paths. A value that lacks a required key because
    of that is left out too.
    """
    node: Node | None = root
    incomplete: set[Position] = set()
    for _ in range(_ROUNDS):
        if node is None or len(errors) > _MOST_FAULTS:
            break
        if not errors:
            return node, model.model_validate(plain(node)), frozenset(incomplete)
        for loc in sorted({_culprit(node, error) for error in errors}, key=in_order, reverse=True):
            incomplete.add(position_of(node, loc[:-1]))
            node = without(node, loc) if node is not None else None
        errors = [] if node is None else _errors(model, plain(node))
    return None, None, frozenset()


def _culprit(root: Node, error: ErrorDetails) -> Loc:
    """The path of nodes that an error is about, without the parts that pydantic adds to its
    `loc`.
    """
    loc: list[str | int] = []
    node = root
    for part in error["loc"]:
        if isinstance(node, MappingNode) and isinstance(part, str) and part in node.pairs:
            node = node.pairs[part][1]
        elif isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.items):
            node = node.items[part]
        else:
            continue
        loc.append(part)
    return tuple(loc)


def _names(root: MappingNode) -> Iterator[str]:
    receivers = plain(root.pairs["receivers"][1]) if "receivers" in root.pairs else None
    for receiver in receivers if isinstance(receivers, list) else ():
        name = receiver.get("name") if isinstance(receiver, dict) else None
        if isinstance(name, str):
            yield name


def _fault(source: Source, error: ErrorDetails) -> Fault:
    loc = error["loc"]
    position = (
        source.key_position(loc) if error["type"] == "extra_forbidden" else source.position(loc)
    )
    if error["type"] == "missing" and _is_empty(source, loc):
        message = f"{quote(str(loc[-1]))} is empty: indent the lines that belong to it"
        return source.fault(position, message)
    return source.fault(position, _message(error))


def _is_empty(source: Source, loc: Loc) -> bool:
    """Whether the key is written in the file, without a value."""
    parent, at = source.node(loc[:-1]), source.key_position(loc)
    if not isinstance(parent, MappingNode) or loc[-1] not in parent.pairs:
        return False
    written = source.lines[at.line][at.column :].startswith(str(loc[-1]))
    return written and plain(parent.pairs[str(loc[-1])][1]) is None


def _topics(source: Source, errors: list[ErrorDetails]) -> Iterator[Fault]:
    """Faults of chat ids with an appended topic, which are clearer than that YAML reads another
    number.
    """
    for error in errors:
        fault = _fault(source, error) if "chat_id" in error["loc"][-2:] else None
        if fault is not None and "message_thread_id" in fault.message:
            yield fault


def _message(error: ErrorDetails) -> str:
    """pydantic's error in the words of the file."""
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    if kind == "extra_forbidden":
        advice = value.advice if isinstance(value, Unknown) else ""
        return f"unknown key {quote(str(error['loc'][-1]))}{advice}"
    if kind == "missing":
        return f"missing key {quote(str(error['loc'][-1]))}"
    if kind == "value_error":
        return str(context["error"])
    if kind == "literal_error":
        return _choice(value, str(context["expected"]))
    if kind == "too_short":
        return "expected at least one entry"
    meant = _meant(error)
    if meant:
        return f"write {meant}"
    wanted = _WANTED.get(kind)
    if wanted == "text" and isinstance(value, bool | int | float):
        return f"expected {wanted}, got {_kind(value)}: put it in quotes"
    return f"expected {wanted}, got {_kind(value)}" if wanted else error["msg"]


def _meant(error: ErrorDetails) -> str:
    """The matcher that a value of another type means; empty if it means none."""
    keys, value = error["loc"], error["input"]
    if "match" in keys[-2:-1] and isinstance(value, list):
        values = [str(each) for each in value if isinstance(each, str | int)]
        return f"matchers: [{Matcher(str(keys[-1]), '=~', '|'.join(values))}]"
    return of_mapping(value) if "matchers" in keys[-2:] else ""


_WANTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}


def _choice(value: object, expected: str) -> str:
    names = [
        name.strip("'") for name in expected.replace(" or ", ", ").split(", ") if name.strip("'")
    ]
    got = quote(value) if isinstance(value, str) else _kind(value)
    hint = nearest(value, names) if isinstance(value, str) else ""
    return f"expected one of {_listed(names)}, got {got}{hint}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + " or " + names[-1] if len(names) > 1 else names[0]


def _kind(value: object) -> str:
    """The type of a value, without the value itself: it may be a secret."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case _:
            return "a mapping"
