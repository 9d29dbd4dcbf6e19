"""What PostgreSQL has of its own: the same tables, one owner of a lane, plans by index."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from functools import partial

import psycopg
import pytest
from msgspec.structs import replace

from relay.core.budget import Limit
from relay.core.card.step import Post
from relay.store.history import Durability
from relay.store.postgres.admin import AdminStore
from relay.store.postgres.migrate import STEPS, check
from relay.store.postgres.store import PostgresStore
from relay.store.protocol import (
    Attempt,
    Begun,
    Claim,
    Denied,
    Fenced,
    Kept,
    NewerSchema,
    StoreError,
)
from relay.store.sqlite.store import SqliteStore
from tests.build import DISCORD, GROUP, T0, TELEGRAM, notification
from tests.postgres import Databases
from tests.store.held import begin, own
from tests.store.test_store import fold_all, new_payload

pytestmark = pytest.mark.postgres
_TYPES = {"INTEGER": "bigint", "REAL": "double precision", "TEXT": "text", "BLOB": "bytea"}
_OWN_TABLES = {"lane_work", "lease", "leader", "replica", "schema_version"}


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


Three = tuple[PostgresStore, PostgresStore, PostgresStore]


@pytest.fixture
def three(postgres: Databases) -> Iterator[Three]:
    """Processes that share a database, in which a lane has work."""
    url = postgres.fresh()
    stores = PostgresStore(url, ttl=60), PostgresStore(url, ttl=60), PostgresStore(url, ttl=60)
    stores[0].batch([lambda: stores[0].accept([new_payload(TELEGRAM)])])
    yield stores
    for store in stores:
        store.close()


def test_a_lane_has_one_owner_and_a_write_of_the_last_one_is_refused(three: Three) -> None:
    first, second, _ = three
    lease = own(first, TELEGRAM)
    assert second.take(TELEGRAM) is None
    first.server.run("UPDATE lease SET until = 0")  # nobody heard of it for long
    taken = own(second, TELEGRAM)
    assert taken.epoch > lease.epoch + 1
    (refused,) = first.batch([lambda: first.claim(lease, T0, 9)])
    assert isinstance(refused, Fenced)
    assert [opened.seq for opened in second.claim(taken, T0, 9).page] == [1]


def test_a_process_that_takes_its_lane_again_knows_that_no_other_had_it(three: Three) -> None:
    """It still knows the result of its last call then, although it could not store it."""
    first, second, _ = three
    had = own(first, TELEGRAM)
    first.server.run("UPDATE lease SET until = 0")
    assert own(first, TELEGRAM).epoch == had.epoch + 1
    for store in (second, first):
        first.server.run("UPDATE lease SET until = 0")
        again = own(store, TELEGRAM)
    assert again.epoch > had.epoch + 2


def test_a_lease_that_a_crash_took_back_is_not_given_again_under_its_epoch(three: Three) -> None:
    """Taking a lane is not synced."""
    first, second, third = three
    own(first, TELEGRAM)
    before = first.server.run("SELECT lane, owner, epoch, 0.0 FROM lease").fetchone()
    first.server.run("UPDATE lease SET until = 0")
    lost = own(second, TELEGRAM)
    first.server.run("DELETE FROM lease")
    first.server.run(
        "INSERT INTO lease (lane, owner, epoch, until) VALUES ($1, $2, $3, $4)", before
    )
    assert before[2] < lost.epoch < own(third, TELEGRAM).epoch


def test_one_process_leads_until_it_gives_up_or_is_not_heard_of(postgres: Databases) -> None:
    url = postgres.fresh()
    one, two = PostgresStore(url, ttl=60), PostgresStore(url, ttl=60)

    def leads(store: PostgresStore) -> bool:
        (result,) = store.batch([partial(store.take_lead, "for all")])
        assert isinstance(result, bool), result
        return result

    assert [leads(one), leads(two), leads(one), leads(two)] == [True, False, True, False]
    one.batch([partial(one.give_up_lead, "for all")])
    assert [leads(two), leads(one)] == [True, False]
    one.batch([partial(one.give_up_lead, "for all")])  # which is not its own
    assert not leads(one)
    one.server.run("UPDATE leader SET until = 0")
    assert [leads(one), leads(two)] == [True, False]
    one.close()
    two.close()


def test_a_lane_that_is_given_up_is_found_again_when_a_payload_came_amid_its_last_turn(
    postgres: Databases,
) -> None:
    """After others brought to lanes what was accepted before, and before the turn went on."""
    url = postgres.fresh()
    store, other = PostgresStore(url, ttl=60), PostgresStore(url, ttl=60)
    store.batch([lambda: store.accept([new_payload(TELEGRAM)])])
    lease = own(store, TELEGRAM)
    tries = []

    def turn() -> Claim:
        tries.append(1)
        if len(tries) == 2:
            other.batch([lambda: other.accept([new_payload(TELEGRAM, at=T0 + 1)])])
        return store.claim(lease, T0, 9)

    (claimed,) = store.batch([turn])
    assert isinstance(claimed, Claim)
    assert (len(tries), [opened.seq for opened in claimed.page]) == (2, [1])
    store.give_up(lease, None)
    assert other.look().lanes == (TELEGRAM,)
    store.close()
    other.close()


def test_a_budget_is_shared_by_all_replicas(postgres: Databases) -> None:
    url = postgres.fresh()
    first, second = PostgresStore(url), PostgresStore(url)
    limits = (Limit("bot", 1, 60.0),)
    for store, lane in ((first, TELEGRAM), (second, DISCORD)):
        store.batch([partial(store.accept, [new_payload(lane)])])
    attempt = Attempt(TELEGRAM, GROUP, "", Post(silent=False))
    first.batch([lambda: fold_all(first, TELEGRAM)])
    second.batch([lambda: fold_all(second, DISCORD)])
    assert first.batch([lambda: begin(first, attempt, limits, T0)]) == [Begun()]
    other = replace(attempt, lane=DISCORD)
    (denied,) = second.batch([lambda: begin(second, other, limits, T0)])
    assert isinstance(denied, Denied)
    assert 59 < denied.until - second.server.read_clock() < 61
    first.close()
    second.close()


def test_payloads_of_all_replicas_have_numbers_in_the_order_of_their_commits(
    postgres: Databases,
) -> None:
    url = postgres.fresh()
    stores = [PostgresStore(url) for _ in range(3)]

    def accept(store: PostgresStore) -> None:
        for _ in range(20):
            (kept,) = store.batch([partial(store.accept, [new_payload(TELEGRAM, DISCORD)])])
            assert isinstance(kept, Kept), kept

    threads = [threading.Thread(target=accept, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = (
        stores[0]
        .server.run("SELECT payload, seq FROM delivery WHERE lane = 1 ORDER BY seq")
        .fetchall()
    )
    assert rows == [(number, number) for number in range(1, 61)]
    assert [(row.accepted, row.pending) for row in stores[0].balance()] == [(60, 60)] * 2
    for store in stores:
        store.close()


BY_INDEX = (
    (
        "SELECT seq FROM delivery WHERE lane = $1 AND card IS NULL AND settlement IS NULL"
        " AND payload <= $2 ORDER BY payload, seq LIMIT 33"
    ),
    (
        "SELECT body FROM card WHERE lane = $1 AND ready = 1 AND rank < $2"
        " ORDER BY rank, waiting_since NULLS FIRST, due LIMIT 1"
    ),
    "SELECT min(due) FROM card WHERE lane = $1 AND ready = 0 AND due IS NOT NULL AND due < $2",
    "SELECT id FROM payload WHERE id > $1 AND id < $2 ORDER BY id LIMIT 64",
)


@pytest.mark.parametrize("sql", BY_INDEX)
def test_a_turn_reads_by_index(postgres: Databases, sql: str) -> None:
    store = PostgresStore(postgres.fresh())
    plan = store.server.run(f"EXPLAIN {sql}", (1, 2)).fetchall()
    store.close()
    assert not any("Seq Scan" in line for (line,) in plan), plan


def test_a_verb_makes_no_tables_and_changes_none(postgres: Databases) -> None:
    url = postgres.fresh()
    with psycopg.connect(url, autocommit=True) as connection:
        check(connection)
        with pytest.raises(StoreError, match="has schema 1, this alert-relay needs 2: the first"):
            check(connection, (*STEPS, ""))
        with pytest.raises(NewerSchema, match="has schema 1, this alert-relay knows 0: upgrade it"):
            check(connection, ())
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
        with pytest.raises(StoreError, match="there is no storage of alert-relay in this database"):
            AdminStore(url)
        assert connection.execute("SELECT to_regclass('payload')").fetchone() == (None,)


def test_the_status_names_the_replicas_that_run_and_those_that_fell_silent(
    postgres: Databases,
) -> None:
    url = postgres.fresh()
    with closing(PostgresStore(url)) as one, closing(PostgresStore(url)) as two:
        for store, name in ((one, "pod-1"), (two, "pod-2")):
            store.batch([partial(store.register, name, "1.2.3")])
        one.take_lead("for all")
        one.server.run("UPDATE replica SET seen_at = seen_at - 40 WHERE name = 'pod-2'")
        seen = two.standing_now().replicas
        assert [(each.name, each.version, each.leads) for each in seen] == [
            ("pod-1", "1.2.3", True),
            ("pod-2", "1.2.3", False),
        ]
        assert seen[0].silent_for < 30 < 40 <= seen[1].silent_for
        for store in (one, two):
            store.batch([store.leave])
        assert one.standing_now().replicas == ()


def test_what_is_on_one_machine_is_refused_where_a_standby_is_required(postgres: Databases) -> None:
    url = postgres.fresh()
    store = PostgresStore(url, require_remote=True)
    (refused,) = store.batch([partial(store.accept, [new_payload(TELEGRAM)])])
    assert isinstance(refused, StoreError)
    assert "no synchronous standby" in str(refused)
    store.close()
    store = PostgresStore(url)
    assert store.durability() == Durability("local", None)
    assert store.standing_now().durability.level == "local"
    (kept,) = store.batch([partial(store.accept, [new_payload(TELEGRAM)])])
    assert isinstance(kept, Kept)
    assert kept.first == 1  # nothing was left of the first
    store.close()


def test_values_are_the_same_in_both_formats_of_a_result(postgres: Databases) -> None:
    """Statements that name a body give it in binary."""
    store = PostgresStore(postgres.fresh())
    values = "1::bigint, -2::smallint, 3::int, -1.5::float8, 2.5::real, true, false, 'ä'::text"
    (text,) = store.server.run(f"SELECT {values}, '\\x00ff'::bytea, NULL").fetchall()
    (binary,) = store.server.run(f"SELECT {values}, '\\x00ff'::bytea, NULL AS body").fetchall()
    assert text == binary == (1, -2, 3, -1.5, 2.5, True, False, "ä", b"\0\xff", None)
    store.close()


def test_a_connection_through_which_much_went_is_not_kept(postgres: Databases) -> None:
    """Its buffers would stay as large as the largest value."""
    store = PostgresStore(postgres.fresh())

    def connection(size: int) -> object:
        told = replace(notification(), external_url=f"http://{'x' * size}")
        new = new_payload(TELEGRAM, posted=told)
        (kept,) = store.batch([partial(store.accept, [new])])
        assert isinstance(kept, Kept), kept
        return store.server.run("SELECT pg_backend_pid()").fetchone()

    first = connection(1000)
    assert connection(1000) == first
    assert connection(2 << 20) != first
    store.close()


def test_the_balance_closes_while_others_write(postgres: Databases) -> None:
    url = postgres.fresh()
    store, other = PostgresStore(url), PostgresStore(url)
    accept = partial(other.accept, [new_payload(TELEGRAM, DISCORD)])

    def write() -> None:
        for _ in range(100):
            (kept,) = other.batch([accept])
            assert isinstance(kept, Kept), kept

    thread = threading.Thread(target=write)
    thread.start()
    read = 0
    while thread.is_alive():
        assert [row.lost for row in store.balance() if row.lost] == []
        read += 1
    thread.join()
    assert read > 10
    store.close()
    other.close()
