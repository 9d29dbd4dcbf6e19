"""Hours: whether the time of day mutes a card (muted routes) or only its sound (quiet hours)."""

from collections.abc import Iterable, Mapping
from functools import lru_cache

from msgspec import Struct

from relay.core.card.card import Card
from relay.core.routing.interval import TimeInterval, contains
from relay.core.routing.lane import LaneKey, Policy
from relay.core.routing.matcher import matches
from relay.core.routing.route import Route, Routing, walk

_JUDGED = 50  # alerts of a card whose routes are looked up, the most urgent first
_MINUTE = 60
_FARTHEST = 24 * 60  # minutes ahead in which a change is sought; then it is checked again

Intervals = Mapping[str, TimeInterval]


class Hours(Struct, frozen=True):
    """The effect of the present hour on a card. `muted`: nothing is sent, except edits of existing
    messages if `edits`. `quiet`: messages make no sound unless they are urgent. `until`: when that
    changes or has to be checked again, Unix seconds; None if neither holds. `by`: the time interval
    that mutes; empty for a chat that muted itself.
    """

    muted: bool = False
    quiet: bool = False
    until: float | None = None
    edits: bool = False
    by: str = ""


UNRESTRICTED = Hours()


class _Intervals(Struct, frozen=True):
    """The intervals of a route: `back` holds back inside, `only` (if there are any) outside."""

    back: tuple[TimeInterval, ...]
    only: tuple[TimeInterval, ...] = ()


def hours_at(
    routing: Routing, intervals: Intervals, card: Card, lane: LaneKey, policy: Policy, now: float
) -> Hours:
    """The hours of the card in this chat at `now`. A chat that muted itself gets edits only.
    Otherwise a card is muted if all routes that lead its firing alerts here are muted: inside a
    `mute_time_intervals`, or outside all `active_time_intervals` (Alertmanager notify/mute.go).
    """
    if now < policy.muted_until:
        return Hours(muted=True, until=policy.muted_until, edits=True)
    routes = _routes(routing, card, lane) if intervals else ()
    muting = tuple(dict.fromkeys(_intervals_of(route, intervals) for route in routes))
    quieting = (_Intervals(policy.quiet),) if policy.quiet else ()
    is_muted, is_quiet = _hold(muting, now), _hold(quieting, now)
    if not is_muted and not is_quiet:
        return UNRESTRICTED
    until = _end(muting if is_muted else quieting, now - now % _MINUTE + _MINUTE)
    return Hours(is_muted, is_quiet, until, by=_name(muting, now) if is_muted else "")


def _routes(routing: Routing, card: Card, lane: LaneKey) -> tuple[Route, ...]:
    judged = [entry for entry in card.entries if entry.status == "firing"] or card.entries
    found: dict[int, Route] = {}
    for entry in judged[:_JUDGED]:
        for route in walk(routing.root, entry.labels) or (routing.root,):
            targets = routing.targets.get(route.receiver, ())
            if any(
                target.lane == lane and matches(target.when, entry.labels) for target in targets
            ):
                found[id(route)] = route
    return tuple(found.values())


def _intervals_of(route: Route, intervals: Intervals) -> _Intervals:
    return _Intervals(
        tuple(intervals[name] for name in route.mute),
        tuple(intervals[name] for name in route.active),
    )


def _hold(hours: tuple[_Intervals, ...], at: float) -> bool:
    """Whether there are hours and all of them hold back."""
    return bool(hours) and all(
        _any(each.back, at) or (each.only and not _any(each.only, at)) for each in hours
    )


def _name(muting: tuple[_Intervals, ...], at: float) -> str:
    """The interval that holds back: one that contains the moment, or the first of those outside
    which it lies.
    """
    back = (interval for each in muting for interval in each.back if contains(interval, at))
    only = (interval for each in muting for interval in each.only)
    return next((interval.name for interval in (*back, *only)), "")


def _any(intervals: Iterable[TimeInterval], at: float) -> bool:
    return any(contains(interval, at) for interval in intervals)


@lru_cache(maxsize=1024)  # a search of many minutes, the same for every card of an hour
def _end(hours: tuple[_Intervals, ...], first: float) -> float:
    minutes = (first + minute * _MINUTE for minute in range(_FARTHEST))
    return next((at for at in minutes if not _hold(hours, at)), first + _FARTHEST * _MINUTE)
