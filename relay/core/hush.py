"""Hush: whether the time of day keeps a card from its chat (muted routes) or only from making a sound (quiet hours)."""

from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct

from relay.core.card import Card
from relay.core.interval import TimeInterval, contains
from relay.core.lane import LaneKey, Policy
from relay.core.matcher import matches
from relay.core.route import Route, Routing, walk

_JUDGED = 50  # alerts of a card that are asked for their routes, the most urgent first
_MINUTE = 60
_FARTHEST = 24 * 60  # minutes ahead that are searched for a change; then one looks again

Intervals = Mapping[str, TimeInterval]


class Hush(Struct, frozen=True):
    """`muted`: nothing is sent. `quiet`: what is sent makes no sound, unless it is urgent. `until`: when that changes,
    Unix seconds, or when to look again; None when neither holds."""

    muted: bool = False
    quiet: bool = False
    until: float | None = None


SOUND = Hush()


def hush(routing: Routing, intervals: Intervals, card: Card, lane: LaneKey, policy: Policy, now: float) -> Hush:
    """How the present hour treats the card in this chat.

    A chat may be muted as a whole. Else a card is muted when each route that leads its firing alerts here is: inside
    a `mute_time_intervals`, or outside all its `active_time_intervals` (Alertmanager notify/mute.go).
    """
    if now < policy.muted_until:
        return Hush(muted=True, until=policy.muted_until)
    routes = _routes(routing, card, lane) if intervals else ()

    def muted(at: float) -> bool:
        return bool(routes) and all(_is_muted(route, intervals, at) for route in routes)

    def quiet(at: float) -> bool:
        return any(contains(interval, at) for interval in policy.quiet)

    is_muted, is_quiet = muted(now), quiet(now)
    if not is_muted and not is_quiet:
        return SOUND
    return Hush(is_muted, is_quiet, _end(lambda at: muted(at) if is_muted else quiet(at), now))


def _routes(routing: Routing, card: Card, lane: LaneKey) -> tuple[Route, ...]:
    judged = [entry for entry in card.entries if entry.status == "firing"] or card.entries
    found: dict[int, Route] = {}
    for entry in judged[:_JUDGED]:
        for route in walk(routing.root, entry.labels) or (routing.root,):
            targets = routing.targets.get(route.receiver, ())
            if any(target.lane == lane and matches(target.when, entry.labels) for target in targets):
                found[id(route)] = route
    return tuple(found.values())


def _is_muted(route: Route, intervals: Intervals, at: float) -> bool:
    return _any(route.mute, intervals, at) or (bool(route.active) and not _any(route.active, intervals, at))


def _any(names: Iterable[str], intervals: Intervals, at: float) -> bool:
    return any(contains(intervals[name], at) for name in names)


def _end(holds: Callable[[float], bool], now: float) -> float:
    first = now - now % _MINUTE + _MINUTE
    minutes = (first + minute * _MINUTE for minute in range(_FARTHEST))
    return next((at for at in minutes if not holds(at)), first + _FARTHEST * _MINUTE)
