"""Cards as rows. The values by which cards are chosen have columns, so that thousands are compared
without decoding.
"""

from collections.abc import Iterable, Sequence

import msgspec
from msgspec.structs import replace

from relay.core.alert import GroupId
from relay.core.card.card import Card, is_firing, is_live
from relay.core.card.digest import DIGEST, QUIET, Line, line
from relay.core.card.step import Rank
from relay.core.turn.change import CardChange
from relay.store.protocol import MOST_COUNTED, Beside
from relay.store.sql.database import Database
from relay.store.sql.unreadable import readable

_encode = msgspec.json.encode
_card = msgspec.json.Decoder(Card).decode
_line = msgspec.json.Decoder(Line).decode
Row = tuple[bytes, int, float | None]


def text(group: GroupId) -> str:
    """A group as a column stores it."""
    return _encode(group).decode()


_DIGEST = text(DIGEST)
_LINE = "SELECT line, urgent, posted, absorbed, absorbed = 1 AND waiting_since IS NOT NULL, rung"
_IN_DIGEST = _LINE + " FROM card WHERE lane = ? AND in_digest = 1"
_FIRING = _LINE + " FROM card WHERE lane = ? AND firing = 1"
_FIND = (
    "SELECT body, absorbed, waiting_since FROM card WHERE lane = ? AND grp = ? AND fingerprint = ?"
)
_KEEP = (
    "INSERT INTO card (chat, lane, grp, fingerprint, due, urgent, waiting_since, posted, "
    "firing, "
    "closed, line, body, rank, message, posted_at)"
    " VALUES ((SELECT chat FROM lane WHERE id = ?1), ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, "
    "?10, ?11, ?13, ?16, ?17)"
    " ON CONFLICT (lane, grp, fingerprint) DO UPDATE SET ready = 0, due = excluded.due,"
    " urgent = excluded.urgent, waiting_since = excluded.waiting_since, posted = "
    "excluded.posted,"
    " firing = excluded.firing, closed = excluded.closed, line = excluded.line, body = "
    "excluded.body, message = excluded.message,"
    " absorbed = card.absorbed * ?12, in_digest = card.in_digest * (1 - ?14),"
    " rank = excluded.rank, posted_at = excluded.posted_at,"
    " rung = CASE WHEN ?15 = 1 THEN 1 ELSE card.rung END"
)
_KEEP_AND_SAY = f"{_KEEP} RETURNING absorbed"


def read(row: Row) -> Card:
    """The card of a row. For one in a digest the columns are newer than the body."""
    body, absorbed, waiting_since = row
    card = _card(body)
    return replace(card, absorbed=bool(absorbed), waiting_since=waiting_since)


def find(db: Database, lane: int, group: str, fingerprint: str) -> Card | None:
    """One card, or None."""
    found = db.execute(_FIND, (lane, group, fingerprint)).fetchone()
    return read(found) if found else None


def find_each(db: Database, lane: int, keys: Iterable[tuple[str, str]]) -> list[Card | None]:
    """The cards of these groups and fingerprints."""
    rows = [(lane, *key) for key in keys]
    found = [each.fetchone() for each in db.execute_each(_FIND, rows)]
    return [read(each) if each else None for each in found]


def first_due(db: Database, lane: int, now: float) -> tuple[Card, Rank] | None:
    """The next card: of those due, the one whose step has the lowest rank, then the one that waits
    longest.
    """
    db.execute(
        "UPDATE card INDEXED BY card_future SET ready = 1 WHERE lane = ? AND ready = 0"
        " AND due IS NOT NULL AND due <= ?",
        (lane, now),
    )
    found = db.execute(
        "SELECT body, absorbed, waiting_since, rank FROM card INDEXED BY card_ready"
        " WHERE lane = ? AND ready = 1 ORDER BY rank, waiting_since NULLS FIRST, due LIMIT 1",
        (lane,),
    ).fetchone()
    return (read(found[:3]), Rank(found[3])) if found else None


def soon(db: Database, lane: int, until: float, most: int) -> tuple[Card, ...]:
    found = db.execute(
        "SELECT * FROM (SELECT body, absorbed, waiting_since FROM card INDEXED BY card_ready"
        " WHERE lane = ?1 AND ready = 1 AND rank > ?2"
        " ORDER BY rank, waiting_since NULLS FIRST, due LIMIT ?4) AS now_due"
        " UNION ALL SELECT * FROM (SELECT body, absorbed, waiting_since FROM card"
        " INDEXED BY card_future WHERE lane = ?1 AND ready = 0 AND due <= ?3 AND rank > ?2"
        " ORDER BY due LIMIT ?4) AS soon_due",
        (lane, Rank.LOOK, until, most),
    )
    return tuple(map(read, found.fetchall()))


def next_due(db: Database, lane: int) -> float | None:
    """When the next card of the lane becomes due that is not due yet."""
    (due,) = db.execute(
        "SELECT min(due) FROM card INDEXED BY card_future WHERE lane = ? AND ready = 0"
        " AND due IS NOT NULL",
        (lane,),
    ).fetchone()
    return None if due is None else float(due)


def with_wait(db: Database, lane: int, card: Card) -> Card:
    """The card. A digest has waited since the first of its cards did."""
    if card.group != DIGEST:
        return card
    (since,) = db.execute(
        "SELECT min(waiting_since) FROM card WHERE lane = ? AND in_digest = 1 AND absorbed = 1",
        (lane,),
    ).fetchone()
    return replace(card, waiting_since=card.waiting_since if since is None else since)


def has_news(db: Database, lane: int, group: str, fingerprint: str) -> bool:
    """Whether a delivery for the card is accepted and not folded yet."""
    found = db.execute(
        "SELECT 1 FROM delivery INDEXED BY delivery_open WHERE lane = ? AND card IS NULL AND "
        "settlement IS NULL"
        " AND grp = ? AND fingerprint = ? LIMIT 1",
        (lane, group, fingerprint),
    ).fetchone()
    return found is not None


def count_waiting(db: Database, lane: int) -> tuple[int, int]:
    """How many cards of the lane wait for a call of their own (at most `MOST_COUNTED`), and how
    many of them have something urgent that is not told yet.
    """
    count, urgent = db.execute(
        "SELECT count(*), coalesce(sum(CASE WHEN rank IN (?3, ?4) THEN 1 ELSE 0 END), 0)"
        " FROM (SELECT rank FROM card"
        " INDEXED BY card_waiting"
        " WHERE chat = (SELECT chat FROM lane WHERE id = ?1) AND lane = ?1 AND ready = 1"
        " AND absorbed = 0 AND rank > ?5 LIMIT ?2) AS waiting",
        (lane, MOST_COUNTED, Rank.URGENT, Rank.JOINED, Rank.LOOK),
    ).fetchone()
    return int(count), int(urgent)


def count_waiting_beside(db: Database, lane: int) -> Beside:
    """How many cards of other threads of the chat wait for a call of their own: at most
    `MOST_COUNTED` on either side of the lane's own number.
    """
    if _is_alone(db, lane):
        return Beside()
    found = db.execute(
        "SELECT count(*), count(DISTINCT lane),"
        " coalesce(sum(CASE WHEN rank IN (?3, ?4) THEN 1 ELSE 0 END), 0),"
        " count(DISTINCT CASE WHEN rank IN (?3, ?4) THEN lane END) FROM ("
        " SELECT * FROM (SELECT lane, rank FROM card INDEXED BY card_waiting"
        " WHERE chat = (SELECT chat FROM lane WHERE id = ?1) AND lane < ?1 AND ready = 1"
        " AND absorbed = 0 AND rank > ?5 LIMIT ?2) AS below"
        " UNION ALL SELECT * FROM (SELECT lane, rank FROM card INDEXED BY card_waiting"
        " WHERE chat = (SELECT chat FROM lane WHERE id = ?1) AND lane > ?1 AND ready = 1"
        " AND absorbed = 0 AND rank > ?5 LIMIT ?2) AS above) AS waiting",
        (lane, MOST_COUNTED, Rank.URGENT, Rank.JOINED, Rank.LOOK),
    ).fetchone()
    return Beside(*map(int, found))


def _is_alone(db: Database, lane: int) -> bool:
    """Whether the chat has no other thread."""
    alone = db.remembered.alone
    if lane not in alone:
        (first, last) = db.execute(
            "SELECT min(id), max(id) FROM lane WHERE chat = (SELECT chat FROM lane WHERE id = ?)",
            (lane,),
        ).fetchone()
        alone[lane] = first == last
    return alone[lane]


def has_digest(db: Database, lane: int) -> bool:
    """Whether the lane may have a digest, or cards in one."""
    undigested = db.remembered.undigested
    if lane in undigested:
        return False
    found = db.execute(
        "SELECT 1 FROM card WHERE lane = ?1 AND in_digest = 1 UNION ALL"
        " SELECT 1 FROM card WHERE lane = ?1 AND grp = ?2 LIMIT 1",
        (lane, _DIGEST),
    ).fetchone()
    if found is None:
        undigested.add(lane)
    return found is not None


def keep(db: Database, lane: int, change: CardChange) -> None:
    """Stores the card. A card that is no longer absorbed speaks for itself, and has a sound of its
    own unless its digest speaks for it. A card that changed in the digest makes the digest due.
    """
    card, told = change.card, db.encoded(line(change.card))
    before = _line_in_digest(db, lane, card)
    if card.group == DIGEST:
        db.remembered.undigested.discard(lane)
    may_be_absorbed = before is not None or card.closed_at is not None
    kept = db.execute(
        _KEEP_AND_SAY if may_be_absorbed else _KEEP,
        (
            lane,
            text(card.group),
            card.fingerprint,
            change.due,
            change.urgent,
            card.waiting_since,
            card.shown is not None,
            is_live(card),
            card.closed_at is not None,
            told,
            db.encoded(card),
            card.absorbed,
            change.rank,
            change.leaves,
            not card.absorbed and card.shown is None and not card.announced,
            card.shown.message.id if card.shown else "",
            card.shown.posted_at if card.shown else None,
        ),
    )
    if not may_be_absorbed:
        return
    (absorbed,) = kept.fetchone()
    if absorbed and card.closed_at is not None:
        release(db, lane)
    if before is not None and (
        told != before or change.leaves or (absorbed and card.waiting_since is not None)
    ):
        db.execute(
            "UPDATE card SET ready = 0, due = 0, rank = CASE WHEN rank < ?1 THEN rank ELSE ?1 END"
            " WHERE lane = ?2 AND grp = ?3 AND closed = 0",
            (_rank_in_digest(change, speaks=not absorbed), lane, _DIGEST),
        )


def _rank_in_digest(change: CardChange, *, speaks: bool) -> Rank:
    """The rank of what the digest has to tell of the card."""
    if not is_firing(change.card):
        return Rank.RESOLVE
    if speaks or change.card.waiting_since is None:
        return Rank.EDIT
    return Rank.URGENT if change.urgent else Rank.FIRST


def _line_in_digest(db: Database, lane: int, card: Card) -> bytes | None:
    """The stored line of the card in the lane's digest; None if it is not in it."""
    if not has_digest(db, lane):
        return None
    found = db.execute(
        "SELECT line FROM card WHERE lane = ? AND grp = ? AND fingerprint = ? AND in_digest = 1",
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
        "UPDATE card SET ready = 0, due = ?1, rank = ?2 WHERE absorbed = 0 AND closed = 0"
        " AND waiting_since IS NULL AND (posted != firing OR (rank != ?2 AND due IS NOT NULL))",
        (now, Rank.LOOK),
    )


def lines_for(db: Database, lane: int, card: Card) -> tuple[Line, ...]:
    """The lines of a digest or summary; empty for any other card."""
    if card.group not in (DIGEST, QUIET):
        return ()
    which = _IN_DIGEST if card.group == DIGEST else _FIRING
    return tuple(map(_told, db.execute(which, (lane,))))


def _told(row: tuple[bytes, int, int, int, int, int]) -> Line:
    told, urgent, own, spoken, untold, rung = row
    return replace(
        _line(told),
        urgent=bool(urgent),
        own=bool(own),
        spoken=bool(spoken),
        untold=bool(untold),
        rung=bool(rung),
    )


def absorb(db: Database, lane: int, recheck_at: float, beside: float, *, urgent: bool) -> None:
    """Puts every card that waits for its first message into the digest; with `urgent` also urgent
    ones, and those that have a message and urgent news. Firing cards that got a message of their
    own since `beside` are counted as well.
    """
    db.remembered.undigested.discard(lane)
    db.execute(
        "UPDATE card INDEXED BY card_waiting SET absorbed = 1, in_digest = 1, rung = 0, ready = 0,"
        " due = ?1, rank = ?7"
        " WHERE chat = (SELECT chat FROM lane WHERE id = ?2) AND lane = ?2 AND ready = 1"
        " AND absorbed = 0 AND rank IN (?3, ?4, ?5) AND (posted = 0 OR rank = ?5) AND grp != ?6",
        (
            recheck_at,
            lane,
            Rank.FIRST,
            Rank.URGENT if urgent else Rank.FIRST,
            Rank.JOINED if urgent else Rank.FIRST,
            _DIGEST,
            Rank.LOOK,
        ),
    )
    db.execute(
        "UPDATE card SET in_digest = 1, rung = 1 WHERE lane = ? AND firing = 1 AND posted = 1"
        " AND in_digest = 0 AND posted_at >= ?",
        (lane, beside),
    )


def follow(db: Database, lane: int, now: float) -> None:
    """Gives one urgent card that the digest has told a message of its own, which makes no sound:
    one that was only counted before one that was named, then the oldest.
    """
    found = db.execute(
        "SELECT body, absorbed, waiting_since FROM card WHERE lane = ? AND in_digest = 1"
        " AND absorbed = 1 AND urgent = 1 AND firing = 1 AND posted = 0 AND waiting_since IS NULL"
        " ORDER BY named, id LIMIT 1",
        (lane,),
    ).fetchone()
    if found:
        card = replace(read(found), absorbed=False, announced=True)
        keep(db, lane, CardChange(card, now, urgent=True, rank=Rank.FOLLOW))


def let_go(db: Database, lane: int) -> None:
    """Removes closed cards from the digest, which a new message follows."""
    db.execute(
        "UPDATE card SET absorbed = 0, in_digest = 0, named = 0, rung = 0 WHERE lane = ?"
        " AND in_digest = 1 AND closed = 1 AND waiting_since IS NULL",
        (lane,),
    )


def digest_shown(db: Database, lane: int, now: float) -> None:
    """Records that the digest shows its present cards: none that it speaks for waits any more,
    those that ended are due to close, and those with a message of their own are due to show the
    rest.
    """
    known = db.execute(
        "SELECT body, absorbed, waiting_since, urgent FROM card WHERE lane = ? AND in_digest = 1"
        " AND absorbed = 1 AND posted = 1",
        (lane,),
    ).fetchall()
    for body, absorbed, waiting_since, urgent in known:
        card = read((body, absorbed, waiting_since))
        owed = tuple(reply for reply in card.owed if reply.required)
        told = replace(card, absorbed=False, waiting_since=None, owed=owed)
        keep(db, lane, CardChange(told, now, urgent=urgent == 1, rank=Rank.EDIT))
    db.execute(
        "UPDATE card SET waiting_since = NULL, ready = CASE WHEN firing = 0 THEN 0 ELSE ready END,"
        " due = CASE WHEN firing = 0 THEN 0 ELSE due END, rank = ?"
        " WHERE lane = ? AND in_digest = 1 AND absorbed = 1",
        (Rank.LOOK, lane),
    )


def digest_named(db: Database, lane: int, names: Iterable[tuple[GroupId, str]]) -> None:
    """Records that the digest shows a line of each of these cards."""
    db.executemany(
        "UPDATE card SET named = 1 WHERE lane = ? AND grp = ? AND fingerprint = ?"
        " AND in_digest = 1 AND named = 0",
        [(lane, text(group), fingerprint) for group, fingerprint in names],
    )


def digest_rang(db: Database, lane: int) -> None:
    """Records that the digest made a sound for everything urgent in it."""
    db.execute(
        "UPDATE card SET rung = 1 WHERE lane = ? AND in_digest = 1 AND urgent = 1 AND rung = 0",
        (lane,),
    )


def look_at(db: Database, keys: Iterable[tuple[int, str, str]], at: float) -> None:
    """Makes open cards (lane, group, fingerprint) due at that time, unless they are due before."""
    db.executemany(
        "UPDATE card SET due = ? WHERE lane = ? AND grp = ? AND fingerprint = ? AND closed = 0"
        " AND ready = 0 AND (due IS NULL OR due > ?)",
        [(at, *key, at) for key in keys],
    )


def release(db: Database, lane: int) -> None:
    """Removes the cards that do not fire from the closed digest. If they fire anew they get
    messages of their own, since a closed digest shows nothing new.
    """
    db.execute(
        "UPDATE card SET absorbed = 0, in_digest = 0, named = 0, rung = 0"
        " WHERE lane = ? AND in_digest = 1 AND firing = 0 AND EXISTS"
        " (SELECT 1 FROM card AS digest WHERE digest.lane = card.lane AND digest.grp = ? AND "
        "digest.closed = 1)",
        (lane, _DIGEST),
    )


def pending(db: Database, lane: int) -> list[tuple[int, str, str, str, float, int]]:
    """The pending deliveries of the digest's cards: (seq, group, fingerprint, owner, accepted_at,
    payload).
    """
    return db.execute(
        "SELECT seq, delivery.grp, delivery.fingerprint, owner, accepted_at, payload FROM card"
        " CROSS JOIN delivery"
        " ON delivery.card = card.id WHERE card.lane = ? AND card.in_digest = 1"
        " AND card.absorbed = 1 AND settlement IS NULL ORDER BY seq",
        (lane,),
    ).fetchall()


def unwatch(db: Database, lane: int, seqs: Sequence[int]) -> None:
    """Stops watching the groups of these deliveries, if the lane has no card of them."""
    for seq in seqs:
        (card,) = db.execute(
            "SELECT grp, fingerprint FROM delivery WHERE lane = ? AND seq = ?", (lane, seq)
        ).fetchall()
        if find(db, lane, *card) is None:
            leave(db, lane, *card)


def leave(db: Database, lane: int, group: str, fingerprint: str) -> None:
    """Stops watching for the card, and takes the lines of its alerts away."""
    card = (lane, group, fingerprint)
    db.execute("DELETE FROM watched WHERE lane = ? AND home = ? AND fingerprint = ?", card)
    db.execute("DELETE FROM standing WHERE lane = ? AND grp = ? AND fingerprint = ?", card)


def close(db: Database, lane: int, group: str, fingerprint: str) -> None:
    """Stops watching for the closed card, unless a delivery for it waits to be folded. Its alerts
    keep their lines on it.
    """
    if not has_news(db, lane, group, fingerprint):
        db.execute(
            "DELETE FROM watched WHERE lane = ? AND home = ? AND fingerprint = ?",
            (lane, group, fingerprint),
        )


def forget(db: Database, lane: int, group: str, fingerprint: str) -> None:
    """Deletes the card. Its pending deliveries are open again, and if it is a digest the cards that
    it showed are due.
    """
    where = (lane, group, fingerprint)
    if group == _DIGEST:
        db.execute(
            "UPDATE card SET ready = 0, absorbed = 0, in_digest = 0, named = 0, rung = 0, due = 0,"
            " rank = ? WHERE lane = ? AND in_digest = 1",
            (Rank.LOOK, lane),
        )
    db.execute(
        "UPDATE delivery SET card = NULL WHERE settlement IS NULL AND card ="
        " (SELECT id FROM card WHERE lane = ? AND grp = ? AND fingerprint = ?)",
        where,
    )
    db.execute("DELETE FROM card WHERE lane = ? AND grp = ? AND fingerprint = ?", where)
    leave(db, *where)
