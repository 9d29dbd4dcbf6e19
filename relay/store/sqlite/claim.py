"""What the owner of a lane is given to work on, read from the SQLite store."""

import msgspec

from relay.core.alert import Notification
from relay.core.card.lane_state import LaneState
from relay.core.routing.lane import LaneKey
from relay.store.protocol import Claim, Open
from relay.store.sqlite import cards
from relay.store.sqlite.database import Database

_lane_state = msgspec.json.Decoder(LaneState).decode
_notification = msgspec.json.Decoder(Notification).decode
_indexes = msgspec.json.Decoder(tuple[int, ...]).decode

PAGE_BYTES = 8 << 20  # a page of large payloads takes some ten times as much memory when it is read
_Opened = tuple[int, str, str, str, bytes | None, float, bytes, str]


def claim(db: Database, row: int, lane: LaneKey, now: float, page: int) -> Claim:
    """See `protocol.Store.claim`; `row` is the lane's."""
    (state,) = db.execute("SELECT state FROM lane WHERE id = ?", (row,)).fetchone()
    opened = _opened(db, row, page)
    if opened:
        touched = dict.fromkeys((grp, fingerprint) for _, _, _, fingerprint, _, _, _, grp in opened)
        found = [cards.find(db, row, grp, fingerprint) for grp, fingerprint in touched]
        at_hand = tuple(card for card in found if card)
    else:
        at_hand = tuple(cards.with_wait(db, row, card) for card in cards.first_due(db, row, now))
    (next_due,) = db.execute(
        "SELECT min(due) FROM card WHERE lane = ? AND due IS NOT NULL", (row,)
    ).fetchone()
    others, lanes = (0, 0) if opened else cards.count_waiting_beside(db, row, lane, now)
    deliveries = tuple(
        Open(
            seq,
            receiver,
            owner,
            fingerprint,
            None if alerts is None else _indexes(alerts),
            at,
            _notification(body),
        )
        for seq, receiver, owner, fingerprint, alerts, at, body, _ in opened
    )
    return Claim(
        lane=lane,
        state=_lane_state(state),
        page=deliveries,
        cards=at_hand,
        next_due=next_due,
        owed=0 if opened else cards.owed(db, row, now),
        others=others,
        lanes=lanes,
        lines=() if opened or not at_hand else cards.lines_for(db, row, at_hand[0]),
    )


def _opened(db: Database, row: int, page: int) -> list[_Opened]:
    """The oldest open deliveries: at most `page`, and no more once they bring `PAGE_BYTES` of
    alerts.
    """
    found = db.execute(
        "SELECT seq, receiver, owner, fingerprint, alerts, delivery.accepted_at, body, grp"
        # SQLite would take the primary key and read all that came
        " FROM delivery INDEXED BY delivery_open"
        " JOIN payload ON payload.id = payload WHERE lane = ? AND card IS NULL AND settlement IS "
        "NULL"
        " ORDER BY seq LIMIT ?",
        (row, page),
    )
    opened: list[_Opened] = []
    size = 0
    while size < PAGE_BYTES and (each := found.fetchone()):
        opened.append(each)
        size += len(each[6])
    return opened
