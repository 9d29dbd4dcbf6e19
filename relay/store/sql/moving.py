"""Moves cards from one lane to another."""

from collections.abc import Sequence

import msgspec

from relay.core.card.card import Card
from relay.core.routing.lane import LaneKey
from relay.store.sql import cards
from relay.store.sql.database import Database
from relay.store.sql.unreadable import readable

_encode = msgspec.json.encode
_lane_key = msgspec.json.Decoder(LaneKey).decode
_card = msgspec.json.Decoder(Card).decode


def stranded(db: Database, lanes: Sequence[LaneKey]) -> tuple[tuple[LaneKey, Card], ...]:
    """The open cards of all lanes but these."""
    others = db.execute(
        "SELECT id, key FROM lane WHERE key NOT IN (SELECT value FROM json_each(?))"
        " AND EXISTS (SELECT 1 FROM card WHERE card.lane = lane.id AND card.closed = 0)",
        (_encode([_encode(lane).decode() for lane in lanes]).decode(),),
    ).fetchall()
    found = []
    for row, key in others:
        bodies = db.execute(
            "SELECT body FROM card WHERE lane = ? AND closed = 0 ORDER BY id", (row,)
        ).fetchall()
        known = (readable(_card, body) for (body,) in bodies)
        found += [(_lane_key(key), card) for card in known if card is not None]
    return tuple(found)


def watch(db: Database, lane: int, to: int, card: Card) -> None:
    """From now on the new lane gets the groups that the old one got for the card."""
    db.execute(
        "INSERT INTO watched SELECT grp, ?, home, fingerprint, receiver, owner, NULL"
        " FROM watched WHERE lane = ? AND home = ? AND fingerprint = ? ON CONFLICT DO NOTHING",
        (to, lane, cards.text(card.group), card.fingerprint),
    )


def leave(db: Database, lane: int, to: int, card: Card) -> None:
    """The old lane loses the card; its escalations go on from the new one."""
    db.execute(
        "UPDATE escalation SET lane = ? WHERE lane = ? AND source = ? AND alert IN"
        " (SELECT value FROM json_each(?))",
        (
            to,
            lane,
            card.group.source,
            _encode([entry.fingerprint for entry in card.entries]).decode(),
        ),
    )
    cards.forget(db, lane, cards.text(card.group), card.fingerprint)
