"""`import`: a relay configuration from an alertmanager.yml, and what Alertmanager then needs."""

import argparse
from pathlib import Path

from relay.cli.base import CANNOT, FAULTY, GOOD, complain, say
from relay.config.fault import render
from relay.config.files import FileNames
from relay.config.importing import Imported, NotImported, convert
from relay.config.importing_chats import senders
from relay.platforms import PLATFORMS
from relay.settings.load import read_files


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Prints relay.yml on standard output; on standard error, what could not be converted, "
        "and the route and "
        "receiver that alertmanager.yml then needs."
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="an alertmanager.yml")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Imports; status 1 when the file has faults or no chats, 2 when it cannot be read."""
    path: Path = options.file
    try:
        data = path.read_bytes()
    except OSError as error:
        complain(f"alert-relay: cannot read {path}: {error.strerror}")
        return CANNOT
    builtin = read_files(FileNames(frozenset(), (), frozenset()), path.parent).builtin
    try:
        imported = convert(str(path), data, builtin, PLATFORMS)
    except NotImported as error:
        complain("\n".join(map(render, error.faults)))
        return FAULTY
    say(imported.config.rstrip())
    complain(_left(imported))
    return GOOD


def _left(imported: Imported) -> str:
    """What the reader has to do."""
    listed = "\n".join(map(render, imported.losses)) or "Everything was converted."
    head = f"Not converted, or to be checked ({len(imported.losses)}):\n" if imported.losses else ""
    return (
        f"{head}{listed}\n\n"
        f"In alertmanager.yml, remove {' and '.join(senders(PLATFORMS))} from "
        f"{', '.join(imported.emptied)}.\n"
        "Replace its route with this one, and add this receiver.\n\n"
        f"{imported.snippet}"
    )
