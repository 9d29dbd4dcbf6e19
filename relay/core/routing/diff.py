"""The difference that a changed configuration makes for stored alerts: the receivers that gain,
lose or pass on alerts.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from relay.core.alert import Alert, Labels, Notification
from relay.core.budget import Limit
from relay.core.routing.explain import Intervals, explain, muted_by
from relay.core.routing.lane import LaneKey
from relay.core.routing.matcher import matches
from relay.core.routing.route import Route, Routing

_MINUTE = 60
Ways = dict[str, frozenset[LaneKey]]
"""The receivers of an alert, each with the chats that get it."""


class Recorded(Struct, frozen=True):
    """A payload, or a part of one, and when it was accepted (Unix seconds)."""

    at: float
    notification: Notification


class RoutingSide(Struct, frozen=True):
    """One of the two configurations: its routing, its time intervals, and the budgets of
    each chat.
    """

    routing: Routing
    intervals: Intervals
    limits: Mapping[LaneKey, tuple[Limit, ...]]


class CountedAlert(Struct, frozen=True):
    """How many episodes of alerts of one name changed in the same way, with the labels of one. `to`
    are the receivers that get them instead.
    """

    name: str
    times: int
    example: Labels
    to: tuple[str, ...] = ()


class ReceiverChange(Struct, frozen=True):
    """The changes for one receiver, the most frequent alert names first. Alerts in `moved` reach a
    receiver that did not get them before, or another chat of the same receiver.
    """

    receiver: str
    gained: tuple[CountedAlert, ...]
    lost: tuple[CountedAlert, ...]
    moved: tuple[CountedAlert, ...]


class BusyChat(Struct, frozen=True):
    """A chat that would get more `calls` in its busiest minute, from `at`, than it has room for
    (`room`); `before` is how many it gets in that minute by the old configuration.
    """

    lane: LaneKey
    at: float
    calls: int
    room: int
    before: int


class RoutingDiff(Struct, frozen=True):
    """The differences of the new configuration for the stored payloads.

    `nobody`: alerts that reached somebody and would reach nobody. `unmatched`: routes of the new
    tree that matched no alert. `payloads`, `episodes`, `names` and the times of the first and the
    last payload say how much was compared.
    """

    receivers: tuple[ReceiverChange, ...]
    nobody: tuple[CountedAlert, ...]
    unmatched: tuple[Route, ...]
    busy: tuple[BusyChat, ...]
    payloads: int
    episodes: int
    names: int
    first: float
    last: float


class _Ways(Struct, frozen=True):
    """The chats of alerts with the same labels, each with the route that leads there, and all
    routes that match them.
    """

    reached: tuple[tuple[Route, str, LaneKey], ...]
    matched: tuple[Route, ...]


class _Walker:
    """Walks one tree. Alerts that are equal in the labels that its matchers use are walked once."""

    def __init__(self, side: RoutingSide) -> None:
        self.side = side
        self.matched: set[int] = set()
        self.calls: Counter[tuple[LaneKey, int]] = Counter()
        self._walks: dict[tuple[str | None, ...], _Ways] = {}
        self._muted: dict[tuple[int, int], bool] = {}

    def ways(self, alert: Alert, at: float) -> Ways:
        """The chats that get the alert at that time. A muted route leads nowhere."""
        found = self._walk(alert.labels)
        chats: dict[str, set[LaneKey]] = {}
        for route, receiver, lane in found.reached:
            if not self._is_muted(route, at):
                chats.setdefault(receiver, set()).add(lane)
        return {receiver: frozenset(lanes) for receiver, lanes in chats.items()}

    def count(self, notification: Notification, at: float) -> None:
        """Counts the calls of a payload in its chats: one for each card."""
        cards: set[tuple[LaneKey, str]] = set()
        for alert in notification.alerts:
            for lanes in self.ways(alert, at).values():
                cards |= {(lane, self._card(lane, alert)) for lane in lanes}
        self.calls.update((lane, int(at // _MINUTE)) for lane, _ in cards)

    def _card(self, lane: LaneKey, alert: Alert) -> str:
        policies = (each.policy for each in self.side.routing.all_targets if each.lane == lane)
        return alert.fingerprint if any(each.per == "alert" for each in policies) else ""

    def _walk(self, labels: Labels) -> _Ways:
        key = tuple(labels.get(name) for name in self.side.routing.label_names)
        found = self._walks.get(key)
        if found is None:
            found = self._walks[key] = _walked(self.side.routing, labels)
            self.matched |= {id(route) for route in found.matched}
        return found

    def _is_muted(self, route: Route, at: float) -> bool:
        if not route.mute and not route.active:
            return False
        key = (id(route), int(at // _MINUTE))
        if key not in self._muted:
            self._muted[key] = bool(muted_by(route, self.side.intervals, at))
        return self._muted[key]


def _walked(routing: Routing, labels: Labels) -> _Ways:
    """The walk of `deliveries`, but with every receiver that leads to a chat."""
    visited = [each for each in explain(routing.root, labels) if each.failed is None]
    routes = [each.route for each in visited if each.reached] or [routing.root]
    reached: list[tuple[Route, str, LaneKey]] = []
    unchosen = False
    for route in routes:
        targets = routing.targets.get(route.receiver, ())
        taking = [target for target in targets if matches(target.when, labels)]
        unchosen = unchosen or len(taking) < len(targets)
        reached += [(route, route.receiver, target.lane) for target in taking]
    if unchosen and not reached:
        last = routing.targets.get(routing.root.receiver, ())
        reached = [
            (routing.root, routing.root.receiver, target.lane)
            for target in last
            if matches(target.when, labels)
        ]
    return _Ways(tuple(reached), tuple(each.route for each in visited))


class _Episode(Struct):
    """An alert from its start to its end, with everybody who gets it while it fires."""

    labels: Labels
    name: str
    old: Ways
    new: Ways


def diff(old: RoutingSide, new: RoutingSide, payloads: Iterable[Recorded]) -> RoutingDiff:
    """Routes each payload by both configurations at the time of its acceptance. An episode counts
    once, however often it was posted, for everybody who gets it while it fires.
    """
    before, after = _Walker(old), _Walker(new)
    episodes: dict[tuple[str, str, float], _Episode] = {}
    seen, first, last = 0, 0.0, 0.0
    for recorded in payloads:
        at, notification = recorded.at, recorded.notification
        seen += notification.part == 0
        first, last = min(first or at, at), max(last, at)
        before.count(notification, at)
        after.count(notification, at)
        for alert in notification.alerts:
            if alert.status == "firing":
                key = (notification.source, _identity(alert), alert.starts_at)
                ways = before.ways(alert, at), after.ways(alert, at)
                _add(episodes, key, alert, ways)
    return RoutingDiff(
        receivers=tuple(_changes(episodes.values())),
        nobody=_counted(
            (each.name, each.labels, ()) for each in episodes.values() if each.old and not each.new
        ),
        unmatched=tuple(
            route for route in _routes(new.routing.root) if id(route) not in after.matched
        ),
        busy=tuple(_busy(before, after)),
        payloads=seen,
        episodes=len(episodes),
        names=len({each.name for each in episodes.values()}),
        first=first,
        last=last,
    )


def _identity(alert: Alert) -> str:
    """The identity of an alert by its labels, since some senders write constant fingerprints."""
    return "\xff".join(f"{name}\xfe{value}" for name, value in sorted(alert.labels.items()))


def _add(
    episodes: dict[tuple[str, str, float], _Episode],
    key: tuple[str, str, float],
    alert: Alert,
    ways: tuple[Ways, Ways],
) -> None:
    episode = episodes.get(key)
    if episode is None:
        episodes[key] = _Episode(alert.labels, alert.name, *ways)
        return
    episode.old = _joined(episode.old, ways[0])
    episode.new = _joined(episode.new, ways[1])


def _joined(one: Ways, other: Ways) -> Ways:
    if one == other:
        return one
    nothing: frozenset[LaneKey] = frozenset()
    return {name: one.get(name, nothing) | other.get(name, nothing) for name in {**one, **other}}


_Row = tuple[str, Labels, tuple[str, ...]]


def _changes(episodes: Iterable[_Episode]) -> Iterator[ReceiverChange]:
    gained: dict[str, list[_Row]] = {}
    lost: dict[str, list[_Row]] = {}
    moved: dict[str, list[_Row]] = {}
    for each in episodes:
        instead = tuple(name for name in each.new if name not in each.old)
        for name in each.old:
            if name not in each.new:
                where = moved if instead else lost
                where.setdefault(name, []).append((each.name, each.labels, instead))
            elif each.old[name] != each.new[name]:
                moved.setdefault(name, []).append((each.name, each.labels, (name,)))
        for name in instead:
            gained.setdefault(name, []).append((each.name, each.labels, ()))
    for name in sorted({*gained, *lost, *moved}):
        rows = (_counted(each.get(name, ())) for each in (gained, lost, moved))
        yield ReceiverChange(name, *rows)


def _counted(rows: Iterable[_Row]) -> tuple[CountedAlert, ...]:
    times: Counter[tuple[str, tuple[str, ...]]] = Counter()
    examples: dict[tuple[str, tuple[str, ...]], Labels] = {}
    for name, labels, to in rows:
        times[name, to] += 1
        examples.setdefault((name, to), labels)
    ordered = sorted(times.items(), key=lambda each: (-each[1], each[0]))
    return tuple(CountedAlert(name, count, examples[name, to], to) for (name, to), count in ordered)


def _busy(before: _Walker, after: _Walker) -> Iterator[BusyChat]:
    busiest: dict[LaneKey, tuple[int, int]] = {}
    for (lane, minute), calls in after.calls.items():
        busiest[lane] = max(busiest.get(lane, (0, 0)), (calls, minute))
    for lane, (calls, minute) in sorted(busiest.items()):
        limits = after.side.limits.get(lane, ())
        room = min((_a_minute(limit) for limit in limits), default=calls)
        if calls > room:
            at = float(minute * _MINUTE)
            yield BusyChat(lane, at, calls, room, before.calls[lane, minute])


def _a_minute(limit: Limit) -> int:
    """How many calls the budget allows in a minute."""
    return max(limit.count, int(limit.count * _MINUTE / limit.window))


def _routes(route: Route) -> Iterator[Route]:
    yield route
    for child in route.routes:
        yield from _routes(child)
