"""`routes diff`: what a changed configuration would do to stored alerts."""

import argparse
import json
import time
from collections.abc import Iterable, Iterator
from itertools import chain

from relay.cli.base import CANNOT, FAULTY, GOOD, complain, say, storage_of
from relay.cli.loading import routing_of
from relay.cli.paths import spell
from relay.cli.payloads import NoPayloads, bodies_of, firing_now, recorded, stored
from relay.cli.printing import safe, time_of
from relay.config.resolve import ResolvedConfig
from relay.core.alert import Labels
from relay.core.routing.diff import (
    BusyChat,
    CountedAlert,
    ReceiverChange,
    Recorded,
    RoutingDiff,
    RoutingSide,
    diff,
)

_MOST_NAMES = 5  # alert names listed for one receiver; the JSON has all


def run(options: argparse.Namespace) -> int:
    """Compares. Status 1 by `--fail-on`, or if a file is faulty; 2 if there is no file or no
    payload.
    """
    if not options.new.is_file():
        complain(f"alert-relay routes diff: no configuration at {options.new}")
        return CANNOT
    old, new = routing_of(options.config_file), routing_of(options.new)
    if isinstance(old, int) or isinstance(new, int):
        return old if isinstance(old, int) else FAULTY
    try:
        found = diff(_side(old), _side(new), _payloads(options))
    except NoPayloads as error:
        complain(f"alert-relay: {error}")
        return CANNOT
    if not found.payloads:
        complain("alert-relay: no payload to compare: name a longer --since, or --payload=FILE")
        return CANNOT
    if options.output == "json":
        say(json.dumps(_json(found), indent=2, ensure_ascii=False))
    else:
        for line in _lines(found, f"{options.config_file} -> {options.new}"):
            say(line)
    return FAULTY if _fails(found, options.fail_on) else GOOD


def _payloads(options: argparse.Namespace) -> Iterable[Recorded]:
    if options.payload:
        return chain.from_iterable(
            recorded(bodies_of(path), "", str(path)) for path in options.payload
        )
    if options.alertmanager:
        return firing_now(options.alertmanager)
    return stored(storage_of(options), time.time() - options.since)


def _side(config: ResolvedConfig) -> RoutingSide:
    limits = {
        target.lane: config.platforms[target.lane.platform].budgets(target.endpoint, config.limits)
        for target in config.routing.all_targets
    }
    return RoutingSide(config.routing, config.intervals, limits)


def _fails(found: RoutingDiff, fail_on: str) -> bool:
    if found.nobody:
        return True
    changes = found.receivers
    lost, moved = any(each.lost for each in changes), any(each.moved for each in changes)
    match fail_on:
        case "lost":
            return lost
        case "moved":
            return lost or moved
        case "any":
            return bool(changes)
        case _:
            return False


def _lines(found: RoutingDiff, files: str) -> Iterator[str]:
    seen = (
        f"{_count(found.payloads, 'payload')}, {_count(found.episodes, 'firing alert')} of "
        f"{_count(found.names, 'alert name')}"
    )
    yield f"{files}: compared by {seen}, {time_of(found.first)} to {time_of(found.last)}."
    yield "Alerts that did not fire in that time are not compared: write `tests:` for them."
    if not found.receivers:
        yield "Every alert reaches the same chats as before."
    for change in found.receivers:
        yield ""
        yield from _of_receiver(change)
    if found.nobody:
        yield ""
        yield f"REACH NOBODY: {_count(_sum(found.nobody), 'firing alert')}"
        yield from _counted("would reach nobody", found.nobody)
    if found.unmatched:
        yield ""
        yield "Routes that matched none of these alerts:"
        for route in found.unmatched:
            matchers = "{" + ",".join(map(str, route.matchers)) + "}"
            yield f"  {route.place}: {safe(matchers, 120)}  receiver: {route.receiver}"
    if found.busy:
        yield ""
        yield "Chats that would get more in a minute than they take; the rest waits or is merged:"
        yield from (f"  {_busy(each)}" for each in found.busy)


def _of_receiver(change: ReceiverChange) -> Iterator[str]:
    totals = (("gained", change.gained), ("lost", change.lost), ("moved", change.moved))
    yield f"{change.receiver}: {', '.join(f'{word} {_sum(each)}' for word, each in totals if each)}"
    for word, counted in totals:
        yield from _counted(word, counted)


def _counted(word: str, counted: tuple[CountedAlert, ...]) -> Iterator[str]:
    for each in counted[:_MOST_NAMES]:
        to = f" to {', '.join(each.to)}" if each.to else ""
        yield (
            f"  {word}{to}: {safe(each.name, 80)} {_count(each.times, 'time')}, "
            f"such as {safe(_labels(each.example), 160)}"
        )
    if len(counted) > _MOST_NAMES:
        rest = counted[_MOST_NAMES:]
        yield f"  {word}: {_count(len(rest), 'more alert name')}, {_count(_sum(rest), 'time')}"


def _busy(each: BusyChat) -> str:
    return (
        f"{spell(each.lane)}: {each.calls} in the minute of {time_of(each.at)}, it takes "
        f"{each.room} (before: {each.before})"
    )


def _labels(labels: Labels) -> str:
    return "{" + ", ".join(f'{name}="{value}"' for name, value in labels.items()) + "}"


def _sum(counted: tuple[CountedAlert, ...]) -> int:
    return sum(each.times for each in counted)


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _json(found: RoutingDiff) -> dict[str, object]:
    return {
        "seen": {
            "payloads": found.payloads,
            "alerts": found.episodes,
            "alertnames": found.names,
            "from": time_of(found.first),
            "to": time_of(found.last),
        },
        "receivers": [
            {
                "receiver": each.receiver,
                "gained": _listed(each.gained),
                "lost": _listed(each.lost),
                "moved": _listed(each.moved),
            }
            for each in found.receivers
        ],
        "nobody": _listed(found.nobody),
        "unmatched_routes": [
            {
                "place": route.place,
                "matchers": [str(matcher) for matcher in route.matchers],
                "receiver": route.receiver,
            }
            for route in found.unmatched
        ],
        "busy_chats": [
            {
                "chat": spell(each.lane),
                "at": time_of(each.at),
                "calls": each.calls,
                "room": each.room,
                "before": each.before,
            }
            for each in found.busy
        ],
    }


def _listed(counted: tuple[CountedAlert, ...]) -> list[dict[str, object]]:
    return [
        {
            "alertname": each.name,
            "times": each.times,
            "example": each.example,
            **({"to": list(each.to)} if each.to else {}),
        }
        for each in counted
    ]
