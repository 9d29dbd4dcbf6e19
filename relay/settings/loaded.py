"""The report of a load: its event, and a line of the log for each fault and warning."""

import re
from collections.abc import Iterator
from pathlib import Path

from relay.config.fault import Fault
from relay.config.fault import render as render_fault
from relay.config.rules import Rules
from relay.core.event import Event, Loaded, Noted

LOAD_SECONDS = 60.0  # for reading and checking the configuration and its files
_PLACE = re.compile(r"(.+):([0-9]+):([0-9]+)")


def loaded(rules: Rules | None, faults: tuple[Fault, ...], why: str, now: float) -> Iterator[Event]:
    """The events of a load for the reason `why`. Without rules it was rejected."""
    if rules is None:
        wrong = _wrong(faults)
        yield Loaded(ok=False, at=now, faults=len(wrong), why=why, first=first_fault(faults))
    else:
        chats = len({target.lane for target in rules.routing.all_targets})
        receivers = len(rules.routing.targets)
        yield Loaded(
            ok=True, at=now, faults=0, why=why, receivers=receivers, chats=chats,
            sha256=rules.sha256,
        )  # fmt: skip
    for fault in faults:
        place = ("place", f"{fault.file}:{fault.line}:{fault.column}")
        yield Noted("warning" if fault.severity == "warning" else "error", fault.message, (place,))


def first_fault(faults: tuple[Fault, ...]) -> str:
    """The first line of the first fault that is more than a warning; empty without one."""
    return next((render_fault(fault).partition("\n")[0] for fault in _wrong(faults)), "")


def why_refused(path: Path, faults: tuple[Fault, ...]) -> str:
    """Why the relay does not start with this configuration."""
    said, command = first_fault(faults), f"alert-relay check-config {path}"
    return f"{said} ({len(_wrong(faults))} in all: {command})"


def of_web_config(line: str) -> Fault:
    """A fault of the web configuration. For one in a file that it names there may be no line."""
    place, _, why = line.partition(": ")
    found = _PLACE.fullmatch(place)
    return Fault(found[1], int(found[2]), int(found[3]), why) if found else Fault(place, 1, 1, why)


def too_slow(path: Path) -> Fault:
    """The fault of a configuration that could not be read within `LOAD_SECONDS`."""
    return Fault(
        str(path),
        1,
        1,
        f"reading it and the files that it names takes more than {LOAD_SECONDS:g} s: one of them "
        "may be on a mount that does not answer",
    )


def _wrong(faults: tuple[Fault, ...]) -> list[Fault]:
    return [fault for fault in faults if fault.severity == "fault"]
