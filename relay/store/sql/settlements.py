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

_lane_key = msgspec.json.Decoder(LaneKey).decode


# One statement, so that others who write meanwhile are in all of it or in none.
_BALANCE = (
    "SELECT platform, receiver, name, sum(value), NULL FROM counter"
    " GROUP BY platform, receiver, name UNION ALL"
    " SELECT key, owner, '', count(*), min(accepted_at) FROM delivery JOIN lane ON lane.id = lane"
    " WHERE settlement IS NULL GROUP BY owner, lane, key"
)


_END = (
    "UPDATE delivery SET settlement = ?, why = ?, ended_at = ?, into_seq = ?, message = ?"
    " WHERE lane = ? AND seq = ?"
)


class _State(Struct, frozen=True):
    """The part of a lane's state that says whether it is down."""

    down: Down | None = None


_state = msgspec.json.Decoder(_State).decode


def count(db: Database, platform: Platform, receiver: str, name: str, by: int) -> None:
    """Adds to a stored counter."""
    db.count(platform, receiver, name, by)


class DeliveryEnd(Struct, frozen=True):
    """How deliveries end: `at` (Unix seconds), merged `into` another delivery of the lane, or shown
    in the message.
    """

    settlement: Settlement
    why: str = ""
    at: float | None = None
    into: int | None = None
    message: MessageRef | None = None


def end(
    db: Database, platform: Platform, lane: int, seqs: Sequence[int], how: DeliveryEnd
) -> tuple[Ended, ...]:
    """Ends those of the deliveries that are pending, each counted once, under its owner."""
    owners: Counter[str] = Counter()
    for seq in seqs:
        for (owner,) in db.execute(
            f"{_END} AND settlement IS NULL RETURNING owner", (*_values(db, how), lane, seq)
        ).fetchall():
            owners[owner] += 1
    return _counted(db, platform, owners, how)


def end_known(
    db: Database, platform: Platform, lane: int, pending: Mapping[int, str], how: DeliveryEnd
) -> tuple[Ended, ...]:
    """Ends these deliveries, of which it was read in this transaction that they are pending on a
    card, and whose they are.
    """
    values = _values(db, how)
    db.executemany(f"{_END} AND card IS NOT NULL", [(*values, lane, seq) for seq in pending])
    return _counted(db, platform, Counter(pending.values()), how)


def _values(
    db: Database, how: DeliveryEnd
) -> tuple[Settlement, str, float | None, int | None, bytes | None]:
    message = db.encoded(how.message) if how.message else None
    return how.settlement, how.why, how.at, how.into, message


def _counted(
    db: Database, platform: Platform, owners: Mapping[str, int], how: DeliveryEnd
) -> tuple[Ended, ...]:
    for owner, ended in owners.items():
        count(db, platform, owner, how.settlement, ended)
    return tuple(
        Ended(owner, how.settlement, ended, why=how.why) for owner, ended in owners.items()
    )


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
    pending: dict[tuple[Platform, str], tuple[int, float]] = {}
    for of, receiver, name, value, oldest in db.execute(_BALANCE):
        if name:
            counted.setdefault((of, receiver), {})[name] = value
            continue
        where = (needed(_lane_key, of).platform, receiver)
        had, since = pending.get(where, (0, oldest))
        pending[where] = (had + value, min(since, oldest))
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
