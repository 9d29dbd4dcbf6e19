"""`check-config`: all faults of configuration files, or a summary of their contents."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from relay.cli.base import FAULTY, GOOD, complain, config_option, say
from relay.config.fault import Fault, render
from relay.core.routing.explain import every
from relay.settings.load import load

if TYPE_CHECKING:
    from relay.config.rules import Rules


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files", nargs="*", type=Path, metavar="FILE", help="configurations to check"
    )
    parser.add_argument("--strict", action="store_true", help="treat warnings as faults")
    parser.add_argument(
        "--web.config.file",
        dest="web",
        type=Path,
        metavar="FILE",
        help="also check this file with TLS and authentication",
    )
    config_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Checks each file. Status 1 if any has a fault, or with `--strict` a warning."""
    files: list[Path] = options.files
    if not files and (options.web is None or options.config_file.is_file()):
        files = [options.config_file]
    good = [_check(path, strict=options.strict) for path in files]
    if options.web is not None:
        good.append(_check_web(options.web))
    return GOOD if all(good) else FAULTY


def _check(path: Path, *, strict: bool) -> bool:
    rules, faults = load(path, "check", strict=True)
    warnings = sum(fault.severity == "warning" for fault in faults)
    passed = rules is not None and not (strict and warnings)
    say(f"Checking '{path}'  {_result_line(faults, warnings, strict=strict)}")
    for fault in faults:
        say(render(fault))
    if rules is not None and passed:
        say("Found:")
        for line in _found(rules):
            say(f" - {line}")
    say("")
    return passed


def _result_line(faults: tuple[Fault, ...], warnings: int, *, strict: bool) -> str:
    wrong = len(faults) - warnings
    if strict and warnings:
        also = [_count(wrong, "fault")] if wrong else []
        return f"FAILED: {', '.join([*also, _count(warnings, 'warning')])}"
    if wrong:
        return f"FAILED: {_count(wrong, 'fault')}"
    return f"SUCCESS with {_count(warnings, 'warning')}" if warnings else "SUCCESS"


def _check_web(path: Path) -> bool:
    from relay.inbound.web_config import read as read_web  # noqa: PLC0415 - seldom asked for

    try:
        web = read_web(path)
    except ValueError as error:
        say(f"Checking '{path}'  FAILED\n{error}\n")
        return False
    say(f"Checking '{path}'  SUCCESS\nFound:")
    say(f" - TLS {'on' if web.tls else 'off'}")
    say(f" - {_count(len(web.users), 'user')}")
    say(f" - {_count(len(web.tokens), 'bearer token')}\n")
    if not web.guarded:
        complain(f"alert-relay: {path} has no password or token: anybody can post")
    return True


def _found(rules: "Rules") -> Iterator[str]:
    targets = rules.routing.targets
    yield _count(sum(1 for _ in every(rules.routing.root)), "route")
    yield _count(len(targets), "receiver")
    yield _count(len({target.lane for each in targets.values() for target in each}), "chat")
    yield _count(len(rules.active.templates.by_name), "template")
    yield _count(len(rules.intervals), "time interval")
    yield f"{_count(rules.tests, 'test')} passed" if rules.tests else "0 tests"


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
