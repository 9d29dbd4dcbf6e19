"""`storage`: moving what a relay knows from SQLite to PostgreSQL, and back."""

import argparse
import sqlite3
from importlib import import_module
from pathlib import Path

from relay.cli.base import CANNOT, FAULTY, GOOD, complain, say
from relay.store.data_dir import DATABASE, CannotStart, DataDir
from relay.store.protocol import NewerSchema, StoreError

_SCHEMES = ("postgresql://", "postgres://")


def arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(required=True, metavar="ACTION")
    copy = verbs.add_parser(
        "copy",
        help="copy a storage into an empty one of the other kind, while no relay runs",
        description="Copy a storage into an empty one of the other kind, while no relay runs.",
    )
    for name in ("from", "to"):
        copy.add_argument(
            f"{name}_",
            metavar=name.upper(),
            help="directory of a SQLite storage, or file with the address of a PostgreSQL",
        )
    copy.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Copies. Status 2 if it cannot begin, 1 if the copy is not the same."""
    try:
        source, target = _address(options.from_), _address(options.to_)
    except ValueError as error:
        complain(f"alert-relay storage copy: {error}")
        return CANNOT
    if bool(source) == bool(target):
        kind = "addresses" if source else "directories"
        complain(
            f"alert-relay storage copy: FROM and TO are both {kind}: name a directory, and a file"
            " with an address"
        )
        return CANNOT
    folder = Path(options.to_ if source else options.from_)
    if not source and not (folder / DATABASE).exists():
        complain(f"alert-relay storage copy: {folder / DATABASE} does not exist")
        return CANNOT
    try:
        copying = import_module("relay.store.postgres.copying")
        data_dir = DataDir(folder, flag="storage copy")
    except ImportError as error:
        complain(f"PostgreSQL needs psycopg ({error}): pip install 'alert-relay[postgres]'")
        return CANNOT
    except CannotStart as error:
        complain(str(error))
        return CANNOT
    try:
        copied = (
            copying.to_sqlite(source, data_dir.database)
            if source
            else copying.to_postgres(data_dir.database, target)
        )
    except (StoreError, NewerSchema, ValueError, sqlite3.Error) as error:
        complain(f"alert-relay storage copy: {error}")
        return FAULTY if isinstance(error, copying.BalanceError) else CANNOT
    finally:
        data_dir.release()
    rows, pending = copied.rows, sum(row.pending for row in copied.books)
    say(
        f"copied {rows['payload']} payloads, {rows['delivery']} deliveries ({pending} pending) and"
        f" {rows['card']} cards; the books are the same"
    )
    return GOOD


def _address(named: str) -> str:
    """The address of a PostgreSQL; empty: it is a directory. Raises ValueError for a file without
    one.
    """
    if named.startswith(_SCHEMES):
        return named
    path = Path(named)
    if not path.is_file():
        return ""
    try:
        address = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise ValueError(f"{path}: no text, so no address of a PostgreSQL") from None
    if not address:
        raise ValueError(f"{path}: the file is empty")
    return address
