"""Spreading: brings each alert of a payload to the card on which it has its line in each chat,
whichever group, route or receiver it came by, and the group's absent alerts to their cards.

It happens after the payload is acknowledged, from the durable payload, in order of acceptance and
before any lane folds it.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from relay.core.alert import Alert, Notification, thing_key
from relay.core.routing.lane import LaneKey
from relay.core.routing.route import Ignoring
from relay.store.sql.accept import add, lane_of, watch
from relay.store.sql.cards import look_at, text
from relay.store.sql.database import Database
from relay.store.sql.standing import Row, stand
from relay.store.sql.unreadable import readable

# Alerts and payloads spread in one transaction, so that others get the store's thread.
_MOST_ALERTS = 500
_MOST_PAYLOADS = 64
# Seconds after its end during which a firing copy of an alert goes to the card that showed it: a
# copy from another group, or from another replica, may be late.
_LATE = 45.0
# Seconds after which a card looks for the card on which an alert fires that is no longer reported
# there.
_LOOK_LATER = 10.0
_EMPTY = b"[]"
_encode = msgspec.json.encode
_notification = msgspec.json.Decoder(Notification).decode
_indexes = msgspec.json.Decoder(tuple[int, ...]).decode
_ignoring = msgspec.json.Decoder(Ignoring).decode
_Card = tuple[int, str, str]  # lane, group, fingerprint


class _Routed(NamedTuple):
    """A delivery that a route made."""

    lane: int
    seq: int
    key: LaneKey
    receiver: str
    owner: str
    fingerprint: str
    alerts: bytes | None
    route: str
    ignoring: bytes | None


class _Home(NamedTuple):
    """The card of a lane on which an alert has its line. `joined`: that is the line of another
    alert that is the same thing.
    """

    row: Row
    fires: bool
    ended_at: float | None
    joined: bool = False


class _Payload(NamedTuple):
    """A payload to be spread. `alerts` are empty if it cannot be read. `things` are the thing keys
    computed so far (`_thing`).
    """

    number: int
    at: float
    source: str
    group: str
    alerts: tuple[Alert, ...]
    last: bool
    things: dict[tuple[int, bytes | None], str]
    overtaken: bool = False


def spread(db: Database) -> bool:
    """Spreads what was accepted since the last time, or part of it if that is much; returns whether
    all is spread. `take_woken` returns the lanes that got work.
    """
    done = last_spread(db)
    if done == db.remembered.payload:
        return True
    waiting = _waiting(db, done)
    if not waiting or not db.may_spread():
        return True
    if last_spread(db) != done:  # another transaction did, while we waited for the lock
        done = last_spread(db)
        waiting = _waiting(db, done)
        if not waiting:
            return True
    payloads: list[_Payload] = []
    alerts = 0
    for number, at, last in waiting:
        payload = _read(db, number, at, last=bool(last))
        payloads.append(payload)
        alerts += len(payload.alerts) + 1
        if alerts >= _MOST_ALERTS:
            break
    routed = _routed(db, payloads)
    for payload in payloads:
        db.woken |= dict.fromkeys(_spread(db, payload, routed.get(payload.number, ())))
    _name(db, [payload for payload in payloads if payload.group])
    done = payloads[-1].number
    db.execute("UPDATE progress SET value = ? WHERE name = 'spread'", (done,))
    db.remembered.spread = done
    return bool(done == waiting[-1][0] and len(waiting) < _MOST_PAYLOADS)


def _waiting(db: Database, done: int) -> list[tuple[int, float, int]]:
    """Some payloads after that number: their numbers, times, and whether each is the last part."""
    return db.execute(
        "SELECT id, accepted_at, last FROM payload WHERE id > ? ORDER BY id LIMIT ?",
        (done, _MOST_PAYLOADS),
    ).fetchall()


def last_spread(db: Database) -> int:
    """The number of the last payload that was spread."""
    if db.remembered.spread is None:
        (value,) = db.execute("SELECT value FROM progress WHERE name = 'spread'").fetchone()
        db.remembered.spread = int(value)
    return db.remembered.spread


def take_woken(db: Database) -> tuple[LaneKey, ...]:
    """The lanes that got work from spreading. Each is returned once."""
    woken = tuple(db.woken)
    db.woken.clear()
    return woken


def _read(db: Database, number: int, at: float, *, last: bool) -> _Payload:
    notification = db.unspread.take(number)
    if notification is None:
        (body,) = db.execute("SELECT body FROM payload WHERE id = ?", (number,)).fetchone()
        notification = readable(_notification, body)
    if notification is None:
        return _Payload(number, at, "", "", (), last=False, things={})
    return _Payload(
        number,
        at,
        notification.source,
        text(notification.group),
        notification.alerts,
        last=last,
        things={},
        overtaken=notification.overtaken,
    )


def _spread(db: Database, payload: _Payload, routed: Sequence[_Routed]) -> tuple[LaneKey, ...]:
    if not payload.group or payload.overtaken:
        _mark_bare(db, payload)
        return ()
    homes = _homes(db, payload)
    homes |= _joined(db, payload, routed, homes)
    present: dict[_Card, Row] = {}
    added: list[Row] = []
    for each in routed:
        kept, moved = _parted(payload, each, homes)
        if not moved:
            present[each.lane, payload.group, each.fingerprint] = _row(each, payload.group)
            continue
        rows = _moved(payload, each, moved, homes)
        present |= {(row.lane, row.grp, row.fingerprint): row for row in rows}
        own = _row(each, payload.group)._replace(alerts=_encode(kept))
        if not kept and not _is_watched(db, own):
            own, *rows = rows  # nothing is left of the delivery as it was, so it becomes the first
        else:
            present[own.lane, own.grp, own.fingerprint] = own
        _change(db, each.seq, own)
        added += rows
    unrouted = _unrouted(payload, routed, homes)
    present |= {(row.lane, row.grp, row.fingerprint): row for row in unrouted}
    added += unrouted
    added += _absent(_watchers(db, payload.group, homes), present, last=payload.last)
    watch(db, [(payload.group, row) for row in (*present.values(), *added)])
    _stand(db, payload, present, homes)
    if not routed and not added:
        _mark_bare(db, payload)
    return add(db, [(row, payload.number, payload.at) for row in added])


def _name(db: Database, payloads: Sequence[_Payload]) -> None:
    """Records the names of the payloads' alerts, by which the history finds them, and that their
    sources were heard.
    """
    db.executemany(
        "INSERT INTO payload_name VALUES (?, ?) ON CONFLICT DO NOTHING",
        [
            (name, payload.number)
            for payload in payloads
            for name in {alert.name for alert in payload.alerts}
        ],
    )
    heard = {payload.source: payload.at for payload in payloads}
    db.executemany(
        "INSERT INTO heard VALUES (?, ?) ON CONFLICT (source) DO UPDATE SET at = excluded.at"
        " WHERE heard.at < excluded.at",
        heard.items(),
    )


def _mark_bare(db: Database, payload: _Payload) -> None:
    """Marks a payload without deliveries, which is kept only for the history."""
    db.execute(
        "UPDATE payload SET bare = CASE WHEN length(body) > 1 THEN length(body) ELSE 1 END"
        " WHERE id = ? AND NOT EXISTS"
        " (SELECT 1 FROM delivery INDEXED BY delivery_payload WHERE payload = payload.id)",
        (payload.number,),
    )


def _routed(db: Database, payloads: Sequence[_Payload]) -> dict[int, list[_Routed]]:
    """The deliveries that routes made of the payloads, which are consecutive."""
    groups = {payload.number: payload.group for payload in payloads}
    rows = db.execute(
        "SELECT payload, grp, lane, seq, receiver, owner, fingerprint, alerts, route, ignoring"
        " FROM delivery INDEXED BY delivery_payload"
        " WHERE payload BETWEEN ? AND ? AND settlement IS NULL AND card IS NULL",
        (payloads[0].number, payloads[-1].number),
    )
    found: dict[int, list[_Routed]] = {}
    for number, group, lane, seq, *rest in rows.fetchall():
        if groups.get(number) == group:
            routed = _Routed(lane, seq, lane_of(db, lane), *rest)
            found.setdefault(number, []).append(routed)
    return found


_COLUMNS = "lane, receiver, owner, grp, fingerprint, fallback_for, fires, ended_at"


def _homes(db: Database, payload: _Payload) -> dict[tuple[str, int], _Home]:
    """Where the alerts of the payload have their lines, by alert and lane."""
    if len(payload.alerts) == 1:
        rows = db.execute(
            f"SELECT alert, {_COLUMNS} FROM standing"  # noqa: S608 - ours
            " WHERE source = ? AND alert = ?",
            (payload.source, payload.alerts[0].fingerprint),
        )
    else:
        rows = db.execute(
            f"SELECT alert, {_COLUMNS} FROM json_each(?) AS wanted CROSS JOIN"  # noqa: S608 - ours
            " standing ON source = ? AND alert = wanted.value",
            (_encode([alert.fingerprint for alert in payload.alerts]).decode(), payload.source),
        )
    return {(alert, lane): _home(db, lane, *rest) for alert, lane, *rest in rows.fetchall()}


def _lines(db: Database, source: str, things: Sequence[str]) -> dict[tuple[str, int], _Home]:
    """Where alerts that are one of these things have their lines, by thing and lane: a firing one,
    or else the one that ended last.
    """
    rows = db.execute(
        f"SELECT thing, {_COLUMNS} FROM json_each(?) AS wanted CROSS JOIN"  # noqa: S608 - ours
        " standing INDEXED BY standing_thing"
        " ON source = ? AND thing = wanted.value AND thing != ''",
        (_encode(things).decode(), source),
    )
    ordered = sorted(rows.fetchall(), key=lambda row: (row[-2], row[-1] or 0.0))
    return {(thing, lane): _home(db, lane, *rest) for thing, lane, *rest in ordered}


def _home(
    db: Database,
    lane: int,
    receiver: str,
    owner: str,
    grp: str,
    fingerprint: str,
    fallback_for: int | None,
    fires: int,
    ended_at: float | None,
) -> _Home:
    row = Row(lane, lane_of(db, lane), receiver, owner, grp, fingerprint, None, fallback_for)
    return _Home(row, bool(fires), ended_at)


def _joined(
    db: Database,
    payload: _Payload,
    routed: Sequence[_Routed],
    homes: Mapping[tuple[str, int], _Home],
) -> dict[tuple[str, int], _Home]:
    """Lines for firing alerts that have none, on which another alert that is the same thing
    (`alert.thing`) has its line: it fires, or ended so lately that they go on with it.
    """
    things: dict[tuple[str, int], tuple[str, float]] = {}
    for each in routed:
        hold = _ignoring(each.ignoring).hold if each.ignoring else 0.0
        indexes = range(len(payload.alerts)) if each.alerts is None else _indexes(each.alerts)
        for index in indexes:
            alert = payload.alerts[index]
            home = homes.get((alert.fingerprint, each.lane))
            if alert.status == "firing" and (home is None or _is_over(home, alert, payload.at)):
                key = _thing(payload, index, each.ignoring)
                things[alert.fingerprint, each.lane] = (key, hold)
    wanted = sorted({key for key, _ in things.values() if key})
    if not wanted:
        return {}
    lines = _lines(db, payload.source, wanted)
    found: dict[tuple[str, int], _Home] = {}
    for line, (key, hold) in things.items():
        home = lines.get((key, line[1]))
        if home and (home.fires or (hold and (home.ended_at or 0.0) + hold >= payload.at)):
            found[line] = home._replace(joined=True)
    return found


def _thing(payload: _Payload, index: int, ignoring: bytes | None) -> str:
    """The key of the thing that an alert of the payload is, for a chat that ignores these
    labels.
    """
    known = payload.things.get((index, ignoring))
    if known is None:
        ignores = frozenset(_ignoring(ignoring).labels) if ignoring else frozenset[str]()
        known = thing_key(payload.alerts[index].labels, ignores)
        payload.things[index, ignoring] = known
    return known


def _parted(
    payload: _Payload, routed: _Routed, homes: Mapping[tuple[str, int], _Home]
) -> tuple[list[int], dict[_Card, list[int]]]:
    """The alerts of a delivery that go to the card of its own group, and those that have their line
    on other cards.
    """
    kept: list[int] = []
    moved: dict[_Card, list[int]] = {}
    own = (routed.lane, payload.group, routed.fingerprint)
    indexes = range(len(payload.alerts)) if routed.alerts is None else _indexes(routed.alerts)
    for index in indexes:
        alert = payload.alerts[index]
        home = homes.get((alert.fingerprint, routed.lane))
        if (
            home is None
            or _card(home.row) == own
            or (_is_over(home, alert, payload.at) and not home.joined)
        ):
            kept.append(index)
        else:
            moved.setdefault(_card(home.row), []).append(index)
    return kept, moved


def _is_over(home: _Home, alert: Alert, at: float) -> bool:
    """Whether the alert fires anew: the card that showed it last has shown its end for some
    time.
    """
    return (
        alert.status == "firing"
        and not home.fires
        and (home.ended_at is None or home.ended_at + _LATE < at)
    )


def _some(payload: _Payload, indexes: list[int]) -> bytes | None:
    """The alert indexes in the form of a delivery: None means all alerts of the payload."""
    return None if len(indexes) == len(payload.alerts) else _encode(indexes)


def _moved(
    payload: _Payload,
    routed: _Routed,
    moved: Mapping[_Card, list[int]],
    homes: Mapping[tuple[str, int], _Home],
) -> list[Row]:
    """The deliveries that replace the one of a route, for the cards on which its alerts have their
    lines, under the policy of the route.
    """
    fallbacks = {_card(home.row): home.row.fallback_for for home in homes.values()}
    return [
        Row(
            routed.lane, routed.key, routed.receiver, routed.owner, group, fingerprint,
            _some(payload, indexes), fallbacks[lane, group, fingerprint], routed.route,
            routed.ignoring,
        )
        for (lane, group, fingerprint), indexes in moved.items()
    ]  # fmt: skip


def _row(routed: _Routed, group: str) -> Row:
    return Row(
        routed.lane, routed.key, routed.receiver, routed.owner, group, routed.fingerprint,
        routed.alerts, None, routed.route, routed.ignoring,
    )  # fmt: skip


def _card(row: Row) -> _Card:
    return row.lane, row.grp, row.fingerprint


def _change(db: Database, seq: int, row: Row) -> None:
    db.execute(
        "UPDATE delivery SET grp = ?, fingerprint = ?, alerts = ? WHERE lane = ? AND seq = ?",
        (row.grp, row.fingerprint, row.alerts, row.lane, seq),
    )


def _unrouted(
    payload: _Payload, routed: Sequence[_Routed], homes: Mapping[tuple[str, int], _Home]
) -> list[Row]:
    """Deliveries for cards in chats that no route leads to any more, on which alerts fire that the
    payload ends.
    """
    reached = {
        (payload.alerts[index].fingerprint, each.lane)
        for each in routed
        for index in (range(len(payload.alerts)) if each.alerts is None else _indexes(each.alerts))
    }
    ended = {
        alert.fingerprint: index
        for index, alert in enumerate(payload.alerts)
        if alert.status == "resolved"
    }
    rows: dict[_Card, tuple[Row, list[int]]] = {}
    for (fingerprint, lane), home in homes.items():
        copied = home.row.fallback_for is not None
        known = copied or (fingerprint, lane) in reached
        if home.fires and fingerprint in ended and not known:
            rows.setdefault(_card(home.row), (home.row, []))[1].append(ended[fingerprint])
    return [row._replace(alerts=_some(payload, indexes)) for row, indexes in rows.values()]


def _watchers(db: Database, group: str, homes: Mapping[tuple[str, int], _Home]) -> dict[_Card, Row]:
    """The cards that an absent alert of the group concerns, and the fallbacks' cards of those on
    which alerts of the payload have their lines.
    """
    others = {home.row.grp for home in homes.values()} - {group}
    found: list[Row] = []
    for grp in (group, *sorted(others)):
        rows = db.execute(
            "SELECT lane, receiver, owner, home, fingerprint, fallback_for FROM watched"
            " WHERE grp = ?",
            (grp,),
        )
        found += [
            Row(lane, lane_of(db, lane), receiver, owner, home, print_, _EMPTY, fallback_for)
            for lane, receiver, owner, home, print_, fallback_for in rows.fetchall()
            if grp == group or fallback_for is not None
        ]
    return {_card(row): row for row in found}


def _absent(
    watchers: Mapping[_Card, Row], present: Mapping[_Card, Row], *, last: bool
) -> list[Row]:
    """Deliveries for the watching cards that the payload does not reach otherwise: a copy for the
    card of a fallback; for others, once the payload is complete, an empty one. If the fallback's
    card is for a lane that its receiver no longer has (the receiver has another bot or chat now),
    it gets a copy of what goes to the receiver.
    """
    owners = {(row.owner, row.grp, row.fingerprint): row for row in present.values()}
    rows: list[Row] = []
    for card, row in watchers.items():
        if card in present:
            continue
        original = None
        if row.fallback_for is not None:
            _, group, fingerprint = card
            moved = owners.get((row.owner, group, fingerprint))
            original = present.get((row.fallback_for, group, fingerprint), moved)
        if original or last:
            rows.append(
                row._replace(alerts=original.alerts, route=original.route)
                if original
                else row._replace(alerts=_EMPTY)
            )
    return rows


def _is_watched(db: Database, row: Row) -> bool:
    found = db.execute(
        "SELECT 1 FROM watched WHERE lane = ? AND home = ? AND fingerprint = ? LIMIT 1",
        (row.lane, row.grp, row.fingerprint),
    ).fetchone()
    return found is not None


def _stand(
    db: Database,
    payload: _Payload,
    present: Mapping[_Card, Row],
    homes: Mapping[tuple[str, int], _Home],
) -> None:
    """From now on firing alerts have their lines on these cards, except those that have a firing
    line already.
    """
    rows = []
    left: set[_Card] = set()  # cards whose alerts now fire elsewhere, and which may say so
    for row in present.values():
        indexes = range(len(payload.alerts)) if row.alerts is None else _indexes(row.alerts)
        for index in indexes:
            alert = payload.alerts[index]
            home = homes.get((alert.fingerprint, row.lane))
            known = home is not None and home.fires and not home.joined
            if alert.status == "firing" and not known:
                thing = _thing(payload, index, row.ignoring)
                rows.append((payload.source, alert.fingerprint, thing, row))
                if home is not None and not home.joined and _card(home.row) != _card(row):
                    left.add(_card(home.row))
    stand(db, rows)
    look_at(db, left, payload.at + _LOOK_LATER)
