"""Times in the SQLite store that a clock ahead of the present one wrote, moved back."""

from collections.abc import Callable
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from relay.core.bot.people import Subscription
from relay.core.bot.update import PollState
from relay.core.budget import Budget
from relay.core.card.card import Card
from relay.core.card.lane_state import LaneState
from relay.core.clock_ahead import AHEAD, TimesMovedBack
from relay.store.sql.budgets import decoded
from relay.store.sql.database import Database
from relay.store.sql.unreadable import readable

T = TypeVar("T")
# Moments that stand in columns of their own; those of a card stand in its body too.
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


def move_times_back(db: Database, now: float) -> float:
    by = _last(db) - now
    if by <= AHEAD:
        return 0.0
    back = TimesMovedBack(now, by)
    for table, column in _COLUMNS:
        db.execute(f"UPDATE {table} SET {column} = {column} - ? WHERE {column} > ?", (by, now))  # noqa: S608
    db.remembered.budgets.clear()
    db.execute("DELETE FROM wish")
    db.execute("UPDATE card SET ready = 0 WHERE ready = 1")
    _each(db, "budget", "body", Budget, back.budget)
    _each(db, "lane", "state", LaneState, back.state)
    _each(db, "card", "body", Card, back.card)
    _each(db, "subscription", "body", Subscription, back.subscription)
    _each(
        db,
        "bot",
        "body",
        PollState,
        lambda poll_state: replace(poll_state, heard_at=back.at(poll_state.heard_at)),
    )
    return by


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


def _each(db: Database, table: str, column: str, sort: type[T], moved: Callable[[T], T]) -> None:
    """Moves the values of a column, one after the other; what cannot be read is left to who needs
    it.
    """
    decode = msgspec.json.Decoder(sort).decode
    key = "key" if table in ("budget", "bot") else "id"
    for (row,) in db.execute(f"SELECT {key} FROM {table}").fetchall():  # noqa: S608
        (blob,) = db.execute(f"SELECT {column} FROM {table} WHERE {key} = ?", (row,)).fetchone()  # noqa: S608
        value = readable(decode, blob)
        if value is not None and moved(value) != value:
            db.execute(
                f"UPDATE {table} SET {column} = ? WHERE {key} = ?",  # noqa: S608
                (msgspec.json.encode(moved(value)), row),
            )
