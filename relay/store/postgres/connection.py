"""The connection to PostgreSQL, and the meaning of its errors for the store."""

from typing import Any, Literal

import psycopg
from psycopg import conninfo, errors
from psycopg.abc import Buffer
from psycopg.adapt import Buffer as Bytes
from psycopg.adapt import Dumper, Loader
from psycopg.types.string import StrDumper

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
    "SET LOCAL statement_timeout = '10s'; SET LOCAL lock_timeout = '5s';"
    " SET LOCAL idle_in_transaction_session_timeout = '10s'"
)
_AWAY = ("08", "57P", "53", "58")
_AWAY_CODES = ("25006", "57014", "55P03", "25P03")
_OFTEN = 3  # runs of a statement after which it is prepared
# A pooler of transactions gives each one another session, which does not know what another one
# prepared: https://www.psycopg.org/psycopg3/docs/advanced/prepare.html
NOT_PREPARED = ("26000", "42P05", "0A000")
_CONFLICTS = ("40001", "40P01", "23505")


class _Flag(Dumper):
    """A flag is a number here, as in SQLite."""

    oid = psycopg.adapters.types["int2"].oid

    def dump(self, obj: bool) -> Buffer:  # noqa: FBT001 - psycopg's interface
        return b"1" if obj else b"0"


class _Text(StrDumper):
    """PostgreSQL's texts have no NUL: https://www.postgresql.org/docs/current/datatype-character.html"""

    def dump(self, obj: str) -> Buffer | None:
        return super().dump(obj.replace("\0", ""))


class _Sum(Loader):
    """The sum of whole numbers is one."""

    def load(self, data: Bytes) -> int | float:
        told = bytes(data).decode()
        return int(told) if told.lstrip("-").isdigit() else float(told)


def parsed(url: str) -> dict[str, str]:
    """What a `postgresql://` address (or a string of `key=value`) says, with our defaults. Raises
    ValueError, without a word of the address: it holds a password.
    """
    try:
        told = conninfo.conninfo_to_dict(url)
    except psycopg.ProgrammingError as error:
        raise ValueError("not a postgresql:// address that libpq can parse") from error
    return _DEFAULTS | {key: str(value) for key, value in told.items() if value is not None}


def connect(told: dict[str, str], *, prepares: bool = False) -> Connection:
    """A connection without transactions of its own, which may prepare the statements that come
    often. Raises psycopg.Error.
    """
    connection = psycopg.connect(
        conninfo.make_conninfo(**told),
        autocommit=True,
        prepare_threshold=_OFTEN if prepares else None,
        cursor_factory=psycopg.RawCursor,
    )
    adapters = connection.adapters
    adapters.register_dumper(bool, _Flag)
    adapters.register_dumper(str, _Text)
    adapters.register_loader("numeric", _Sum)
    return connection


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
