"""Cards as rows: what of a card stands in columns of its own, so that thousands are judged without
being read.
"""

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from relay.core.alert import GroupId
from relay.core.card.card import Card, is_firing
from relay.core.card.digest import DIGEST, QUIET, Line, line
from relay.core.turn.change import CardChange
from relay.store.protocol import MOST_COUNTED
from relay.store.sqlite.database import Database
from relay.store.sqlite.unreadable import readable

_encode = msgspec.json.encode
_card = msgspec.json.Decoder(Card).decode
_line = msgspec.json.Decoder(Line).decode
Row = tuple[bytes, int, float | None]


def text(group: GroupId) -> str:
    """A group as a column holds it."""
    return _encode(group).decode()


_DIGEST = text(DIGEST)


def read(row: Row) -> Card:
    """The card of a row; for one in a digest the columns know better than the body."""
    body, absorbed, waiting_since = row
    card = _card(body)
    return replace(card, absorbed=bool(absorbed), waiting_since=waiting_since)


def find(db: Database, lane: int, group: str, fingerprint: str) -> Card | None:
    """One card."""
    found = db.execute(
        "SELECT body, absorbed, waiting_since FROM card WHERE lane = ? AND grp = ? AND "
        "fingerprint = ?",
        (lane, group, fingerprint),
    ).fetchone()
    return read(found) if found else None


def first_due(db: Database, lane: int, now: float) -> tuple[Card, ...]:
    """The card to look at next: of those due, the most urgent, then the one that waits longest."""
    db.execute(
        "UPDATE card INDEXED BY card_future SET ready = 1 WHERE lane = ? AND ready = 0"
        " AND due IS NOT NULL AND due <= ?",
        (lane, now),
    )
    found = db.execute(
        "SELECT body, absorbed, waiting_since FROM card INDEXED BY card_ready"
        " WHERE lane = ? AND ready = 1 ORDER BY urgent DESC, waiting_since, due LIMIT 1",
        (lane,),
    ).fetchall()
    return tuple(map(read, found))


def next_due(db: Database, lane: int) -> float | None:
    """When the first card of the lane that is not ready yet will be."""
    (due,) = db.execute(
        "SELECT min(due) FROM card INDEXED BY card_future WHERE lane = ? AND ready = 0"
        " AND due IS NOT NULL",
        (lane,),
    ).fetchone()
    return None if due is None else float(due)


def with_wait(db: Database, lane: int, card: Card) -> Card:
    """The card; a digest waits since the first of its cards did."""
    if card.group != DIGEST:
        return card
    (since,) = db.execute(
        "SELECT min(waiting_since) FROM card WHERE lane = ? AND absorbed = 1", (lane,)
    ).fetchone()
    return replace(card, waiting_since=card.waiting_since if since is None else since)


def has_news(db: Database, lane: int, group: str, fingerprint: str) -> bool:
    """A delivery for the card is accepted and not folded yet."""
    found = db.execute(
        "SELECT 1 FROM delivery INDEXED BY delivery_open WHERE lane = ? AND card IS NULL AND "
        "settlement IS NULL"
        " AND grp = ? AND fingerprint = ? LIMIT 1",
        (lane, group, fingerprint),
    ).fetchone()
    return found is not None


def count_waiting(db: Database, lane: int) -> int:
    """How many cards of the lane wait for a call of their own, at most `MOST_COUNTED`."""
    (count,) = db.execute(
        "SELECT count(*) FROM (SELECT 1 FROM card INDEXED BY card_waiting"
        " WHERE chat = (SELECT chat FROM lane WHERE id = ?1) AND lane = ?1 AND ready = 1"
        " AND absorbed = 0 LIMIT ?2)",
        (lane, MOST_COUNTED),
    ).fetchone()
    return int(count)


def count_waiting_beside(db: Database, lane: int) -> tuple[int, int]:
    """How many cards of other threads of the chat wait for a call of their own, and on how many
    lanes: at most `MOST_COUNTED` on either side of the lane's own number.
    """
    cards, lanes = db.execute(
        "SELECT count(*), count(DISTINCT lane) FROM ("
        " SELECT lane FROM (SELECT lane FROM card INDEXED BY card_waiting"
        " WHERE chat = (SELECT chat FROM lane WHERE id = ?1) AND lane < ?1 AND ready = 1"
        " AND absorbed = 0 LIMIT ?2)"
        " UNION ALL SELECT lane FROM (SELECT lane FROM card INDEXED BY card_waiting"
        " WHERE chat = (SELECT chat FROM lane WHERE id = ?1) AND lane > ?1 AND ready = 1"
        " AND absorbed = 0 LIMIT ?2))",
        (lane, MOST_COUNTED),
    ).fetchone()
    return int(cards), int(lanes)


def keep(db: Database, lane: int, change: CardChange) -> int:
    """Writes the card; one that turned urgent or is no longer absorbed leaves its digest, and one
    that changed in it or left it makes the digest due."""
    card, told = change.card, _encode(line(change.card))
    before = _line_in_digest(db, lane, card)
    (card_id, absorbed) = db.execute(
        "INSERT INTO card (chat, lane, grp, fingerprint, due, urgent, waiting_since, posted, "
        "firing, "
        "closed, line, body, message)"
        " VALUES ((SELECT chat FROM lane WHERE id = ?1), ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, "
        "?10, ?11, ?13)"
        " ON CONFLICT (lane, grp, fingerprint) DO UPDATE SET ready = 0, due = excluded.due,"
        " urgent = excluded.urgent, waiting_since = excluded.waiting_since, posted = "
        "excluded.posted,"
        " firing = excluded.firing, closed = excluded.closed, line = excluded.line, body = "
        "excluded.body, message = excluded.message,"
        " absorbed = absorbed AND ?12 RETURNING id, absorbed",
        (
            lane,
            text(card.group),
            card.fingerprint,
            change.due,
            change.urgent,
            card.waiting_since,
            card.shown is not None,
            is_firing(card),
            card.closed_at is not None,
            told,
            _encode(card),
            card.absorbed and not change.urgent,
            card.shown.message.id if card.shown else "",
        ),
    ).fetchone()
    if absorbed and card.closed_at is not None:
        release(db, lane)
    elif before is not None and (not absorbed or told != before or card.waiting_since is not None):
        db.execute(
            "UPDATE card SET ready = 0, due = 0 WHERE lane = ? AND grp = ? AND closed = 0",
            (lane, _DIGEST),
        )
    return int(card_id)


def _line_in_digest(db: Database, lane: int, card: Card) -> bytes | None:
    """The line by which the lane's digest tells of the card, if it does."""
    found = db.execute(
        "SELECT line FROM card WHERE lane = ? AND grp = ? AND fingerprint = ? AND absorbed = 1",
        (lane, text(card.group), card.fingerprint),
    ).fetchone()
    return found[0] if found else None


def firing(db: Database, groups: GroupId) -> tuple[Card, ...]:
    begins = text(groups).removesuffix('"}')
    rows = db.execute(
        "SELECT body FROM card WHERE firing = 1 AND grp >= ? AND grp < ?",
        (begins, f"{begins}\U0010ffff"),
    )
    return tuple(card for card in (readable(_card, body) for (body,) in rows) if card)


def recheck(db: Database, now: float) -> None:
    db.execute(
        "UPDATE card SET ready = 0, due = ? WHERE absorbed = 0 AND closed = 0 AND waiting_since "
        "IS NULL AND "
        "posted != firing",
        (now,),
    )


def lines_for(db: Database, lane: int, card: Card) -> tuple[Line, ...]:
    """What a digest or a summary tells of; nothing for a card of its own."""
    if card.group == QUIET:
        return urgent_lines(db, lane)
    return lines(db, lane) if card.group == DIGEST else ()


def lines(db: Database, lane: int) -> tuple[Line, ...]:
    """The lines of the cards in the lane's digest."""
    rows = db.execute("SELECT line FROM card WHERE lane = ? AND absorbed = 1", (lane,))
    return tuple(_line(row) for (row,) in rows)


def urgent_lines(db: Database, lane: int) -> tuple[Line, ...]:
    """The lines of the lane's urgent cards that fire."""
    rows = db.execute("SELECT line FROM card WHERE lane = ? AND urgent = 1 AND firing = 1", (lane,))
    return tuple(_line(row) for (row,) in rows)


def absorb(db: Database, lane: int, recheck_at: float) -> None:
    """Puts every card that waits for its first message, and is not urgent, into the digest."""
    db.execute(
        "UPDATE card INDEXED BY card_waiting SET absorbed = 1, ready = 0, due = ?1"
        " WHERE chat = (SELECT chat FROM lane WHERE id = ?2) AND lane = ?2 AND ready = 1"
        " AND absorbed = 0 AND urgent = 0 AND posted = 0 AND grp != ?3",
        (recheck_at, lane, _DIGEST),
    )


def let_go(db: Database, lane: int) -> None:
    """Closed cards leave the digest: its message that told of their end is followed by a new
    one.
    """
    db.execute(
        "UPDATE card SET absorbed = 0 WHERE lane = ? AND absorbed = 1 AND closed = 1 AND "
        "waiting_since IS NULL",
        (lane,),
    )


def digest_shown(db: Database, lane: int) -> None:
    """The digest shows its cards as they are: none waits any more, and those that are over are due
    to close.
    """
    db.execute(
        "UPDATE card SET waiting_since = NULL, ready = CASE WHEN firing = 0 THEN 0 ELSE ready END,"
        " due = CASE WHEN firing = 0 THEN 0 ELSE due END WHERE lane = ? AND absorbed = 1",
        (lane,),
    )


def release(db: Database, lane: int) -> None:
    """Where the digest is closed, cards that do not fire leave it, closed or not yet: if they fire
    anew, by a message of their own. Nothing would make a closed digest tell of them."""
    db.execute(
        "UPDATE card SET absorbed = 0 WHERE lane = ? AND absorbed = 1 AND firing = 0 AND EXISTS"
        " (SELECT 1 FROM card AS digest WHERE digest.lane = card.lane AND digest.grp = ? AND "
        "digest.closed = 1)",
        (lane, _DIGEST),
    )


def pending(db: Database, lane: int) -> list[tuple[int, str, str, str, float]]:
    """What is pending on cards of the digest: (seq, group, fingerprint, owner, accepted_at)."""
    return db.execute(
        "SELECT seq, delivery.grp, delivery.fingerprint, owner, accepted_at FROM card CROSS JOIN "
        "delivery"
        " ON delivery.card = card.id WHERE card.lane = ? AND card.absorbed = 1 AND settlement IS "
        "NULL ORDER BY seq",
        (lane,),
    ).fetchall()


def unwatch(db: Database, lane: int, seqs: Sequence[int]) -> None:
    """No absent alert concerns the groups of these deliveries, where the lane has no card of
    them.
    """
    for seq in seqs:
        (card,) = db.execute(
            "SELECT grp, fingerprint FROM delivery WHERE lane = ? AND seq = ?", (lane, seq)
        ).fetchall()
        if find(db, lane, *card) is None:
            leave(db, lane, *card)


def leave(db: Database, lane: int, group: str, fingerprint: str) -> None:
    """No absent alert concerns the card, and no alert has its line on it."""
    card = (lane, group, fingerprint)
    db.execute("DELETE FROM watched WHERE lane = ? AND home = ? AND fingerprint = ?", card)
    db.execute("DELETE FROM standing WHERE lane = ? AND grp = ? AND fingerprint = ?", card)


def close(db: Database, lane: int, group: str, fingerprint: str) -> None:
    """No absent alert concerns the closed card, unless a delivery for it waits to be folded. Alerts
    go on having their lines on it.
    """
    if not has_news(db, lane, group, fingerprint):
        db.execute(
            "DELETE FROM watched WHERE lane = ? AND home = ? AND fingerprint = ?",
            (lane, group, fingerprint),
        )


def forget(db: Database, lane: int, group: str, fingerprint: str) -> None:
    """The card is no more; deliveries that are pending on it are open again, and what it told of as
    a digest is due.
    """
    where = (lane, group, fingerprint)
    if group == _DIGEST:
        db.execute(
            "UPDATE card SET ready = 0, absorbed = 0, due = 0 WHERE lane = ? AND absorbed = 1",
            (lane,),
        )
    db.execute(
        "UPDATE delivery SET card = NULL WHERE settlement IS NULL AND card ="
        " (SELECT id FROM card WHERE lane = ? AND grp = ? AND fingerprint = ?)",
        where,
    )
    db.execute("DELETE FROM card WHERE lane = ? AND grp = ? AND fingerprint = ?", where)
    leave(db, *where)
