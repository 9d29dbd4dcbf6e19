"""What is known of some alerts and groups while payloads are spread: read once for all of these,
kept up to date by what each of them changes, and stored once for all of them.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from relay.store.sql.accept import lane_of, watch
from relay.store.sql.database import Database
from relay.store.sql.standing import Row, stand

CardKey = tuple[int, str, str]  # lane, group, fingerprint
_EMPTY = b"[]"
_encode = msgspec.json.encode
_BY_THING = " INDEXED BY standing_thing"
_COLUMNS = "lane, receiver, owner, grp, fingerprint, fallback_for, fires, ended_at"


class AlertLine(NamedTuple):
    """The card of a lane on which an alert has its line. `joined`: another alert that is the same
    thing has it there.
    """

    row: Row
    fires: bool
    ended_at: float | None
    joined: bool = False


def card_of(row: Row) -> CardKey:
    """The card that a delivery is for."""
    return row.lane, row.grp, row.fingerprint


class Lines:
    """The lines of alerts, by alert and lane and by what the alerts are, and the cards that absent
    alerts of groups concern.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._homes: dict[tuple[str, str], dict[int, AlertLine]] = {}
        self._things: dict[tuple[str, str], dict[tuple[str, int], AlertLine]] = {}
        self._thing_of: dict[tuple[str, str, int], str] = {}  # by source, alert and lane
        self._watchers: dict[str, dict[CardKey, Row]] = {}
        # What is not stored yet.
        self._watched: list[tuple[str, Row]] = []
        self._stood: dict[tuple[str, str, int], tuple[str, str, str, Row]] = {}

    def read_alerts(self, alerts: Sequence[tuple[str, str]]) -> None:
        """Reads where these alerts (source, fingerprint) have their lines."""
        for source, wanted in _by_source(alerts).items():
            self._homes |= {(source, alert): {} for alert in wanted}
            for alert, lane, *rest in self._standing("alert", source, wanted):
                self._homes[source, alert][lane] = self._home(lane, *rest)

    def read_things(self, things: Sequence[tuple[str, str]]) -> None:
        """Reads where alerts that are one of these (source, thing) have their lines."""
        for source, wanted in _by_source(things).items():
            self._things |= {(source, thing): {} for thing in wanted}
            for thing, alert, lane, *rest in self._standing("thing", source, wanted):
                self._things[source, thing][alert, lane] = self._home(lane, *rest)
                self._thing_of[source, alert, lane] = thing

    def read_watchers(self, groups: Sequence[str]) -> None:
        """Reads what absent alerts of these groups concern, and of those on whose cards alerts have
        their lines.
        """
        homes = (home for known in self._homes.values() for home in known.values())
        joined = (home for known in self._things.values() for home in known.values())
        wanted = [*dict.fromkeys((*groups, *(each.row.grp for each in (*homes, *joined))))]
        self._watchers |= {group: {} for group in wanted}
        columns = "grp, lane, receiver, owner, home, fingerprint, fallback_for"
        if len(wanted) == 1:
            rows = self._db.execute(f"SELECT {columns} FROM watched WHERE grp = ?", (wanted[0],))  # noqa: S608 - ours
        else:
            rows = self._db.execute(
                f"SELECT {columns} FROM json_each(?) AS wanted CROSS JOIN watched"  # noqa: S608 - ours
                " ON watched.grp = wanted.value",
                (_encode(wanted).decode(),),
            )
        for group, lane, receiver, owner, home, print_, fallback_for in rows.fetchall():
            key = lane_of(self._db, lane)
            row = Row(lane, key, receiver, owner, home, print_, _EMPTY, fallback_for)
            self._watchers[group][card_of(row)] = row

    def homes(self, source: str, alerts: Iterable[str]) -> dict[tuple[str, int], AlertLine]:
        """Where these alerts have their lines, by alert and lane."""
        return {
            (alert, lane): home
            for alert in alerts
            for lane, home in self._homes[source, alert].items()
        }

    def of_thing(self, source: str, thing: str, lane: int) -> AlertLine | None:
        """The line on the lane of an alert that is this: of one that fires, or of the one that
        ended last.
        """
        known = self._things.get((source, thing), {}).items()
        found = [home for (_, there), home in known if there == lane]
        return max(found, key=lambda home: (home.fires, home.ended_at or 0.0), default=None)

    def watchers(self, group: str, homes: Iterable[AlertLine]) -> dict[CardKey, Row]:
        """The cards that an absent alert of the group concerns, and those that stand in for cards
        on which alerts of the payload have their lines.
        """
        found = dict(self._watchers[group])
        for other in sorted({home.row.grp for home in homes} - {group}):
            copies = self._watchers.get(other, {}).items()
            found |= {card: row for card, row in copies if row.fallback_for is not None}
        return found

    def watch(self, rows: Sequence[tuple[str, Row]]) -> None:
        """Absent alerts of these groups concern the cards of these deliveries."""
        self._watched += rows
        for group, row in rows:
            self._watchers[group].setdefault(card_of(row), row._replace(alerts=_EMPTY))

    def stand(self, rows: Sequence[tuple[str, str, str, Row]]) -> None:
        """Alerts (source, fingerprint, thing) have their lines on the cards of these rows, but
        where one has a line as firing on the lane.
        """
        own, line = None, None  # most of the rows are one and the same
        for source, alert, thing, row in rows:
            self._stood.setdefault((source, alert, row.lane), (source, alert, thing, row))
            lines = self._homes[source, alert]
            known = lines.get(row.lane)
            if known is not None and known.fires:
                continue
            if line is None or row is not own:
                own, home = row, row._replace(alerts=None, route="", ignoring=None)
                line = AlertLine(home, fires=True, ended_at=None)
            lines[row.lane] = line
            self._is_now(source, alert, thing, line)

    def is_watched(self, row: Row) -> bool:
        """Whether absent alerts of some group concern the card of this delivery."""
        self.store()
        found = self._db.execute(
            "SELECT 1 FROM watched WHERE lane = ? AND home = ? AND fingerprint = ? LIMIT 1",
            (row.lane, row.grp, row.fingerprint),
        ).fetchone()
        return found is not None

    def store(self) -> None:
        """Stores what was learnt since the last time."""
        watch(self._db, self._watched)
        stand(self._db, [*self._stood.values()])
        self._watched.clear()
        self._stood.clear()

    def _is_now(self, source: str, alert: str, thing: str, line: AlertLine) -> None:
        """The alert with this line is this thing, whatever it was before."""
        lane = line.row.lane
        was = self._thing_of.pop((source, alert, lane), None)
        if was is not None:
            del self._things[source, was][alert, lane]
        if (source, thing) in self._things:
            self._things[source, thing][alert, lane] = line
            self._thing_of[source, alert, lane] = thing

    def _standing(
        self, by: Literal["alert", "thing"], source: str, wanted: Sequence[str]
    ) -> list[Any]:
        """Rows by alerts or things."""
        if by == "alert" and len(wanted) == 1:
            return self._db.execute(
                f"SELECT alert, {_COLUMNS} FROM standing WHERE source = ? AND alert = ?",  # noqa: S608 - ours
                (source, wanted[0]),
            ).fetchall()
        is_alert = by == "alert"
        columns = f"alert, {_COLUMNS}" if is_alert else f"thing, alert, {_COLUMNS}"
        where = "alert = wanted.value" if is_alert else "thing = wanted.value AND thing != ''"
        return self._db.execute(
            f"SELECT {columns} FROM json_each(?) AS wanted CROSS JOIN standing"  # noqa: S608 - ours
            f"{'' if is_alert else _BY_THING} ON source = ? AND {where}",
            (_encode(wanted).decode(), source),
        ).fetchall()

    def _home(
        self,
        lane: int,
        receiver: str,
        owner: str,
        grp: str,
        fingerprint: str,
        fallback_for: int | None,
        fires: int,
        ended_at: float | None,
    ) -> AlertLine:
        key = lane_of(self._db, lane)
        row = Row(lane, key, receiver, owner, grp, fingerprint, None, fallback_for)
        return AlertLine(row, bool(fires), ended_at)


def _by_source(keys: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, dict[str, None]] = {}
    for source, key in keys:
        found.setdefault(source, {})[key] = None
    return {source: [*known] for source, known in found.items()}
