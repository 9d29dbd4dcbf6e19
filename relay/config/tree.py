"""The route tree of the configuration: names inherited, matchers compiled, doubts reported."""

from relay.config.fault import faulty
from relay.config.matcher_advice import doubtful
from relay.config.policy import KnownNames, check_name
from relay.config.report import Report
from relay.config.schema import Route as RouteConfig
from relay.config.source import Loc
from relay.core.duration import quote
from relay.core.routing.matcher import Matcher
from relay.core.routing.route import Route
from relay.core.routing.unreachable import Unreachable, unreachable

ALERTMANAGERS = ("group_by", "group_wait", "group_interval", "repeat_interval")


class RouteTreeBuilder:
    """Builds the tree and remembers the place of each route. `sound`: all matchers could be
    read.
    """

    def __init__(self, names: KnownNames, report: Report) -> None:
        self.sound = True
        self._names = names
        self._report = report
        self._places: dict[int, Loc] = {}
        self._ignored: dict[str, list[Loc]] = {}

    def build(self, config: RouteConfig) -> Route:
        """The whole tree. The root matches everything."""
        loc: Loc = ("route",)
        for key in (
            "matchers",
            "match",
            "match_re",
            "mute_time_intervals",
            "active_time_intervals",
        ):
            if getattr(config, key):
                self._report.fault(
                    (*loc, key),
                    f"the root route matches every alert: it cannot have {quote(key)}",
                )
        if config.continue_:
            self._report.fault((*loc, "continue"), "the root route has no sibling to continue to")
        root = self._route(config, loc, "")
        for key, places in self._ignored.items():
            more = f" ({len(places)} routes have it)" if len(places) > 1 else ""
            self._report.warn(
                places[0], f"Alertmanager groups and repeats: {quote(key)} has no effect here{more}"
            )
        return root

    def check_reach(self, root: Route) -> None:
        for found in unreachable(root):
            self._report.unreachable(self._places[id(found.route)], _why(found))

    def _route(self, config: RouteConfig, loc: Loc, inherited: str) -> Route:
        if config.receiver is not None:
            check_name(
                config.receiver, self._names.receivers, "receiver", (*loc, "receiver"), self._report
            )
        for key in ALERTMANAGERS:
            if getattr(config, key) is not None:
                self._ignored.setdefault(key, []).append((*loc, key))
        receiver = config.receiver or inherited
        route = Route(
            receiver=receiver,
            matchers=self._matchers(config, loc),
            continue_=config.continue_,
            routes=tuple(
                self._route(child, (*loc, "routes", index), receiver)
                for index, child in enumerate(config.routes)
            ),
            mute=self._intervals(config.mute_time_intervals, (*loc, "mute_time_intervals")),
            active=self._intervals(config.active_time_intervals, (*loc, "active_time_intervals")),
            place=self._report.line(loc),
        )
        self._places[id(route)] = loc
        return route

    def _matchers(self, config: RouteConfig, loc: Loc) -> tuple[Matcher, ...]:
        before = len(self._report.faults)
        found = [*self._report.matchers(config.matchers, (*loc, "matchers"))]
        for name, value in (config.match or {}).items():
            found.append(Matcher(name, "=", value))
            if doubt := doubtful(found[-1]):
                self._report.warn((*loc, "match", name), doubt)
        for name, value in (config.match_re or {}).items():
            found += self._report.matchers(
                (str(Matcher(name, "=~", value)),), (*loc, "match_re", name)
            )
        self.sound = self.sound and not faulty(tuple(self._report.faults[before:]))
        return tuple(found)

    def _intervals(self, names: tuple[str, ...], loc: Loc) -> tuple[str, ...]:
        known = frozenset(self._names.intervals)
        for index, name in enumerate(names):
            check_name(name, known, "time interval", (*loc, index), self._report)
        return names


def _why(found: Unreachable) -> str:
    if found.taker is not None:
        place = found.taker.place
        return f"unreachable: the route at {place} matches every alert first, without continue"
    if found.contradiction is not None:
        first, second = map(str, found.contradiction)
        return f"unreachable: no alert matches both {first} and {second}"
    return "unreachable"
