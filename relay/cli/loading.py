"""Loads the configuration for a verb that reads it or uses it once."""

from pathlib import Path
from typing import TYPE_CHECKING

from relay.cli.base import CANNOT, FAULTY, complain
from relay.config.destination import Mode
from relay.config.fault import Fault, render
from relay.config.resolve import ResolvedConfig
from relay.settings.load import load, load_routing

if TYPE_CHECKING:  # routes need no templates: `load_routing`
    from relay.config.rules import Rules


def rules_of(path: Path, mode: Mode = "check") -> "Rules | int":
    """The rules of a configuration; else the exit status, after a message on standard error.

    In mode `check` secret files may be missing, so that verbs without a need for them work on any
    machine. A verb that calls the chats (`serve`) needs them, and cannot start without.
    """
    if not path.is_file():
        return _absent(path)
    rules, faults = load(path, mode)
    if rules is None:
        _complain(faults)
        return FAULTY if mode == "check" else CANNOT
    return rules


def routing_of(path: Path) -> ResolvedConfig | int:
    """A configuration without its templates; else the exit status, as for `rules_of`."""
    if not path.is_file():
        return _absent(path)
    resolved, faults = load_routing(path)
    if resolved is None:
        _complain(faults)
        return FAULTY
    return resolved


def _absent(path: Path) -> int:
    complain(f"alert-relay: no configuration at {path}: name it with --config.file=FILE")
    return CANNOT


def _complain(faults: tuple[Fault, ...]) -> None:
    complain("\n".join(render(fault) for fault in faults))
