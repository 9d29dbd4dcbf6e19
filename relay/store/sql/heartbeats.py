"""Heartbeats in SQL: the last arrival of each."""

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from relay.core.action.heartbeat import Beat
from relay.store.sql.database import Database
from relay.store.sql.unreadable import readable

_encode = msgspec.json.encode
_beat = msgspec.json.Decoder(Beat).decode


def beats(db: Database) -> tuple[Beat, ...]:
    """The known heartbeats."""
    rows = db.execute("SELECT body FROM heartbeat ORDER BY name, by_values").fetchall()
    return tuple(each for (body,) in rows if (each := readable(_beat, body)) is not None)


def heard(db: Database, found: Sequence[tuple[str, tuple[str, ...]]], now: float) -> None:
    """Records that these arrived at `now`. For one that was told as lost, the first arrival is kept
    until its return is told.
    """
    for name, values in found:
        row = db.execute(
            "SELECT body FROM heartbeat WHERE name = ? AND by_values = ?", (name, _key(values))
        ).fetchone()
        beat = readable(_beat, row[0]) if row else None
        if beat and beat.seen_at > now:
            continue  # this one waited in a spool
        if beat is None or beat.lost_at is None:
            keep(db, Beat(name, values, now))
        elif beat.back_at is None:
            keep(db, replace(beat, back_at=now))
        if values:
            db.execute("DELETE FROM heartbeat WHERE name = ? AND by_values = '[]'", (name,))


def keep(db: Database, beat: Beat) -> None:
    """Stores the heartbeat."""
    db.execute(
        "INSERT INTO heartbeat (name, by_values, seen_at, body) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (name, by_values)"
        " DO UPDATE SET seen_at = excluded.seen_at, body = excluded.body",
        (beat.name, _key(beat.values), beat.seen_at, db.encoded(beat)),
    )


def forget(db: Database, beat: Beat) -> None:
    """Removes a heartbeat that is no longer configured."""
    db.execute(
        "DELETE FROM heartbeat WHERE name = ? AND by_values = ?", (beat.name, _key(beat.values))
    )


def _key(values: Sequence[str]) -> str:
    return _encode(tuple(values)).decode()
