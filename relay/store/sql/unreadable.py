"""Rows that a damaged disk left unreadable: nobody must wait for them."""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from relay.core.alert import Notification
from relay.core.card.card import Card
from relay.core.card.digest import Line
from relay.core.card.lane_state import LaneState
from relay.store.sql.database import Database

T = TypeVar("T")
ERRORS = (
    msgspec.DecodeError,
    UnicodeDecodeError,
    TypeError,
)  # the last one: a number or nothing instead of JSON


class InvalidRow(Exception):  # noqa: N818 - a state of the storage
    """A row that the relay needs cannot be read: the storage is damaged."""


_state = msgspec.json.Decoder(LaneState).decode
_card = msgspec.json.Decoder(Card).decode
_line = msgspec.json.Decoder(Line).decode
_notification = msgspec.json.Decoder(Notification).decode
_indexes = msgspec.json.Decoder(tuple[int, ...]).decode


def clear(db: Database, lane: int) -> list[int]:
    """Resets the lane's state and removes its cards if they cannot be read (their deliveries are
    folded again); returns the open deliveries whose payloads cannot be read.
    """
    (state,) = db.execute("SELECT state FROM lane WHERE id = ?", (lane,)).fetchone()
    if not _reads(_state, state):
        db.execute("UPDATE lane SET state = ? WHERE id = ?", (db.encoded(LaneState()), lane))
    for card_id, body, line in db.execute(
        "SELECT id, body, line FROM card WHERE lane = ?", (lane,)
    ).fetchall():
        if not (_reads(_card, body) and _reads(_line, line)):
            db.execute(
                "UPDATE delivery SET card = NULL WHERE card = ? AND settlement IS NULL", (card_id,)
            )
            db.execute("DELETE FROM card WHERE id = ?", (card_id,))
    opened = db.execute(
        "SELECT seq, alerts, body FROM delivery LEFT JOIN payload ON payload.id = payload"
        " WHERE lane = ? AND card IS NULL AND settlement IS NULL",
        (lane,),
    )
    return [
        seq
        for seq, alerts, body in opened
        if not (_reads(_notification, body) and (alerts is None or _reads(_indexes, alerts)))
    ]


def needed(decode: Callable[[bytes], T], blob: bytes) -> T:
    """A value that the relay needs. Raises InvalidRow."""
    try:
        return decode(blob)
    except ERRORS as error:
        raise InvalidRow(f"a row cannot be read: {error}") from error


def readable(decode: Callable[[bytes], T], blob: bytes | None) -> T | None:
    """The value, or None if it cannot be read."""
    try:
        return decode(blob or b"")
    except ERRORS:
        return None


def _reads(decode: Callable[[bytes], object], blob: bytes | None) -> bool:
    return readable(decode, blob) is not None
