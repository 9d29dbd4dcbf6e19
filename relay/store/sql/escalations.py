"""Escalations in SQL: how far each alert has come under each receiver."""

from collections.abc import Iterable, Sequence

import msgspec

from relay.core.action.escalation import EscalationClock, Event, happened
from relay.core.card.card import Card
from relay.core.routing.lane import LaneKey
from relay.store.acting import DueClock
from relay.store.sql import cards
from relay.store.sql.database import Database
from relay.store.sql.unreadable import readable

_encode = msgspec.json.encode
_clock = msgspec.json.Decoder(EscalationClock).decode
_lane_key = msgspec.json.Decoder(LaneKey).decode


def clocks(
    db: Database, receiver: str, source: str, alerts: Sequence[str]
) -> dict[str, EscalationClock]:
    """The clocks of these alerts under a receiver."""
    rows = db.execute(
        "SELECT alert, body FROM json_each(?) AS wanted CROSS JOIN escalation ON receiver = ?"
        " AND source = ? AND alert = wanted.value",
        (_encode(list(alerts)).decode(), receiver, source),
    ).fetchall()
    found = ((alert, readable(_clock, body)) for alert, body in rows)
    return {alert: clock for alert, clock in found if clock is not None}


def keep(db: Database, lane: LaneKey, clock: EscalationClock, due: float | None) -> None:
    """Stores the clock, which began in that lane."""
    db.execute(
        "INSERT INTO escalation VALUES (?, ?, ?, (SELECT id FROM lane WHERE key = ?), ?, ?)"
        " ON CONFLICT (receiver, source, alert)"
        " DO UPDATE SET due = excluded.due, body = excluded.body",
        (
            clock.receiver,
            clock.source,
            clock.alert,
            _encode(lane).decode(),
            due,
            db.encoded(clock),
        ),
    )


def note(db: Database, source: str, alerts: Iterable[str], event: Event, now: float) -> None:
    """Records an event of these alerts; their clocks are checked soon."""
    if db.execute("SELECT 1 FROM escalation LIMIT 1").fetchone() is None:
        return
    rows = db.execute(
        "SELECT receiver, alert, body FROM escalation WHERE source = ? AND alert IN"
        " (SELECT value FROM json_each(?))",
        (source, _encode(list(alerts)).decode()),
    ).fetchall()
    for receiver, alert, body in rows:
        clock = readable(_clock, body)
        if clock is not None:
            db.execute(
                "UPDATE escalation SET due = 0, body = ? WHERE receiver = ? AND source = ?"
                " AND alert = ?",
                (db.encoded(happened(clock, event, now)), receiver, source, alert),
            )


def due(db: Database, now: float, most: int) -> tuple[DueClock, ...]:
    """The clocks whose next step is due, each with the card on which its alert has its line."""
    rows = db.execute(
        "SELECT escalation.body, lane.key, lane.id, grp, fingerprint FROM escalation"
        " JOIN lane ON lane.id = escalation.lane LEFT JOIN standing"
        " ON standing.source = escalation.source AND standing.alert = escalation.alert"
        " AND standing.lane = escalation.lane"
        " WHERE due IS NOT NULL AND due <= ? ORDER BY due LIMIT ?",
        (now, most),
    ).fetchall()
    known: dict[tuple[int, str, str], Card | None] = {}
    found = []
    for body, key, lane, grp, fingerprint in rows:
        clock = readable(_clock, body)
        if clock is None:
            continue
        at = (lane, grp, fingerprint)
        if grp is not None and at not in known:
            known[at] = cards.find(db, *at)
        found.append(DueClock(clock, _lane_key(key), known.get(at)))
    return tuple(found)


def forget(db: Database, clock: EscalationClock) -> None:
    """Removes a clock that is no longer configured."""
    db.execute(
        "DELETE FROM escalation WHERE receiver = ? AND source = ? AND alert = ?",
        (clock.receiver, clock.source, clock.alert),
    )


def look_again(db: Database) -> None:
    """Has each running clock checked soon, since its plan may have changed."""
    for (body,) in db.execute("SELECT body FROM escalation").fetchall():
        clock = readable(_clock, body)
        if clock and clock.stopped in ("", "taken"):
            db.execute(
                "UPDATE escalation SET due = 0 WHERE receiver = ? AND source = ? AND alert = ?",
                (clock.receiver, clock.source, clock.alert),
            )


def told_at(db: Database, lane: LaneKey) -> float:
    """When the chat was last told that nobody takes something, Unix seconds; 0.0: never."""
    found = db.execute("SELECT body FROM single WHERE name = ?", (_name(lane),)).fetchone()
    return float(found[0]) if found else 0.0


def keep_told(db: Database, lane: LaneKey, now: float) -> None:
    """Records that the chat was told now."""
    db.execute(
        "INSERT INTO single (name, body) VALUES (?, ?)"
        " ON CONFLICT (name) DO UPDATE SET body = excluded.body",
        (_name(lane), repr(now).encode()),
    )


def _name(lane: LaneKey) -> str:
    return f"escalated {_encode(lane).decode()}"


def purge(db: Database, before: float) -> None:
    """Removes clocks whose alerts ended before then."""
    for (body,) in db.execute("SELECT body FROM escalation WHERE due IS NULL").fetchall():
        clock = readable(_clock, body)
        if clock and clock.stopped == "over" and clock.ended_at < before:
            forget(db, clock)
