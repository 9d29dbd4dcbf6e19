"""Loads the configuration for a verb that looks at it or uses it once."""

from pathlib import Path

from relay.cli.base import CANNOT, FAULTY, complain
from relay.config.destination import Mode
from relay.config.fault import render
from relay.config.resolve import Rules
from relay.settings.load import load


def rules_of(path: Path, mode: Mode = "check") -> Rules | int:
    """The rules of a configuration; else the exit status, after saying on standard error what is
    wrong.

    In mode `check` secret files may be missing: what needs none of them works on any machine. A
    verb that calls the chats (`serve`) needs them, and cannot start without.
    """
    if not path.is_file():
        complain(f"alert-relay: no configuration at {path}: name it with --config.file=FILE")
        return CANNOT
    rules, faults = load(path, mode)
    if rules is None:
        complain("\n".join(render(fault) for fault in faults))
        return FAULTY if mode == "check" else CANNOT
    return rules
