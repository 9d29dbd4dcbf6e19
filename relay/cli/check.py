"""`check-config`: all faults of configuration files at once, or what was found in them."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from relay.cli.base import FAULTY, GOOD, config_option, say
from relay.config.fault import render
from relay.config.resolve import Rules
from relay.core.routing.route import Route
from relay.settings.load import load


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files", nargs="*", type=Path, metavar="FILE", help="configurations to check"
    )
    config_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Checks each file; status 1 when any has a fault."""
    files: list[Path] = options.files or [options.config_file]
    return FAULTY if sum(not _check(path) for path in files) else GOOD


def _check(path: Path) -> bool:
    rules, faults = load(path, "check")
    wrong = sum(fault.severity == "fault" for fault in faults)
    verdict = "SUCCESS" if rules else f"FAILED: {_count(wrong, 'fault')}"
    say(f"Checking '{path}'  {verdict}")
    for fault in faults:
        say(render(fault))
    if rules:
        say("Found:")
        for line in _found(rules):
            say(f" - {line}")
    say("")
    return rules is not None


def _found(rules: Rules) -> Iterator[str]:
    targets = rules.routing.targets
    yield _count(_routes(rules.routing.root), "route")
    yield _count(len(targets), "receiver")
    yield _count(len({target.lane for each in targets.values() for target in each}), "chat")
    yield _count(len(rules.active.templates.by_name), "template")
    yield _count(len(rules.intervals), "time interval")
    yield f"{_count(rules.tests, 'test')} passed" if rules.tests else "0 tests"


def _routes(route: Route) -> int:
    return 1 + sum(map(_routes, route.routes))


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
