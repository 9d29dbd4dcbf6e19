"""Acting from the chat in SQL: takes, presses and the rest."""

import secrets
from collections.abc import Sequence

import msgspec

from relay.core.action.episode import same_episode
from relay.core.action.escalation import EscalationClock
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
from relay.core.action.rights import Presser
from relay.core.action.take import Taken, ended
from relay.core.card.card import Card, Entry, shown_alerts
from relay.core.card.digest import DIGEST, QUIET
from relay.core.routing.lane import LaneKey
from relay.core.text.richtext import RichText
from relay.store.acting import DueClock, PressRow
from relay.store.sql import escalations, heartbeats
from relay.store.sql.database import Database
from relay.store.sql.silences import SqlSilences, due, rows
from relay.store.sql.unreadable import readable

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0
_KEY = "button_key"
_KEY_BYTES = 32
_encode = msgspec.json.encode
_lane_key = msgspec.json.Decoder(LaneKey).decode
_card = msgspec.json.Decoder(Card).decode
_taken = msgspec.json.Decoder(Taken).decode
_press = msgspec.json.Decoder(PressRow).decode
_question = msgspec.json.Decoder(Question).decode


def takes(db: Database, source: str, alerts: Sequence[str]) -> dict[str, Taken]:
    """The takes of these alerts."""
    found = rows(db, "take", source, alerts)
    decoded = ((key, readable(_taken, body)) for key, body in found)
    return {key: taken for key, taken in decoded if taken is not None}


def end_takes(db: Database, card: Card, over: Sequence[Entry]) -> None:
    """Ends the takes and escalations of these alerts of the card with their episodes."""
    keys = [entry.fingerprint for entry in over]
    escalations.note(db, card.group.source, keys, "over", card.heard_at)
    known = takes(db, card.group.source, [entry.fingerprint for entry in over])
    for entry in over if known else ():
        taken = known.get(entry.fingerprint)
        if taken is not None and same_episode(taken.starts_at, entry.starts_at):
            keep_take(db, ended(taken, entry.ends_at or card.heard_at))


def keep_take(db: Database, taken: Taken) -> None:
    """Stores the take."""
    db.execute(
        "INSERT INTO take (source, alert, ended_at, body) VALUES (?, ?, ?, ?) ON CONFLICT"
        " (source, alert) DO UPDATE SET ended_at = excluded.ended_at, body = excluded.body",
        (taken.source, taken.alert, taken.ended_at, db.encoded(taken)),
    )


class SqlActing(SqlSilences):
    """`acting.ActingStore` in SQL."""

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
        """The card whose message that is. Each lane is looked up in an index."""
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
                self._db.encoded(row),
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
            (*_where(place), question.expires_at, self._db.encoded(question)),
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
        wanted = set(alerts)
        return Known(
            takes(self._db, source, alerts),
            self._suppressed(source, alerts),
            tuple(each for each in self._asked(source) if not wanted.isdisjoint(each.alerts)),
            self._presences(source, alerts),
        )

    def keep_takes(self, carried: Sequence[Taken]) -> None:
        for taken in carried:
            keep_take(self._db, taken)

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
