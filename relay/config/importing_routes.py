"""The route tree of an alertmanager.yml, without the parts that affect no chat."""

from collections.abc import Iterator

from relay.config.source import MappingNode, Node, Position, ScalarNode, SequenceNode

GROUPING = ("group_by", "group_wait", "group_interval", "repeat_interval")
_CONDITIONS = ("receiver", "matchers", "match", "match_re", "continue")
_KEPT = (*_CONDITIONS, "mute_time_intervals", "active_time_intervals", "routes")


def child(node: Node | None, key: str) -> Node | None:
    """The value of a key, None if there is none."""
    return node.pairs[key][1] if isinstance(node, MappingNode) and key in node.pairs else None


def items(node: Node | None) -> tuple[Node, ...]:
    """The entries of a list; none if it is not a list."""
    return node.items if isinstance(node, SequenceNode) else ()


def word(node: Node | None) -> str:
    """A text, empty if it is not one."""
    return node.value if isinstance(node, ScalarNode) and isinstance(node.value, str) else ""


def only(table: MappingNode, keys: tuple[str, ...]) -> MappingNode:
    """The table with only these keys, in the order of the file."""
    return MappingNode(
        table.position, {key: pair for key, pair in table.pairs.items() if key in keys}, table.size
    )


def carry(route: Node, chatty: frozenset[str], inherited: str = "") -> Node:
    """The tree in which every alert reaches the same receivers of `chatty` as in this one.

    A subtree without chats becomes one route, which still takes its alerts from those after it; if
    neither a route after it nor one above it has a chat, it goes too. `inherited` is the parent's
    receiver.
    """
    if not isinstance(route, MappingNode):
        return route
    receiver = word(child(route, "receiver")) or inherited
    if not _leads_to(route, chatty, receiver):
        return only(route, _CONDITIONS)
    kept, routes = only(route, _KEPT), child(route, "routes")
    if not isinstance(routes, SequenceNode):
        return kept
    below = [carry(each, chatty, receiver) for each in routes.items]
    if receiver not in chatty:
        below = _needed(below, chatty, receiver)
    position = kept.pairs["routes"][0]
    return MappingNode(
        kept.position,
        kept.pairs
        | {"routes": (position, SequenceNode(routes.position, tuple(below), routes.size))},
        kept.size,
    )


def _leads_to(route: Node, chatty: frozenset[str], inherited: str) -> bool:
    receiver = word(child(route, "receiver")) or inherited
    return receiver in chatty or any(
        _leads_to(each, chatty, receiver) for each in items(child(route, "routes"))
    )


def _needed(routes: list[Node], chatty: frozenset[str], inherited: str) -> list[Node]:
    """The routes without those that only lead away from chats, if their parent has no chat
    either.
    """
    needed: list[Node] = []
    for route in reversed(routes):
        continues = child(route, "continue")
        takes = not (isinstance(continues, ScalarNode) and continues.value is True)
        if _leads_to(route, chatty, inherited) or (takes and needed):
            needed.insert(0, route)
    return needed


def names(route: Node, key: str) -> Iterator[tuple[Position, str]]:
    """The values that the routes of a tree have under a key, texts or lists of them, with their
    positions.
    """
    found = child(route, key)
    for each in items(found) if isinstance(found, SequenceNode) else (found,):
        if each is not None and word(each):
            yield each.position, word(each)
    for below in items(child(route, "routes")):
        yield from names(below, key)


def lost(route: Node, *, below: bool = False) -> Iterator[tuple[Position, str]]:
    """The keys of a kept route that are not imported, with why."""
    if not isinstance(route, MappingNode):
        return
    for key, (position, _) in route.pairs.items():
        if key in GROUPING and below:
            yield (
                position,
                f"{key}: Alertmanager groups what it posts, and all of it as its first route says",
            )
        elif key not in (*_KEPT, *GROUPING):
            yield position, f"{key}: the relay's routes have no such key"
    for each in items(child(route, "routes")):
        yield from lost(each, below=True)
