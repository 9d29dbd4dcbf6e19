"""The history in SQL: pages by number from the newest back, found by alert name and time without
reading all rows.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from relay.core.alert import GroupId, Labels, Notification
from relay.core.card.lane_state import LaneState
from relay.core.card.step import MessageRef
from relay.core.event import Settlement
from relay.core.history import (
    ConfigTrace,
    DeliveryTrace,
    DiscardTrace,
    HistoryRow,
    LastHeard,
    PressTrace,
    Refusal,
    Trace,
    outcomes_of,
)
from relay.core.routing.lane import LaneKey
from relay.core.routing.route import Discarded
from relay.store.acting import PressRow
from relay.store.history import (
    MOST_READ,
    MOST_ROWS,
    REFUSALS_KEPT,
    HistoryPage,
    HistoryQuery,
    StoredPayload,
)
from relay.store.queue import LARGEST_SHOWN, Refused
from relay.store.sql.database import Database
from relay.store.sql.queue import waits_for
from relay.store.sql.unreadable import readable

_ANY = (1 << 63) - 1
_MOST_BYTES = 8 << 20  # of payloads read for one page
_NAMES, _LONGEST_NAME = 5, 80
_MOST_HOPS = 5  # from a duplicate to what it repeats, and on to what that was merged into
_PAGE = 500  # payloads of a page of `stored_payloads`
_UNNAMED = "unnamed alert"

BY_NAME = (
    "SELECT payload.id, accepted_at, source, body, discarded FROM payload_name CROSS JOIN payload"
    " ON payload.id = payload_name.payload WHERE name = ? AND payload_name.payload < ?"
    " ORDER BY payload_name.payload DESC LIMIT ?"
)
ALL = (
    "SELECT id, accepted_at, source, body, discarded FROM payload WHERE id < ?"
    " ORDER BY id DESC LIMIT ?"
)
PRESSES = "SELECT id, at, source, body FROM press WHERE id < ? AND at >= ? ORDER BY id DESC LIMIT ?"
REFUSALS = (
    "SELECT id, at, source, code, why, size, peer FROM refusal WHERE id < ? AND at >= ?"
    " ORDER BY id DESC LIMIT ?"
)
DELIVERIES = (
    "SELECT lane, seq, receiver, owner, route, alerts, settlement, why, ended_at, into_seq,"
    " message, copied, retried, card FROM delivery INDEXED BY delivery_payload WHERE payload = ?"
    " ORDER BY lane, seq"
)
LAST_OF_NAME = (
    "SELECT payload.id, accepted_at FROM payload_name CROSS JOIN payload"
    " ON payload.id = payload_name.payload WHERE name = ? ORDER BY payload_name.payload DESC"
    " LIMIT 1"
)
SINCE = (
    "SELECT id, accepted_at, source, body FROM payload INDEXED BY payload_accepted"
    " WHERE accepted_at >= ? AND id > ? ORDER BY accepted_at, id LIMIT ?"
)


class _Labelled(Struct, frozen=True):
    status: str
    labels: Labels


class _Brief(Struct, frozen=True):
    """The part of a notification that a row of the history needs."""

    alerts: tuple[_Labelled, ...]


class _Held(Struct, frozen=True):
    fingerprint: str
    held_since: float | None = None


class _Card(Struct, frozen=True):
    """The part of a card that says what it holds back."""

    entries: tuple[_Held, ...] = ()


_encode = msgspec.json.encode
_lane_key = msgspec.json.Decoder(LaneKey).decode
_lane_state = msgspec.json.Decoder(LaneState).decode
_brief = msgspec.json.Decoder(_Brief).decode
_notification = msgspec.json.Decoder(Notification).decode
_indexes = msgspec.json.Decoder(tuple[int, ...]).decode
_discarded = msgspec.json.Decoder(tuple[Discarded, ...]).decode
_message = msgspec.json.Decoder(MessageRef).decode
_card = msgspec.json.Decoder(_Card).decode
_press = msgspec.json.Decoder(PressRow).decode


class _Payload(NamedTuple):
    """A payload, and which of its alerts the query asks for; `names` has the name of each."""

    id: int
    at: float
    source: str
    discarded: bytes | None
    names: tuple[str, ...]
    wanted: frozenset[int]

    def told(self, alerts: Sequence[int]) -> tuple[str, ...]:
        """The first different names of those of these alerts that the query asks for."""
        found = dict.fromkeys(_short(self.names[at]) for at in alerts if at in self.wanted)
        return tuple(found)[:_NAMES]


class _Row(NamedTuple):
    """A delivery, with the columns of `DELIVERIES`."""

    lane: int
    seq: int
    receiver: str
    owner: str
    route: str
    alerts: bytes | None
    settlement: Settlement | None
    why: str
    ended_at: float | None
    into_seq: int | None
    message: bytes | None
    copied: int
    retried: int | None
    card: int | None


class _Lane(NamedTuple):
    """A lane, and what was learnt of its chat."""

    key: LaneKey
    state: LaneState


class _Lanes:
    """The lanes of a page, each read once."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._found: dict[int, _Lane] = {}

    def find(self, lane: int) -> _Lane:
        """The lane with that number."""
        found = self._found.get(lane)
        if found is None:
            key, state = self._db.execute(
                "SELECT key, state FROM lane WHERE id = ?", (lane,)
            ).fetchone()
            found = _Lane(_lane_key(key), readable(_lane_state, state) or LaneState())
            self._found[lane] = found
        return found


def newest_generation(db: Database) -> int:
    """The generation of the configuration that was last put in force; 0 if none was."""
    (newest,) = db.execute("SELECT coalesce(max(generation), 0) FROM config").fetchone()
    return int(newest)


def configured(db: Database, sha256: str, now: float) -> int:
    last = db.execute(
        "SELECT generation, hash FROM config ORDER BY generation DESC LIMIT 1"
    ).fetchone()
    if last and last[1] == sha256:
        return int(last[0])
    generation = (last[0] if last else 0) + 1
    db.execute("INSERT INTO config VALUES (?, ?, ?)", (generation, sha256, now))
    return int(generation)


def refused(db: Database, refusals: Sequence[Refusal]) -> None:
    db.executemany(
        "INSERT INTO refusal (at, source, code, why, size, peer) VALUES (?, ?, ?, ?, ?, ?)",
        [(r.at, r.source, r.code, r.why, r.size, r.peer) for r in refusals],
    )
    db.execute(
        "DELETE FROM refusal WHERE id <= (SELECT max(id) FROM refusal) - ?", (REFUSALS_KEPT,)
    )


def page(db: Database, query: HistoryQuery) -> HistoryPage:
    """A page of the history (`protocol.Store.history`). The position of a page is a payload, a
    refusal and a press, `P.R.B`; 0 if nothing is left of one.
    """
    payload, refusal, press = (*query.after.split("."), "", "")[:3]
    before, refused_before = int(payload or _ANY), int(refusal or _ANY)
    pressed_before = int(press or _ANY)
    limit = max(1, min(query.limit, MOST_ROWS))
    rows: list[HistoryRow] = []
    oldest = query.since
    if query.outcome in ("refused", "pressed"):
        before = 0
    read, lanes = _Read(), _Lanes(db)
    for found in _payloads(db, query, before, read):
        rows += _matching(_rows(db, found, lanes), query)
        if len(rows) >= limit:
            break
    before = read.before
    if before:
        oldest = max(oldest, read.at)
    for_refusals, for_presses = (_asks_for(query, each) for each in ("refused", "pressed"))
    refusals = _refusals(db, refused_before, oldest, limit) if for_refusals else []
    presses = _presses(db, pressed_before, oldest, limit) if for_presses else []
    others: list[Refusal | PressTrace] = [*refusals, *presses]
    wanted = [each for each in others if query.source in (None, each.source)]
    if refusals:
        refused_before = refusals[-1].id
    if presses:
        pressed_before = presses[-1].id
    more_refusals = len(refusals) == limit or (bool(before) and for_refusals)
    more_presses = len(presses) == limit or (bool(before) and for_presses)
    rows = sorted([*rows, *wanted], key=lambda row: row.at, reverse=True)
    left = (before, refused_before if more_refusals else 0, pressed_before if more_presses else 0)
    return HistoryPage(tuple(rows), ".".join(map(str, left)) if any(left) else "")


def _asks_for(query: HistoryQuery, outcome: str) -> bool:
    """Whether the query asks for rows without a payload, with that outcome."""
    return not (query.labels or query.receiver) and query.outcome in ("", outcome)


class _Read:
    """How far the payloads were read: the number and time of the last one, 0 at the end."""

    def __init__(self) -> None:
        self.before = 0
        self.at = 0.0


def _payloads(db: Database, query: HistoryQuery, before: int, read: _Read) -> Iterator[_Payload]:
    """Some of the payloads with alerts that the query asks for, the newest first."""
    if not before:
        return
    name = dict(query.labels).get("alertname")
    found = (
        db.execute(ALL, (before, MOST_READ))
        if name is None
        else db.execute(BY_NAME, (name, before, MOST_READ))
    )
    count = size = 0
    while row := found.fetchone():
        number, at, source, body, discarded = row
        if at < query.since:
            read.before = 0
            return
        read.before, read.at = number, at
        count, size = count + 1, size + len(body)
        if query.source in (None, source):
            payload = _payload(number, at, source, body, discarded, query.labels)
            if payload is not None:
                yield payload
        if size >= _MOST_BYTES:
            return
    if count < MOST_READ:
        read.before = 0


def _payload(
    number: int,
    at: float,
    source: str,
    body: bytes,
    discarded: bytes | None,
    labels: Sequence[tuple[str, str]],
) -> _Payload | None:
    """The payload; None if the query asks for none of its alerts."""
    brief = readable(_brief, body)
    if brief is None:
        return None
    wanted = frozenset(
        index
        for index, alert in enumerate(brief.alerts)
        if all(_value(alert.labels, name) == value for name, value in labels)
    )
    names = tuple(_value(alert.labels, "alertname") for alert in brief.alerts)
    return _Payload(number, at, source, discarded, names, wanted) if wanted or not labels else None


def _value(labels: Labels, name: str) -> str:
    value = labels.get(name, "")
    return value or _UNNAMED if name == "alertname" else value


def _matching(rows: Sequence[HistoryRow], query: HistoryQuery) -> list[HistoryRow]:
    """The rows with the receivers and outcomes of the query, without deliveries that only report
    absent alerts.
    """
    return [
        row
        for row in rows
        if not isinstance(row, Refusal | PressTrace)
        and row.count
        and (not query.outcome or query.outcome in outcomes_of(row))
        and (not query.receiver or query.receiver in _receivers(row))
    ]


def _receivers(row: DeliveryTrace | DiscardTrace) -> tuple[str, ...]:
    return (row.receiver, row.owner) if isinstance(row, DeliveryTrace) else (row.receiver,)


def _rows(db: Database, payload: _Payload, lanes: _Lanes) -> list[HistoryRow]:
    discards = readable(_discarded, payload.discarded) or ()
    found: list[HistoryRow] = [
        DiscardTrace(
            payload=payload.id,
            at=payload.at,
            source=payload.source,
            alerts=payload.told(each.alerts),
            count=len(payload.wanted.intersection(each.alerts)),
            receiver=each.receiver,
            route=each.route,
        )
        for each in discards
    ]
    return [*_deliveries(db, payload, lanes), *found]


def _deliveries(db: Database, payload: _Payload, lanes: _Lanes) -> list[DeliveryTrace]:
    rows = db.execute(DELIVERIES, (payload.id,)).fetchall()
    return [_delivery(db, payload, _Row(*row), lanes) for row in rows]


def _delivery(db: Database, payload: _Payload, row: _Row, lanes: _Lanes) -> DeliveryTrace:
    lane = lanes.find(row.lane)
    indexes = range(len(payload.names)) if row.alerts is None else _indexes(row.alerts)
    held, absorbed = (False, False) if row.settlement else _held(db, row.card)
    place = readable(_message, row.message) if row.message else None
    if place is None and row.into_seq is not None:
        place = _message_of(db, row.lane, row.into_seq)
    return DeliveryTrace(
        id=f"{row.lane}/{row.seq}",
        payload=payload.id,
        at=payload.at,
        source=payload.source,
        alerts=payload.told(indexes),
        count=len(payload.wanted.intersection(indexes)),
        lane=lane.key,
        receiver=row.receiver,
        owner=row.owner,
        route=row.route,
        settlement=row.settlement or "pending",
        why=row.why,
        ended_at=row.ended_at,
        into="" if row.into_seq in (None, row.seq) else f"{row.lane}/{row.into_seq}",
        message=place,
        guild=lane.state.guild if lane.state.guild != "-" else "",
        held=held,
        absorbed=absorbed,
        waits="" if row.settlement else waits_for(lane.state),
        copied=bool(row.copied),
        retried="" if row.retried is None else f"{row.lane}/{row.retried}",
    )


def _held(db: Database, card: int | None) -> tuple[bool, bool]:
    """Whether the card of a pending delivery holds something back, and whether the digest tells of
    it.
    """
    if card is None:
        return False, False
    found = db.execute("SELECT body, absorbed FROM card WHERE id = ?", (card,)).fetchone()
    if found is None:
        return False, False
    entries = (readable(_card, found[0]) or _Card()).entries
    return any(entry.held_since is not None for entry in entries), bool(found[1])


def _message_of(db: Database, lane: int, seq: int) -> MessageRef | None:
    """The message that shows a delivery, or the one into which it was merged."""
    for _ in range(_MOST_HOPS):
        found = db.execute(
            "SELECT message, into_seq FROM delivery WHERE lane = ? AND seq = ?", (lane, seq)
        ).fetchone()
        if found is None:
            return None
        message, into = found
        if message is not None or into in (None, seq):
            return readable(_message, message)
        seq = into
    return None


def _refusals(db: Database, before: int, since: float, limit: int) -> list[Refusal]:
    return [
        Refusal(at, source, code, why, size, peer, number)
        for number, at, source, code, why, size, peer in db.execute(
            REFUSALS, (before, since, limit)
        ).fetchall()
    ]


def _presses(db: Database, before: int, since: float, limit: int) -> list[PressTrace]:
    rows = db.execute(PRESSES, (before, since, limit)).fetchall()
    return [_pressed(number, at, source, body) for number, at, source, body in rows]


def _pressed(number: int, at: float, source: str, body: bytes) -> PressTrace:
    row = readable(_press, body) or PressRow("", "", "", "", "", "", "")
    return PressTrace(
        number, at, source, row.platform, row.person, row.name, row.chat, row.verb, row.outcome,
        row.answer, row.alerts,
    )  # fmt: skip


def show(db: Database, trace_id: str) -> Trace | Refused:
    """The trace of one payload, by its id or by that of one of its deliveries
    (`protocol.Store.traced`).
    """
    number = _number(db, trace_id)
    found = None if number is None else _found(db, number)
    if found is None:
        return Refused(
            f"there is no payload or delivery {trace_id}: `alert-relay history` and the log have"
            " their ids, and what is older than `retention` is forgotten"
        )
    return found


def _number(db: Database, trace_id: str) -> int | None:
    parts = trace_id.split("/")
    if len(parts) > 2 or not all(p.isascii() and p.isdecimal() and len(p) < 19 for p in parts):
        return None
    if len(parts) == 1:
        return int(parts[0])
    lane, seq = map(int, parts)
    found = db.execute(
        "SELECT payload FROM delivery WHERE lane = ? AND seq = ?", (lane, seq)
    ).fetchone()
    return int(found[0]) if found else None


def _found(db: Database, number: int) -> Trace | None:
    row = db.execute(
        "SELECT accepted_at, source, body, discarded, generation FROM payload WHERE id = ?",
        (number,),
    ).fetchone()
    if row is None:
        return None
    at, source, body, discarded, generation = row
    told = readable(_notification, body) if len(body) <= LARGEST_SHOWN else None
    payload = _payload(number, at, source, body, discarded, ())
    if payload is None:
        payload = _Payload(number, at, source, discarded, (), frozenset())
    group = told.group if told else GroupId(source, "", "")
    firing = sum(alert.status == "firing" for alert in told.alerts) if told else 0
    lanes = _Lanes(db)
    deliveries = tuple(_deliveries(db, payload, lanes))
    return Trace(
        id=number,
        at=at,
        group=replace(group, group_key=_short(group.group_key, 300)),
        firing=firing,
        resolved=len(told.alerts) - firing if told else 0,
        alerts=payload.told(range(len(payload.names))),
        config=_config(db, generation),
        deliveries=deliveries,
        discarded=tuple(row for row in _rows(db, payload, lanes) if isinstance(row, DiscardTrace)),
    )


def _config(db: Database, generation: int) -> ConfigTrace | None:
    found = db.execute("SELECT * FROM config WHERE generation = ?", (generation,)).fetchone()
    return ConfigTrace(*found) if found else None


def last_heard(db: Database, alertname: str, source: str | None) -> LastHeard:
    found = db.execute(LAST_OF_NAME, (alertname,)).fetchone() if alertname else None
    sources: Mapping[str, float] = dict(db.execute("SELECT source, at FROM heard").fetchall())
    unheard = source if source not in sources else None
    chosen = {
        name: at for name, at in sources.items() if unheard is not None or source in (None, name)
    }
    return LastHeard(
        alertname=alertname,
        at=found[1] if found else None,
        payload=found[0] if found else None,
        sources=tuple(sorted(chosen.items())),
        heartbeats=heartbeats(db),
        unheard=unheard,
    )


def heartbeats(db: Database) -> tuple[tuple[str, float], ...]:
    """When each heartbeat last arrived: the earliest over its `by` values."""
    rows = db.execute("SELECT name, min(seen_at) FROM heartbeat GROUP BY name ORDER BY name")
    return tuple((name, at) for name, at in rows.fetchall())


def last_config(db: Database) -> ConfigTrace | None:
    """The configuration in force, or the last one."""
    found = db.execute("SELECT * FROM config ORDER BY generation DESC LIMIT 1").fetchone()
    return ConfigTrace(*found) if found else None


def stored_payloads(db: Database, since: float, after: int) -> tuple[StoredPayload, ...]:
    """Ordered by number, which is the order of acceptance."""
    rows: list[StoredPayload] = []
    size = 0
    first = db.execute(
        "SELECT min(id) FROM (SELECT id FROM payload INDEXED BY payload_accepted"
        " WHERE accepted_at >= ? ORDER BY accepted_at LIMIT 100) AS recent",
        (since,),
    ).fetchone()[0]
    if first is None:
        return ()
    found = db.execute(
        "SELECT id, accepted_at, source, body FROM payload WHERE id > ? ORDER BY id LIMIT ?",
        (max(after, first - 1), _PAGE),
    )
    while (row := found.fetchone()) and size < _MOST_BYTES:
        rows.append(StoredPayload(*row))
        size += len(row[3])
    return tuple(rows)


def _short(text: str, most: int = _LONGEST_NAME) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
