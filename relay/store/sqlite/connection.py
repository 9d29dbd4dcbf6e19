"""The connection to SQLite, and the meaning of SQLite's error codes for the store."""

import os
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Literal, Protocol

from relay.store.sql.database import Rows, Value

Trouble = Literal["full", "damaged", "broken", "refused"]


class Connection(Protocol):
    """The part of `sqlite3.Connection` that the store uses; a test replaces it by one whose disk it
    controls.
    """

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""

    def execute(self, sql: str, parameters: Sequence[Value] = ..., /) -> Rows:
        """Runs one statement. Raises sqlite3.Error."""

    def executemany(self, sql: str, rows: Iterable[Sequence[Value]], /) -> object:
        """Runs one statement once for each row."""

    def executescript(self, sql: str, /) -> object:
        """Runs statements."""

    def close(self) -> None:
        """Closes the connection."""


Connect = Callable[[str], Connection]


def connect(path: str) -> Connection:
    """The standard library's connection, without implicit transactions, for the one thread that
    uses it. Only its owner can read a new file and those that SQLite puts beside it:
    https://sqlite.org/wal.html
    """
    if path != ":memory:":
        with suppress(OSError):  # SQLite reports the fault
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False)


def trouble(error: sqlite3.Error) -> Trouble:
    """The kind of an error: no room (a quota looks like a failed write), a damaged file, a device
    or file that fails at present, or only a refused statement. https://sqlite.org/rescode.html
    """
    if str(error).startswith("Could not decode to UTF-8"):  # the relay never wrote such a text
        return "damaged"
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE):
        return "full"
    match code & 0xFF:
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return "damaged"
        case (
            sqlite3.SQLITE_ERROR
            | sqlite3.SQLITE_CONSTRAINT
            | sqlite3.SQLITE_MISMATCH
            | sqlite3.SQLITE_TOOBIG
        ):
            return "refused"
        case _:
            return "broken"


def damaged(how: str) -> sqlite3.DatabaseError:
    """The error for a file that SQLite accepts and the relay cannot use."""
    error = sqlite3.DatabaseError(f"the storage is damaged: {how}")
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error
