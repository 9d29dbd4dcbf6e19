"""PostgreSQL finds by index what each statement of a message reads, and the pages of the history,
where a million deliveries are kept and a hundred thousand are open.
"""

import re
from collections.abc import Sequence
from functools import partial

import psycopg
import pytest

from relay.core.alert import GroupId
from relay.store.history import HistoryQuery
from relay.store.postgres.pipelined import Cells, PipelinedConnection, Reply
from relay.store.postgres.store import PostgresStore
from relay.store.queue import Query
from tests.build import T0, alert, notification
from tests.postgres import Databases
from tests.store.test_backlog_plans import LIFTED, Size
from tests.world import GROUP_CHAT, World

pytestmark = pytest.mark.postgres
# What grows with what is kept or with what waits; a list of some thousand lanes may be read.
LARGE = ("delivery", "payload", "payload_name", "card", "standing", "watched", "episode")
_SEQ_SCAN = re.compile(rf"Seq Scan on ({'|'.join(LARGE)})\b")
# They go through all that is open by what they are for: at a start, a scrape, once a minute.
OF_ALL = ("SELECT key, owner, count(*)", "SELECT key, CASE WHEN EXISTS", "SELECT DISTINCT key")
Sent = dict[str, tuple[Cells, ...]]


def grow(url: str, size: Size) -> None:
    """Copies the first card with its lines, its delivery and its payload, and its lane."""
    with psycopg.connect(url, autocommit=True) as connection:
        lane, group = f"1 + n % {size.lanes}", "replace(one.grp, 'first', 'due' || n)"
        copies: tuple[tuple[str, int, str, dict[str, str]], ...] = (
            ("lane", size.lanes, "one.id = 1", {
                "id": "one.id + 100 + n", "chat": "one.id + 100 + n",
                "key": "replace(one.key, '-1001', '-7' || n)",
            }),
            ("payload", size.kept, "one.id = 1", {
                "id": "one.id + 100 + n", "accepted_at": "one.accepted_at - n",
            }),
            ("payload_name", size.kept, "one.payload = 1", {"payload": "one.payload + 100 + n"}),
            ("delivery", size.kept, "one.seq = 1 AND one.lane = 1", {
                "lane": lane, "seq": "one.seq + 100 + n", "payload": "one.payload + 100 + n",
                "settlement": "'delivered'", "ended_at": str(T0),
                "accepted_at": "one.accepted_at - n",
            }),
            ("card", size.due, "one.id = 1", {
                "id": "one.id + 100 + n", "lane": lane, "chat": lane, "grp": group,
            }),
            ("standing", size.due, "one.grp LIKE '%first%'", {
                "lane": lane, "alert": "one.alert || n", "grp": group,
                "thing": "one.thing || n",
            }),
            ("watched", size.due, "one.grp LIKE '%first%'", {
                "lane": lane, "grp": group, "home": group,
            }),
            ("episode", size.due, "TRUE", {"alert": "one.alert || n"}),
            ("delivery", size.due, "one.seq = 1 AND one.lane = 1", {
                "lane": lane, "seq": f"{size.kept} + 101 + n", "card": "101 + n",
                "settlement": "NULL", "grp": group,
            }),
        )  # fmt: skip
        for table, number, where, changed in copies:
            cursor = connection.execute(f"SELECT * FROM {table} LIMIT 0")
            names = [column.name for column in cursor.description or ()]
            columns = ", ".join(changed.get(name, f"one.{name}") for name in names if name != "n")
            connection.execute(
                f"INSERT INTO {table} SELECT {columns} FROM {table} AS one,"
                f" generate_series(1, {number}) AS n WHERE {where}"
            )
        connection.execute(
            "UPDATE progress SET value = (SELECT max(id) FROM payload) WHERE name != 'format'"
        )
        connection.execute("UPDATE lane_work SET last_seq = 10000000")
        connection.execute("VACUUM ANALYZE")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """The statements that were sent, with the last parameters of each."""
    found: Sent = {}
    send = PipelinedConnection.send

    def noted(
        self: PipelinedConnection,
        sql: str,
        parameters: Sequence[Cells] = (),
        *,
        prepares: bool = True,
    ) -> Reply:
        found[sql] = tuple(parameters)
        return send(self, sql, parameters, prepares=prepares)

    monkeypatch.setattr(PipelinedConnection, "send", noted)
    return found


def large_scans(store: PostgresStore, sent: Sent) -> dict[str, str]:
    """The statements that go through a large table, with the plan."""
    found: dict[str, str] = {}
    for sql, parameters in sent.items():
        words = sql.split(None, 1)
        if words[0] not in ("SELECT", "INSERT", "UPDATE", "DELETE") or sql.startswith(OF_ALL):
            continue
        rows = store.server.run(f"EXPLAIN {sql}", parameters).fetchall()
        plan = "\n".join(line for (line,) in rows)
        if _SEQ_SCAN.search(plan):
            found[sql] = plan
    return found


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_each_statement_finds_what_it_reads_by_index(postgres: Databases, sent: Sent) -> None:
    size = Size(due=100_000, lanes=2_000, kept=1_000_000)
    url = postgres.fresh()
    store = PostgresStore(url, ttl=60.0, by_own_clock=False)
    world = World(limits=LIFTED, store=store)
    await world.post(notification(alert("db-1"), group=GroupId("", "relay", "{}:{n=first}")))
    await world.run(30.0)
    ended = notification(alert("db-2", "resolved"), group=GroupId("", "relay", "{}:{n=second}"))
    await world.post(notification(alert("db-2"), group=GroupId("", "relay", "{}:{n=second}")))
    await world.run(60.0)
    await world.post(ended)
    await world.run(90.0)
    grow(url, size)
    sent.clear()
    for number in range(3):
        group = GroupId("", "relay", f"{{}}:{number}")
        await world.post(notification(alert(f"host-{number}"), group=group))
        for _ in range(4):
            world.now += 4
            await world.turn(GROUP_CHAT)
        await world.post(notification(alert(f"host-{number}", "resolved"), group=group))
        for _ in range(3):
            world.now += 4
            await world.turn(GROUP_CHAT)
    store.batch([partial(store.purge, T0 - 9e6, 1 << 40, 9), partial(store.stuck, T0)])
    store.batch([partial(store.expire, GROUP_CHAT, "ops", T0 - 9e6)])
    for query in (HistoryQuery(), HistoryQuery(labels=(("alertname", "Disk"),))):
        store.batch([partial(store.history, query)])
    store.batch([partial(store.traced, "1"), partial(store.queue, Query())])
    store.batch(
        [partial(store.open_cards, 0, 50), partial(store.look), partial(store.ring, GROUP_CHAT)]
    )
    statements = dict(sent)
    assert len(statements) > 60
    slow = large_scans(store, statements)
    store.close()
    assert slow == {}


def test_a_statement_that_reads_all_is_found(postgres: Databases) -> None:
    store = PostgresStore(postgres.fresh())
    sql = "SELECT seq FROM delivery WHERE accepted_at + 0 > $1"
    assert sql in large_scans(store, {sql: (1.0,)})
    assert large_scans(store, {"SELECT seq FROM delivery WHERE lane = $1": (1,)}) == {}
    store.close()
