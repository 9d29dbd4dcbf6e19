"""Accepting: payloads and their deliveries become rows, with copies for the chats of fallbacks."""

from collections import Counter
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from relay.core.alert import Notification
from relay.core.card.lane_state import LaneState
from relay.core.event import EndReason
from relay.core.routing.lane import LaneKey
from relay.core.routing.route import Delivery
from relay.store.protocol import Kept, NewPayload
from relay.store.sql import cards
from relay.store.sql.cards import text
from relay.store.sql.database import Database
from relay.store.sql.settlements import count
from relay.store.sql.standing import Row

_encode = msgspec.json.encode
_lane_key = msgspec.json.Decoder(LaneKey).decode
_notification = msgspec.json.Decoder(Notification).decode
# The ends of deliveries that nobody told on this lane.
_ELSEWHERE = (EndReason.ROUTED_AGAIN, EndReason.RECEIVER_REMOVED)


def lane_row(db: Database, lane: LaneKey) -> int:
    """The number of the lane. A new lane gets one."""
    known = db.remembered.rows.get(lane)
    if known is not None:
        return known
    key = _encode(lane).decode()
    found = db.execute("SELECT id FROM lane WHERE key = ?", (key,)).fetchone() or _new_lane(db, key)
    row = int(found[0])
    db.remembered.rows[lane] = row
    db.remembered.keys[row] = lane
    return row


def lane_of(db: Database, row: int) -> LaneKey:
    """The lane with that number."""
    known = db.remembered.keys.get(row)
    if known is None:
        (key,) = db.execute("SELECT key FROM lane WHERE id = ?", (row,)).fetchone()
        known = db.remembered.keys[row] = _lane_key(key)
    return known


def _new_lane(db: Database, key: str) -> tuple[int]:
    chat = key.partition('"thread":')[0]
    (first,) = db.execute(
        "SELECT min(chat) FROM lane WHERE key >= ? AND key < ?", (chat, f"{chat}\U0010ffff")
    ).fetchone()
    (row,) = db.execute(
        "INSERT INTO lane (key, state, chat) VALUES (?, ?, ?) RETURNING id",
        (key, db.encoded(LaneState()), first or 0),
    ).fetchone()
    if first is not None:
        db.remembered.alone.clear()
    else:
        db.execute("UPDATE lane SET chat = id WHERE id = ?", (row,))
    return (row,)


def accept(db: Database, payloads: Sequence[NewPayload]) -> Kept:
    """Appends the payloads and the deliveries of their routes. `spread` does the rest, at once if
    no route leads to a chat.
    """
    accepted = _insert(db, payloads)
    woken = add(
        db,
        [
            (_own(db, way, group), number, new.accepted_at)
            for number, group, new in accepted
            for way in new.deliveries
        ],
    )
    for number, _, new in accepted:
        db.unspread.keep(number, new.notification)
        if new.notification and new.notification.overtaken:
            _merge(db, number)
    return Kept(woken, accepted[0][0] if accepted else 0)


def _merge(db: Database, number: int) -> None:
    """Ends the deliveries of a payload that was overtaken before it was committed."""
    owners = db.execute(
        "UPDATE delivery SET settlement = 'merged', ended_at = accepted_at WHERE payload = ?"
        " AND settlement IS NULL RETURNING lane, owner",
        (number,),
    ).fetchall()
    for lane, owner in owners:
        count(db, lane_of(db, lane).platform, owner, "merged", 1)


def _insert(db: Database, payloads: Sequence[NewPayload]) -> list[tuple[int, str, NewPayload]]:
    """Stores the payloads. Their numbers go on from the highest that ever was: they tell what was
    spread.
    """
    first = db.number_payloads(len(payloads))
    accepted = [(first + at, text(new.group), new) for at, new in enumerate(payloads)]
    db.executemany(
        "INSERT INTO payload (id, accepted_at, body, source, last, generation, discarded)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (number, new.accepted_at, db.stored(new.body, _notification), new.group.source,
             new.last, new.generation, db.encoded(new.discarded) if new.discarded else None)
            for number, _, new in accepted
        ],
    )  # fmt: skip
    return accepted


class Part(Struct, frozen=True):
    """The part of a lane's pending deliveries that goes to a fallback: those of one owner; those
    for one card (group and fingerprint); or those accepted at or before a time.
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
        " AND grp = coalesce(?4, grp) AND fingerprint = coalesce(?5, fingerprint)"
        " AND accepted_at <= coalesce(?6, accepted_at)"
        " RETURNING seq, payload, grp, fingerprint, alerts, accepted_at, route",
        (source, part.owner, receiver, group, fingerprint, part.before),
    ).fetchall()
    woken: list[LaneKey] = []
    for _, payload, group, fingerprint, alerts, accepted_at, route in sorted(pending):
        rows = [
            Row(
                lane_row(db, key),
                key,
                fallback,
                part.owner,
                group,
                fingerprint,
                alerts,
                source,
                route,
            )
            for key in to
        ]
        missing = [row for row in rows if not _has(db, row, payload)]
        woken += _add_watched(db, missing, payload, accepted_at)
    return tuple(dict.fromkeys(woken))


def route_again(db: Database, lane: int, seq: int, ways: Sequence[Delivery]) -> tuple[LaneKey, ...]:
    payload, receiver, owner, group, fingerprint, accepted_at = db.execute(
        "SELECT payload, receiver, owner, grp, fingerprint, accepted_at FROM delivery WHERE lane "
        "= ? AND seq = ?",
        (lane, seq),
    ).fetchone()
    rows = [_own(db, way, group) for way in ways]
    fresh = [
        row
        for row in rows
        if not _was_told(db, row, payload) and not _knows_newer(db, row, accepted_at)
    ]
    woken = _add_watched(db, fresh, payload, accepted_at)
    if receiver == owner:
        return woken
    return tuple(dict.fromkeys((*woken, *_uncopied(db, payload, owner, fingerprint))))


def _uncopied(db: Database, payload: int, owner: str, fingerprint: str) -> list[LaneKey]:
    """Marks these deliveries as not copied, since their copy is lost with its chat, so that the
    present fallback gets one. Returns their lanes.
    """
    found = db.execute(
        "UPDATE delivery INDEXED BY delivery_payload SET copied = 0 WHERE payload = ? AND owner = ?"
        " AND receiver = owner AND fingerprint = ? AND settlement IS NULL AND copied = 1"
        " RETURNING (SELECT key FROM lane WHERE lane.id = delivery.lane)",
        (payload, owner, fingerprint),
    )
    return [_lane_key(key) for (key,) in found.fetchall()]


def _own(db: Database, way: Delivery, group: str) -> Row:
    alerts = None if way.alerts is None else _encode(way.alerts)
    lane = lane_row(db, way.lane)
    ignoring = None if way.ignoring is None else db.encoded(way.ignoring)
    return Row(
        lane, way.lane, way.receiver, way.receiver, group, way.fingerprint, alerts, None,
        way.route, ignoring,
    )  # fmt: skip


def _has(db: Database, row: Row, payload: int) -> bool:
    """Whether the lane got these alerts of the payload before, for example by a copy made on
    arrival.
    """
    found = db.execute(
        "SELECT 1 FROM delivery INDEXED BY delivery_payload WHERE payload = ? AND lane = ? AND "
        "owner = ?"
        " AND fingerprint = ? AND alerts IS ? AND why NOT IN (?, ?) LIMIT 1",
        (payload, row.lane, row.owner, row.fingerprint, row.alerts, *_ELSEWHERE),
    ).fetchone()
    return found is not None


def _was_told(db: Database, row: Row, payload: int) -> bool:
    """Whether the lane was told of the payload, with at least these alerts, and did not lose it
    when it was removed from the configuration.
    """
    found = db.execute(
        "SELECT 1 FROM delivery INDEXED BY delivery_payload WHERE payload = ? AND lane = ? AND "
        "fingerprint = ?"
        " AND (alerts IS NULL OR alerts IS ?) AND why NOT IN (?, ?) LIMIT 1",
        (payload, row.lane, row.fingerprint, row.alerts, *_ELSEWHERE),
    ).fetchone()
    return found is not None


def _knows_newer(db: Database, row: Row, accepted_at: float) -> bool:
    """Whether the lane got something about the group that was accepted later, folded or not."""
    card = cards.find(db, row.lane, row.grp, row.fingerprint)
    if card and card.heard_at > accepted_at:
        return True
    found = db.execute(
        "SELECT 1 FROM delivery INDEXED BY delivery_open WHERE lane = ? AND card IS NULL AND "
        "settlement IS NULL"
        " AND grp = ? AND fingerprint = ? AND accepted_at > ? LIMIT 1",
        (row.lane, row.grp, row.fingerprint, accepted_at),
    ).fetchone()
    return found is not None


def _add_watched(
    db: Database, rows: Sequence[Row], payload: int, accepted_at: float
) -> tuple[LaneKey, ...]:
    watch(db, [(row.grp, row) for row in rows])
    return add(db, [(row, payload, accepted_at) for row in rows])


def add(db: Database, rows: Sequence[tuple[Row, int, float]]) -> tuple[LaneKey, ...]:
    """Stores and counts deliveries of payloads (with their number and time), in this order; returns
    their lanes.
    """
    wanted = Counter(row.lane for row, *_ in rows)
    last = db.take_seqs(wanted)
    seqs = {lane: iter(range(last[lane] - wanted[lane] + 1, last[lane] + 1)) for lane in wanted}
    db.executemany(
        "INSERT INTO delivery (lane, seq, payload, receiver, owner, grp, fingerprint, alerts, "
        "accepted_at, route, ignoring) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (row.lane, next(seqs[row.lane]), payload, row.receiver, row.owner, row.grp,
             row.fingerprint, row.alerts, at, row.route, row.ignoring)
            for row, payload, at in rows
        ],
    )  # fmt: skip
    for (platform, owner), number in Counter((r.key.platform, r.owner) for r, *_ in rows).items():
        count(db, platform, owner, "accepted", number)
    return tuple(dict.fromkeys(row.key for row, *_ in rows))


def watch(db: Database, rows: Sequence[tuple[str, Row]]) -> None:
    """From now on absent alerts of these groups concern the cards of these deliveries."""
    db.executemany(
        "INSERT INTO watched VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        [
            (group, row.lane, row.grp, row.fingerprint, row.receiver, row.owner, row.fallback_for)
            for group, row in rows
        ],
    )
