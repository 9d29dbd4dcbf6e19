"""What is kept of alerts and refused requests: found by name and time, a page at a time, bounded,
and forgotten with the rest.
"""

import sqlite3
import time
from functools import partial
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from relay.core.alert import Notification
from relay.core.history import DeliveryTrace, Refusal, Trace
from relay.core.routing.route import Discarded
from relay.core.told_history import told
from relay.store.acting import PressRow
from relay.store.history import REFUSALS_KEPT, HistoryPage, HistoryQuery
from relay.store.protocol import NewPayload, Store, StoreError
from relay.store.sql import history, overview, purge
from relay.store.sqlite.store import SqliteStore
from tests.build import DISCORD, GROUP, T0, TELEGRAM, alert, notification
from tests.store.conftest import Engine
from tests.store.held import own, settle
from tests.store.test_store import fold_all, new_payload, result, shown


def discarded(number: int, name: str = "Noise") -> NewPayload:
    """A payload that no chat gets."""
    posted = notification(alert(f"i{number}", name=name), group=replace(GROUP, group_key=name))
    body = msgspec.json.encode(posted)
    lost = (Discarded("null", "2 relay.yml:12", (0,)),)
    return NewPayload(posted.group, body, T0 + number, (), discarded=lost, generation=1)


def refusal(number: int) -> Refusal:
    return Refusal(T0 + number, "eu", 400, "not JSON", 7, "10.0.0.1")


def all_of(store: Store, query: HistoryQuery) -> list[HistoryPage]:
    pages = [store.history(query)]
    while pages[-1].next:
        pages.append(store.history(replace(query, after=pages[-1].next)))
    return pages


def test_pages_go_from_the_newest_back_and_name_everything_once(store: Store) -> None:
    for number in range(0, 30, 3):
        store.accept([new_payload(TELEGRAM, DISCORD, at=T0 + number)])
        store.accept([discarded(number + 1)])
        store.refused([refusal(number + 2)])
    pages = all_of(store, HistoryQuery(limit=4))
    rows = [row for page in pages for row in page.rows]
    assert len(pages) > 5
    assert len(rows) == 40
    assert all(one.at >= other.at for one, other in pairwise(rows))
    assert len({repr(row) for row in rows}) == 40


@pytest.mark.parametrize(
    ("query", "count"),
    [
        (HistoryQuery(), 5),
        (HistoryQuery(labels=(("alertname", "Noise"),)), 1),
        (HistoryQuery(labels=(("alertname", "Disk"), ("instance", "a"))), 2),
        (HistoryQuery(labels=(("instance", "z"),)), 0),
        (HistoryQuery(labels=(("alertname", "Nope"),)), 0),
        (HistoryQuery(since=T0 + 15), 3),
        (HistoryQuery(receiver="null"), 1),
        (HistoryQuery(receiver="ops"), 2),
        (HistoryQuery(outcome="discarded"), 1),
        (HistoryQuery(outcome="pending"), 2),
        (HistoryQuery(outcome="refused"), 2),
        (HistoryQuery(outcome="dead"), 0),
        (HistoryQuery(source="eu"), 2),
        (HistoryQuery(source=""), 3),
    ],
)
def test_what_is_asked_for_is_found(store: Store, query: HistoryQuery, count: int) -> None:
    store.accept([new_payload(TELEGRAM, DISCORD, at=T0 + 10)])
    store.accept([discarded(20)])
    store.refused([refusal(30), refusal(40)])
    assert sum(len(page.rows) for page in all_of(store, query)) == count


def test_a_trace_has_the_configuration_that_routed(store: Store) -> None:
    assert store.configured("abc", T0 - 5) == 1
    assert store.configured("abc", T0 - 4) == 1
    assert store.configured("def", T0 - 3) == 2
    store.accept([discarded(1), replace(new_payload(TELEGRAM), generation=2)])
    first, second = store.traced("1"), store.traced("2")
    assert isinstance(first, Trace)
    assert isinstance(second, Trace)
    assert first.config is not None
    assert second.config is not None
    assert (first.config.sha256, first.config.since) == ("abc", T0 - 5)
    assert (second.config.sha256, second.config.generation) == ("def", 2)
    assert [(each.receiver, each.route) for each in first.discarded] == [("null", "2 relay.yml:12")]


def test_an_ended_delivery_has_its_time_and_message(store: Store) -> None:
    store.accept([new_payload(TELEGRAM)])
    card = fold_all(store, TELEGRAM)
    settle(store, replace(result(shown(card), now=T0 + 10), shown=True))
    (row,) = store.history(HistoryQuery()).rows
    assert isinstance(row, DeliveryTrace)
    assert (row.settlement, row.ended_at, row.message and row.message.id) == (
        "delivered",
        T0 + 10,
        "7",
    )


def test_refusals_are_bounded(store: Store) -> None:
    store.refused([refusal(number) for number in range(REFUSALS_KEPT + 50)])
    rows = [row for page in all_of(store, HistoryQuery(outcome="refused")) for row in page.rows]
    assert len(rows) == REFUSALS_KEPT
    assert rows[-1].at == T0 + 50


def press(store: Engine, number: int) -> None:
    row = PressRow("telegram", "12345", "Anna", "-1001", "7", "take", "done", ("f",), "taken")
    store._db.execute(
        "INSERT INTO press (key, at, source, alert, body) VALUES (?, ?, '', 'f', ?)",
        (str(number), T0 + number, msgspec.json.encode(row)),
    )


def test_presses_stand_among_the_rest_in_order_and_page_by_page(store: Engine) -> None:
    store.accept([discarded(15)])
    store.refused([refusal(25)])
    for number in (10, 20, 30):
        press(store, number)
    rows = [row for page in all_of(store, HistoryQuery(limit=2)) for row in page.rows]
    assert sorted(row.at - T0 for row in rows) == [10, 15, 20, 25, 30]
    (page,) = all_of(store, HistoryQuery(outcome="pressed"))
    assert [row.at - T0 for row in page.rows] == [30, 20, 10]
    assert told(page.rows[0], None) == "Anna (telegram 12345) pressed take: taken (done)"
    assert all_of(store, HistoryQuery(outcome="refused"))[0].rows == (replace(refusal(25), id=1),)
    assert not any(page.rows for page in all_of(store, HistoryQuery((("alertname", "x"),))))


def test_payloads_without_deliveries_are_the_first_to_go(
    store: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purge, "BARE_KEPT", 5)
    store.accept([new_payload(TELEGRAM, at=T0)])
    for number in range(1, 21):
        store.accept([discarded(number)])
    while store.purge(T0 - 1, 1 << 30, 3):
        pass
    rows = [row for page in all_of(store, HistoryQuery()) for row in page.rows]
    assert [row.at - T0 for row in rows] == [20, 19, 18, 17, 16, 0]
    names = store._db.execute("SELECT count(*) FROM payload_name").fetchone()
    assert names == (6,)
    monkeypatch.setattr(purge, "BARE_BYTES", 1)
    while store.purge(T0 - 1, 1 << 30, 3):
        pass
    assert len(store.history(HistoryQuery()).rows) == 1


def test_what_is_too_old_is_forgotten_with_its_names(store: Store) -> None:
    store.accept([discarded(1)])
    store.refused([refusal(1)])
    while store.purge(T0 + 100, 1 << 30, 50):
        pass
    assert store.history(HistoryQuery()) == HistoryPage((), "")
    assert store.last_heard("Noise", None).at is None
    assert store.last_heard("Noise", None).sources == (("", T0 + 1),)


def test_stored_payloads_come_oldest_first_and_whole(store: Store) -> None:
    for number in range(12):
        store.accept([discarded(number)])
    found = store.stored_payloads(T0 + 4)
    assert [each.accepted_at - T0 for each in found] == list(range(4, 12))
    assert store.stored_payloads(T0 + 4, after=found[-1].number) == ()
    assert [e.number for e in store.stored_payloads(0.0, after=10)] == [11, 12]
    told = msgspec.json.decode(found[0].body, type=Notification)
    assert told.alerts[0].name == "Noise"


STATEMENTS = {
    history.BY_NAME: ("Disk", 9, 9),
    history.ALL: (9, 9),
    history.REFUSALS: (9, 0.0, 9),
    history.PRESSES: (9, 0.0, 9),
    history.DELIVERIES: (1,),
    history.LAST_OF_NAME: ("Disk",),
    overview.OPEN_CARDS: (0, "", "", 9),
    overview.LAST_MESSAGE: (1, 100),
}


@pytest.mark.parametrize("sql", STATEMENTS)
def test_no_statement_reads_all_that_is_kept(sql: str) -> None:
    store = SqliteStore(":memory:")
    plans = store._db.execute(f"EXPLAIN QUERY PLAN {sql}", STATEMENTS[sql])
    plan = [str(step[-1]) for step in plans.fetchall()]
    assert plan
    assert not [step for step in plan if step.startswith("SCAN") or "TEMP B-TREE" in step], plan


def _filled(path: Path, payloads: int, each: int) -> SqliteStore:
    """A storage with that many payloads, each with `each` deliveries, as settled long ago."""
    store = SqliteStore(path, synchronous="OFF")
    posted = notification(alert("a"))
    body = msgspec.json.encode(posted)
    store.batch([partial(store.accept, [new_payload(TELEGRAM, DISCORD)])])
    db = store._db
    db.execute("BEGIN")
    db.executemany(
        "INSERT INTO payload (id, accepted_at, body) VALUES (?, ?, ?)",
        [(number, T0 + number, body) for number in range(2, payloads + 2)],
    )
    db.executemany(
        "INSERT INTO payload_name VALUES (?, ?)",
        [(f"Name{number % 500}", number) for number in range(2, payloads + 2)],
    )
    for part in range(each):
        db.executemany(
            "INSERT INTO delivery (lane, seq, payload, receiver, owner, grp, fingerprint,"
            " accepted_at, settlement, ended_at) VALUES (1, ?, ?, 'ops', 'ops', '{}', '', ?,"
            " 'delivered', 0)",
            [(payloads * part + number, number, T0 + number) for number in range(2, payloads + 2)],
        )
    db.execute("UPDATE lane SET last_seq = ?", (payloads * (each + 1),))
    db.execute("UPDATE progress SET value = ?", (payloads + 1,))
    db.execute("COMMIT")
    return store


@pytest.mark.parametrize(
    ("payloads", "each"),
    [(4_000, 5), pytest.param(100_000, 10, marks=pytest.mark.slow)],
)
def test_a_page_comes_at_once_however_much_is_kept(
    payloads: int, each: int, tmp_path: Path
) -> None:
    store = _filled(tmp_path / "relay.db", payloads, each)
    queries = [HistoryQuery(limit=50), HistoryQuery((("alertname", "Name7"),), limit=50)]
    for query in queries:
        began = time.perf_counter()
        store.batch([partial(store.history, query)])
        assert time.perf_counter() - began < 0.3
    began = time.perf_counter()
    store.batch([store.standing_now])
    assert time.perf_counter() - began < 0.3
    store.close()


def test_a_backup_is_whole_while_others_write_and_is_its_owners_alone(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "relay.db")
    for number in range(50):
        store.batch([partial(store.accept, [new_payload(TELEGRAM, at=T0 + number)])])
    copy = tmp_path / "copy.db"
    store.backup(copy)
    store.batch([partial(store.accept, [new_payload(TELEGRAM, at=T0 + 99)])])
    assert copy.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        store.backup(copy)
    store.close()
    again = SqliteStore(copy)
    assert again.balance()[0].accepted == 50
    again.close()


def test_a_backup_that_fails_leaves_no_file(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "relay.db")
    with pytest.raises(OSError, match="No such file"):
        store.backup(tmp_path / "nowhere" / "copy.db")
    store._file._db.close()
    with pytest.raises((StoreError, sqlite3.ProgrammingError)):
        store.backup(tmp_path / "copy.db")
    assert not (tmp_path / "copy.db").exists()


def test_a_chat_has_the_receivers_of_what_came_last_also_where_nothing_waits(
    store: SqliteStore,
) -> None:
    store.accept([new_payload(TELEGRAM, at=T0)])
    (chat,) = store.standing_now().chats
    assert (chat.receivers, chat.pending) == (("ops",), 1)
    store.dismiss(own(store, TELEGRAM), [1], "dead", "test", T0 + 1)
    (chat,) = store.standing_now().chats
    assert (chat.receivers, chat.pending) == (("ops",), 0)


def test_the_backlog_of_each_minute_is_what_was_pending_at_its_end(store: SqliteStore) -> None:
    since = T0 + 600
    for seq, (at, ended) in enumerate(
        [
            (T0, since + 90),  # accepted before the first minute
            (T0, since - 1),  # over before it
            (since + 10, since + 20),
            (since + 10, since + 150),
            (since + 70, None),
            (T0, None),
        ],
        1,
    ):
        store.accept([new_payload(TELEGRAM, at=at)])
        if ended:
            store.dismiss(own(store, TELEGRAM), [seq], "dead", "test", ended)
    minutes = store.per_minute(since, 4)
    assert [each.backlog for each in minutes] == [3, 3, 2, 2]
    assert [(each.payloads, each.deliveries) for each in minutes] == [
        (2, 2),
        (1, 0),
        (0, 0),
        (0, 0),
    ]
