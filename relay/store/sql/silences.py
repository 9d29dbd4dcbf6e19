"""Silences in SQL: what was asked of Alertmanager, what it suppresses, and what is known of alerts
that left a list. The cards of an alert are found by its lines (`standing`).
"""

from collections.abc import Iterable, Sequence

import msgspec

from relay.core.action.escalation import Event as EscalationEvent
from relay.core.action.reconcile import AbsentAlert, Presence, Reconciled, Suppressed
from relay.core.action.silence import Silencing
from relay.core.card.card import Entry
from relay.core.card.subject import subject
from relay.core.routing.lane import LaneKey
from relay.store.sql import cards, escalations
from relay.store.sql.database import Database
from relay.store.sql.unreadable import readable

_MOST_DUE, _MOST_ASKED = 100, 200
_encode = msgspec.json.encode
_lane_key = msgspec.json.Decoder(LaneKey).decode
_suppressed = msgspec.json.Decoder(Suppressed).decode
_presence = msgspec.json.Decoder(Presence).decode
_silencing = msgspec.json.Decoder(Silencing).decode


def due(db: Database, source: str, alerts: Iterable[str]) -> tuple[LaneKey, ...]:
    """Makes the open cards due on which these alerts fire; returns their lanes."""
    found = db.execute(
        "SELECT DISTINCT lane.id, lane.key, grp, fingerprint FROM json_each(?) AS wanted"
        " CROSS JOIN standing ON source = ? AND alert = wanted.value AND fires = 1"
        " JOIN lane ON lane.id = standing.lane",
        (_encode(list(alerts)).decode(), source),
    ).fetchall()
    db.executemany(
        "UPDATE card SET ready = 0, due = 0, rank = 0 WHERE lane = ? AND grp = ? AND"
        " fingerprint = ?"
        " AND closed = 0",
        [(lane, grp, fingerprint) for lane, _, grp, fingerprint in found],
    )
    return tuple(dict.fromkeys(_lane_key(key) for _, key, _, _ in found))


def rows(db: Database, table: str, source: str, alerts: Sequence[str]) -> list[tuple[str, bytes]]:
    some = db.execute(f"SELECT 1 FROM {table} WHERE source = ? LIMIT 1", (source,))  # noqa: S608 - a name of ours
    if not alerts or some.fetchone() is None:
        return []
    return db.execute(
        f"SELECT alert, body FROM json_each(?) AS wanted CROSS JOIN {table}"  # noqa: S608 - the same
        " ON source = ? AND alert = wanted.value",
        (_encode(alerts).decode(), source),
    ).fetchall()


class SqlSilences:
    """The part of `acting.ActingStore` about Alertmanager, in SQL."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def _suppressed(self, source: str, alerts: Sequence[str]) -> dict[str, Suppressed]:
        found = rows(self._db, "suppressed", source, alerts)
        decoded = ((key, readable(_suppressed, body)) for key, body in found)
        return {key: each for key, each in decoded if each is not None}

    def _presences(self, source: str, alerts: Sequence[str]) -> dict[str, Presence]:
        found = rows(self._db, "presence", source, alerts)
        decoded = ((key, readable(_presence, body)) for key, body in found)
        return {key: each for key, each in decoded if each is not None}

    def _silencings(self, source: str) -> list[Silencing]:
        """All silencings, the newest first."""
        rows = self._db.execute(
            "SELECT body FROM silencing WHERE source = ? ORDER BY asked_at DESC LIMIT ?",
            (source, _MOST_ASKED),
        ).fetchall()
        return [each for (body,) in rows if (each := readable(_silencing, body)) is not None]

    def _asked(self, source: str) -> list[Silencing]:
        """The silencings that are not in force, the newest first."""
        rows = self._db.execute(
            "SELECT body FROM silencing WHERE source = ? AND state != 'done'"
            " ORDER BY asked_at DESC LIMIT ?",
            (source, _MOST_ASKED),
        ).fetchall()
        return [each for (body,) in rows if (each := readable(_silencing, body)) is not None]

    def _forget_refused(self, source: str, alerts: Iterable[str]) -> None:
        """Removes refused silencings once something else is asked for the same alerts."""
        wanted = set(alerts)
        over = [
            each.id
            for each in self._asked(source)
            if each.due is None and not wanted.isdisjoint(each.alerts)
        ]
        self._db.executemany("DELETE FROM silencing WHERE id = ?", [(each,) for each in over])

    def silencings_due(self, source: str, now: float) -> tuple[Silencing, ...]:
        rows = self._db.execute(
            "SELECT body FROM silencing WHERE source = ? AND due IS NOT NULL AND due <= ?"
            " ORDER BY due, asked_at LIMIT ?",
            (source, now, _MOST_DUE),
        ).fetchall()
        return tuple(each for (body,) in rows if (each := readable(_silencing, body)) is not None)

    def next_silencing(self, source: str) -> float | None:
        (at,) = self._db.execute(
            "SELECT min(due) FROM silencing WHERE source = ? AND due IS NOT NULL", (source,)
        ).fetchone()
        return None if at is None else float(at)

    def keep_silencing(self, silencing: Silencing) -> tuple[LaneKey, ...]:
        self._write_silencing(silencing)
        source, alerts = silencing.source, silencing.alerts
        if silencing.state == "done":
            event: EscalationEvent = "suppressed" if silencing.kind == "silence" else "free"
            escalations.note(self._db, source, alerts, event, silencing.until)
        if silencing.state == "done" and silencing.kind == "silence":
            for key in silencing.alerts:
                self._write_suppressed(silencing.source, key, _confirmed(silencing))
        elif silencing.state == "done":
            known = self._suppressed(silencing.source, silencing.alerts)
            for key, each in known.items():
                if each.silence_id == silencing.silence_id:
                    self._forget_suppressed(silencing.source, key)
                    self._write_presence(source, key, Presence("left", silencing.until))
        return due(self._db, silencing.source, silencing.alerts)

    def _write_silencing(self, silencing: Silencing) -> None:
        self._db.execute(
            "INSERT INTO silencing (id, source, state, due, asked_at, body)"
            " VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET source = excluded.source, state = excluded.state,"
            " due = excluded.due, asked_at = excluded.asked_at, body = excluded.body",
            (
                silencing.id,
                silencing.source,
                silencing.state,
                silencing.due,
                silencing.asked_at,
                self._db.encoded(silencing),
            ),
        )

    def _write_suppressed(self, source: str, key: str, suppressed: Suppressed) -> None:
        self._db.execute(
            "INSERT INTO suppressed (source, alert, until, body) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (source, alert) DO UPDATE SET until = excluded.until,"
            " body = excluded.body",
            (source, key, suppressed.until or None, self._db.encoded(suppressed)),
        )

    def _forget_suppressed(self, source: str, key: str) -> None:
        self._db.execute("DELETE FROM suppressed WHERE source = ? AND alert = ?", (source, key))

    def shown_alerts(self, source: str) -> tuple[str, ...]:
        rows = self._db.execute(
            "SELECT DISTINCT alert FROM standing WHERE source = ? AND fires = 1", (source,)
        )
        return tuple(alert for (alert,) in rows.fetchall())

    def names(self, source: str, alerts: Sequence[str]) -> dict[str, str]:
        return {key: name_of(entry) for key, entry in self._entries(source, alerts).items()}

    def _entries(self, source: str, alerts: Sequence[str]) -> dict[str, Entry]:
        """These alerts, as cards have them."""
        found: dict[str, Entry] = {}
        rows = self._db.execute(
            "SELECT DISTINCT alert, lane, grp, fingerprint FROM json_each(?) AS wanted"
            " CROSS JOIN standing ON source = ? AND alert = wanted.value",
            (_encode(alerts).decode(), source),
        ).fetchall()
        for alert, lane, grp, fingerprint in rows:
            card = cards.find(self._db, lane, grp, fingerprint) if alert not in found else None
            entry = (
                next((e for e in card.entries if e.fingerprint == alert), None) if card else None
            )
            if entry is not None:
                found[alert] = entry
        return found

    def keep_listed(
        self, source: str, listed: Sequence[str], left: Sequence[str], now: float
    ) -> None:
        known = {
            key: readable(_presence, body)
            for key, body in rows(self._db, "presence", source, [*listed, *left])
        }
        newer = {key for key, each in known.items() if each is not None and each.since > now}
        for key in known.keys() & set(listed) - newer:
            self._db.execute("DELETE FROM presence WHERE source = ? AND alert = ?", (source, key))
        for key in set(left) - newer:
            self._write_presence(source, key, Presence("left", now))

    def _write_presence(self, source: str, key: str, presence: Presence) -> None:
        self._db.execute(
            "INSERT INTO presence (source, alert, body) VALUES (?, ?, ?)"
            " ON CONFLICT (source, alert) DO UPDATE SET body = excluded.body",
            (source, key, self._db.encoded(presence)),
        )

    def asked_for(self, source: str, also: Sequence[str] = ()) -> dict[str, AbsentAlert]:
        rows = self._db.execute("SELECT alert, body FROM presence WHERE source = ?", (source,))
        known = {key: readable(_presence, body) for key, body in rows.fetchall()}
        entries = self._entries(source, [*known, *also])
        return {
            key: AbsentAlert(known.get(key) or Presence("left", entry.seen), entry.labels)
            for key, entry in entries.items()
            if entry.status == "firing"
        }

    def known_suppressed(self, source: str) -> dict[str, Suppressed]:
        rows = self._db.execute("SELECT alert, body FROM suppressed WHERE source = ?", (source,))
        decoded = [(key, readable(_suppressed, body)) for key, body in rows.fetchall()]
        return {key: each for key, each in decoded if each is not None}

    def keep_reconciled(
        self, source: str, reconciled: Reconciled, now: float
    ) -> tuple[LaneKey, ...]:
        for key, each in reconciled.suppressed.items():
            self._write_suppressed(source, key, each)
        for key in reconciled.freed:
            self._forget_suppressed(source, key)
        for key, presence in reconciled.presences.items():
            self._write_presence(source, key, presence)
        escalations.note(self._db, source, reconciled.suppressed, "suppressed", now)
        escalations.note(self._db, source, reconciled.freed, "free", now)
        changed = [*reconciled.suppressed, *reconciled.freed, *reconciled.presences]
        return due(self._db, source, dict.fromkeys(changed))


def _confirmed(silencing: Silencing) -> Suppressed:
    return Suppressed(
        "silenced",
        silencing.until,
        silencing.person.name,
        silencing.comment,
        silencing.silence_id,
    )


def name_of(entry: Entry) -> str:
    """The name of an alert in a line: `NodeDown node-3`."""
    return " ".join(filter(None, (entry.labels.get("alertname", ""), subject([entry]).telling)))
