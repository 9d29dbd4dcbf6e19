"""The queue in SQL: pending and dead deliveries are read a page at a time, and retried and dropped
one by one.
"""

from typing import NamedTuple

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from relay.core.alert import GroupId, Notification
from relay.core.card.card import Card, is_settled
from relay.core.card.failures import Failures, paused_until
from relay.core.card.lane_state import LaneState
from relay.core.card.operator import probe, resume, waive
from relay.core.event import EndReason, Settlement, sentence
from relay.core.routing.lane import LaneKey
from relay.store.protocol import StoreError
from relay.store.queue import (
    LARGEST_SHOWN,
    MOST_LISTED,
    Dropped,
    Page,
    Query,
    Queued,
    QueueState,
    Refused,
    Retried,
    Whole,
)
from relay.store.sql import cards
from relay.store.sql.database import Database
from relay.store.sql.settlements import DeliveryEnd, balance, count, end
from relay.store.sql.unreadable import readable

_NAMES, _LONGEST_NAME, _LONGEST_KEY = 5, 80, 300
_CARD = (
    "(SELECT id FROM card WHERE id = delivery.card AND card.lane = delivery.lane AND card.grp = "
    "delivery.grp"
    " AND card.fingerprint = delivery.fingerprint)"
)
_FIND = (
    "SELECT lane, seq, key, state, receiver, owner, grp, fingerprint, alerts, delivery.accepted_at,"  # noqa: S608
    f" {_CARD}, settlement, why, retried, payload.accepted_at, payload.body,"
    " (SELECT body FROM card WHERE card.id = delivery.card)"
    " FROM delivery JOIN lane ON lane.id = lane"
    " JOIN payload ON payload.id = payload WHERE lane = ? AND seq = ?"
)
LISTS: dict[QueueState, str] = {
    "pending": "SELECT lane, seq FROM delivery INDEXED BY delivery_owner WHERE settlement IS NULL"
    " AND (owner, lane, accepted_at, seq) > (?, ?, ?, ?) AND owner <= ? ORDER BY owner, lane, "
    "accepted_at, seq LIMIT ?",
    "dead": "SELECT lane, seq FROM delivery INDEXED BY delivery_dead"
    " WHERE settlement = 'dead' AND retried IS NULL"
    " AND (owner, lane, accepted_at, seq) > (?, ?, ?, ?) AND owner <= ? ORDER BY owner, lane, "
    "accepted_at, seq LIMIT ?",
}
_COUNT: dict[QueueState, str] = {
    "pending": "SELECT count(*) FROM delivery INDEXED BY delivery_owner WHERE settlement IS NULL"
    " AND owner >= ? AND owner <= ?",
    "dead": "SELECT count(*) FROM delivery INDEXED BY delivery_dead"
    " WHERE settlement = 'dead' AND retried IS NULL"
    " AND owner >= ? AND owner <= ?",
}
_BEHIND_ALL = "\U0010ffff"


class _Named(Struct, frozen=True):
    alertname: str = ""


class _Alert(Struct, frozen=True):
    labels: _Named


class _Failing(Struct, frozen=True):
    """The part of a card that a list of deliveries needs: its failed calls."""

    failures: Failures | None = None


class _Alerts(Struct, frozen=True):
    """The part of a notification that a list of deliveries needs."""

    alerts: tuple[_Alert, ...]


_encode = msgspec.json.encode
_lane_key = msgspec.json.Decoder(LaneKey).decode
_lane_state = msgspec.json.Decoder(LaneState).decode
_group = msgspec.json.Decoder(GroupId).decode
_indexes = msgspec.json.Decoder(tuple[int, ...]).decode
_names = msgspec.json.Decoder(_Alerts).decode
_failing = msgspec.json.Decoder(_Failing).decode
_notification = msgspec.json.Decoder(Notification).decode


class Row(NamedTuple):
    """A delivery with its lane and payload, with the columns of `_FIND`. `told_at` is when its
    payload was accepted; `card` is the card that took it in, or nothing if that was forgotten.
    """

    lane: int
    seq: int
    key: str
    state: bytes
    receiver: str
    owner: str
    grp: str
    fingerprint: str
    alerts: bytes | None
    accepted_at: float
    card: int | None
    settlement: Settlement | None
    why: str
    retried: int | None
    told_at: float
    body: bytes
    card_body: bytes | None

    @property
    def id(self) -> str:
        """The lane's number and the delivery's number in it."""
        return f"{self.lane}/{self.seq}"

    @property
    def lane_key(self) -> LaneKey:
        """The lane."""
        return _lane_key(self.key)


def find(db: Database, delivery_id: str) -> Row | None:
    """The delivery with that id, in any state."""
    lane, _, seq = delivery_id.partition("/")
    if not all(part.isascii() and part.isdecimal() and len(part) < 19 for part in (lane, seq)):
        return None
    row = db.execute(_FIND, (int(lane), int(seq))).fetchone()
    return Row(*row) if row else None


def page(db: Database, query: Query) -> Page | Refused:
    """One page of the list."""
    limit = max(1, min(query.limit, MOST_LISTED))
    state, _, last = query.after.partition(":")
    start = find(db, last) if query.after else None
    if query.after and (start is None or state not in LISTS):
        return Refused(f"unknown position {query.after}: list from the start, without --after")
    states: tuple[QueueState, ...] = (query.state,) if query.state else ("pending", "dead")
    if state == "dead":
        states = ("dead",)
    found: list[tuple[QueueState, str]] = []
    for each in states:
        behind = start if each == state else None
        found += [
            (each, key) for key in _keys(db, each, query.receiver, behind, limit + 1 - len(found))
        ]
    rows = [row for _, key in found[:limit] if (row := find(db, key))]
    more = len(found) > limit
    known = sorted({row.receiver for row in balance(db)}) if query.receiver else []
    return Page(
        deliveries=tuple(queued(row) for row in rows),
        pending=_count(db, "pending", query.receiver),
        dead=_count(db, "dead", query.receiver),
        next=":".join(found[limit - 1]) if more else "",
        others=() if query.receiver in known else tuple(known),
    )


def _keys(
    db: Database, state: QueueState, receiver: str, behind: Row | None, most: int
) -> list[str]:
    """The ids of the next deliveries in that state, in the order of the index."""
    first = (
        (behind.owner, behind.lane, behind.accepted_at, behind.seq)
        if behind
        else (receiver, 0, 0.0, 0)
    )
    rows = db.execute(LISTS[state], (*first, receiver or _BEHIND_ALL, most))
    return [f"{lane}/{seq}" for lane, seq in rows]


def _count(db: Database, state: QueueState, receiver: str) -> int:
    (count,) = db.execute(_COUNT[state], (receiver, receiver or _BEHIND_ALL)).fetchone()
    return int(count)


def queued(row: Row) -> Queued:
    """The delivery as operators see it."""
    state = _lane_state(row.state)
    names, count = _alerts(row)
    waits = row.settlement is None
    group = _group(row.grp)
    failing = readable(_failing, row.card_body) if waits and row.card_body else None
    failures = failing.failures if failing else None
    return Queued(
        id=row.id,
        state=row.settlement or "pending",
        lane=row.lane_key,
        receiver=row.owner,
        fallback="" if row.receiver == row.owner else row.receiver,
        group=replace(group, group_key=_short(group.group_key, _LONGEST_KEY)),
        alerts=names,
        count=count,
        accepted_at=row.accepted_at,
        why=waits_for(state, failures) if waits else _ended(row),
        attempts=(failures.tries if failures else state.attempts) if waits else 0,
        retry_at=_retry_at(state, failures) if waits else None,
    )


def show(db: Database, delivery_id: str) -> Whole | Refused:
    """The delivery with the part of the notification for its chat."""
    row = find(db, delivery_id)
    if row is None:
        return _unknown(delivery_id)
    told = _notification(row.body) if len(row.body) <= LARGEST_SHOWN else None
    if told and row.alerts is not None:
        told = replace(told, alerts=tuple(told.alerts[index] for index in _indexes(row.alerts)))
    return Whole(queued(row), told, len(row.body))


def _alerts(row: Row) -> tuple[tuple[str, ...], int]:
    """The first different names of a delivery's alerts, and how many alerts there are."""
    if len(row.body) > LARGEST_SHOWN:
        return (), 0 if row.alerts is None else len(_indexes(row.alerts))
    alerts = _names(row.body).alerts
    chosen = alerts if row.alerts is None else [alerts[index] for index in _indexes(row.alerts)]
    names = dict.fromkeys(
        _short(alert.labels.alertname or "unnamed alert", _LONGEST_NAME) for alert in chosen
    )
    return tuple(names)[:_NAMES], len(chosen)


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _ended(row: Row) -> str:
    again = "" if row.retried is None else f"retried as {row.lane}/{row.retried}"
    return "; ".join(filter(None, (sentence(row.why), again)))


def waits_for(state: LaneState, failures: Failures | None = None) -> str:
    """Why a pending delivery of a lane waits; `failures` are those of its card."""
    if state.down:
        never = (
            ""
            if state.down.probe_at is not None
            else " (no more calls are made: retry it once that is fixed)"
        )
        return f"the chat is down: {state.down.why}{never}"
    cause = f": {state.trouble_why}" if state.trouble_why else ""
    if failures and failures.tries and len(state.failing) < 2:
        return f"the last call for this message failed: {failures.why}"
    if state.attempts:
        return (
            f"the chat could not be reached{cause}"
            if state.trouble == "unreachable"
            else f"the last call failed{cause}"
        )
    if state.trouble == "rate_limited" and not state.trouble_until:
        return "the chat takes no more for a while"
    return "its turn comes"


def _retry_at(state: LaneState, failures: Failures | None) -> float | None:
    if state.down:
        return state.down.probe_at
    return max(state.retry_at, paused_until(failures, state)) or None


def _unknown(delivery_id: str) -> Refused:
    return Refused(f"there is no delivery {delivery_id}: `alert-relay queue list` has their ids")


def retry(db: Database, delivery_id: str, now: float) -> Retried | Refused:
    """Makes a pending delivery due, or accepts a dead one anew. Its lane is called even if the chat
    is down.

    A card that already has the delivery's alerts is shown in its present state: nothing old is
    folded into something new.
    """
    row = find(db, delivery_id)
    if row is None:
        return _unknown(delivery_id)
    card = cards.find(db, row.lane, row.grp, row.fingerprint)
    refused = _not_to_retry(db, row, card)
    if refused:
        return Refused(refused)
    seq = row.seq if row.settlement is None else _again(db, row, now)
    if card:
        folded = max(card.folded_seq, seq) if row.card is not None else card.folded_seq
        _keep(db, row, replace(resume(card, now), folded_seq=folded), now)
    state = db.encoded(probe(_lane_state(row.state), now))
    db.execute("UPDATE lane SET state = ? WHERE id = ?", (state, row.lane))
    return Retried(row.id, f"{row.lane}/{seq}", row.lane_key, row.owner)


def _not_to_retry(db: Database, row: Row, card: Card | None) -> str:
    if row.settlement is None:
        return ""
    if row.settlement != "dead":
        return f"{row.id} ended as {row.settlement}: only what is dead or pending can be retried"
    if row.retried is not None:
        return (
            f"{row.id} was retried before, as {row.lane}/{row.retried}: see `queue show "
            f"{row.lane}/{row.retried}`"
        )
    if row.card is not None and card and is_settled(card):
        return f"{row.id} needs no retry: the chat shows its group as it is now"
    later = _later(db, row)
    return (
        f"{row.id} is out of date: {later} is newer, for the same chat and group" if later else ""
    )


def _later(db: Database, row: Row) -> str:
    """A newer delivery to the same card that was, or will be, part of what the card shows."""
    found = db.execute(
        "SELECT seq FROM delivery JOIN payload ON payload.id = payload WHERE lane = ? AND seq > "
        "? AND grp = ?"
        " AND fingerprint = ? AND payload.accepted_at > ? AND NOT (card IS NULL AND"
        " coalesce(settlement, '') = 'dead')"
        " ORDER BY seq DESC LIMIT 1",
        (row.lane, row.seq, row.grp, row.fingerprint, row.told_at),
    ).fetchone()
    return f"{row.lane}/{found[0]}" if found else ""


def _again(db: Database, row: Row, now: float) -> int:
    """Accepts the delivery anew and returns its number. One that was folded before is not folded
    again.
    """
    if not db.has_room():
        raise StoreError("the disk is full")
    seq = db.take_seqs({row.lane: 1})[row.lane]
    db.execute(
        "INSERT INTO delivery (lane, seq, payload, receiver, owner, grp, fingerprint, alerts, "
        "accepted_at, card, route)"
        " SELECT lane, ?, payload, receiver, owner, grp, fingerprint, alerts, ?, ?, route FROM"
        " delivery"
        " WHERE lane = ? AND seq = ?",
        (seq, now, row.card, row.lane, row.seq),
    )
    db.execute(
        "UPDATE delivery SET retried = ? WHERE lane = ? AND seq = ?", (seq, row.lane, row.seq)
    )
    if row.card is None:
        db.execute(
            "INSERT INTO watched VALUES (?, ?, ?, ?, ?, ?, NULL) ON CONFLICT DO NOTHING",
            (row.grp, row.lane, row.grp, row.fingerprint, row.receiver, row.owner),
        )
    count(db, row.lane_key.platform, row.owner, "dead", -1)  # it is counted once, as pending now
    return int(seq)


def drop(db: Database, delivery_id: str, now: float) -> Dropped | Refused:
    """Ends a pending delivery as dead. A card that owes nothing else is not shown in its present
    state.
    """
    row = find(db, delivery_id)
    if row is None:
        return _unknown(delivery_id)
    if row.settlement is not None:
        return Refused(f"{row.id} ended as {row.settlement}: only what is pending can be dropped")
    how = DeliveryEnd("dead", EndReason.DROPPED, now)
    end(db, row.lane_key.platform, row.lane, [row.seq], how)
    _let_be(db, row, now)
    return Dropped(row.id, row.lane_key, row.owner)


def _let_be(db: Database, row: Row, now: float) -> None:
    """Lets a card for which no delivery waits stay as it is shown, and stops watching a group that
    has no card.
    """
    place = (row.lane, row.grp, row.fingerprint)
    card = cards.find(db, *place)
    if card is None:
        if not cards.has_news(db, *place):
            cards.leave(db, *place)
    elif row.card is not None and not is_settled(card) and not _owes(db, row.card):
        _keep(db, row, waive(card), now)


def _owes(db: Database, card: int) -> bool:
    found = db.execute(
        "SELECT 1 FROM delivery WHERE card = ? AND settlement IS NULL LIMIT 1", (card,)
    ).fetchone()
    return found is not None


def _keep(db: Database, row: Row, card: Card, now: float) -> None:
    """Stores the card, to be rechecked now, with a message of its own and not in a digest."""
    db.execute(
        "UPDATE card SET body = ?, waiting_since = ?, absorbed = 0, ready = 0, due = ?, rank = 0"
        " WHERE "
        "lane = ? AND "
        "grp = ?"
        " AND fingerprint = ?",
        (
            db.encoded(replace(card, absorbed=False)),
            card.waiting_since,
            now,
            row.lane,
            row.grp,
            row.fingerprint,
        ),
    )
