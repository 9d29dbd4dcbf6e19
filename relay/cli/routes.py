"""`routes show`, `routes test` and `routes diff`: where alerts go, why, and what a change would do
to the stored ones.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from relay.cli.base import (
    CANNOT,
    FAULTY,
    GOOD,
    complain,
    config_option,
    duration,
    output_option,
    say,
    storage_option,
)
from relay.cli.loading import routing_of
from relay.config.resolve import ResolvedConfig
from relay.core.action.escalation import timetable
from relay.core.action.rights import spelled
from relay.core.action.settings import Who
from relay.core.alert import Labels
from relay.core.duration import parse_moment, quote
from relay.core.routing.explain import (
    Explained,
    Reached,
    draw,
    every,
    explain,
    muted_by,
    reached,
    route_notes,
)
from relay.core.routing.matcher import matches
from relay.core.routing.route import Route, differing
from relay.core.text.times import Duration
from relay.platforms.scalar import nearest

_WEEK = 7 * 86400.0


def arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    showing = verbs.add_parser("show", help="draw the route tree")
    testing = verbs.add_parser(
        "test", help="print the receivers that an alert with these labels reaches"
    )
    testing.add_argument(
        "labels", nargs="*", type=_label, metavar="name=value", help="the labels of the alert"
    )
    testing.add_argument(
        "--verify.receivers",
        dest="verify",
        type=_names,
        metavar="A,B",
        help="exit with status 1 unless the alert reaches exactly these",
    )
    testing.add_argument(
        "--explain", action="store_true", help="print for each route why it matched or not"
    )
    testing.add_argument(
        "--stdin",
        action="store_true",
        help="read label sets from standard input, one JSON object per line; answer each with one",
    )
    for verb, run in ((showing, show), (testing, test)):
        verb.add_argument(
            "--at",
            type=moment,
            metavar="TIME",
            help="apply the mutes and hours of this time, such as 2026-11-29T23:00:00Z",
        )
        config_option(verb)
        output_option(verb)
        verb.set_defaults(run=run)
    comparing = verbs.add_parser(
        "diff", help="compare the receivers of stored alerts by two configurations"
    )
    comparing.add_argument("new", type=Path, metavar="NEW", help="the changed configuration")
    given = comparing.add_mutually_exclusive_group()
    given.add_argument(
        "--since",
        type=duration,
        default=_WEEK,
        metavar="DURATION",
        help="compare the payloads stored within this time (default: 7d)",
    )
    given.add_argument(
        "--payload",
        action="append",
        type=Path,
        metavar="FILE",
        help="compare webhook payloads of Alertmanager in a file, may be repeated",
    )
    given.add_argument(
        "--alertmanager.url",
        dest="alertmanager",
        metavar="URL",
        help="compare the alerts that fire in this Alertmanager",
    )
    comparing.add_argument(
        "--fail-on",
        choices=("nobody", "lost", "moved", "any"),
        default="nobody",
        help="exit with status 1 when an alert would reach nobody, is lost for a receiver, "
        "moves, or anything changes (default: nobody)",
    )
    config_option(comparing)
    storage_option(comparing)
    output_option(comparing)
    comparing.set_defaults(run=compare)


def compare(options: argparse.Namespace) -> int:
    """`routes diff`, whose modules are loaded only here, so that the other verbs start fast."""
    from relay.cli.routes_diff import run  # noqa: PLC0415

    return run(options)


def moment(text: str) -> float:
    """The type of an option that takes a time."""
    try:
        return parse_moment(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def show(options: argparse.Namespace) -> int:
    config = routing_of(options.config_file)
    if isinstance(config, int):
        return config
    root, at = config.routing.root, options.at
    if options.output == "json":
        say(json.dumps(_tree(config, root, at), indent=2, ensure_ascii=False))
        return GOOD
    notes = {id(route): tuple(_notes(config, route, at)) for route in every(root)}
    say(draw(root, notes).rstrip("\n"))
    return GOOD


def _notes(config: ResolvedConfig, route: Route, at: float | None) -> Iterator[str]:
    yield from route_notes(route, config.routing.targets)
    muted = "" if at is None else muted_by(route, config.intervals, at)
    if muted:
        yield f"({muted} then)"


def test(options: argparse.Namespace) -> int:
    """Prints the receivers, one on each line. With `--verify.receivers` status 1 if they differ, in
    any order. With `--at` a receiver that is muted then is marked, and counts as not reached.
    """
    config = routing_of(options.config_file)
    if isinstance(config, int):
        return config
    if options.stdin:
        return _answer_lines(config, options)
    labels, at = dict(options.labels), time.time() if options.at is None else options.at
    found = reached(config.routing.root, labels, config.intervals, at)
    if options.output == "json":
        say(json.dumps(_answer(config, labels, found, options), indent=2, ensure_ascii=False))
    else:
        for each in explain(config.routing.root, labels) if options.explain else ():
            say(_line(config, each, labels, at))
        for receiver in found:
            muted = receiver.muted and options.at is not None
            say(f"{receiver.receiver}  {receiver.muted}" if muted else receiver.receiver)
            for line in _timetable(config, receiver.receiver, labels) if options.explain else ():
                say(f"  {line}")
    wrong = _wrong(found, options)
    if not wrong:
        return GOOD
    known = config.routing.targets
    strangers = [
        f"; no receiver {quote(name)}{nearest(name, known)}"
        for name in options.verify
        if name not in known
    ]
    complain(f"alert-relay: the alert {wrong}{''.join(strangers)}")
    return FAULTY


def _timetable(config: ResolvedConfig, receiver: str, labels: Labels) -> Iterator[str]:
    """When an alert that nobody takes escalates: `after 10m mentions Anna`."""
    plan = config.acting.escalations.get(receiver)
    if plan is None or not matches(plan.matchers, labels):
        return
    for after, step in timetable(plan):
        to = f"goes to {step.receiver}" if step.receiver else f"mentions {_who(step.mention)}"
        age = str(Duration(after, "en")).replace("\u00a0", " ")
        yield f"after {age} {to}"


def _who(mention: Iterable[Who]) -> str:
    return ", ".join(spelled(each) for each in mention)


def _wrong(found: tuple[Reached, ...], options: argparse.Namespace) -> str:
    """How the receivers differ from those to verify; empty if they do not. One that is muted at the
    given time counts as not reached.
    """
    if options.verify is None:
        return ""
    judged = options.at is not None
    wrong = differing(
        (each.receiver for each in found if not (judged and each.muted)), options.verify
    )
    muted = [f"; {each.receiver} is {each.muted}" for each in found if judged and each.muted]
    return wrong + "".join(muted) if wrong else ""


def _answer(
    config: ResolvedConfig, labels: Labels, found: tuple[Reached, ...], options: argparse.Namespace
) -> dict[str, object]:
    answer: dict[str, object] = {"receivers": [each.receiver for each in found]}
    if options.at is not None:
        answer["muted"] = {each.receiver: each.muted for each in found if each.muted}
    if options.explain:
        at = time.time() if options.at is None else options.at
        visited = explain(config.routing.root, labels)
        answer["routes"] = [_explained(config, each, labels, at) for each in visited]
        answer["escalation"] = {
            each.receiver: steps
            for each in found
            if (steps := list(_timetable(config, each.receiver, labels)))
        }
    return answer


def _answer_lines(config: ResolvedConfig, options: argparse.Namespace) -> int:
    """Answers each line of standard input at once, so that another program can ask one by one.
    Status 2 if a line was not a label set, 1 if one reached other receivers than those to verify.
    """
    status = GOOD
    for line in sys.stdin:
        if not line.strip():
            continue
        try:
            labels = _labels(line)
        except ValueError as error:
            say(json.dumps({"error": str(error)}))
            status = CANNOT
        else:
            at = time.time() if options.at is None else options.at
            found = reached(config.routing.root, labels, config.intervals, at)
            answer = _answer(config, labels, found, options)
            say(json.dumps({"labels": labels, **answer}, ensure_ascii=False))
            status = max(status, FAULTY) if _wrong(found, options) else status
        sys.stdout.flush()
    return status


def _labels(line: str) -> Labels:
    """The label set of a line. Raises ValueError."""
    try:
        read = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError("not JSON: write a JSON object of labels on each line") from None
    if not isinstance(read, dict):
        raise ValueError("not a JSON object: write labels and their values")
    for name, value in read.items():
        if not isinstance(value, str):
            raise ValueError(f"the value of {quote(name)} is not text")
    return read


def _label(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not a label: write name=value")
    return name, value


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _line(config: ResolvedConfig, each: Explained, labels: Labels, at: float) -> str:
    matchers = "{" + ",".join(map(str, each.route.matchers)) + "}"
    why = _why(config, each, labels, at)
    return f"{'  ' * each.depth}{matchers} at {each.route.place}: {why}"


def _why(config: ResolvedConfig, each: Explained, labels: Labels, at: float) -> str:
    if each.failed is not None:
        value = labels.get(each.failed.name)
        has = f"is {json.dumps(value, ensure_ascii=False)}" if value is not None else "is not there"
        return f"does not match: {each.failed.name} {has}"
    if not each.reached:
        return "matches, and a route below takes the alert"
    muted = muted_by(each.route, config.intervals, at)
    if not config.routing.targets.get(each.route.receiver):
        return f"matches, the alert goes to {each.route.receiver}, which discards it"
    return f"matches, the alert goes to {each.route.receiver}" + (f", {muted}" if muted else "")


def _explained(
    config: ResolvedConfig, each: Explained, labels: Labels, at: float
) -> dict[str, object]:
    return {
        "matchers": [str(matcher) for matcher in each.route.matchers],
        "receiver": each.route.receiver,
        "place": each.route.place,
        "matches": each.failed is None,
        "reached": each.reached,
        "muted": muted_by(each.route, config.intervals, at),
        "why": _why(config, each, labels, at),
    }


def _tree(config: ResolvedConfig, route: Route, at: float | None) -> dict[str, object]:
    chats = config.routing.targets.get(route.receiver, ())
    quiet = dict.fromkeys(interval.name for each in chats for interval in each.policy.quiet)
    fallbacks = dict.fromkeys(each.policy.fallback for each in chats if each.policy.fallback)
    judged = {} if at is None else {"muted": muted_by(route, config.intervals, at)}
    return {
        "receiver": route.receiver,
        "matchers": [str(matcher) for matcher in route.matchers],
        "continue": route.continue_,
        "mute_time_intervals": list(route.mute),
        "active_time_intervals": list(route.active),
        **judged,
        "quiet": list(quiet),
        "fallback": list(fallbacks),
        "discards": not chats,
        "place": route.place,
        "routes": [_tree(config, child, at) for child in route.routes],
    }
