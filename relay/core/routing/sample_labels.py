"""Sample labels of an alert that a route takes: made from its matchers, and tried."""

import re
from collections.abc import Iterator
from itertools import islice, product

from relay.core.alert import Labels
from relay.core.routing.lane import LaneKey, Target
from relay.core.routing.matcher import Matcher, holds, matches
from relay.core.routing.route import Route, Routing, walk

_MOST = 200  # label sets tried for one route
_USUAL = ("critical", "warning", "prod", "db", "web", "1", "x", "example-1", "")
_PLAIN = re.compile(r"[\w ./:-]+")


def labels_for_chats(routing: Routing) -> dict[LaneKey, Labels]:
    """For each chat of the tree the labels of an alert that reaches it. Chats for which none were
    found are left out.
    """
    found: dict[LaneKey, Labels] = {}
    for path in _paths(routing.root, ()):
        route = path[-1]
        for target in routing.targets.get(route.receiver, ()):
            if target.lane not in found:
                labels = _labels(routing.root, path, target)
                if labels is not None:
                    found[target.lane] = labels
    return found


def _paths(route: Route, above: tuple[Route, ...]) -> Iterator[tuple[Route, ...]]:
    """Every route with those above it, children first, since their matchers say more."""
    path = (*above, route)
    for child in route.routes:
        yield from _paths(child, path)
    yield path


def _labels(root: Route, path: tuple[Route, ...], target: Target) -> Labels | None:
    """Labels with which an alert ends at the last route of the path and reaches the target."""
    wanted = [*(matcher for route in path for matcher in route.matchers), *target.when]
    names = list(dict.fromkeys(matcher.name for matcher in wanted))
    choices = [
        list(_values([matcher for matcher in wanted if matcher.name == name])) for name in names
    ]
    for values in islice(product(*choices), _MOST):
        labels = {name: value for name, value in zip(names, values, strict=True) if value}
        for more in ({"severity": "critical"}, {}):
            whole = {"alertname": "Example", "instance": "example-1", **more, **labels}
            reached = any(each is path[-1] for each in walk(root, whole))
            if reached and matches(target.when, whole):
                return whole
    return None


def _values(matchers: list[Matcher]) -> Iterator[str]:
    """Values of one label that all its matchers match."""
    said = [value for matcher in matchers for value in _of(matcher)]
    for value in dict.fromkeys((*said, *_USUAL)):
        if all(holds(matcher, {matcher.name: value}) for matcher in matchers):
            yield value


def _of(matcher: Matcher) -> Iterator[str]:
    """The value of a matcher, or the alternatives that its regular expression lists."""
    if matcher.op == "=":
        yield matcher.value
    elif matcher.op == "=~":
        for part in re.split(r"[|()]", matcher.value.strip("^$")):
            plain = part.replace(".*", "").replace(".+", "x").replace("\\", "").strip("^$?:")
            if _PLAIN.fullmatch(plain):
                yield plain
                yield f"{plain}-1"
