"""Forgetting: deliveries that ended, with the payloads and cards that nobody needs, by age and by room."""

import msgspec

from relay.core.card.card import Card
from relay.store.database import Database
from relay.store.sqlite_unreadable import readable

_card = msgspec.json.Decoder(Card).decode


def purge(db: Database, before: float, size: int, most: int) -> int:
    """See `protocol.Store.purge`."""
    cramped = not db.has_room() or db.used() > size
    before = float("inf") if cramped else before
    ended = db.execute(
        "SELECT lane, seq, payload, card FROM delivery WHERE settlement IS NOT NULL AND accepted_at < ?"
        " ORDER BY accepted_at LIMIT ?",
        (before, max(1, min(most, db.step // 4))),
    ).fetchall()
    db.executemany("DELETE FROM delivery WHERE lane = ? AND seq = ?", [row[:2] for row in ended])
    db.executemany(
        "DELETE FROM payload WHERE id = ? AND NOT EXISTS (SELECT 1 FROM delivery WHERE payload = payload.id)",
        [(payload,) for _, _, payload, _ in ended],
    )
    _forget_cards(db, {card for _, _, _, card in ended if card is not None}, before)
    if cramped or db.free() > db.used():
        db.execute(f"PRAGMA incremental_vacuum({db.step})").fetchall()
    return len(ended)


def _forget_cards(db: Database, ids: set[int], before: float) -> None:
    """Forgets those of the cards that are over and have not been heard of since `before`."""
    for card_id in ids:
        found = db.execute(
            "SELECT body FROM card WHERE id = ? AND closed = 1 AND absorbed = 0 AND due IS NULL", (card_id,)
        ).fetchone()
        if found and _heard_at(found[0]) < before:
            db.execute("DELETE FROM card WHERE id = ?", (card_id,))


def _heard_at(body: bytes) -> float:
    card = readable(_card, body)
    return card.heard_at if card else float("-inf")
