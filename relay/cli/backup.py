"""`backup`: a consistent copy of the storage, also while a relay runs."""

import argparse
from pathlib import Path

from relay.cli.asking import answered
from relay.cli.base import CANNOT, GOOD, complain, say, storage_option
from relay.store.history import BackedUp, Backup


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="file to write; one that exists is not touched"
    )
    storage_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Writes the copy. A file that exists is wrong use (status 2)."""
    file = options.file.absolute()
    if file.exists():
        complain(f"alert-relay backup: {file} exists: name another file")
        return CANNOT
    done = answered(options, Backup(str(file)), BackedUp)
    if isinstance(done, int):
        return done
    say(f"{done.file}: {done.size} bytes")
    return GOOD
