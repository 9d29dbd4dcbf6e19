"""The route tree: which receivers an alert reaches, and which alerts of a notification each chat
gets.
"""

from collections.abc import Iterable, Iterator
from functools import cached_property

from msgspec import Struct

from relay.core.alert import Alert, Labels, Notification, identity
from relay.core.routing.lane import LaneKey, Policy, Target
from relay.core.routing.matcher import Matcher, matches

SUBSCRIPTION = "subscription"  # the receiver under which personal deliveries are counted


class Route(Struct, frozen=True, dict=True):
    """A node of the tree. `receiver` is already inherited; `mute` and `active` name time intervals.

    `place` is FILE:LINE of its entry. (`dict` makes room to remember `label_names`.)
    """

    receiver: str
    matchers: tuple[Matcher, ...] = ()
    continue_: bool = False
    routes: tuple["Route", ...] = ()
    mute: tuple[str, ...] = ()
    active: tuple[str, ...] = ()
    place: str = ""

    @cached_property
    def label_names(self) -> tuple[str, ...]:
        """The labels that the matchers of this tree use. Alerts that are equal in these are walked
        alike.
        """
        names = {matcher.name for matcher in self.matchers}
        return tuple(sorted(names.union(*(route.label_names for route in self.routes))))


class Subscriber(Struct, frozen=True):
    """A chat that gets all matching alerts in addition to the tree. The receiver of its policy is
    SUBSCRIPTION.
    """

    matchers: tuple[Matcher, ...]
    target: Target


class Routing(Struct, frozen=True, dict=True):
    """The routing in force, replaced whole: the tree, the chats of each receiver (without chats it
    discards), and the subscribers.
    """

    root: Route
    targets: dict[str, tuple[Target, ...]]
    subscriptions: tuple[Subscriber, ...] = ()

    @cached_property
    def all_targets(self) -> tuple[Target, ...]:
        configured = tuple(target for targets in self.targets.values() for target in targets)
        return configured + tuple(subscriber.target for subscriber in self.subscriptions)

    @cached_property
    def all_routes(self) -> tuple[tuple[str, Route], ...]:
        """Every route with its position in the tree, depth first: `root`, its second child `2`, the
        first child of that `2.1`.
        """
        return (("root", self.root), *_below(self.root, ""))

    @cached_property
    def _names(self) -> dict[int, str]:
        return {id(route): f"{at} {route.place}".rstrip() for at, route in self.all_routes}

    def name_of(self, route: Route) -> str:
        """The position and place of a route of this tree: `2.1 relay.yml:34`."""
        return self._names[id(route)]

    @cached_property
    def label_names(self) -> tuple[str, ...]:
        """The labels that decide where an alert goes. Alerts that are equal in these go to the same
        chats.
        """
        chosen = {matcher.name for target in self.all_targets for matcher in target.when}
        subscribed = {
            matcher.name for subscriber in self.subscriptions for matcher in subscriber.matchers
        }
        return tuple(sorted(chosen.union(subscribed, self.root.label_names)))


class Ignoring(Struct, frozen=True, array_like=True):
    """Labels that make no new alert for a chat, and for how many seconds after its end an alert
    goes on under another value of them.
    """

    labels: tuple[str, ...]
    hold: float


class Delivery(Struct, frozen=True):
    """The part of a notification for one chat. `alerts` are indexes into its alerts, None for all
    of them. `fingerprint` is that of the one alert if the policy has `per: alert`, else empty.
    `route` is the position and place of the first route that led here (`Routing.name_of`), or
    SUBSCRIPTION.
    """

    lane: LaneKey
    receiver: str
    fingerprint: str
    alerts: tuple[int, ...] | None
    route: str = ""
    ignoring: Ignoring | None = None


class Discarded(Struct, frozen=True):
    """Alerts (indexes) that reached only receivers without chats. `receiver` is the first of them,
    `route` the position and place of the route to it.
    """

    receiver: str
    route: str
    alerts: tuple[int, ...]


class Routed(Struct, frozen=True):
    """The routing of a notification: each alert is in at least one delivery, or discarded."""

    deliveries: tuple[Delivery, ...]
    discarded: tuple[Discarded, ...] = ()


def differing(reached: Iterable[str], expected: Iterable[str]) -> str:
    """`reaches [a], expected [a, b]; missing: b` for receivers in any order; empty if they are the
    same.
    """
    found, wanted = tuple(dict.fromkeys(reached)), tuple(dict.fromkeys(expected))
    missing = ", ".join(name for name in wanted if name not in found)
    surplus = ", ".join(name for name in found if name not in wanted)
    if not (missing or surplus):
        return ""
    said = f"reaches [{', '.join(found)}], expected [{', '.join(wanted)}]"
    return (
        said
        + (f"; missing: {missing}" if missing else "")
        + (f"; not expected: {surplus}" if surplus else "")
    )


def walk(root: Route, labels: Labels) -> tuple[Route, ...]:
    """The routes that an alert reaches, in Alertmanager's order (dispatch/route.go, `Match`).

    Depth first. A matching child ends the search among its siblings unless it continues; a route
    with no matching child is reached itself.
    """
    return tuple(_reached(root, labels)) if matches(root.matchers, labels) else ()


def _reached(route: Route, labels: Labels) -> list[Route]:
    found: list[Route] = []
    for child in route.routes:
        if matches(child.matchers, labels):
            found += _reached(child, labels)
            if not child.continue_:
                break
    return found or [route]


_Way = tuple[Target, Route | None]  # the route that leads there, None: a subscription


def deliveries(routing: Routing, notification: Notification) -> Routed:
    """Routes each alert by itself; alerts for one chat are one delivery. If several receivers share
    a chat, a delivery counts under the first one that an alert reached there, and a shared card
    gets the loudest one: the order of the alerts decides nothing.
    """
    reached: dict[tuple[LaneKey, str], dict[str, _Way]] = {}
    shares: dict[tuple[LaneKey, str], list[int]] = {}
    discarded: dict[int, tuple[Route, list[int]]] = {}
    for indexes in _alike(routing.label_names, notification.alerts):
        labels = notification.alerts[indexes[0]].labels
        ways = _ways(routing, labels)
        if not ways:
            last = next(iter(walk(routing.root, labels)), routing.root)
            discarded.setdefault(id(last), (last, []))[1].extend(indexes)
        for lane, way in ways.items():
            policy = way[0].policy
            for card, share in _cards(lane, policy, notification.alerts, indexes):
                shares.setdefault(card, []).extend(share)
                reached.setdefault(card, {}).setdefault(policy.receiver, way)
    return Routed(
        tuple(
            _delivery(
                routing,
                _loudest(routing, reached[lane, fingerprint], notification.alerts, indexes),
                fingerprint,
                sorted(indexes),
                len(notification.alerts),
            )
            for (lane, fingerprint), indexes in shares.items()
        ),
        tuple(
            Discarded(route.receiver, routing.name_of(route), tuple(sorted(indexes)))
            for route, indexes in discarded.values()
        ),
    )


def _below(route: Route, at: str) -> Iterator[tuple[str, Route]]:
    for number, child in enumerate(route.routes, 1):
        position = f"{at}.{number}".lstrip(".")
        yield position, child
        yield from _below(child, position)


def _cards(
    lane: LaneKey, policy: Policy, alerts: tuple[Alert, ...], indexes: list[int]
) -> Iterator[tuple[tuple[LaneKey, str], list[int]]]:
    """The cards of a lane that show these alerts, each with its alerts."""
    if policy.per == "group":
        yield (lane, ""), indexes
        return
    for index in indexes:
        alert = alerts[index]
        known_by = identity(alert.fingerprint, alert.labels, policy.identity_ignores)
        yield (lane, known_by), [index]


def _loudest(
    routing: Routing, reached: dict[str, _Way], alerts: tuple[Alert, ...], indexes: list[int]
) -> _Way:
    """Of the receivers that share a card, one that makes a sound and finds an alert urgent; among
    equals the first in the configuration.
    """
    if len(reached) == 1:
        return next(iter(reached.values()))
    order = list(routing.targets)

    def quietness(way: _Way) -> tuple[bool, bool, int]:
        policy = way[0].policy
        urgent = any(matches(policy.urgent, alerts[index].labels) for index in indexes)
        named = policy.receiver in routing.targets
        return policy.silent, not urgent, order.index(policy.receiver) if named else len(order)

    return min(reached.values(), key=quietness)


def _alike(names: tuple[str, ...], alerts: tuple[Alert, ...]) -> list[list[int]]:
    """Indexes of the alerts, grouped by equal values of the labels `names`."""
    if not names or len(alerts) == 1:
        return [list(range(len(alerts)))] if alerts else []
    groups: dict[tuple[str, ...], list[int]] = {}
    for index, alert in enumerate(alerts):
        labels = alert.labels
        groups.setdefault(tuple([labels.get(name, "") for name in names]), []).append(index)
    return list(groups.values())


def _ways(routing: Routing, labels: Labels) -> dict[LaneKey, _Way]:
    """The chats that an alert reaches, by the tree or by subscription; if both lead to a chat, the
    tree decides.
    """
    chats = _by_tree(routing, labels)
    for subscriber in routing.subscriptions:
        if matches(subscriber.matchers, labels):
            chats.setdefault(subscriber.target.lane, (subscriber.target, None))
    return chats


def _by_tree(routing: Routing, labels: Labels) -> dict[LaneKey, _Way]:
    """The chats that an alert reaches, each for the first receiver that leads there; if there are
    none, those of the root.

    There are none if the receivers choose their chat by a label and have none for this alert's
    value.
    """
    chats: dict[LaneKey, _Way] = {}
    unchosen = False
    for route in walk(routing.root, labels) or (routing.root,):
        targets = routing.targets.get(route.receiver, ())
        taking = [target for target in targets if matches(target.when, labels)]
        unchosen = unchosen or len(taking) < len(targets)
        for target in taking:
            chats.setdefault(target.lane, (target, route))
    if unchosen and not chats:
        last, root = routing.targets.get(routing.root.receiver, ()), routing.root
        return {target.lane: (target, root) for target in last if matches(target.when, labels)}
    return chats


def _delivery(
    routing: Routing, way: _Way, fingerprint: str, indexes: list[int], alerts: int
) -> Delivery:
    target, route = way
    chosen = None if len(indexes) == alerts else tuple(indexes)
    name = SUBSCRIPTION if route is None else routing.name_of(route)
    policy = target.policy
    ignores = policy.identity_ignores
    ignoring = Ignoring(tuple(sorted(ignores)), policy.late_hold) if ignores else None
    return Delivery(target.lane, policy.receiver, fingerprint, chosen, name, ignoring)
