"""Settlements in SQL: how deliveries end and are counted, and the present totals."""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress

import msgspec
from msgspec import Struct

from relay.core.balance import BalanceRow
from relay.core.card.lane_state import Down
from relay.core.card.step import MessageRef
from relay.core.event import Settlement
from relay.core.routing.lane import LaneKey, Platform
from relay.store.protocol import Ended
from relay.store.sql.database import Database
from relay.store.sql.unreadable import ERRORS, needed

_encode = msgspec.json.encode
_lane_key = msgspec.json.Decoder(LaneKey).decode


COUNTERS = (
    "SELECT platform, receiver, name, sum(value) FROM counter GROUP BY platform, receiver, name"
)


class _State(Struct, frozen=True):
    """The part of a lane's state that says whether it is down."""

    down: Down | None = None


_state = msgspec.json.Decoder(_State).decode


def count(db: Database, platform: Platform, receiver: str, name: str, by: int) -> None:
    """Adds to a stored counter."""
    db.count(platform, receiver, name, by)


def end(
    db: Database,
    platform: Platform,
    lane: int,
    seqs: Sequence[int],
    settlement: Settlement,
    why: str,
    at: float | None = None,
    into: int | None = None,
    message: MessageRef | None = None,
) -> tuple[Ended, ...]:
    """Ends those of the deliveries that are pending, each counted once, under its owner. They ended
    `at` (Unix seconds), by being merged `into` another delivery or by being shown in the message.
    """
    shown = _encode(message) if message else None
    owners: Counter[str] = Counter()
    for seq in seqs:
        for (owner,) in db.execute(
            "UPDATE delivery SET settlement = ?, why = ?, ended_at = ?, into_seq = ?, message = ?"
            " WHERE lane = ? AND seq = ? AND settlement IS NULL RETURNING owner",
            (settlement, why, at, into, shown, lane, seq),
        ).fetchall():
            owners[owner] += 1
    for owner, ended in owners.items():
        count(db, platform, owner, settlement, ended)
    return tuple(Ended(owner, settlement, ended, why=why) for owner, ended in owners.items())


def end_known(
    db: Database,
    platform: Platform,
    lane: int,
    pending: Mapping[int, str],
    settlement: Settlement,
    why: str,
    at: float | None = None,
    into: int | None = None,
    message: MessageRef | None = None,
) -> tuple[Ended, ...]:
    """Ends these deliveries, of which it was read in this transaction that they are pending on a
    card, and whose they are.
    """
    shown = _encode(message) if message else None
    db.executemany(
        "UPDATE delivery SET settlement = ?, why = ?, ended_at = ?, into_seq = ?, message = ?"
        " WHERE lane = ? AND seq = ? AND card IS NOT NULL",
        [(settlement, why, at, into, shown, lane, seq) for seq in pending],
    )
    owners = Counter(pending.values())
    for owner, ended in owners.items():
        count(db, platform, owner, settlement, ended)
    return tuple(Ended(owner, settlement, ended, why=why) for owner, ended in owners.items())


def pending_lanes(db: Database) -> tuple[tuple[LaneKey, str], ...]:
    rows = db.execute(
        "SELECT DISTINCT key, owner FROM delivery JOIN lane ON lane.id = lane WHERE settlement "
        "IS NULL"
    )
    return tuple((_lane_key(key), owner) for key, owner in rows)


def down(db: Database) -> tuple[tuple[LaneKey, Down], ...]:
    """The lanes that are down (`protocol.Store.down`). An unreadable state is skipped; it is reset
    in the lane's next turn.
    """
    found: list[tuple[LaneKey, Down]] = []
    for key, state in db.execute("SELECT key, state FROM lane ORDER BY key"):
        with suppress(*ERRORS):
            told = _state(state).down
            if told:
                found.append((_lane_key(key), told))
    return tuple(found)


def balance(db: Database) -> tuple[BalanceRow, ...]:
    counted: dict[tuple[Platform, str], dict[str, int]] = {}
    for platform, receiver, name, value in db.execute(COUNTERS):
        counted.setdefault((platform, receiver), {})[name] = value
    pending: dict[tuple[Platform, str], tuple[int, float]] = {}
    for key, owner, waiting, oldest in db.execute(
        "SELECT key, owner, count(*), min(accepted_at) FROM delivery JOIN lane ON lane.id = lane"
        " WHERE settlement IS NULL GROUP BY owner, lane, key"
    ):
        where = (needed(_lane_key, key).platform, owner)
        had, since = pending.get(where, (0, oldest))
        pending[where] = (had + waiting, min(since, oldest))
    return tuple(
        _balance_row(where, counted[where], pending.get(where)) for where in sorted(counted)
    )


def _balance_row(
    where: tuple[Platform, str], counts: dict[str, int], pending: tuple[int, float] | None
) -> BalanceRow:
    waiting, oldest = pending or (0, None)
    names = ("accepted", "delivered", "merged", "duplicate", "muted", "expired", "dead")
    accepted, delivered, merged, duplicate, muted, expired, dead = (
        counts.get(name, 0) for name in names
    )
    return BalanceRow(
        *where, accepted, delivered, merged, duplicate, muted, expired, dead, waiting, oldest
    )
