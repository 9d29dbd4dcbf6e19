"""Moves stored times: back if a clock ahead of the present one wrote them, on if the clock is moved
on.
"""

from collections.abc import Callable
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from relay.core.action.escalation import EscalationClock
from relay.core.action.heartbeat import Beat
from relay.core.bot.people import Subscription
from relay.core.bot.update import PollState
from relay.core.budget import Budget
from relay.core.card.card import Card
from relay.core.card.lane_state import LaneState
from relay.core.clock_ahead import AHEAD, MovedTimes, moved_on
from relay.store.sql.budgets import decoded
from relay.store.sql.database import Database
from relay.store.sql.unreadable import readable

T = TypeVar("T")
# Columns with times; those of a card are in its body too.
_COLUMNS = (
    ("payload", "accepted_at"),
    ("delivery", "accepted_at"),
    ("delivery", "ended_at"),
    ("refusal", "at"),
    ("heard", "at"),
    ("config", "since"),
    ("card", "due"),
    ("card", "posted_at"),
    ("card", "waiting_since"),
    ("saying", "at"),
    ("lane", "called_at"),
)
_KEYS = {
    "budget": "key",
    "bot": "key",
    "heartbeat": "name, by_values",
    "escalation": "receiver, source, alert",
}
# Only of what waits: open deliveries and cards.
_WAITING = (
    ("delivery", "accepted_at", " AND settlement IS NULL"),
    ("card", "due", ""),
    ("card", "waiting_since", ""),
    ("card", "posted_at", ""),
    ("saying", "at", ""),
    ("lane", "called_at", ""),
    ("silencing", "due", ""),
    ("escalation", "due", ""),
    ("heartbeat", "seen_at", ""),
)
_OPEN = " WHERE closed = 0 OR due IS NOT NULL"


def move_times_back(db: Database, now: float) -> float:
    by = _last(db) - now
    if by <= AHEAD:
        return 0.0
    back = MovedTimes(now, by)
    for table, column in _COLUMNS:
        db.execute(f"UPDATE {table} SET {column} = {column} - ? WHERE {column} > ?", (by, now))  # noqa: S608
    db.remembered.budgets.clear()
    db.execute("DELETE FROM wish")
    db.execute("UPDATE card SET ready = 0 WHERE ready = 1")
    _each(db, "card", "body", Card, back.card)
    _move_all(db, back)
    return by


def move_times_on(db: Database, by: float) -> None:
    on = moved_on(by)
    for table, column, waits in _WAITING:
        moved = f"UPDATE {table} SET {column} = {column} + ? WHERE {column} > 1"  # noqa: S608
        db.execute(moved + waits, (by,))
    db.remembered.budgets.clear()
    db.execute("DELETE FROM wish")
    _each(db, "card", "body", Card, on.card, _OPEN)
    _each(db, "heartbeat", "body", Beat, on.beat)
    _each(db, "escalation", "body", EscalationClock, on.escalation)
    _move_all(db, on)


def _move_all(db: Database, moved: MovedTimes) -> None:
    _each(db, "budget", "body", Budget, moved.budget)
    _each(db, "lane", "state", LaneState, moved.state)
    _each(db, "subscription", "body", Subscription, moved.subscription)
    _each(
        db,
        "bot",
        "body",
        PollState,
        lambda poll_state: replace(poll_state, heard_at=moved.at(poll_state.heard_at)),
    )


def _last(db: Database) -> float:
    """When something was last accepted or sent."""
    (ended,) = db.execute(
        "SELECT max(accepted_at) FROM delivery WHERE settlement IS NOT NULL"
    ).fetchone()
    (pending,) = db.execute(
        "SELECT max(accepted_at) FROM delivery WHERE settlement IS NULL"
    ).fetchone()
    budgets = [decoded(*row) for row in db.execute("SELECT key, body FROM budget")]
    return max(
        ended or 0.0, pending or 0.0, *(at for budget in budgets for at in budget.used[-1:]), 0.0
    )


def _each(
    db: Database,
    table: str,
    column: str,
    sort: type[T],
    moved: Callable[[T], T],
    which: str = "",
) -> None:
    """Moves the values of a column, one after the other. Values that cannot be read are left to
    their readers.
    """
    decode = msgspec.json.Decoder(sort).decode
    key = _KEYS.get(table, "id")
    here = f"({key}) = ({', '.join('?' * len(key.split(',')))})"
    for row in db.execute(f"SELECT {key} FROM {table}{which}").fetchall():  # noqa: S608
        (blob,) = db.execute(f"SELECT {column} FROM {table} WHERE {here}", row).fetchone()  # noqa: S608
        value = readable(decode, blob)
        if value is not None and moved(value) != value:
            db.execute(
                f"UPDATE {table} SET {column} = ? WHERE {here}",  # noqa: S608
                (msgspec.json.encode(moved(value)), *row),
            )
