"""Routes that no alert can reach."""

from collections.abc import Iterable, Iterator

from msgspec import Struct

from relay.core.routing.matcher import Matcher, holds
from relay.core.routing.route import Route


class Unreachable(Struct, frozen=True):
    """A route that no alert reaches: its earlier sibling `taker` takes all of them and does not
    continue, or no alert can match the two matchers of `contradiction`.
    """

    route: Route
    taker: Route | None = None
    contradiction: tuple[Matcher, Matcher] | None = None


def unreachable(root: Route) -> tuple[Unreachable, ...]:
    """The routes that are certainly unreachable, judged by equal matchers and by values that an `=`
    fixes on the way down. Routes below an unreachable one are not listed.
    """
    return tuple(_unreachable(root, ()))


def _unreachable(route: Route, above: tuple[Matcher, ...]) -> Iterator[Unreachable]:
    alike: dict[Matcher | None, list[Route]] = {}
    others: dict[str, list[Route]] = {}  # by the label of a first matcher other than `=`
    for child in route.routes:
        path = (*above, *child.matchers)
        fixed = {matcher.name: matcher.value for matcher in path if matcher.op == "="}
        wrong = _contradiction(path, fixed)
        if wrong:
            yield Unreachable(child, contradiction=wrong)
            continue
        own = frozenset(path)
        rivals = [*alike.get(None, ())]
        for matcher in own:
            rivals += alike.get(matcher, ())
        for name in fixed:
            rivals += others.get(name, ())
        taker = next((each for each in rivals if _implied(each.matchers, own, fixed)), None)
        if taker:
            yield Unreachable(child, taker)
            continue
        yield from _unreachable(child, path)
        if not child.continue_:
            first = next(iter(child.matchers), None)
            alike.setdefault(first, []).append(child)
            if first is not None and first.op != "=":
                others.setdefault(first.name, []).append(child)


def _implied(matchers: Iterable[Matcher], own: frozenset[Matcher], fixed: dict[str, str]) -> bool:
    """Whether each of the matchers matches wherever all of `own` do."""
    return all(
        matcher in own or (matcher.name in fixed and holds(matcher, fixed)) for matcher in matchers
    )


def _contradiction(
    path: tuple[Matcher, ...], fixed: dict[str, str]
) -> tuple[Matcher, Matcher] | None:
    for matcher in path:
        if matcher.name in fixed and not holds(matcher, fixed):
            value = fixed[matcher.name]
            return Matcher(matcher.name, "=", value), matcher
    return None
