"""What PostgreSQL has of its own: the same tables, one owner of a lane, plans by index."""

import sqlite3

import pytest

from relay.store.postgres.store import PostgresStore
from relay.store.protocol import Fenced
from relay.store.sqlite.store import SqliteStore
from tests.build import T0, TELEGRAM
from tests.postgres import Databases
from tests.store.held import own
from tests.store.test_store import new_payload

pytestmark = pytest.mark.postgres
_TYPES = {"INTEGER": "bigint", "REAL": "double precision", "TEXT": "text", "BLOB": "bytea"}
_OWN_TABLES = {"lane_work", "lease", "duty", "replica", "schema_version"}


def columns_of(store: PostgresStore) -> dict[str, list[tuple[str, str]]]:
    rows = store.server.run(
        "SELECT table_name, column_name, data_type FROM information_schema.columns"
        " WHERE table_schema = 'public' ORDER BY table_name, ordinal_position"
    ).fetchall()
    found: dict[str, list[tuple[str, str]]] = {}
    for table, column, sort in rows:
        found.setdefault(table, []).append((column, sort))
    return found


def test_the_tables_are_those_of_sqlite(postgres: Databases) -> None:
    db = SqliteStore(":memory:")._file._db
    assert isinstance(db, sqlite3.Connection)
    tables = [
        name
        for (name,) in db.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        )
    ]
    store = PostgresStore(postgres.fresh())
    known = columns_of(store)
    assert set(known) - _OWN_TABLES == set(tables)
    for table in tables:
        theirs = [
            (name, _TYPES[sort])
            for _, name, sort, *_ in db.execute(f"PRAGMA table_info({table})")
            if (table, name) != ("lane", "last_seq")  # in lane_work
        ]
        assert known[table][: len(theirs)] == theirs
    store.close()


def test_a_lane_has_one_owner_and_a_write_of_the_last_one_is_refused(postgres: Databases) -> None:
    url = postgres.fresh()
    first, second = PostgresStore(url, ttl=60), PostgresStore(url, ttl=60)
    first.batch([lambda: first.accept([new_payload(TELEGRAM)])])
    lease = own(first, TELEGRAM)
    assert second.take(TELEGRAM) is None
    first.server.run("UPDATE lease SET until = 0")  # nobody heard of it for long
    taken = own(second, TELEGRAM)
    assert taken.epoch == lease.epoch + 1
    (refused,) = first.batch([lambda: first.claim(lease, T0, 9)])
    assert isinstance(refused, Fenced)
    assert [opened.seq for opened in second.claim(taken, T0, 9).page] == [1]
    first.close()
    second.close()
