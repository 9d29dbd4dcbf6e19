"""`routes show` and `routes test`: where alerts go, and why."""

import argparse
import json
from collections.abc import Iterator

from relay.cli.base import FAULTY, GOOD, complain, config_option, output_option, say
from relay.cli.loading import rules_of
from relay.core.alert import Labels
from relay.core.duration import quote
from relay.core.routing.route import Explained, Route, differing, draw, explain, walk
from relay.platforms.scalar import nearest


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
    for verb, run in ((showing, show), (testing, test)):
        config_option(verb)
        output_option(verb)
        verb.set_defaults(run=run)


def show(options: argparse.Namespace) -> int:
    rules = rules_of(options.config_file)
    if isinstance(rules, int):
        return rules
    root = rules.routing.root
    say(json.dumps(_tree(root), indent=2) if options.output == "json" else draw(root).rstrip("\n"))
    return GOOD


def test(options: argparse.Namespace) -> int:
    """Prints the receivers, one a line; with `--verify.receivers` status 1 when they differ, in
    whatever order.
    """
    rules = rules_of(options.config_file)
    if isinstance(rules, int):
        return rules
    root, labels = rules.routing.root, dict(options.labels)
    receivers = list(dict.fromkeys(route.receiver for route in walk(root, labels)))
    visited = explain(root, labels) if options.explain else ()
    if options.output == "json":
        routes = [_explained(each, labels) for each in visited]
        say(
            json.dumps({"receivers": receivers, **({"routes": routes} if routes else {})}, indent=2)
        )
    else:
        for line in (*(_line(each, labels) for each in visited), *receivers):
            say(line)
    wrong = "" if options.verify is None else differing(receivers, options.verify)
    if wrong:
        known = rules.routing.targets
        strangers = [
            f"; no receiver {quote(name)}{nearest(name, known)}"
            for name in options.verify
            if name not in known
        ]
        complain(f"alert-relay: the alert {wrong}{''.join(strangers)}")
        return FAULTY
    return GOOD


def _label(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not a label: write name=value")
    return name, value


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _matchers(route: Route) -> str:
    return "{" + ",".join(map(str, route.matchers)) + "}"


def _line(each: Explained, labels: Labels) -> str:
    return f"{'  ' * each.depth}{_matchers(each.route)} at {each.route.place}: {_why(each, labels)}"


def _why(each: Explained, labels: Labels) -> str:
    if each.failed is not None:
        value = labels.get(each.failed.name)
        has = f"is {json.dumps(value, ensure_ascii=False)}" if value is not None else "is not there"
        return f"does not match: {each.failed.name} {has}"
    if each.reached:
        return f"matches, the alert goes to {each.route.receiver}"
    return "matches, and a route below takes the alert"


def _explained(each: Explained, labels: Labels) -> dict[str, object]:
    return {
        "matchers": [str(matcher) for matcher in each.route.matchers],
        "receiver": each.route.receiver,
        "place": each.route.place,
        "matches": each.failed is None,
        "reached": each.reached,
        "why": _why(each, labels),
    }


def _tree(route: Route) -> dict[str, object]:
    return dict(_members(route))


def _members(route: Route) -> Iterator[tuple[str, object]]:
    yield "receiver", route.receiver
    yield "matchers", [str(matcher) for matcher in route.matchers]
    yield "continue", route.continue_
    yield "routes", [_tree(child) for child in route.routes]
