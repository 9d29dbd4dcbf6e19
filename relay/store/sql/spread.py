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
from relay.store.sql.accept import add, lane_of
from relay.store.sql.cards import look_at, text
from relay.store.sql.database import Database
from relay.store.sql.lines import AlertLine, CardKey, Lines, card_of
from relay.store.sql.standing import Row
from relay.store.sql.unreadable import readable

# Alerts and payloads spread in one transaction, so that others get the store's thread.
_MOST_ALERTS = 250
_MOST_PAYLOADS = 32
_MOST_BYTES = 1 << 20  # bodies that are read together
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
_Waiting = tuple[int, float, int, int]


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
    payloads = _first(db, waiting)
    routed = _routed(db, payloads)
    lines = _known_lines(db, payloads, routed)
    for payload in payloads:
        db.woken |= dict.fromkeys(_spread(db, payload, routed.get(payload.number, ()), lines))
    lines.store()
    _name(db, [payload for payload in payloads if payload.group])
    done = payloads[-1].number
    db.execute("UPDATE progress SET value = ? WHERE name = 'spread'", (done,))
    db.remembered.spread = done
    return bool(done == waiting[-1][0] and len(waiting) < _MOST_PAYLOADS)


def _waiting(db: Database, done: int) -> list[_Waiting]:
    """Some payloads behind that number: their numbers, times, whether no part is to follow, and
    their bytes.
    """
    return db.execute(
        "SELECT id, accepted_at, last, length(body) FROM payload WHERE id > ? ORDER BY id LIMIT ?",
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


def _first(db: Database, waiting: Sequence[_Waiting]) -> list[_Payload]:
    """The first of these payloads, as many as are spread at a time."""
    payloads: list[_Payload] = []
    bodies: dict[int, bytes] = {}
    alerts = 0
    for at, (number, accepted_at, last, _) in enumerate(waiting):
        told = db.unspread.take(number)
        if told is None:
            bodies = bodies if number in bodies else _bodies(db, waiting[at:])
            told = readable(_notification, bodies[number])
        payloads.append(_payload(number, accepted_at, told, last=bool(last)))
        alerts += len(payloads[-1].alerts) + 1
        if alerts >= _MOST_ALERTS:
            break
    return payloads


def _bodies(db: Database, waiting: Sequence[_Waiting]) -> dict[int, bytes]:
    """The bodies of the first of these payloads, as many as are read at a time."""
    last, size = waiting[0][0], 0
    for number, _, _, length in waiting:
        size += length
        if size > _MOST_BYTES:
            break
        last = number
    rows = db.execute(
        "SELECT id, body FROM payload WHERE id BETWEEN ? AND ?", (waiting[0][0], last)
    )
    return dict(rows.fetchall())


def _payload(number: int, at: float, told: Notification | None, *, last: bool) -> _Payload:
    if told is None:
        return _Payload(number, at, "", "", (), last=False, things={})
    return _Payload(
        number,
        at,
        told.source,
        text(told.group),
        told.alerts,
        last=last,
        things={},
        overtaken=told.overtaken,
    )


def _spread(
    db: Database, payload: _Payload, routed: Sequence[_Routed], lines: Lines
) -> tuple[LaneKey, ...]:
    if not payload.group or payload.overtaken:
        _mark_bare(db, payload)
        return ()
    homes = lines.homes(payload.source, [alert.fingerprint for alert in payload.alerts])
    homes |= _joined(payload, routed, homes, lines)
    present: dict[CardKey, Row] = {}
    added: list[Row] = []
    for each in routed:
        kept, moved = _parted(payload, each, homes)
        if not moved:
            present[each.lane, payload.group, each.fingerprint] = _row(each, payload.group)
            continue
        rows = _moved(payload, each, moved, homes)
        present |= {(row.lane, row.grp, row.fingerprint): row for row in rows}
        own = _row(each, payload.group)._replace(alerts=_encode(kept))
        if not kept and not lines.is_watched(own):
            own, *rows = rows  # nothing is left of the delivery as it was, so it becomes the first
        else:
            present[own.lane, own.grp, own.fingerprint] = own
        _change(db, each.seq, own)
        added += rows
    unrouted = _unrouted(payload, routed, homes)
    present |= {(row.lane, row.grp, row.fingerprint): row for row in unrouted}
    added += unrouted
    added += _absent(lines.watchers(payload.group, homes.values()), present, last=payload.last)
    lines.watch([(payload.group, row) for row in (*present.values(), *added)])
    _stand(db, payload, present, homes, lines)
    if not routed and not added:
        _mark_bare(db, payload)
    return add(db, [(row, payload.number, payload.at) for row in added]) if added else ()


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


def _known_lines(
    db: Database, payloads: Sequence[_Payload], routed: Mapping[int, Sequence[_Routed]]
) -> Lines:
    """What is known of the alerts of these payloads, and of their groups, before they come."""
    read = [payload for payload in payloads if payload.group and not payload.overtaken]
    lines = Lines(db)
    lines.read_alerts([(p.source, alert.fingerprint) for p in read for alert in p.alerts])
    things: list[tuple[str, str]] = []
    for payload in read:
        homes = lines.homes(payload.source, [alert.fingerprint for alert in payload.alerts])
        wanted = _wanted(payload, routed.get(payload.number, ()), homes)
        things += [(payload.source, key) for key, _ in wanted.values() if key]
    lines.read_things(things)
    lines.read_watchers([payload.group for payload in read])
    return lines


def _joined(
    payload: _Payload,
    routed: Sequence[_Routed],
    homes: Mapping[tuple[str, int], AlertLine],
    lines: Lines,
) -> dict[tuple[str, int], AlertLine]:
    """Lines for firing alerts that have none, on which another alert that is the same thing
    (`alert.thing`) has its line: it fires, or ended so lately that they go on with it.
    """
    found: dict[tuple[str, int], AlertLine] = {}
    for line, (key, hold) in _wanted(payload, routed, homes).items():
        home = lines.of_thing(payload.source, key, line[1]) if key else None
        if home and (home.fires or (hold and (home.ended_at or 0.0) + hold >= payload.at)):
            found[line] = home._replace(joined=True)
    return found


def _wanted(
    payload: _Payload,
    routed: Sequence[_Routed],
    homes: Mapping[tuple[str, int], AlertLine],
) -> dict[tuple[str, int], tuple[str, float]]:
    """What the alerts are, by alert and lane, that fire and have no line; and how long one waits
    for the next that is the same.
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
    return things


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
    payload: _Payload, routed: _Routed, homes: Mapping[tuple[str, int], AlertLine]
) -> tuple[list[int], dict[CardKey, list[int]]]:
    """The alerts of a delivery that go to the card of its own group, and those that have their line
    on other cards.
    """
    kept: list[int] = []
    moved: dict[CardKey, list[int]] = {}
    own = (routed.lane, payload.group, routed.fingerprint)
    indexes = range(len(payload.alerts)) if routed.alerts is None else _indexes(routed.alerts)
    for index in indexes:
        alert = payload.alerts[index]
        home = homes.get((alert.fingerprint, routed.lane))
        if (
            home is None
            or card_of(home.row) == own
            or (_is_over(home, alert, payload.at) and not home.joined)
        ):
            kept.append(index)
        else:
            moved.setdefault(card_of(home.row), []).append(index)
    return kept, moved


def _is_over(home: AlertLine, alert: Alert, at: float) -> bool:
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
    moved: Mapping[CardKey, list[int]],
    homes: Mapping[tuple[str, int], AlertLine],
) -> list[Row]:
    """The deliveries that replace the one of a route, for the cards on which its alerts have their
    lines, under the policy of the route.
    """
    fallbacks = {card_of(home.row): home.row.fallback_for for home in homes.values()}
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


def _change(db: Database, seq: int, row: Row) -> None:
    db.execute(
        "UPDATE delivery SET grp = ?, fingerprint = ?, alerts = ? WHERE lane = ? AND seq = ?",
        (row.grp, row.fingerprint, row.alerts, row.lane, seq),
    )


def _unrouted(
    payload: _Payload, routed: Sequence[_Routed], homes: Mapping[tuple[str, int], AlertLine]
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
    rows: dict[CardKey, tuple[Row, list[int]]] = {}
    for (fingerprint, lane), home in homes.items():
        copied = home.row.fallback_for is not None
        known = copied or (fingerprint, lane) in reached
        if home.fires and fingerprint in ended and not known:
            rows.setdefault(card_of(home.row), (home.row, []))[1].append(ended[fingerprint])
    return [row._replace(alerts=_some(payload, indexes)) for row, indexes in rows.values()]


def _absent(
    watchers: Mapping[CardKey, Row], present: Mapping[CardKey, Row], *, last: bool
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


def _stand(
    db: Database,
    payload: _Payload,
    present: Mapping[CardKey, Row],
    homes: Mapping[tuple[str, int], AlertLine],
    lines: Lines,
) -> None:
    """From now on firing alerts have their lines on these cards, except those that have a firing
    line already.
    """
    rows = []
    left: set[CardKey] = set()  # cards whose alerts now fire elsewhere, and which may say so
    for row in present.values():
        indexes = range(len(payload.alerts)) if row.alerts is None else _indexes(row.alerts)
        for index in indexes:
            alert = payload.alerts[index]
            home = homes.get((alert.fingerprint, row.lane))
            known = home is not None and home.fires and not home.joined
            if alert.status == "firing" and not known:
                thing = _thing(payload, index, row.ignoring)
                rows.append((payload.source, alert.fingerprint, thing, row))
                if home is not None and not home.joined and card_of(home.row) != card_of(row):
                    left.add(card_of(home.row))
    lines.stand(rows)
    if left:
        look_at(db, left, payload.at + _LOOK_LATER)
