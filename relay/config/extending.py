"""Adds a receiver to a configuration as text. Every existing line stays as it is, comments too."""

from collections.abc import Iterator, Sequence

import yaml
from msgspec import Struct

_ASK = "write it in block style, or add the receiver by hand"


class Addition(Struct, frozen=True):
    """A receiver: its `name`, the key of its entries, and their lines, such as `chat_id: -5`.
    `globals_` are lines under `global`: a new file gets them all, an existing one those whose keys
    it lacks.
    """

    name: str
    key: str
    entries: tuple[tuple[str, ...], ...]
    globals_: tuple[str, ...] = ()


def begun(addition: Addition) -> str:
    """A new configuration in which everything goes to the receiver."""
    head = (
        ["global:", *(f"  {line}" for line in addition.globals_), ""] if addition.globals_ else []
    )
    route = ["route:", f"  receiver: {_word(addition.name)}", ""]
    return "\n".join([*head, *route, "receivers:", *_receiver(addition, "  ")]) + "\n"


def extended(text: str, addition: Addition) -> str:
    """The configuration with the receiver added after the others. Raises ValueError if the place
    for it is not clear, or a receiver has that name already.
    """
    root = _compose(text)
    top = _mapping(root, "the file")
    receivers = top.get("receivers")
    if not isinstance(receivers, yaml.SequenceNode) or receivers.flow_style or not receivers.value:
        raise ValueError(f"there is no list of receivers to add to: {_ASK}")
    if addition.name in _names(receivers):
        raise ValueError(
            f"a receiver {addition.name} exists already: choose another name with --receiver"
        )
    lines = text.split("\n")
    additions = [
        (_last_line(receivers) + 1, _receiver(addition, " " * receivers.start_mark.column))
    ]
    additions += _globals(top, addition.globals_, root.start_mark.line if root else 0)
    for at, added in sorted(
        additions, reverse=True
    ):  # the last first, so that the earlier places stay right
        lines[at:at] = added
    return "\n".join(lines)


def present(text: str) -> dict[str, str]:
    """The keys under `global` that have a plain value. Raises ValueError if the file is not a
    configuration.
    """
    node = _mapping(_compose(text), "the file").get("global")
    pairs = _mapping(node, "global") if node is not None else {}
    return {key: value.value for key, value in pairs.items() if isinstance(value, yaml.ScalarNode)}


def _compose(text: str) -> yaml.Node | None:
    try:
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise ValueError(f"the configuration is not YAML: {str(error).splitlines()[0]}") from None


def _mapping(node: yaml.Node | None, what: str) -> dict[str, yaml.Node]:
    if not isinstance(node, yaml.MappingNode):
        raise ValueError(f"{what} has no keys: {_ASK}")
    return {key.value: value for key, value in node.value}


def _names(receivers: yaml.SequenceNode) -> set[str]:
    names = (_mapping(each, "a receiver").get("name") for each in receivers.value)
    return {name.value for name in names if isinstance(name, yaml.ScalarNode)}


def _globals(
    top: dict[str, yaml.Node], wanted: Sequence[str], first: int
) -> Iterator[tuple[int, list[str]]]:
    """Lines to insert, and the line before which they go. A file without `global` gets one before
    line `first`.
    """
    node = top.get("global")
    known = _mapping(node, "global") if node is not None else {}
    missing = [line for line in wanted if line.partition(":")[0] not in known]
    if not missing:
        return
    if node is None:
        yield first, ["global:", *(f"  {line}" for line in missing), ""]
        return
    if not isinstance(node, yaml.MappingNode) or node.flow_style:
        raise ValueError(f"the keys under global are on one line: {_ASK}")
    yield node.start_mark.line, [" " * node.start_mark.column + line for line in missing]


def _last_line(node: yaml.Node) -> int:
    """The last line of the node's text (marks after it count from 0)."""
    if isinstance(node, yaml.MappingNode) and not node.flow_style:
        return max(_last_line(value) for _, value in node.value)
    if isinstance(node, yaml.SequenceNode) and not node.flow_style:
        return max(_last_line(value) for value in node.value)
    end = node.end_mark
    return int(end.line - 1 if end.column == 0 and end.line > node.start_mark.line else end.line)


def _receiver(addition: Addition, indent: str) -> list[str]:
    lines = [f"- name: {_word(addition.name)}", f"  {addition.key}:"]
    for entry in addition.entries:
        lines += [f"    {'- ' if at == 0 else '  '}{line}" for at, line in enumerate(entry)]
    return [indent + line for line in lines]


def _word(text: str) -> str:
    """The text as a YAML value on one line."""
    dumped: str = yaml.safe_dump(text, allow_unicode=True, width=10_000)
    return dumped.removesuffix("\n").removesuffix("\n...")


def pair(key: str, value: str | int) -> str:
    return f"{key}: {_word(value) if isinstance(value, str) else value}"
