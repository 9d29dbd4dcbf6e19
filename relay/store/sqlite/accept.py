"""Accepting: payloads and their deliveries become rows, with copies for the chats that stand in for
another one.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from relay.core.card.lane_state import LaneState
from relay.core.event import EndReason
from relay.core.routing.lane import LaneKey
from relay.core.routing.route import Delivery
from relay.store.protocol import NewPayload
from relay.store.sqlite import cards
from relay.store.sqlite.database import Database
from relay.store.sqlite.settlements import count

_encode = msgspec.json.encode
_lane_key = msgspec.json.Decoder(LaneKey).decode
# What ended so was told by nobody on this lane.
_ELSEWHERE = (EndReason.ROUTED_AGAIN, EndReason.RECEIVER_REMOVED)
_EMPTY = b"[]"
_NO_STATE = _encode(LaneState())


class _Accepted(NamedTuple):
    """A payload, its group as the tables have it, and its deliveries."""

    payload: NewPayload
    group: str
    rows: "list[_Row]"


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
    known = db.lane_rows.get(lane)
    if known is not None:
        return known
    key = _encode(lane).decode()
    found = db.execute("SELECT id FROM lane WHERE key = ?", (key,)).fetchone() or _new_lane(db, key)
    row = int(found[0])
    db.lane_rows[lane] = row
    return row


def _new_lane(db: Database, key: str) -> tuple[int]:
    chat = key.partition('"thread":')[0]
    (first,) = db.execute(
        "SELECT min(chat) FROM lane WHERE key >= ? AND key < ?", (chat, f"{chat}\U0010ffff")
    ).fetchone()
    (row,) = db.execute(
        "INSERT INTO lane (key, state, chat) VALUES (?, ?, ?) RETURNING id",
        (key, _NO_STATE, first or 0),
    ).fetchone()
    if first is None:
        db.execute("UPDATE lane SET chat = id WHERE id = ?", (row,))
    return (row,)


def accept(db: Database, payloads: Sequence[NewPayload]) -> tuple[LaneKey, ...]:
    groups = {id(new): cards.text(new.group) for new in payloads}
    watchers = _watchers(db, set(groups.values()))
    found: list[_Accepted] = []
    for new in payloads:
        group = groups[id(new)]
        rows = [_own(db, way) for way in new.deliveries]
        present = {(row.lane, row.fingerprint): row for row in rows}
        rows += _watching(watchers.get(group, {}), present, last=new.last)
        if rows:
            found.append(_Accepted(new, group, rows))
            watched = watchers.setdefault(group, {})
            for row in rows:
                watched.setdefault((row.lane, row.fingerprint), row)
    return _add_all(db, found)


def _watchers(db: Database, groups: set[str]) -> dict[str, dict[tuple[int, str], _Row]]:
    """By group: the cards that an absent alert of it concerns."""
    found: dict[str, dict[tuple[int, str], _Row]] = {}
    for group, lane, key, receiver, owner, fingerprint, fallback_for in db.execute(
        "SELECT watch.grp, lane.id, lane.key, receiver, owner, fingerprint, stands_for"
        " FROM json_each(?) AS wanted CROSS JOIN watch ON watch.grp = wanted.value"
        " JOIN lane ON lane.id = watch.lane",
        (_encode(sorted(groups)).decode(),),
    ):
        row = _Row(lane, _lane_key(key), receiver, owner, fingerprint, _EMPTY, fallback_for)
        found.setdefault(group, {})[lane, fingerprint] = row
    return found


class Part(NamedTuple):
    """What of a lane's pending deliveries goes to a fallback: those of one owner; for one card
    (group and fingerprint); accepted before then, or then.
    """

    owner: str
    card: tuple[str, str] | None = None
    before: float | None = None


def copy_to_fallback(
    db: Database, lane: LaneKey, receiver: str, fallback: str, to: Sequence[LaneKey], part: Part
) -> tuple[LaneKey, ...]:
    source = lane_row(db, lane)
    group, fingerprint = part.card or (None, None)
    pending = db.execute(
        "UPDATE delivery INDEXED BY delivery_owner SET copied = 1 WHERE lane = ?1 AND owner = ?2"
        " AND receiver = ?3 AND settlement IS NULL AND copied = 0"
        " AND (?4 IS NULL OR (grp = ?4 AND fingerprint = ?5)) AND (?6 IS NULL OR accepted_at <= ?6)"
        " RETURNING seq, payload, grp, fingerprint, alerts, accepted_at",
        (source, part.owner, receiver, group, fingerprint, part.before),
    ).fetchall()
    woken: list[LaneKey] = []
    for _, payload, group, fingerprint, alerts, accepted_at in sorted(pending):
        rows = [
            _Row(lane_row(db, key), key, fallback, part.owner, fingerprint, alerts, source)
            for key in to
        ]
        missing = [row for row in rows if not _has(db, row, payload)]
        woken += _add(db, [(row, payload, group, accepted_at) for row in missing])
    return tuple(dict.fromkeys(woken))


def route_again(db: Database, lane: int, seq: int, ways: Sequence[Delivery]) -> tuple[LaneKey, ...]:
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
    woken = _add(db, [(row, payload, group, accepted_at) for row in fresh])
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
    watchers: Mapping[tuple[int, str], _Row], present: Mapping[tuple[int, str], _Row], *, last: bool
) -> list[_Row]:
    """Deliveries for the open cards of the group that the payload does not reach by itself: a copy
    where the card stands in for another lane, else, once the payload is whole, an empty one. Where
    that lane is none of its receiver's any more (the receiver has another bot or chat now), what
    goes to the receiver is copied.
    """
    owners = {(row.owner, row.fingerprint): row for row in present.values()}
    rows = []
    for key, row in watchers.items():
        if key in present:
            continue
        moved = owners.get((row.owner, row.fingerprint)) if row.fallback_for is not None else None
        original = moved
        if row.fallback_for is not None:
            original = present.get((row.fallback_for, row.fingerprint), moved)
        if original or last:
            rows.append(row._replace(alerts=original.alerts if original else _EMPTY))
    return rows


def _has(db: Database, row: _Row, payload: int) -> bool:
    """The lane got these alerts of the payload before, such as by a copy made as they arrived."""
    found = db.execute(
        "SELECT 1 FROM delivery INDEXED BY delivery_payload WHERE payload = ? AND lane = ? AND "
        "owner = ?"
        " AND fingerprint = ? AND alerts IS ? AND why NOT IN (?, ?) LIMIT 1",
        (payload, row.lane, row.owner, row.fingerprint, row.alerts, *_ELSEWHERE),
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
        (payload, row.lane, row.fingerprint, row.alerts, *_ELSEWHERE),
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


def _add_all(db: Database, accepted: Sequence[_Accepted]) -> tuple[LaneKey, ...]:
    """Keeps the payloads, and keeps and counts the deliveries; their lanes."""
    (last,) = db.execute("SELECT coalesce(max(id), 0) FROM payload").fetchone()
    ids = range(last + 1, last + 1 + len(accepted))
    db.executemany(
        "INSERT INTO payload (id, accepted_at, body) VALUES (?, ?, ?)",
        [
            (number, new.accepted_at, new.body)
            for number, (new, _, _) in zip(ids, accepted, strict=True)
        ],
    )
    return _add(
        db,
        [
            (row, number, group, new.accepted_at)
            for number, (new, group, rows) in zip(ids, accepted, strict=True)
            for row in rows
        ],
    )


def _add(db: Database, rows: Sequence[tuple[_Row, int, str, float]]) -> tuple[LaneKey, ...]:
    """Keeps and counts deliveries of payloads (with their number, group and time), in this order;
    their lanes.
    """
    seqs = _take_numbers(db, Counter(row.lane for row, *_ in rows))
    db.executemany(
        "INSERT INTO delivery (lane, seq, payload, receiver, owner, grp, fingerprint, alerts, "
        "accepted_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (row.lane, next(seqs[row.lane]), payload, row.receiver, row.owner, group,
             row.fingerprint, row.alerts, at)
            for row, payload, group, at in rows
        ],
    )  # fmt: skip
    db.executemany(
        "INSERT OR IGNORE INTO watch VALUES (?, ?, ?, ?, ?, ?)",
        [
            (group, row.lane, row.fingerprint, row.receiver, row.owner, row.fallback_for)
            for row, _, group, _ in rows
        ],
    )
    for (platform, owner), number in Counter((r.key.platform, r.owner) for r, *_ in rows).items():
        count(db, platform, owner, "accepted", number)
    return tuple(dict.fromkeys(row.key for row, *_ in rows))


def _take_numbers(db: Database, wanted: Mapping[int, int]) -> dict[int, Iterator[int]]:
    """The next sequence numbers of each lane."""
    seqs: dict[int, Iterator[int]] = {}
    for lane, number in wanted.items():
        (last,) = db.execute(
            "UPDATE lane SET last_seq = last_seq + ? WHERE id = ? RETURNING last_seq",
            (number, lane),
        ).fetchone()
        seqs[lane] = iter(range(last - number + 1, last + 1))
    return seqs
