"""Accepting: payloads and their deliveries become rows, with copies for the chats that stand in for
another one.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from relay.core.card.lane_state import LaneState
from relay.core.routing.lane import LaneKey
from relay.core.routing.route import Delivery
from relay.store.protocol import RECEIVER_REMOVED, ROUTED_AGAIN, NewPayload
from relay.store.sqlite import cards
from relay.store.sqlite.database import Database
from relay.store.sqlite.settlements import count

_encode = msgspec.json.encode
_lane_key = msgspec.json.Decoder(LaneKey).decode
_EMPTY = b"[]"
_NO_STATE = _encode(LaneState())


class _Row(NamedTuple):
    """A delivery on its way into the table."""

    lane: int
    key: LaneKey
    receiver: str
    owner: str
    fingerprint: str
    alerts: bytes | None
    fallback_for: int | None


def lane_row(db: Database, lane: LaneKey) -> int:
    """The number of the lane; one that is new gets one."""
    key = _encode(lane).decode()
    found = db.execute("SELECT id FROM lane WHERE key = ?", (key,)).fetchone()
    if found is None:
        found = db.execute(
            "INSERT INTO lane (key, state) VALUES (?, ?) RETURNING id", (key, _NO_STATE)
        ).fetchone()
    return int(found[0])


def accept(db: Database, new_payload: NewPayload) -> tuple[LaneKey, ...]:
    """See `protocol.Store.accept`."""
    group = cards.text(new_payload.group)
    rows = [_own(db, way) for way in new_payload.deliveries]
    rows += _watching(
        db, group, {(row.lane, row.fingerprint): row for row in rows}, last=new_payload.last
    )
    if not rows:
        return ()
    (payload,) = db.execute(
        "INSERT INTO payload (accepted_at, body) VALUES (?, ?) RETURNING id",
        (new_payload.accepted_at, new_payload.body),
    ).fetchone()
    return _add_all(db, rows, payload, group, new_payload.accepted_at)


def copy_to_fallback(
    db: Database, lane: LaneKey, receiver: str, fallback: str, to: Sequence[LaneKey]
) -> tuple[LaneKey, ...]:
    """See `protocol.Store.copy_to_fallback`."""
    source = lane_row(db, lane)
    pending = db.execute(
        "UPDATE delivery INDEXED BY delivery_owner SET copied = 1 WHERE lane = ? AND owner = ? "
        "AND receiver = owner"
        " AND settlement IS NULL AND copied = 0 RETURNING seq, payload, grp, fingerprint, "
        "alerts, accepted_at",
        (source, receiver),
    ).fetchall()
    woken: list[LaneKey] = []
    for _, payload, group, fingerprint, alerts, accepted_at in sorted(pending):
        rows = [
            _Row(lane_row(db, key), key, fallback, receiver, fingerprint, alerts, source)
            for key in to
        ]
        missing = [row for row in rows if not _has(db, row, payload)]
        woken += _add_all(db, missing, payload, group, accepted_at)
    return tuple(dict.fromkeys(woken))


def route_again(db: Database, lane: int, seq: int, ways: Sequence[Delivery]) -> tuple[LaneKey, ...]:
    """See `protocol.Store.route_again`."""
    payload, receiver, owner, group, fingerprint, accepted_at = db.execute(
        "SELECT payload, receiver, owner, grp, fingerprint, accepted_at FROM delivery WHERE lane "
        "= ? AND seq = ?",
        (lane, seq),
    ).fetchone()
    rows = [_own(db, way) for way in ways]
    fresh = [
        row
        for row in rows
        if not _was_told(db, row, payload) and not _knows_newer(db, row, group, accepted_at)
    ]
    woken = _add_all(db, fresh, payload, group, accepted_at)
    if receiver == owner:
        return woken
    return tuple(dict.fromkeys((*woken, *_uncopied(db, payload, owner, fingerprint))))


def _uncopied(db: Database, payload: int, owner: str, fingerprint: str) -> list[LaneKey]:
    """The copy of these deliveries is lost with its chat: the fallback that is now gets one. Their
    lanes.
    """
    found = db.execute(
        "UPDATE delivery INDEXED BY delivery_payload SET copied = 0 WHERE payload = ? AND owner = ?"
        " AND receiver = owner AND fingerprint = ? AND settlement IS NULL AND copied = 1"
        " RETURNING (SELECT key FROM lane WHERE lane.id = delivery.lane)",
        (payload, owner, fingerprint),
    )
    return [_lane_key(key) for (key,) in found.fetchall()]


def _own(db: Database, way: Delivery) -> _Row:
    lane, alerts = lane_row(db, way.lane), None if way.alerts is None else _encode(way.alerts)
    return _Row(lane, way.lane, way.receiver, way.receiver, way.fingerprint, alerts, None)


def _watching(
    db: Database, group: str, present: dict[tuple[int, str], _Row], *, last: bool
) -> list[_Row]:
    """Deliveries for the open cards of the group that the arrival does not reach by itself: a copy
    where the card stands for another lane, else, once the payload is whole, an empty one. Where
    that lane is none of its receiver's any more (the receiver has another bot or chat now), what
    goes to the receiver is copied."""
    found = db.execute(
        "SELECT lane.id, lane.key, receiver, owner, fingerprint, stands_for FROM watch JOIN lane"
        " ON lane.id = watch.lane WHERE watch.grp = ?",
        (group,),
    ).fetchall()
    owners = {(row.owner, row.fingerprint): row for row in present.values()}
    rows = []
    for lane, key, receiver, owner, fingerprint, fallback_for in found:
        if (lane, fingerprint) not in present:
            moved = owners.get((owner, fingerprint)) if fallback_for is not None else None
            original = present.get((fallback_for, fingerprint), moved)
            alerts = original.alerts if original else _EMPTY
            if original or last:
                rows.append(
                    _Row(lane, _lane_key(key), receiver, owner, fingerprint, alerts, fallback_for)
                )
    return rows


def _has(db: Database, row: _Row, payload: int) -> bool:
    """The lane got these alerts of the payload before, such as by a copy made as they arrived."""
    found = db.execute(
        "SELECT 1 FROM delivery INDEXED BY delivery_payload WHERE payload = ? AND lane = ? AND "
        "owner = ?"
        " AND fingerprint = ? AND alerts IS ? AND why NOT IN (?, ?) LIMIT 1",
        (payload, row.lane, row.owner, row.fingerprint, row.alerts, ROUTED_AGAIN, RECEIVER_REMOVED),
    ).fetchone()
    return found is not None


def _was_told(db: Database, row: _Row, payload: int) -> bool:
    """The lane got the payload, with these alerts at least, and did not lose it while it was
    removed itself.
    """
    found = db.execute(
        "SELECT 1 FROM delivery INDEXED BY delivery_payload WHERE payload = ? AND lane = ? AND "
        "fingerprint = ?"
        " AND (alerts IS NULL OR alerts IS ?) AND why NOT IN (?, ?) LIMIT 1",
        (payload, row.lane, row.fingerprint, row.alerts, ROUTED_AGAIN, RECEIVER_REMOVED),
    ).fetchone()
    return found is not None


def _knows_newer(db: Database, row: _Row, group: str, accepted_at: float) -> bool:
    """The lane was told of the group by something accepted later, be it folded or not."""
    card = cards.find(db, row.lane, group, row.fingerprint)
    if card and card.heard_at > accepted_at:
        return True
    found = db.execute(
        "SELECT 1 FROM delivery INDEXED BY delivery_open WHERE lane = ? AND card IS NULL AND "
        "settlement IS NULL"
        " AND grp = ? AND fingerprint = ? AND accepted_at > ? LIMIT 1",
        (row.lane, group, row.fingerprint, accepted_at),
    ).fetchone()
    return found is not None


def _add_all(
    db: Database, rows: Sequence[_Row], payload: int, group: str, accepted_at: float
) -> tuple[LaneKey, ...]:
    """Keeps and counts the deliveries; their lanes."""
    for row in rows:
        _add(db, row, payload, group, accepted_at)
    _count_accepted(db, rows)
    return tuple(dict.fromkeys(row.key for row in rows))


def _add(db: Database, row: _Row, payload: int, group: str, accepted_at: float) -> None:
    (seq,) = db.execute(
        "UPDATE lane SET last_seq = last_seq + 1 WHERE id = ? RETURNING last_seq", (row.lane,)
    ).fetchone()
    db.execute(
        "INSERT INTO delivery (lane, seq, payload, receiver, owner, grp, fingerprint, alerts, "
        "accepted_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            row.lane,
            seq,
            payload,
            row.receiver,
            row.owner,
            group,
            row.fingerprint,
            row.alerts,
            accepted_at,
        ),
    )
    db.execute(
        "INSERT OR IGNORE INTO watch VALUES (?, ?, ?, ?, ?, ?)",
        (group, row.lane, row.fingerprint, row.receiver, row.owner, row.fallback_for),
    )


def _count_accepted(db: Database, rows: Iterable[_Row]) -> None:
    for (platform, owner), accepted in Counter(
        (row.key.platform, row.owner) for row in rows
    ).items():
        count(db, platform, owner, "accepted", accepted)
