"""Standing: the card of each lane on which an alert has its line, the one on which it fired
first.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from relay.core.card.card import Card, Entry
from relay.core.card.view import EPISODES_KEPT, Episode
from relay.core.routing.lane import LaneKey
from relay.store.sql.acting import end_takes
from relay.store.sql.database import Database

_OVER_WHAT_ENDED = (
    " ON CONFLICT (source, alert, lane) DO UPDATE SET grp = excluded.grp,"
    " fingerprint = excluded.fingerprint, receiver = excluded.receiver, owner = excluded.owner,"
    " fallback_for = excluded.fallback_for, fires = 1, ended_at = NULL, thing = excluded.thing"
    " WHERE standing.fires = 0"
)

_STAND = f"INSERT INTO standing VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1, NULL, ?){_OVER_WHAT_ENDED}"  # noqa: S608 - ours
_STAND_AS_WATCHED = (
    "INSERT INTO standing SELECT ?, ?, lane, home, fingerprint, receiver, owner, fallback_for,"  # noqa: S608 - ours
    " 1, NULL, ? FROM watched INDEXED BY watched_home"
    f" WHERE lane = ? AND home = ? AND fingerprint = ? LIMIT 1{_OVER_WHAT_ENDED}"
)


LINES = (
    "SELECT alert, fires FROM standing INDEXED BY standing_card"
    " WHERE lane = ? AND grp = ? AND fingerprint = ?"
)


class Row(NamedTuple):
    """A delivery for the card of a group (`grp`) or of one alert of it. `owner` differs from
    `receiver` if it is a copy for a fallback, of the lane `fallback_for`. `route` led here.
    `ignoring`: labels that make no new alert for its receiver (`Ignoring`, encoded).
    """

    lane: int
    key: LaneKey
    receiver: str
    owner: str
    grp: str
    fingerprint: str
    alerts: bytes | None
    fallback_for: int | None
    route: str = ""
    ignoring: bytes | None = None


def stand(db: Database, rows: Sequence[tuple[str, str, str, Row]]) -> None:
    """Gives alerts (source, fingerprint, thing) their lines on the cards of these rows, except
    those that have a firing line on the lane.
    """
    db.executemany(
        _STAND,
        [
            (source, alert, row.lane, row.grp, row.fingerprint, row.receiver, row.owner,
             row.fallback_for, thing)
            for source, alert, thing, row in rows
        ],
    )  # fmt: skip


def follow(db: Database, lane: int, group: str, card: Card) -> None:
    """Updates the lines of the card's alerts. Episodes that ended are remembered."""
    if not card.group.group_key or not card.entries:
        return
    key = (lane, group, card.fingerprint)
    known = dict(db.execute(LINES, key).fetchall())
    began = [e for e in card.entries if e.status == "firing" and not known.get(e.fingerprint)]
    ended = [e for e in card.entries if e.status != "firing" and known.get(e.fingerprint)]
    if began:
        _begin(db, card, key, began)
    if ended:
        _end(db, card, lane, ended)
    _end_followed(db, card, lane, known)


def _begin(db: Database, card: Card, key: tuple[int, str, str], began: Sequence[Entry]) -> None:
    """Gives firing alerts of the card their lines, also on a card from before alerts had lines."""
    db.executemany(
        _STAND_AS_WATCHED,
        [(card.group.source, entry.fingerprint, entry.thing, *key) for entry in began],
    )


def _end(db: Database, card: Card, lane: int, ended: Sequence[Entry]) -> None:
    source = card.group.source
    end_takes(db, card, ended)
    over = [(entry.ends_at or card.heard_at, entry) for entry in ended]
    db.executemany(
        "UPDATE standing SET fires = 0, ended_at = ? WHERE source = ? AND alert = ? AND lane = ?",
        [(card.heard_at, source, entry.fingerprint, lane) for entry in ended],
    )
    db.executemany(
        "INSERT INTO episode VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        [(source, e.fingerprint, e.starts_at or e.joined_at, at) for at, e in over],
    )
    db.execute("DELETE FROM episode WHERE ended_at < ?", (card.heard_at - EPISODES_KEPT,))


def _end_followed(db: Database, card: Card, lane: int, known: Mapping[str, int]) -> None:
    """Ends the lines of alerts that another alert continues."""
    followed = {e.follows for e in card.entries if known.get(e.follows)}
    over = followed - {e.fingerprint for e in card.entries} if followed else followed
    db.executemany(
        "UPDATE standing SET fires = 0, ended_at = ? WHERE source = ? AND alert = ? AND lane = ?",
        [(card.heard_at, card.group.source, alert, lane) for alert in sorted(over)],
    )


def elsewhere(
    db: Database, lane: int, group: str, card: Card, alerts: Sequence[str]
) -> tuple[tuple[str, tuple[str, str]], ...]:
    """Those of the alerts that fire on another card of the lane, with its group and fingerprint."""
    rows = db.execute(
        "SELECT alert, grp, fingerprint FROM json_each(?) AS wanted CROSS JOIN standing"
        " ON source = ? AND alert = wanted.value AND lane = ? AND fires = 1",
        (msgspec.json.encode(alerts).decode(), card.group.source, lane),
    )
    own = (group, card.fingerprint)
    return tuple((alert, (grp, print_)) for alert, grp, print_ in rows if (grp, print_) != own)


def episodes(db: Database, source: str, alert: str, since: float) -> tuple[Episode, ...]:
    """The earlier times that the alert fired, of those that ended since then, the oldest first."""
    rows = db.execute(
        "SELECT started_at, ended_at FROM episode WHERE source = ? AND alert = ?"
        " AND ended_at >= ? ORDER BY started_at",
        (source, alert, since),
    )
    return tuple(Episode(started_at, ended_at) for started_at, ended_at in rows.fetchall())
