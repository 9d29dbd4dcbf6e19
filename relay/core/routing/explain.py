"""The route tree for people: drawn, with the routes that an alert visits and why, and when each is
muted.
"""

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from relay.core.alert import Labels
from relay.core.routing.interval import TimeInterval, contains
from relay.core.routing.lane import Target
from relay.core.routing.matcher import Matcher, holds
from relay.core.routing.route import Route, walk

Intervals = Mapping[str, TimeInterval]


class Explained(Struct, frozen=True):
    """One visited route, `depth` below the root. `failed` is the first matcher that did not match,
    None if all did.

    `reached`: the alert ends here, since no child matched.
    """

    route: Route
    depth: int
    failed: Matcher | None
    reached: bool


class Reached(Struct, frozen=True):
    """A receiver that an alert reaches. `muted` is what mutes all routes that lead there at the
    given time; empty if one of them is not muted.
    """

    receiver: str
    muted: str = ""


def explain(root: Route, labels: Labels) -> tuple[Explained, ...]:
    """Every route that `walk` visits for an alert, in order, with the reason why it matched
    or not.
    """
    return tuple(_explain(root, labels, 0))


def _explain(route: Route, labels: Labels, depth: int) -> Iterator[Explained]:
    failed = next((matcher for matcher in route.matchers if not holds(matcher, labels)), None)
    if failed:
        yield Explained(route, depth, failed, reached=False)
        return
    below: list[Explained] = []
    taken = False
    for child in route.routes:
        visited = tuple(_explain(child, labels, depth + 1))
        below += visited
        if visited[0].failed is None:
            taken = True
            if not child.continue_:
                break
    yield Explained(route, depth, None, reached=not taken)
    yield from below


def muted_by(route: Route, intervals: Intervals, at: float) -> str:
    """Why the route sends nothing at `at` (Unix seconds), in words; empty if it sends."""
    inside = [name for name in route.mute if contains(intervals[name], at)]
    if inside:
        return f"muted by {', '.join(inside)}"
    if route.active and not any(contains(intervals[name], at) for name in route.active):
        return f"muted outside of {', '.join(route.active)}"
    return ""


def reached(root: Route, labels: Labels, intervals: Intervals, at: float) -> tuple[Reached, ...]:
    """The receivers of an alert in the order of the tree, each once, with what mutes them
    at `at`.
    """
    found: dict[str, list[str]] = {}
    for route in walk(root, labels):
        found.setdefault(route.receiver, []).append(muted_by(route, intervals, at))
    return tuple(
        Reached(receiver, muted[0] if all(muted) else "") for receiver, muted in found.items()
    )


def draw(root: Route, notes: Mapping[int, Iterable[str]] | None = None) -> str:
    """The tree in lines, as `amtool config routes show` draws it. `notes` are written after the
    routes, by the routes' `id`.
    """
    branch = _branch(root, "", notes or {}, last=True)
    return "\n".join(["Routing tree:", ".", *branch]) + "\n"


def _branch(
    route: Route, indent: str, notes: Mapping[int, Iterable[str]], *, last: bool
) -> Iterator[str]:
    slug = "{" + ",".join(map(str, route.matchers)) + "}" if route.matchers else "default-route"
    continues = "  continue: true" if route.continue_ else ""
    behind = "".join(f"  {note}" for note in notes.get(id(route), ()))
    yield f"{indent}{'└' if last else '├'}── {slug}{continues}  receiver: {route.receiver}{behind}"
    below = indent + ("    " if last else "│   ")
    for at, child in enumerate(route.routes, 1):
        yield from _branch(child, below, notes, last=at == len(route.routes))


def every(root: Route) -> Iterator[Route]:
    """All routes of the tree, each before those below it."""
    yield root
    for child in root.routes:
        yield from every(child)


def route_notes(route: Route, targets: Mapping[str, tuple[Target, ...]]) -> Iterator[str]:
    """The time intervals of the route, and the quiet hours, fallbacks and discarding of its
    receiver, in words of the configuration.
    """
    if route.mute:
        yield f"mute: {', '.join(route.mute)}"
    if route.active:
        yield f"active: {', '.join(route.active)}"
    chats = targets.get(route.receiver, ())
    if not chats:
        yield "discards"
    quiet = dict.fromkeys(interval.name for each in chats for interval in each.policy.quiet)
    if quiet:
        yield f"quiet: {', '.join(quiet)}"
    fallbacks = dict.fromkeys(each.policy.fallback for each in chats if each.policy.fallback)
    if fallbacks:
        yield f"fallback: {', '.join(fallbacks)}"
