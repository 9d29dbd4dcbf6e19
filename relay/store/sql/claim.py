"""Claiming: reads the deliveries and cards that the owner of a lane works on."""

import msgspec

from relay.core.alert import GroupId, Notification
from relay.core.card.card import Card
from relay.core.card.lane_state import LaneState
from relay.core.card.step import Rank
from relay.core.routing.lane import LaneKey
from relay.store.protocol import Claim, Open
from relay.store.sql import cards
from relay.store.sql.database import Database
from relay.store.sql.spread import last_spread, spread, take_woken
from relay.store.sql.standing import LINES

_lane_state = msgspec.json.Decoder(LaneState).decode
_notification = msgspec.json.Decoder(Notification).decode
_indexes = msgspec.json.Decoder(tuple[int, ...]).decode

# Alerts of a page of deliveries, in encoded bytes: decoding takes some ten times the memory, and
# time of the thread that accepts. The parts of one card are read together, since each page goes
# through all of the card.
PAGE_BYTES, MIXED_BYTES = 4 << 20, 256 << 10
_MOST_OF_ONE = 128  # deliveries
_ANY = (1 << 63) - 1
_Opened = tuple[int, str, str, str, bytes | None, float, bytes, str, int, int]
_OPEN = (
    "SELECT seq, receiver, owner, fingerprint, alerts, delivery.accepted_at, body, grp,"
    " generation, payload"
    # SQLite would otherwise use the primary key and read all of them.
    " FROM delivery INDEXED BY delivery_open"
    " JOIN payload ON payload.id = payload WHERE lane = ? AND card IS NULL AND settlement IS "
    "NULL AND payload <= ? AND (payload, seq) > (?, ?)"
    " ORDER BY payload, seq LIMIT ?"
)
_group = msgspec.json.Decoder(GroupId).decode


def claim(
    db: Database, row: int, lane: LaneKey, now: float, page: int, before: Rank | None
) -> Claim:
    """The lane's state with a page of its open deliveries, or with the card that is due, if its
    step goes before those of rank `before`. `row` is the number of the lane. Spreads accepted
    payloads first.
    """
    # On a full disk accepted payloads go to their own chats, and to others when there is room.
    room = db.has_room()
    done = spread(db) if page and room else True
    woken = take_woken(db)
    known = db.execute("SELECT state, called_at FROM lane WHERE id = ?", (row,))
    # No call begins before everything is spread, so that nothing is folded in smaller pages before.
    opened, more = _opened(db, row, page, spread_only=room) if done else ([], True)
    if opened or not done:
        state, _ = known.fetchone()
        return Claim(
            lane,
            _lane_state(state),
            tuple(map(_open, opened)),
            _touched(db, row, opened),
            None,
            more,
            woken=woken,
        )
    found = cards.first_due(db, row, now)
    state, called_at = known.fetchone()
    if not found or (before is not None and found[1] >= before):
        return Claim(lane, _lane_state(state), (), (), cards.next_due(db, row), woken=woken)
    card, rank = cards.with_wait(db, row, found[0]), found[1]
    waiting, urgent = cards.count_waiting(db, row)
    return Claim(
        lane=lane,
        state=_lane_state(state),
        page=(),
        cards=(card,),
        next_due=now,
        waiting=waiting,
        urgent=urgent,
        beside=cards.count_waiting_beside(db, row),
        lines=cards.lines_for(db, row, card),
        rank=rank,
        called_at=called_at,
        woken=woken,
    )


def _open(row: _Opened) -> Open:
    seq, receiver, owner, fingerprint, alerts, at, body, grp, generation, _ = row
    chosen = None if alerts is None else _indexes(alerts)
    notification = _notification(body)
    return Open(
        seq, receiver, owner, _group(grp), fingerprint, chosen, at, notification, generation
    )


def _touched(db: Database, row: int, opened: list[_Opened]) -> tuple[Card, ...]:
    """The cards that the page concerns."""
    keys = dict.fromkeys((grp, fingerprint) for _, _, _, fingerprint, _, _, _, grp, *_ in opened)
    db.prefetch(LINES, [(row, *key) for key in keys])  # when they are folded
    return tuple(card for card in cards.find_each(db, row, keys) if card)


def _opened(db: Database, row: int, page: int, *, spread_only: bool) -> tuple[list[_Opened], bool]:
    """The oldest open deliveries, and whether there are more: at most `page`, and no more once they
    have `MIXED_BYTES` of alerts. If all are for one card, up to `_MOST_OF_ONE` and `PAGE_BYTES`.
    """
    if page == 0:
        return [], False
    upto, last, wanted = last_spread(db) if spread_only else _ANY, (-1, -1), page + 1
    opened: list[_Opened] = []
    size = 0
    while True:
        read = 0
        for each in db.execute(_OPEN, (row, upto, *last, wanted)):
            read += 1
            large = size >= MIXED_BYTES
            if large and (
                size >= PAGE_BYTES or (each[3], each[7]) != (opened[-1][3], opened[-1][7])
            ):
                return opened, True
            if len(opened) >= (max(page, _MOST_OF_ONE) if large else page):
                return opened, True
            opened.append(each)
            size += len(each[6])
        if read < wanted:
            return opened, False
        # All are of one card. An engine reads all that it is asked for, so that is not much more
        # than there is room for.
        last = (opened[-1][9], opened[-1][0])
        fit = (PAGE_BYTES - size) * len(opened) // size
        wanted = max(0, min(fit, _MOST_OF_ONE - len(opened))) + 1
