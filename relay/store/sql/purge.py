"""Forgetting: removes ended deliveries, with the payloads and cards that nobody needs, by age and
by room.
"""

from collections.abc import Collection

import msgspec
from msgspec import Struct

from relay.core.card.digest import DIGEST
from relay.store.sql import cards
from relay.store.sql.database import Database
from relay.store.sql.unreadable import readable

_DIGEST = cards.text(DIGEST)  # one for each lane, and cards may still be in it
_ANY_SEQ = (1 << 63) - 1
_PAGES_EACH = 8  # pages that may change when a delivery is forgotten with its payload
BARE_KEPT, BARE_BYTES = 10_000, 100_000_000  # payloads without deliveries


class _Last(Struct, frozen=True):
    """The part of a card that says when it last mattered (Unix seconds), and the last delivery that
    it took in.
    """

    heard_at: float = 0.0
    closed_at: float | None = None
    folded_seq: int = _ANY_SEQ


_last = msgspec.json.Decoder(_Last).decode


class Purge:
    """Forgets a part at a time. Only this run knows how far it came among the cards; a new one
    begins again.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._looked_at = 0

    def some(self, before: float, size: int, most: int) -> int:
        db = self._db
        cramped = not db.has_room() or db.used() > size
        before = float("inf") if cramped else before
        most = max(1, min(most, db.step // _PAGES_EACH))
        ended = db.execute(
            "SELECT lane, seq, payload, card FROM delivery WHERE settlement IS NOT NULL AND "
            "accepted_at < ?"
            " ORDER BY accepted_at LIMIT ?",
            (before, most),
        ).fetchall()
        db.executemany(
            "DELETE FROM delivery WHERE lane = ? AND seq = ?", [row[:2] for row in ended]
        )
        _payloads(db, {payload for _, _, payload, _ in ended})
        bare = _bare(db, before, most - len(ended))
        self._forget_old_news(before)
        cards = {card for _, _, _, card in ended if card is not None} | self._next_cards(
            most - len(ended)
        )
        forgotten = sum(_forget(db, card, before) for card in cards)
        free = db.free()
        if cramped or free > db.used():
            db.shrink()
        # On a full disk nothing is accepted before the file has given back what is free in it.
        gives_back = not db.has_room() and db.free() < free
        return len(ended) + forgotten + bare + gives_back

    def _forget_old_news(self, before: float) -> None:
        """Removes refused requests, and configurations of which no routed payload is left."""
        self._db.execute("DELETE FROM refusal WHERE at < ?", (before,))
        self._db.execute(
            "DELETE FROM config WHERE generation < (SELECT generation FROM payload ORDER BY id"
            " LIMIT 1)"
        )

    def _next_cards(self, most: int) -> set[int]:
        """The next cards, open or closed, and from the first one again after the last: some close
        after their deliveries were forgotten.
        """
        if most <= 0:
            return set()
        found = self._db.execute(
            "SELECT id FROM card WHERE id > ? ORDER BY id LIMIT ?", (self._looked_at, most)
        )
        ids = [card for (card,) in found]
        self._looked_at = ids[-1] if len(ids) == most else 0
        return set(ids)


def _payloads(db: Database, payloads: Collection[int]) -> int:
    """Removes those of the payloads that have no delivery (any more), with their names."""
    gone = [
        (payload,)
        for payload in payloads
        if db.execute(
            "SELECT 1 FROM delivery INDEXED BY delivery_payload WHERE payload = ? LIMIT 1",
            (payload,),
        ).fetchone()
        is None
    ]
    db.executemany("DELETE FROM payload WHERE id = ?", gone)
    db.executemany("DELETE FROM payload_name WHERE payload = ?", gone)
    return len(gone)


def _bare(db: Database, before: float, most: int) -> int:
    """Removes payloads without deliveries: those that are too old, and the oldest ones beyond the
    number and size that are kept. On a full disk all of them go.
    """
    count, size = db.execute(
        "SELECT count(*), coalesce(sum(bare), 0) FROM payload INDEXED BY payload_bare"
        " WHERE bare > 0"
    ).fetchone()
    gone: list[int] = []
    for number, bytes_, at in db.execute(
        "SELECT id, bare, accepted_at FROM payload INDEXED BY payload_bare WHERE bare > 0"
        " ORDER BY id LIMIT ?",
        (most,),
    ).fetchall():
        if count <= BARE_KEPT and size <= BARE_BYTES and at >= before:
            break
        gone.append(number)
        count, size = count - 1, size - bytes_
    return _payloads(db, gone)


def _forget(db: Database, card: int, before: float) -> bool:
    """Removes the card if it has ended, nothing will come of it or refers to it, and nothing
    happened to it since `before`.
    """
    found = db.execute(
        "SELECT lane, grp, fingerprint, body FROM card WHERE id = ? AND closed = 1 AND absorbed "
        "= 0 AND due IS NULL"
        " AND grp != ?",
        (card, _DIGEST),
    ).fetchone()
    if found is None:
        return False
    lane, group, fingerprint, body = found
    last = readable(_last, body) or _Last()
    lately = max(last.heard_at, last.closed_at or 0.0) >= before
    if lately or _is_needed(db, card, lane, group, fingerprint, last.folded_seq):
        return False
    cards.forget(db, lane, group, fingerprint)
    return True


def _is_needed(
    db: Database, card: int, lane: int, group: str, fingerprint: str, folded_seq: int
) -> bool:
    """Whether there still are deliveries that the card took in (the last one is found first), or
    that wait for it.
    """
    taken_in = db.execute(
        "SELECT 1 FROM delivery WHERE lane = ? AND seq <= ? AND card = ? ORDER BY seq DESC LIMIT 1",
        (lane, folded_seq, card),
    ).fetchone()
    return taken_in is not None or cards.has_news(db, lane, group, fingerprint)
