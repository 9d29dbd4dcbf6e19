"""Budgets as rows, and the order of the lanes that share one."""

from collections.abc import Iterable, Sequence

import msgspec
from msgspec.structs import replace

from relay.core.budget import (
    Block,
    Budget,
    Limit,
    answered,
    block,
    free_at,
    is_asked,
    merge,
    refuse,
    room,
    room_within,
    take,
)
from relay.core.card.lane_state import LaneState
from relay.core.card.step import Rank
from relay.core.routing.lane import LaneKey
from relay.store.protocol import Attempt
from relay.store.sql.database import Database
from relay.store.sql.unreadable import needed, readable
from relay.store.sql.waiting import look_again

YIELD = 0.05  # seconds after which a lane that let another one go first tries again
ASK_AGAIN = 0.25  # seconds after which a lane tries again that waits for another one's result
PATIENCE = 5.0  # seconds that others wait for a lane that may go and does not come
# A sixth of a budget is left to first messages and urgent ones, so that a new alert does not wait
# for a minute that many edits used up.
KEPT_BACK = 6
_encode = msgspec.json.encode
_lane_key = msgspec.json.Decoder(LaneKey).decode
_lane_state = msgspec.json.Decoder(LaneState).decode
_budget = msgspec.json.Decoder(Budget).decode


def take_all(
    db: Database, lane: int, attempt: Attempt, limits: Sequence[Limit], now: float
) -> float | None:
    """Takes the attempt's call from all budgets and returns None, or takes none and returns when to
    try again (Unix seconds). A part of each budget is kept for alerts that no message names. A
    denied attempt leaves a wish; an attempt lets wishes of lower rank that may go now go first, as
    far as there is room.
    """
    lock(db, [limit.key for limit in limits])
    budgets = [(_open_to(attempt.rank, limit), _read(db, limit.key)) for limit in limits]
    due = max((free_at(budget, limit, now) for limit, budget in budgets), default=now)
    _forget_wishes(db, lane, now)
    (called_at,) = db.execute("SELECT called_at FROM lane WHERE id = ?", (lane,)).fetchone()
    order = (attempt.rank, called_at, attempt.since)
    asked = any(is_asked(budget, now) for _, budget in budgets)
    if (
        due > now
        or asked
        or any(
            _ahead(db, order, limit, now) >= room(budget, limit, now) for limit, budget in budgets
        )
    ):
        wish = [(limit.key, lane, *order, due) for limit in limits]
        db.remembered.wishes = True
        db.executemany(
            "INSERT INTO wish (key, lane, rank, called_at, since, due) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (key, lane) DO UPDATE SET rank = excluded.rank,"
            " called_at = excluded.called_at, since = excluded.since, due = excluded.due",
            wish,
        )
        return due if due > now else now + (ASK_AGAIN if asked else YIELD)
    _keep_all(db, [take(budget, limit, now) for limit, budget in budgets])
    db.execute("UPDATE lane SET called_at = ? WHERE id = ?", (now, lane))
    return None


def lock(db: Database, keys: Sequence[str]) -> None:
    """Locks these budgets against changes by others until the end of the transaction."""
    for key, body in db.lock_budgets(keys).items():
        db.remembered.budgets[key] = decoded(key, body)


def _forget_wishes(db: Database, lane: int, now: float) -> None:
    """Removes the lane's own wish, and those of lanes that did not come."""
    if db.remembered.wishes:
        db.remembered.wishes = db.execute("SELECT 1 FROM wish LIMIT 1").fetchone() is not None
    if db.remembered.wishes:
        db.execute("DELETE FROM wish WHERE lane = ? OR due <= ?", (lane, now - PATIENCE))


def _open_to(rank: Rank, limit: Limit) -> Limit:
    """The limit for a step of this rank."""
    kept_back = limit.count // KEPT_BACK if rank >= Rank.FOLLOW else 0
    return replace(limit, count=limit.count - kept_back)


def room_in_all(db: Database, limits: Sequence[Limit], now: float, seconds: float) -> float:
    """How many calls all these budgets allow together in the next `seconds`."""
    return min(
        (room_within(_read(db, limit.key), limit, now, seconds) for limit in limits),
        default=float("inf"),
    )


def wake_api(
    db: Database, lane: LaneKey, since: float, now: float, pause: float
) -> tuple[LaneKey, ...]:
    """Wakes the lanes of the same API that are in trouble, after a call of this lane got through,
    and returns them (`protocol.Store.wake_api`).
    """
    if not db.lanes_may_fail:
        return ()
    failing = db.execute("SELECT id, key, state, called_at FROM lane WHERE attempts > 0").fetchall()
    db.lanes_may_fail = bool(failing)
    woken: list[LaneKey] = []
    for row, key, body, called_at in failing:
        other, state = needed(_lane_key, key), readable(_lane_state, body)
        is_same = (other.platform, other.api) == (lane.platform, lane.api)
        if state is None or other == lane or not is_same or state.trouble_since <= since:
            continue
        again = replace(state, retry_at=max(now, called_at + pause), recovered_at=now)
        db.execute("UPDATE lane SET state = ? WHERE id = ?", (db.encoded(again), row))
        look_again(db, row, now)
        woken.append(other)
    return tuple(woken)


def take_spare(db: Database, limits: Sequence[Limit], now: float) -> bool:
    """Takes a call that need not be made, if half of each budget is free and nobody waits
    for it.
    """
    lock(db, [limit.key for limit in limits])
    budgets = [(limit, _read(db, limit.key)) for limit in limits]
    for limit, budget in budgets:
        waits = db.execute(
            "SELECT 1 FROM wish WHERE key = ? AND due > ? LIMIT 1", (limit.key, now - PATIENCE)
        ).fetchone()
        if (
            waits
            or free_at(budget, limit, now) > now
            or room(budget, limit, now) <= limit.count // 2
        ):
            return False
    for limit, budget in budgets:
        _keep(db, take(budget, limit, now))
    return True


def settle(db: Database, renamed: Iterable[tuple[str, str]], blocks: Iterable[Block]) -> None:
    """Counts the calls of renamed budgets under their new names, and applies the blocks."""
    renamed, blocks = tuple(renamed), tuple(blocks)
    keys = [key for both in renamed for key in both]
    keys += [key for each in blocks for key in (*each.keys, *filter(None, (each.whole,)))]
    lock(db, keys)
    for old, new in renamed:
        _keep(db, merge(_read(db, old), _read(db, new)))
        db.remembered.budgets.pop(old, None)
        db.execute("DELETE FROM budget WHERE key = ?", (old,))
    for each in blocks:
        for key in each.keys:
            _keep(db, block(_read(db, key), each.until))
        if each.whole:
            _keep(db, refuse(_read(db, each.whole), each))


def end(db: Database, keys: Iterable[str], *, passed: bool) -> None:
    """Records the end of a call that was not refused, which counts if a budget waited for its
    answer.
    """
    keys = tuple(keys)
    lock(db, keys)
    for key in keys:
        budget = _read(db, key)
        if budget.refused is not None:
            _keep(db, answered(budget, passed=passed))


def _ahead(db: Database, order: tuple[int, float, float], limit: Limit, now: float) -> int:
    """How many other lanes may make a call on this budget now and go before one of this order:
    rank, last call of its lane, age.
    """
    if not db.remembered.wishes:
        return 0
    (count,) = db.execute(
        "SELECT count(*) FROM wish WHERE key = ? AND due <= ?"
        " AND (rank, called_at, since) < (?, ?, ?)",
        (limit.key, now, *order),
    ).fetchone()
    return int(count)


def _read(db: Database, key: str) -> Budget:
    known = db.remembered.budgets.get(key)
    if known is None:
        found = db.execute("SELECT body FROM budget WHERE key = ?", (key,)).fetchone()
        known = decoded(key, found[0]) if found else Budget(key)
        db.remembered.budgets[key] = known
    return known


def decoded(key: str, body: bytes) -> Budget:
    """The budget of a row. An unreadable row becomes an empty budget: at worst the platform refuses
    a call.
    """
    return readable(_budget, body) or Budget(key)


def _keep(db: Database, budget: Budget) -> None:
    _keep_all(db, [budget])


def _keep_all(db: Database, budgets: Sequence[Budget]) -> None:
    db.remembered.budgets |= {budget.key: budget for budget in budgets}
    db.executemany(
        "INSERT INTO budget (key, body) VALUES (?, ?)"
        " ON CONFLICT (key) DO UPDATE SET body = excluded.body",
        [(budget.key, db.encoded(budget)) for budget in budgets],
    )
