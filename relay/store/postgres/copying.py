"""Copying a storage from SQLite to PostgreSQL and back, while no relay uses either: the tables are
the same (see `schema/1.sql`), but for what only one of the two needs.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
from msgspec import Struct
from psycopg import sql

from relay.core.balance import BalanceRow
from relay.store.postgres.connection import Connection, connect, parsed
from relay.store.postgres.database import STORAGE, told_by
from relay.store.postgres.formats import FORMATS
from relay.store.postgres.store import PostgresStore
from relay.store.protocol import StoreError
from relay.store.sqlite import connection as sqlite
from relay.store.sqlite.open_file import open_checked
from relay.store.sqlite.store import SqliteStore

_AT_ONCE = 1000  # rows
_LOG_PAGES = 1000
# What only several processes need, and what is made anew for the other engine.
_OWN = ("lane_work", "lease", "leader", "replica", "schema_version", "progress")
_EMPTY = ("payload", "lane", "delivery", "card", "bot", "chat", "subscription", "invite", "take")
Cells = Sequence[Any]


class BalanceError(StoreError):
    """A copy was made that is not the same: it is to be thrown away."""


class Copied(Struct, frozen=True):
    """How many rows of each table were copied, and the books, which are the same in both."""

    rows: dict[str, int]
    books: tuple[BalanceRow, ...]


def to_postgres(file: Path, url: str) -> Copied:
    """Copies the SQLite file into an empty database. Raises BalanceError, and StoreError: then
    nothing was copied.
    """
    _check_sound(file)
    with closing(SqliteStore(file)) as store:  # it is brought to our version
        books = store.balance()
    PostgresStore(url).close()
    with closing(sqlite3.connect(file)) as source, _alone(url) as target:
        _check_empty([table for table in _EMPTY if _first(target, table)])
        rows = {table: _into_postgres(source, target, table) for table in _tables(target)}
        last_seqs = source.execute("SELECT id, last_seq FROM lane").fetchall()
        with target.cursor() as cursor:
            cursor.executemany("INSERT INTO lane_work (lane, last_seq) VALUES ($1, $2)", last_seqs)
        (spread,) = source.execute("SELECT value FROM progress WHERE name = 'spread'").fetchone()
        target.execute(
            "UPDATE progress SET value = CASE name WHEN 'spread' THEN $1 ELSE"
            " greatest($1, (SELECT coalesce(max(id), 0) FROM payload)) END WHERE name != 'format'",
            (spread,),
        )
        target.execute("UPDATE progress SET value = $1 WHERE name = 'format'", (FORMATS.newest,))
    with closing(PostgresStore(url)) as copy:
        return _checked(rows, books, copy.balance())


def to_sqlite(url: str, file: Path) -> Copied:
    """Copies the database into a SQLite file that is empty or new. Raises as `to_postgres` does."""
    with closing(PostgresStore(url, migrates=False)) as store:
        books = store.balance()
    with _alone(url) as source:
        SqliteStore(file).close()
        rows = _all_into_sqlite(source, file)
    with closing(SqliteStore(file)) as copy:
        return _checked(rows, books, copy.balance())


def _all_into_sqlite(source: Connection, file: Path) -> dict[str, int]:
    with closing(sqlite3.connect(file)) as target, target:
        found = (f"SELECT 1 FROM {table} LIMIT 1" for table in _EMPTY)  # noqa: S608 - ours
        full = [
            table
            for table, asked in zip(_EMPTY, found, strict=True)
            if target.execute(asked).fetchone()
        ]
        _check_empty(full)
        rows = {table: _into_sqlite(source, target, table) for table in _tables(source)}
        last_seqs = source.execute("SELECT last_seq, lane FROM lane_work").fetchall()
        target.executemany("UPDATE lane SET last_seq = ? WHERE id = ?", last_seqs)
        spread = source.execute("SELECT value FROM progress WHERE name = 'spread'").fetchone()
        target.execute("UPDATE progress SET value = ? WHERE name = 'spread'", spread or (0,))
        return rows


def _check_sound(file: Path) -> None:
    """Raises StoreError for a damaged file, which a store would move aside for an empty one."""
    try:
        open_checked(sqlite.connect, str(file), "FULL", _LOG_PAGES).close()
    except sqlite3.Error as error:
        if sqlite.trouble(error) != "damaged":
            raise
        raise StoreError(
            f"{file} is damaged ({error}): start a relay on it, which begins a new one, put into"
            " that what `alert-relay queue salvage` finds, and copy it"
        ) from error


@contextmanager
def _alone(url: str) -> Iterator[Connection]:
    """A transaction on a database that no relay uses, nor begins to use before it ends. Raises
    StoreError.
    """
    try:
        with connect(parsed(url)) as connection:
            connection.autocommit = False
            connection.execute("SET LOCAL lock_timeout = '10s'")
            connection.execute(f"SELECT pg_advisory_xact_lock({STORAGE})".encode())
            connection.execute("LOCK TABLE progress IN EXCLUSIVE MODE")
            _check_quiet(connection)
            yield connection
    except psycopg.Error as error:
        raise StoreError(f"the database: {told_by(error)}") from error


def _check_quiet(database: Connection) -> None:
    runs = database.execute(
        "SELECT 1 FROM leader WHERE until > extract(epoch FROM clock_timestamp())"
        " UNION ALL SELECT 1 FROM lease WHERE until > extract(epoch FROM clock_timestamp()) LIMIT 1"
    ).fetchone()
    if runs:
        raise StoreError("a relay uses the database, or did a moment ago: stop all of them")


def _check_empty(full: Sequence[str]) -> None:
    if full:
        raise StoreError(f"the target is not empty ({', '.join(full)}): name a new one")


def _first(database: Connection, table: str) -> object:
    return database.execute(
        sql.SQL("SELECT 1 FROM {} LIMIT 1").format(sql.Identifier(table))
    ).fetchone()


def _tables(database: Connection) -> list[str]:
    rows = database.execute(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()"
        " AND table_type = 'BASE TABLE' ORDER BY table_name"
    ).fetchall()
    return [name for (name,) in rows if name not in _OWN]


def _columns(source: sqlite3.Connection, database: Connection, table: str) -> dict[str, str]:
    """The columns that both have, with their types in PostgreSQL."""
    known = {row[1] for row in source.execute(f"PRAGMA table_info({table})")}
    rows = database.execute(
        "SELECT column_name, data_type FROM information_schema.columns"
        " WHERE table_schema = current_schema() AND table_name = $1 ORDER BY ordinal_position",
        (table,),
    ).fetchall()
    return {name: sort for name, sort in rows if name in known}


def _into_postgres(source: sqlite3.Connection, target: Connection, table: str) -> int:
    columns = _columns(source, target, table)
    fixed = {"writer": "0"} if table == "counter" else {}
    names = [sql.Identifier(name) for name in (*columns, *fixed)]
    target.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
    copy = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table), sql.SQL(", ").join(names)
    )
    order = " ORDER BY rowid" if table in ("invite", "subscription") else ""
    sorts = tuple(columns.values())
    number = 0
    with target.cursor() as cursor, cursor.copy(copy) as into:
        chosen = ", ".join(columns)
        for row in source.execute(f"SELECT {chosen} FROM {table}{order}"):  # noqa: S608 - ours
            into.write_row((*map(_cell, row, sorts), *fixed.values()))
            number += 1
    _go_on(target, table)
    return number


def _cell(value: object, sort: str) -> object:
    """A value of SQLite, which does not hold columns to their types, for one of PostgreSQL."""
    if sort == "bytea" and isinstance(value, str):
        return value.encode()
    if sort == "text" and isinstance(value, bytes):
        value = value.decode()
    return value.replace("\0", "") if isinstance(value, str) else value


def _go_on(target: Connection, table: str) -> None:
    """New numbers follow those that were copied."""
    columns = target.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = current_schema()"
        " AND table_name = $1 AND is_identity = 'YES'",
        (table,),
    ).fetchall()
    for (column,) in columns:
        target.execute(
            sql.SQL(
                "SELECT setval(pg_get_serial_sequence({}, {}), greatest(max({}), 1)) FROM {}"
            ).format(table, column, sql.Identifier(column), sql.Identifier(table))
        )


def _into_sqlite(source: Connection, target: sqlite3.Connection, table: str) -> int:
    columns = [*_columns(target, source, table)]
    target.execute(f"DELETE FROM {table}")  # noqa: S608 - ours
    marks = ", ".join("?" * len(columns))
    insert = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608 - ours
    number = 0
    for rows in _pages(source, table, columns):
        target.executemany(insert, rows)
        number += len(rows)
    return number


def _pages(source: Connection, table: str, columns: Sequence[str]) -> Iterator[list[Cells]]:
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    query = sql.SQL("SELECT {} FROM {}").format(names, sql.Identifier(table))
    if table == "counter":  # each process counted in rows of its own
        query = sql.SQL("SELECT {} FROM {} GROUP BY 1, 2, 3").format(
            sql.SQL("platform, receiver, name, sum(value)::bigint"), sql.Identifier(table)
        )
    if table in ("invite", "subscription"):
        query += sql.SQL(" ORDER BY rowid")
    with psycopg.ServerCursor(source, "copied") as cursor:
        cursor.execute(query)
        while rows := cursor.fetchmany(_AT_ONCE):
            yield list(rows)


def _checked(
    rows: dict[str, int], books: tuple[BalanceRow, ...], copied: tuple[BalanceRow, ...]
) -> Copied:
    if books != copied:
        raise BalanceError(
            f"the books differ, throw the copy away and report this: {books} became {copied}"
        )
    return Copied(rows, copied)
