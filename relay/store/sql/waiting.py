"""The deliveries that wait on a lane: which are superseded, go to a fallback or expire, and when
they are checked again.
"""

from collections import Counter
from collections.abc import Iterable

import msgspec
from msgspec import Struct

from relay.core.card.card import Card
from relay.core.card.digest import DIGEST
from relay.core.card.lane_state import Down, LaneState
from relay.core.routing.lane import LaneKey
from relay.store.sql import cards
from relay.store.sql.database import Database
from relay.store.sql.unreadable import ERRORS, readable

_PAGES_EACH = 8  # pages that may change when a delivery ends
STUCK_AFTER = (
    600.0  # seconds without a success after which a chat with calls due is as good as down
)
_lane_key = msgspec.json.Decoder(LaneKey).decode
_lane_state = msgspec.json.Decoder(LaneState).decode


class _Tried(Struct, frozen=True):
    """The part of a card that says when a call for it last ended, Unix seconds."""

    tried_at: float = 0.0


_tried = msgspec.json.Decoder(_Tried).decode


def superseded(
    db: Database, lane: int, group: str, fingerprint: str, before: float, empty_before: float
) -> list[int]:
    """The pending deliveries of the card that were accepted before `before`, and those accepted
    before `empty_before` that only report absent alerts, without the oldest of each owner.
    """
    found = db.execute(
        "SELECT seq, owner, accepted_at < ? OR (alerts = ? AND accepted_at < ?) FROM delivery"
        " INDEXED BY delivery_pending WHERE settlement IS NULL AND card ="
        " (SELECT id FROM card WHERE lane = ? AND grp = ? AND fingerprint = ?) ORDER BY seq",
        (before, b"[]", empty_before, lane, group, fingerprint),
    ).fetchall()
    owners: set[str] = set()
    seqs: list[int] = []
    for seq, owner, is_old in found:
        if is_old and owner in owners:
            seqs.append(seq)
        owners.add(owner)
    return seqs


def oldest_uncopied(db: Database, lane: int, receiver: str, owner: str) -> float | None:
    found = db.execute(
        "SELECT accepted_at FROM delivery INDEXED BY delivery_owner WHERE owner = ? AND lane = ?"
        " AND settlement IS NULL AND receiver = ? AND copied = 0 ORDER BY accepted_at LIMIT 1",
        (owner, lane, receiver),
    ).fetchone()
    return float(found[0]) if found else None


def overdue(
    db: Database, lane: int, owner: str, before: float, *, refused: bool
) -> dict[int | None, list[int]]:
    """The deliveries that have been pending since before then and were tried, by card (None: not
    folded): a call for their card, or for the digest that shows it, ended after their acceptance.
    `refused`: the platform refuses the whole chat.
    """
    late = db.execute(
        "SELECT seq, accepted_at, card FROM delivery INDEXED BY delivery_owner WHERE owner = ? AND"
        " lane = ? AND accepted_at < ? AND settlement IS NULL",
        (owner, lane, before),
    ).fetchall()
    wanted = set() if refused else {card for *_, card in late if card is not None}
    tried = _tried_at(db, lane, wanted)
    found: dict[int | None, list[int]] = {}
    for seq, accepted_at, card in late:
        if refused or tried.get(card, 0.0) >= accepted_at:
            found.setdefault(card, []).append(seq)
    return found


def lost_card(db: Database, number: int | None) -> Card | None:
    """The card whose deliveries ended without being told; None for deliveries that were not
    folded.
    """
    row = db.execute(
        "SELECT body, absorbed, waiting_since FROM card WHERE id = ?", (number,)
    ).fetchone()
    try:
        return cards.read(row) if row else None
    except ERRORS:
        return None


def beyond_share(db: Database, lane: int, owner: str, share: int, *, refused: bool) -> list[int]:
    """The oldest tried deliveries (as in `overdue`) without which the payloads of the others take
    at most `share` bytes. On a full disk those may take a quarter of what is used, and a few
    deliveries are returned at a time.
    """
    full = not db.has_room()
    share = min(share, db.used() // 4) if full else share
    if db.used() <= share:
        return []
    found = db.execute(
        "SELECT seq, delivery.accepted_at, card, payload, length(body)"
        " FROM delivery INDEXED BY delivery_owner JOIN payload ON payload.id = payload"
        " WHERE owner = ? AND lane = ? AND settlement IS NULL ORDER BY delivery.accepted_at, seq",
        (owner, lane),
    ).fetchall()
    excess = sum({payload: size for *_, payload, size in found}.values()) - share
    if excess <= 0:
        return []
    tried = {} if refused else _tried_at(db, lane, {row[2] for row in found if row[2] is not None})
    needed_by = Counter(payload for *_, payload, _ in found)
    seqs: list[int] = []
    for seq, accepted_at, card, payload, size in found:
        if excess <= 0:
            break
        if refused or tried.get(card, 0.0) >= accepted_at:
            seqs.append(seq)
            needed_by[payload] -= 1
            excess -= 0 if needed_by[payload] else size
    return seqs[: max(1, db.step // _PAGES_EACH)] if full else seqs


def _tried_at(db: Database, lane: int, wanted: Iterable[int]) -> dict[int, float]:
    found: dict[int, float] = {}
    digest = cards.find(db, lane, cards.text(DIGEST), "")
    for card in wanted:
        row = db.execute("SELECT body, absorbed FROM card WHERE id = ?", (card,)).fetchone()
        if row is None:
            continue
        body, absorbed = row
        tried = readable(_tried, body) or _Tried()
        told = digest.tried_at if absorbed and digest else 0.0
        found[card] = max(tried.tried_at, told)
    return found


def look_again(db: Database, lane: int, now: float) -> None:
    db.execute(
        "UPDATE card INDEXED BY card_future SET due = ?1 WHERE lane = ?2 AND ready = 0 AND due > ?1"
        " AND waiting_since IS NOT NULL AND absorbed = 0",
        (now, lane),
    )


def stuck(db: Database, now: float) -> tuple[tuple[LaneKey, Down], ...]:
    """The lanes, with their states, to which nothing got through for `STUCK_AFTER` although calls
    are due, with the outcome of the last call.
    """
    found: list[tuple[LaneKey, Down]] = []
    for row, key, body in db.execute("SELECT id, key, state FROM lane ORDER BY key").fetchall():
        state = readable(_lane_state, body)
        if state is None or state.down or not _is_stuck(state, now) or not _owes(db, row):
            continue
        found.append((_lane_key(key), Down(state.trouble_why, state.trouble_since, None)))
    return tuple(found)


def _is_stuck(state: LaneState, now: float) -> bool:
    goes_on = state.trouble is not None and state.trouble_until == 0.0
    return goes_on and now - state.trouble_since >= STUCK_AFTER


def _owes(db: Database, lane: int) -> bool:
    found = db.execute(
        "SELECT 1 FROM card WHERE lane = ? AND waiting_since IS NOT NULL LIMIT 1", (lane,)
    ).fetchone()
    return found is not None
