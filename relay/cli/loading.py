"""Loads the configuration for a verb that only looks at it."""

from pathlib import Path

from relay.cli.base import CANNOT, FAULTY, complain
from relay.core.fault import render
from relay.core.resolve import Rules
from relay.settings import load


def rules_of(path: Path) -> Rules | int:
    """The rules of a configuration; else the exit status, after saying on standard error what is wrong.

    Secret files may be missing: what needs none of them works on any machine.
    """
    if not path.is_file():
        complain(f"alert-relay: no configuration at {path}: name it with --config.file=FILE")
        return CANNOT
    rules, faults = load(path, "check")
    if rules is None:
        complain("\n".join(render(fault) for fault in faults))
        return FAULTY
    return rules
