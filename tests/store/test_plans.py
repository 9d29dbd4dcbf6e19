"""What SQLite reads for the statements of each turn and of the upkeep: never all that a chat ever
got.
"""

import sqlite3
from functools import partial

from msgspec.structs import replace

from relay.core.card.card import Card, Shown, mark
from relay.core.card.digest import DIGEST
from relay.core.card.lane_state import LaneState
from relay.core.card.step import MessageRef
from relay.core.turn.change import AttemptResult, CardChange
from relay.core.turn.decide import Absorb
from relay.store.sqlite.store import SqliteStore
from tests.build import DISCORD, GROUP, T0, TELEGRAM
from tests.store.held import own, settle
from tests.store.test_store import fold_all, new_payload


def turns(store: SqliteStore) -> None:
    """A card comes, is shown and closes; a digest takes one in; a chat is down; another one is
    gone.
    """
    store.accept([new_payload(TELEGRAM)])
    card = fold_all(store, TELEGRAM)
    digest = CardChange(Card(DIGEST, "", "ops"), T0, urgent=False)
    store.absorb(own(store, TELEGRAM), Absorb("ops", T0 + 9, urgent=True), T0)
    settle(store, AttemptResult(TELEGRAM, LaneState(), digest, T0, shown=True, digest=frozenset()))
    closed = replace(
        card, shown=Shown(MessageRef("-1001", "", "7"), mark(card), T0, T0), closed_at=T0
    )
    settle(
        store,
        AttemptResult(
            TELEGRAM, LaneState(), CardChange(closed, None, urgent=False), T0, shown=True
        ),
    )
    store.accept([new_payload(TELEGRAM)])
    store.copy_to_fallback(own(store, TELEGRAM), "ops", "spare", [DISCORD])
    store.expire(TELEGRAM, "ops", T0)
    store.unfold(own(store, TELEGRAM), GROUP, "")
    store.dismiss(own(store, TELEGRAM), [2], "merged", "")
    store.wakes()
    store.pending_lanes()
    store.balance()
    store.fold(own(store, DISCORD), [CardChange(replace(closed, folded_seq=9), None, urgent=False)])
    store.purge(T0 + 9, 1 << 30, 9)


def test_no_turn_reads_all_that_its_chat_ever_got() -> None:
    store = SqliteStore(":memory:")
    db, statements = store._file._db, list[str]()
    assert isinstance(db, sqlite3.Connection)
    db.set_trace_callback(statements.append)
    store.batch([partial(turns, store)])
    db.set_trace_callback(None)
    asked = [sql for sql in statements if sql.startswith(("SELECT", "UPDATE", "DELETE"))]
    assert len(asked) > 40
    slow = [
        sql
        for sql in asked
        for *_, plan in db.execute(f"EXPLAIN QUERY PLAN {sql}")
        if plan in ("SEARCH delivery USING PRIMARY KEY (lane=?)", "SCAN delivery", "SCAN card")
    ]
    assert slow == []
    store.close()
