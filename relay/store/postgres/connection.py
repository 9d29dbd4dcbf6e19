"""The connection to PostgreSQL, and the meaning of its errors for the store."""

from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import psycopg
from psycopg import conninfo, errors

Connection = psycopg.Connection[tuple[Any, ...]]
Trouble = Literal["away", "conflict", "refused"]

# A peer that is gone is noticed within some ten seconds, whatever the network says.
# https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
_DEFAULTS = {
    "target_session_attrs": "read-write",
    "connect_timeout": "5",
    "keepalives": "1",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
    "application_name": "alert-relay",
}
# Said in each transaction, since a pooler gives each one another session.
LIMITS = (
    "SELECT set_config('statement_timeout', '10s', true), set_config('lock_timeout', '5s', true),"
    " set_config('idle_in_transaction_session_timeout', '10s', true)"
)
# https://www.postgresql.org/docs/current/warm-standby.html#SYNCHRONOUS-REPLICATION
NO_LIMIT = "SELECT set_config('statement_timeout', '0', true)"
LIMITS_UNSYNCED = f"{LIMITS}, set_config('synchronous_commit', 'off', true)"
_CREDENTIALS = (
    "user",
    "password",
    "passfile",
    "sslcert",
    "sslkey",
    "sslpassword",
    "sslrootcert",
    "sslcrl",
)
_AWAY = ("08", "57P", "53", "58")
_AWAY_CODES = ("25006", "57014", "55P03", "25P03")
# A pooler of transactions gives each one another session, which does not know what another one
# prepared: https://www.psycopg.org/psycopg3/docs/advanced/prepare.html
NOT_PREPARED = ("26000", "42P05", "0A000")
_CONFLICTS = ("40001", "40P01", "23505")
_SCHEMES = ("postgresql://", "postgres://")
_NO_ADDRESS = (
    "not a postgresql:// address that libpq can parse (in a user or a password, write"
    " @ : / ? # % as %40 %3A %2F %3F %23 %25)"
)


def parsed(url: str) -> dict[str, str]:
    """What a `postgresql://` address (or a string of `key=value`) says, with our defaults. Raises
    ValueError, without a word of the address: it holds a password.
    """
    if _has_odd_at(url):
        raise ValueError(_NO_ADDRESS)
    try:
        told = conninfo.conninfo_to_dict(url)
    except psycopg.ProgrammingError as error:
        raise ValueError(_NO_ADDRESS) from error
    return _DEFAULTS | {key: str(value) for key, value in told.items() if value is not None}


def _has_odd_at(url: str) -> bool:
    """Whether libpq would take the end of a password for a host, a port or a database, which
    errors name.
    """
    if not url.startswith(_SCHEMES):
        return False
    told = url.partition("://")[2]
    hosts = told.partition("@")[2] if "@" in told.partition("/")[0] else told
    return "@" in hosts.partition("?")[0]


class DatabaseAddress:
    """The address of a database: itself, or a file that has it. A file is read again for each
    connection, of which the credentials are taken: another database is one for another process.
    """

    def __init__(self, told: str | Path) -> None:
        """Raises OSError for a file that cannot be read, and what `parsed` raises."""
        self._file = told if isinstance(told, Path) else None
        self._settings = parsed(told if isinstance(told, str) else _read(told))

    def settings(self) -> dict[str, str]:
        """The settings for a connection that is made now; the last ones that could be read."""
        if self._file:
            with suppress(OSError, ValueError):
                now = parsed(_read(self._file))
                fixed = {key: told for key, told in self._settings.items() if not _changes(key)}
                self._settings = fixed | {key: told for key, told in now.items() if _changes(key)}
        return self._settings


def _read(file: Path) -> str:
    """Raises ValueError for an empty file: libpq would take its own defaults."""
    told = file.read_text(encoding="utf-8").strip()
    if not told:
        raise ValueError("no address in it")
    return told


def _changes(key: str) -> bool:
    return key in _CREDENTIALS


def connect(told: dict[str, str]) -> Connection:
    """A connection without transactions of its own. Raises psycopg.Error."""
    return psycopg.connect(
        conninfo.make_conninfo(**told),
        autocommit=True,
        prepare_threshold=None,
        cursor_factory=psycopg.RawCursor,
    )


def trouble(error: psycopg.Error) -> Trouble:
    """The kind of an error: the database is not to be had now, another transaction was in the way,
    or it refuses the statement. https://www.postgresql.org/docs/current/errcodes-appendix.html
    """
    code = error.sqlstate
    if code is None:
        is_lost = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        return "away" if is_lost else "refused"
    if code in _CONFLICTS:
        return "conflict"
    if code.startswith(_AWAY) or code in _AWAY_CODES:
        return "away"
    return "away" if isinstance(error, errors.OperationalError) else "refused"
