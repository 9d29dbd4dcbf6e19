"""What waits costs nothing: no statement of a message reads more of the storage where thousands of
cards are due, on thousands of lanes, and where a million deliveries are kept.
"""

import sqlite3
from collections import Counter
from functools import partial
from typing import NamedTuple

import pytest

from relay.core.alert import GroupId
from relay.core.budget import Limits, Rate
from relay.platforms import PLATFORMS
from relay.store.protocol import MOST_COUNTED
from relay.store.sqlite.store import SqliteStore
from relay.store.turn import take_turn
from tests.build import T0, alert, notification
from tests.store.held import own
from tests.world import GROUP_CHAT, World

LIFTED = Limits({"telegram": {name: Rate(100_000, 1.0) for name in ("bot", "chat", "group")}})
# Steps of SQLite's machine: some of each row up to which cards are counted, and as many again.
MOST_STEPS = 16 * MOST_COUNTED
EACH = 100  # steps after which they are counted
# These go through all of something by what they are for: at a start, a scrape, once a minute.
OF_ALL = ("SELECT key, owner, count(*)", "SELECT key, CASE WHEN EXISTS")


class Size(NamedTuple):
    due: int
    lanes: int
    kept: int


class Watched(SqliteStore):
    """A store that counts the steps of each of its statements."""

    def __init__(self) -> None:
        super().__init__(":memory:")
        self.steps: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self._now = ""
        self.db = self._file._db
        assert isinstance(self.db, sqlite3.Connection)

    def watch(self) -> None:
        assert isinstance(self.db, sqlite3.Connection)
        self.db.set_trace_callback(self._next)
        self.db.set_progress_handler(self._count, EACH)

    def _next(self, sql: str) -> None:
        if self.steps[self._now] > self.most[self._now]:
            self.most[self._now] = self.steps[self._now]
        self._now, self.steps[sql] = sql, 0

    def _count(self) -> int:
        self.steps[self._now] += EACH
        return 0


def grow(store: Watched, size: Size) -> None:
    """Copies the card that is due, its delivery and its lane; half of the lanes are threads of its
    chat.
    """
    db = store.db
    numbers = (
        "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {0})"
        " INSERT INTO {1} SELECT {2} FROM {1} AS one, n WHERE {3}"
    )
    thread = 'replace(key, \'"thread":""\', \'"thread":"\' || n || \'"\')'
    other = "replace(key, '-1001', '-7' || n)"
    lane = {
        "id": "one.id + n",
        "key": f"CASE WHEN n % 2 THEN {thread} ELSE {other} END",
        "chat": "CASE WHEN n % 2 THEN one.chat ELSE one.id + n END",
    }
    card = {
        "id": "one.id + n",
        "lane": f"1 + n % {size.lanes} * (n % 2)",
        "grp": "replace(grp, 'first', 'due' || n)",
        "body": "CAST(replace(CAST(body AS TEXT), 'first', 'due' || n) AS BLOB)",
        "chat": f"(SELECT chat FROM lane WHERE id = 1 + n % {size.lanes} * (n % 2))",
    }
    ended = {
        "seq": "one.seq + n",
        "settlement": "'delivered'",
        "ended_at": str(T0),
        "card": "NULL",
        "payload": "one.payload + 1000000 + n / 2",
    }
    for table, changed, number, where in (
        ("lane", lane, size.lanes - 1, "one.id = 1"),
        ("card", card, size.due, "one.id = 1"),
        ("delivery", ended, size.kept, "one.seq = 1"),
    ):
        names = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
        columns = ", ".join(changed.get(name, f"one.{name}") for name in names)
        db.execute(numbers.format(number, table, columns, where))
    pending = {"lane": "card.lane", "seq": f"{size.kept} + card.id", "grp": "card.grp"}
    pending |= {"card": "card.id"}
    names = [row[1] for row in db.execute("PRAGMA table_info(delivery)")]
    columns = ", ".join(pending.get(name, f"one.{name}") for name in names)
    db.execute(
        f"INSERT INTO delivery SELECT {columns} FROM delivery AS one, card"
        " WHERE one.seq = 1 AND card.id > 1"
    )
    db.execute("UPDATE lane SET last_seq = 10000000")


@pytest.mark.parametrize(
    "size",
    [
        pytest.param(Size(3_000, 40, 500), id="some"),
        pytest.param(Size(50_000, 2_000, 1_000_000), id="many", marks=pytest.mark.slow),
    ],
)
async def test_no_statement_of_a_message_reads_what_waits_or_what_is_kept(size: Size) -> None:
    store = Watched()
    world = World(limits=LIFTED, store=store)
    first = notification(alert("db-1"), group=GroupId("", "relay", "{}:{n=first}"))
    await world.post(first)
    arguments = (own(store, GROUP_CHAT), world.config.current, PLATFORMS, world.now, None)
    store.batch([partial(take_turn, store, *arguments)])
    store.batch([partial(grow, store, size)])
    store.watch()
    for number in range(2):
        told = notification(alert(f"host-{number}"), group=GroupId("", "relay", f"{{}}:{number}"))
        await world.post(told)
        for _ in range(4):
            world.now += 4  # as the chat's own limit asks for
            await world.turn(GROUP_CHAT)
    store.batch([partial(store.purge, T0 - 9, 1 << 40, 9), partial(store.stuck, T0)])
    store.batch([partial(store.expire, GROUP_CHAT, "ops", T0 - 9)])
    store.watch()
    assert len(world.telegram_calls()) > 5
    assert len(store.most) > 30
    slow = {
        sql: steps
        for sql, steps in store.most.items()
        if steps > MOST_STEPS and not sql.startswith(OF_ALL)
    }
    assert slow == {}
