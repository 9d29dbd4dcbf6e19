"""The storage at a glance: sources, chats and open cards in numbers."""

from collections import Counter
from itertools import accumulate

import msgspec

from relay.core.alert import GroupId
from relay.core.card.card import Card
from relay.core.card.digest import DIGEST, QUIET, Line
from relay.core.card.lane_state import LaneState
from relay.core.routing.lane import LaneKey
from relay.store.history import ChatStatus, Minute, OpenCard, SourceStatus, StorageStatus
from relay.store.sql import cards
from relay.store.sql.cards import text
from relay.store.sql.database import Database
from relay.store.sql.history import heartbeats, last_config
from relay.store.sql.queue import waits_for
from relay.store.sql.unreadable import readable

_lane_key = msgspec.json.Decoder(LaneKey).decode
_lane_state = msgspec.json.Decoder(LaneState).decode
_line = msgspec.json.Decoder(Line).decode


class _Told(msgspec.Struct, frozen=True):
    """Of a line only how severe it is: there may be many."""

    severity: str = ""


_told = msgspec.json.Decoder(_Told).decode
_group = msgspec.json.Decoder(GroupId).decode
_card = msgspec.json.Decoder(Card).decode
_OWN = (text(DIGEST), text(QUIET))  # the lane's own cards
_NAMES = 5
_LATELY = 100  # deliveries of a chat whose receivers are listed
_WAITED = 20_000  # ended deliveries whose time pending is computed
_LOOKED_BACK = 2000  # deliveries among which the last message of a chat is looked for

OPEN_CARDS = (
    "SELECT card.id, lane.key, lane.state, card.grp, line, body, absorbed FROM card"
    " INDEXED BY card_open JOIN lane ON lane.id = card.lane"
    " WHERE firing = 1 AND card.id > ? AND card.grp NOT IN (?, ?) ORDER BY card.id LIMIT ?"
)
SEVERITIES = "SELECT line FROM card INDEXED BY card_open WHERE firing = 1 AND grp NOT IN (?, ?)"
LAST_MESSAGE = (
    "SELECT ended_at FROM delivery WHERE lane = ?1 AND seq > (SELECT max(seq) FROM delivery"
    " WHERE lane = ?1) - ?2 AND settlement = 'delivered' ORDER BY seq DESC LIMIT 1"
)
RECEIVERS = (
    "SELECT DISTINCT owner FROM delivery WHERE lane = ?1 AND seq > (SELECT max(seq) FROM delivery"
    " WHERE lane = ?1) - ?2"
)
PENDING = (
    "SELECT lane, owner, count(*), min(accepted_at) FROM delivery INDEXED BY delivery_owner"
    " WHERE settlement IS NULL GROUP BY owner, lane"
)

PAYLOADS_BY_MINUTE = (
    "SELECT CAST((accepted_at - ?1) / 60 AS INTEGER), count(*) FROM payload"
    " INDEXED BY payload_accepted WHERE accepted_at >= ?1 GROUP BY 1"
)
# The minutes in which deliveries that waited were accepted and ended, with their numbers.
WAITED = (
    "SELECT CAST((accepted_at - ?1) / 60 AS INTEGER), CAST((ended_at - ?1) / 60 AS INTEGER),"
    " count(*)"
    " FROM (SELECT accepted_at, ended_at FROM delivery INDEXED BY delivery_ended"
    " WHERE settlement IS NOT NULL ORDER BY accepted_at DESC LIMIT ?2) AS ended"
    " WHERE ended_at >= ?1 GROUP BY 1, 2"
)
WAITING = (
    "SELECT CAST((accepted_at - ?1) / 60 AS INTEGER), count(*) FROM delivery"
    " INDEXED BY delivery_owner WHERE settlement IS NULL GROUP BY 1"
)
DELIVERIES_BY_MINUTE = (
    "SELECT CAST((accepted_at - ?1) / 60 AS INTEGER), count(*) FROM delivery"
    " INDEXED BY delivery_ended WHERE settlement IS NOT NULL AND accepted_at >= ?1 GROUP BY 1"
)


def per_minute(db: Database, since: float, minutes: int) -> tuple[Minute, ...]:
    """The numbers of each minute (`protocol.Store.per_minute`)."""
    payloads = dict(db.execute(PAYLOADS_BY_MINUTE, (since,)).fetchall())
    deliveries = dict(db.execute(DELIVERIES_BY_MINUTE, (since,)).fetchall())
    changes = Counter[int]()  # of the number of pending deliveries, by minute
    for begun, ended, count in db.execute(WAITED, (since, _WAITED)).fetchall():
        if ended > begun:
            changes[max(0, begun)] += count
            changes[ended] -= count
    for begun, count in db.execute(WAITING, (since,)).fetchall():
        changes[max(0, begun)] += count
    backlog = accumulate(changes[at] for at in range(minutes))
    return tuple(
        Minute(payloads.get(at, 0), deliveries.get(at, 0), waiting)
        for at, waiting in enumerate(backlog)
    )


def status(db: Database) -> StorageStatus:
    """The present state of the storage (`protocol.Store.standing_now`)."""
    pending: dict[int, list[tuple[str, int, float]]] = {}
    for lane, owner, count, oldest in db.execute(PENDING):
        pending.setdefault(lane, []).append((owner, count, oldest))
    lanes = db.execute("SELECT id, key, state FROM lane ORDER BY key").fetchall()
    severities = Counter(
        line.severity or "none"
        for (body,) in db.execute(SEVERITIES, _OWN)
        if (line := readable(_told, body))
    )
    return StorageStatus(
        config=last_config(db),
        sources=tuple(
            SourceStatus(source, at)
            for source, at in db.execute("SELECT source, at FROM heard ORDER BY source").fetchall()
        ),
        heartbeats=heartbeats(db),
        chats=tuple(
            _chat(db, lane, key, state, pending.get(lane, [])) for lane, key, state in lanes
        ),
        open_cards=tuple(severities.most_common()),
    )


def _chat(
    db: Database, lane: int, key: str, state: bytes, pending: list[tuple[str, int, float]]
) -> ChatStatus:
    known = readable(_lane_state, state) or LaneState()
    (at,) = db.execute(
        "SELECT CASE WHEN EXISTS (SELECT 1 FROM delivery INDEXED BY delivery_open WHERE lane = ?1"
        " AND card IS NULL AND settlement IS NULL) THEN 0.0 WHEN EXISTS (SELECT 1 FROM card"
        " INDEXED BY card_ready WHERE lane = ?1 AND ready = 1) THEN 0.0 ELSE (SELECT min(due)"
        " FROM card INDEXED BY card_future WHERE lane = ?1 AND ready = 0 AND due IS NOT NULL) END",
        (lane,),
    ).fetchone()
    last = db.execute(LAST_MESSAGE, (lane, _LOOKED_BACK)).fetchone()
    lately = {owner for (owner,) in db.execute(RECEIVERS, (lane, _LATELY)).fetchall()}
    waits = waits_for(known) if pending or known.down else ""
    held = known.down.probe_at if known.down else (known.retry_at or None)
    if not waits:  # the next card has nothing to send yet
        at = None
    return ChatStatus(
        lane=_lane_key(key),
        down=known.down.why if known.down else "",
        receivers=tuple(sorted(lately.union(owner for owner, _, _ in pending))),
        pending=sum(count for _, count, _ in pending),
        oldest=min((oldest for _, _, oldest in pending), default=None),
        last_message=last[0] if last else None,
        next_call=at if at is None or held is None else max(at, held),
        waits=waits,
    )


def open_cards(db: Database, after: int, limit: int) -> tuple[OpenCard, ...]:
    rows = db.execute(OPEN_CARDS, (after, *_OWN, limit)).fetchall()
    return tuple(_open(*row) for row in rows)


def _open(
    number: int, key: str, state: bytes, grp: str, line: bytes, body: bytes, absorbed: int
) -> OpenCard:
    told, card = readable(_line, line), readable(_card, body)
    group = _group(grp)
    known = readable(_lane_state, state) or LaneState()
    firing = [entry for entry in card.entries if entry.status == "firing"] if card else []
    names = dict.fromkeys(e.labels.get("alertname") or "unnamed alert" for e in firing)
    return OpenCard(
        number=number,
        lane=_lane_key(key),
        receiver=card.receiver if card else "",
        source=group.source,
        group_key=group.group_key[:300],
        alerts=tuple(names)[:_NAMES],
        firing=told.firing if told else 0,
        severity=told.severity if told else "",
        since=told.since if told else 0.0,
        message=card.shown.message if card and card.shown else None,
        guild=known.guild if known.guild != "-" else "",
        in_digest=bool(absorbed),
    )


def open_card(db: Database, number: int) -> tuple[LaneKey, Card] | None:
    """The open card with that number, or None."""
    found = db.execute(
        "SELECT lane.key, card.lane, grp, fingerprint FROM card JOIN lane ON lane.id = card.lane"
        " WHERE card.id = ? AND firing = 1",
        (number,),
    ).fetchone()
    if found is None or found[2] in _OWN:
        return None
    key, lane, grp, fingerprint = found
    card = cards.find(db, lane, grp, fingerprint)
    return (_lane_key(key), card) if card else None
