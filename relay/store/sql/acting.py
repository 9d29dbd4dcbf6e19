"""Acting from the chat in SQLite: who has an alert, what silences it, what people pressed. The
cards of an alert are found by its lines (`standing`).
"""

import secrets
from collections.abc import Iterable, Sequence

import msgspec

from relay.core.action.episode import same_episode
from relay.core.action.escalation import EscalationClock
from relay.core.action.escalation import Event as EscalationEvent
from relay.core.action.heartbeat import Beat
from relay.core.action.marks import Known
from relay.core.action.press import (
    MessagePlace,
    Press,
    PressAnswer,
    PressContext,
    PressEffects,
    Question,
    ShownCard,
)
from relay.core.action.pressed import ButtonData, card_name
from relay.core.action.reconcile import AbsentAlert, Presence, Reconciled, Suppressed
from relay.core.action.rights import Presser
from relay.core.action.silence import Silencing
from relay.core.action.take import Taken, ended
from relay.core.card.card import Card, Entry, shown_alerts
from relay.core.card.digest import DIGEST, QUIET
from relay.core.card.subject import subject
from relay.core.routing.lane import LaneKey
from relay.core.text.richtext import RichText
from relay.store.acting import DueClock, PressRow
from relay.store.sql import cards, escalations, heartbeats
from relay.store.sql.database import Database
from relay.store.sql.unreadable import readable

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0
_MOST_DUE, _MOST_ASKED = 100, 200
_KEY = "button_key"
_KEY_BYTES = 32
_encode = msgspec.json.encode
_lane_key = msgspec.json.Decoder(LaneKey).decode
_card = msgspec.json.Decoder(Card).decode
_taken = msgspec.json.Decoder(Taken).decode
_suppressed = msgspec.json.Decoder(Suppressed).decode
_presence = msgspec.json.Decoder(Presence).decode
_silencing = msgspec.json.Decoder(Silencing).decode
_press = msgspec.json.Decoder(PressRow).decode
_question = msgspec.json.Decoder(Question).decode


def due(db: Database, source: str, alerts: Iterable[str]) -> tuple[LaneKey, ...]:
    """Makes the open cards due on which these alerts fire; their lanes."""
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


def takes(db: Database, source: str, alerts: Sequence[str]) -> dict[str, Taken]:
    """Who has these alerts."""
    found = _rows(db, "take", source, alerts)
    decoded = ((key, readable(_taken, body)) for key, body in found)
    return {key: taken for key, taken in decoded if taken is not None}


def end_takes(db: Database, card: Card, over: Sequence[Entry]) -> None:
    """Takes and escalations end with the episodes of these alerts of the card."""
    keys = [entry.fingerprint for entry in over]
    escalations.note(db, card.group.source, keys, "over", card.heard_at)
    known = takes(db, card.group.source, [entry.fingerprint for entry in over])
    for entry in over if known else ():
        taken = known.get(entry.fingerprint)
        if taken is not None and same_episode(taken.starts_at, entry.starts_at):
            keep_take(db, ended(taken, entry.ends_at or card.heard_at))


def keep_take(db: Database, taken: Taken) -> None:
    """Writes it."""
    db.execute(
        "INSERT INTO take (source, alert, ended_at, body) VALUES (?, ?, ?, ?) ON CONFLICT"
        " (source, alert) DO UPDATE SET ended_at = excluded.ended_at, body = excluded.body",
        (taken.source, taken.alert, taken.ended_at, _encode(taken)),
    )


def _rows(db: Database, table: str, source: str, alerts: Sequence[str]) -> list[tuple[str, bytes]]:
    some = db.execute(f"SELECT 1 FROM {table} WHERE source = ? LIMIT 1", (source,))  # noqa: S608 - a name of ours
    if not alerts or some.fetchone() is None:
        return []
    return db.execute(
        f"SELECT alert, body FROM json_each(?) AS wanted CROSS JOIN {table}"  # noqa: S608 - the same
        " ON source = ? AND alert = wanted.value",
        (_encode(alerts).decode(), source),
    ).fetchall()


class SqlActing:
    """ActingStore over one SQLite file (see `acting.ActingStore`)."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def button_key(self) -> bytes:
        found = self._db.execute("SELECT body FROM single WHERE name = ?", (_KEY,)).fetchone()
        if found and len(found[0]) == _KEY_BYTES:
            return bytes(found[0])
        fresh = secrets.token_bytes(_KEY_BYTES)
        _keep_single(self._db, _KEY, fresh)
        return fresh

    def pressed(self, key: str) -> PressEffects | None:
        found = self._db.execute("SELECT body FROM press WHERE key = ?", (key,)).fetchone()
        row = readable(_press, found[0]) if found else None
        if row is None:
            return None
        answer = PressAnswer(RichText(row.answer), row.alert, row.asks, row.offers)
        return PressEffects(answer, "done", alerts=row.alerts)

    def press_context(self, place: MessagePlace, presser: Presser, now: float) -> PressContext:
        own = self._presses(presser, now)
        told = [at for at, row in own if row.outcome == "held" and row.message == place.message]
        told_at, presses = max(told, default=None), len(own)
        found = self._card_at(place)
        if found is None:
            return PressContext(None, told_at=told_at, presses=presses)
        lane, card = found
        shown = _shown(lane, card)
        keys = [alert.key for alert in shown.alerts]
        known = self.known(shown.source, keys)
        made = tuple(
            each
            for each in self._silencings(shown.source)
            if each.state == "done" and each.kind == "silence" and each.until > now
        )
        return PressContext(
            shown,
            dict(known.takes),
            dict(known.suppressed),
            tuple(each for each in known.asked if each.state == "asked"),
            made,
            told_at,
            presses,
        )

    def _presses(self, presser: Presser, now: float) -> list[tuple[float, PressRow]]:
        rows = self._db.execute(
            "SELECT at, body FROM press WHERE person = ? AND at > ?",
            (_person(presser), now - _MINUTE),
        )
        decoded = [(at, readable(_press, body)) for at, body in rows.fetchall()]
        return [(at, row) for at, row in decoded if row is not None]

    def _card_at(self, place: MessagePlace) -> tuple[LaneKey, Card] | None:
        """The card whose message stands there: an index is asked for each lane."""
        if not place.message:
            return None
        rows = self._db.execute(
            "SELECT lane.key, card.body FROM lane CROSS JOIN card INDEXED BY card_message"
            " ON card.lane = lane.id AND card.message = ? AND card.message != ''",
            (place.message,),
        )
        for key, body in rows.fetchall():
            lane, card = _lane_key(key), readable(_card, body)
            if card is None or card.shown is None or card.group in (DIGEST, QUIET):
                continue
            here = lane.platform == place.platform and place.account in ("", lane.account)
            if here and place.platform == "telegram":
                here = (lane.api, card.shown.message.chat) == (place.api, place.chat)
            if here:
                return lane, card
        return None

    def take_press(self, press: Press, effects: PressEffects, now: float) -> tuple[LaneKey, ...]:
        if effects.outcome != "flood":
            self._keep_press(press, effects, now)
        for key in effects.released:
            self._db.execute(
                "DELETE FROM take WHERE source = ? AND alert = ?", (effects.source, key)
            )
        for taken in effects.takes:
            keep_take(self._db, taken)
        if effects.silencings:
            self._forget_refused(effects.source, effects.alerts)
        for silencing in effects.silencings:
            self._write_silencing(silencing)
        if effects.verb in ("take", "over") and effects.outcome in ("done", "nothing"):
            escalations.note(self._db, effects.source, effects.alerts, "taken", now)
        if effects.released:
            escalations.note(self._db, effects.source, effects.released, "released", now)
        if not (effects.released or effects.takes or effects.silencings):
            return ()
        return due(self._db, effects.source, effects.alerts)

    def _keep_press(self, press: Press, effects: PressEffects, now: float) -> None:
        answer, presser = effects.answer, press.presser
        verb = press.data.verb if isinstance(press.data, ButtonData) else ""
        row = PressRow(
            presser.platform,
            presser.id,
            "" if presser.anonymous else presser.name,
            press.chat,
            press.message,
            verb,
            effects.outcome,
            effects.alerts,
            answer.text.text,
            answer.alert,
            answer.asks,
            answer.offers,
        )
        self._db.execute(
            "INSERT INTO press (key, at, source, alert, body, person) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT DO NOTHING",
            (
                press.key,
                now,
                effects.source,
                next(iter(effects.alerts), ""),
                _encode(row),
                _person(presser),
            ),
        )

    def keep_question(self, question: Question) -> None:
        place = question.place
        self._db.execute("DELETE FROM question WHERE expires_at < ?", (question.expires_at - _DAY,))
        self._db.execute(
            "INSERT INTO question (bot, chat, message, expires_at, body) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (bot, chat, message)"
            " DO UPDATE SET expires_at = excluded.expires_at, body = excluded.body",
            (*_where(place), question.expires_at, _encode(question)),
        )

    def take_question(self, place: MessagePlace, now: float) -> Question | None:
        where = "WHERE bot = ? AND chat = ? AND message = ?"
        found = self._db.execute(
            f"SELECT body FROM question {where}",  # noqa: S608 - of constants
            _where(place),
        ).fetchone()
        if found is None:
            return None
        self._db.execute(f"DELETE FROM question {where}", _where(place))  # noqa: S608 - the same
        question = readable(_question, found[0])
        return question if question is not None and question.expires_at > now else None

    def known(self, source: str, alerts: Sequence[str]) -> Known:
        suppressed = (
            (key, readable(_suppressed, body))
            for key, body in _rows(self._db, "suppressed", source, alerts)
        )
        presences = (
            (key, readable(_presence, body))
            for key, body in _rows(self._db, "presence", source, alerts)
        )
        wanted = set(alerts)
        return Known(
            takes(self._db, source, alerts),
            {key: each for key, each in suppressed if each is not None},
            tuple(e for e in self._asked(source) if not wanted.isdisjoint(e.alerts)),
            {key: each for key, each in presences if each is not None},
        )

    def _silencings(self, source: str) -> list[Silencing]:
        """The newest first."""
        rows = self._db.execute(
            "SELECT body FROM silencing WHERE source = ? ORDER BY asked_at DESC LIMIT ?",
            (source, _MOST_ASKED),
        ).fetchall()
        return [each for (body,) in rows if (each := readable(_silencing, body)) is not None]

    def keep_takes(self, carried: Sequence[Taken]) -> None:
        for taken in carried:
            keep_take(self._db, taken)

    def _asked(self, source: str) -> list[Silencing]:
        """Those that are not in force, the newest first."""
        rows = self._db.execute(
            "SELECT body FROM silencing WHERE source = ? AND state != 'done'"
            " ORDER BY asked_at DESC LIMIT ?",
            (source, _MOST_ASKED),
        ).fetchall()
        return [each for (body,) in rows if (each := readable(_silencing, body)) is not None]

    def _forget_refused(self, source: str, alerts: Iterable[str]) -> None:
        """What was refused is of no interest once something else is asked for the same alerts."""
        wanted = set(alerts)
        over = [
            each.id
            for each in self._asked(source)
            if each.due is None and not wanted.isdisjoint(each.alerts)
        ]
        self._db.executemany("DELETE FROM silencing WHERE id = ?", [(each,) for each in over])

    def look_again(self) -> tuple[LaneKey, ...]:
        db = self._db
        escalations.look_again(db)
        db.execute(
            "UPDATE card SET ready = 0, due = 0, rank = 0 WHERE closed = 0 AND firing = 1"
            " AND instr(CAST(body AS TEXT), '\"acting\":{') > 0"
        )
        rows = db.execute(
            "SELECT source, alert FROM take UNION SELECT source, alert FROM suppressed"
        ).fetchall()
        by_source: dict[str, set[str]] = {}
        for source, alert in rows:
            by_source.setdefault(source, set()).add(alert)
        for (source,) in db.execute("SELECT DISTINCT source FROM silencing").fetchall():
            asked = (each for each in self._silencings(source) if each.state != "done")
            by_source.setdefault(source, set()).update(key for each in asked for key in each.alerts)
        for source, keys in by_source.items():
            due(db, source, keys)
        found = db.execute(
            "SELECT DISTINCT lane.key FROM card JOIN lane ON lane.id = card.lane"
            " WHERE card.firing = 1 AND card.due = 0"
        )
        return tuple(_lane_key(key) for (key,) in found.fetchall())

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
            known = self.known(silencing.source, silencing.alerts).suppressed
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
                _encode(silencing),
            ),
        )

    def _write_suppressed(self, source: str, key: str, suppressed: Suppressed) -> None:
        self._db.execute(
            "INSERT INTO suppressed (source, alert, until, body) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (source, alert) DO UPDATE SET until = excluded.until,"
            " body = excluded.body",
            (source, key, suppressed.until or None, _encode(suppressed)),
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
        """These alerts, as a card has them."""
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
            for key, body in _rows(self._db, "presence", source, [*listed, *left])
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
            (source, key, _encode(presence)),
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

    def session(self, application: str) -> bytes | None:
        found = self._db.execute(
            "SELECT body FROM gateway WHERE application = ?", (application,)
        ).fetchone()
        return bytes(found[0]) if found else None

    def keep_session(self, application: str, session: bytes) -> None:
        self._db.execute(
            "INSERT INTO gateway (application, body) VALUES (?, ?)"
            " ON CONFLICT (application) DO UPDATE SET body = excluded.body",
            (application, session),
        )

    def beats(self) -> tuple[Beat, ...]:
        return heartbeats.beats(self._db)

    def heard(self, found: Sequence[tuple[str, tuple[str, ...]]], now: float) -> None:
        heartbeats.heard(self._db, found, now)

    def keep_beat(self, beat: Beat) -> None:
        heartbeats.keep(self._db, beat)

    def forget_beat(self, beat: Beat) -> None:
        heartbeats.forget(self._db, beat)

    def clocks(
        self, receiver: str, source: str, alerts: Sequence[str]
    ) -> dict[str, EscalationClock]:
        return escalations.clocks(self._db, receiver, source, alerts)

    def keep_clock(self, lane: LaneKey, clock: EscalationClock, due: float | None) -> None:
        escalations.keep(self._db, lane, clock, due)

    def forget_clock(self, clock: EscalationClock) -> None:
        escalations.forget(self._db, clock)

    def clocks_due(self, now: float, most: int) -> tuple[DueClock, ...]:
        return escalations.due(self._db, now, most)

    def cards_due(self, source: str, alerts: Sequence[str]) -> tuple[LaneKey, ...]:
        return due(self._db, source, alerts)

    def escalated_at(self, lane: LaneKey) -> float:
        return escalations.told_at(self._db, lane)

    def keep_escalated(self, lane: LaneKey, now: float) -> None:
        escalations.keep_told(self._db, lane, now)

    def purge(self, now: float, before: float, reopen_window: float) -> None:
        db, yesterday = self._db, now - _DAY
        over = min(yesterday, now - reopen_window - _HOUR)
        escalations.purge(db, over)
        db.execute("DELETE FROM take WHERE ended_at < ?", (over,))
        db.execute("DELETE FROM press WHERE at < ?", (before,))
        for source in {source for (source,) in db.execute("SELECT source FROM silencing")}:
            ended = [
                each.id
                for each in self._silencings(source)
                if each.due is None and max(each.asked_at, each.until) < yesterday
            ]
            db.executemany("DELETE FROM silencing WHERE id = ?", [(each,) for each in ended])
        for table in ("suppressed", "presence"):
            db.execute(
                f"DELETE FROM {table} WHERE NOT EXISTS (SELECT 1 FROM standing WHERE fires = 1 AND"  # noqa: S608 - of constants
                f" standing.source = {table}.source AND standing.alert = {table}.alert)"
            )
        db.execute("DELETE FROM question WHERE expires_at < ?", (now,))


def _keep_single(db: Database, name: str, body: bytes) -> None:
    db.execute(
        "INSERT INTO single (name, body) VALUES (?, ?)"
        " ON CONFLICT (name) DO UPDATE SET body = excluded.body",
        (name, body),
    )


def _person(presser: Presser) -> str:
    return f"{presser.platform} {presser.id}"


def _where(place: MessagePlace) -> tuple[str, str, str]:
    return f"{place.platform} {place.api} {place.account}", place.chat, place.message


def _confirmed(silencing: Silencing) -> Suppressed:
    return Suppressed(
        "silenced",
        silencing.until,
        silencing.person.name,
        silencing.comment,
        silencing.silence_id,
    )


def _shown(lane: LaneKey, card: Card) -> ShownCard:
    alerts = shown_alerts(card)
    names = {alert.labels.get("alertname", "") for alert in alerts if alert.firing}
    return ShownCard(
        card_name(lane, card.group, card.fingerprint),
        card.group.source,
        card.head.group_labels,
        alerts,
        card.closed_at,
        title=names.pop() if len(names) == 1 else "",
        seq=card.shown_seq,
        lane=lane,
        receiver=card.receiver,
    )


def name_of(entry: Entry) -> str:
    """An alert as a line names it: `NodeDown node-3`."""
    return " ".join(filter(None, (entry.labels.get("alertname", ""), subject([entry]).telling)))
