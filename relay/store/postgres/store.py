"""The store of several replicas: one PostgreSQL database, a lease for each lane."""

import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import msgspec
import psycopg
from msgspec import Struct
from msgspec.structs import replace

from relay.core.alert import GroupId
from relay.core.budget import Limit
from relay.core.event import Event
from relay.core.routing.lane import LaneKey
from relay.core.routing.route import Delivery
from relay.core.turn.change import CardChange
from relay.store.history import Durability, SeenReplica, StorageStatus
from relay.store.postgres.connection import Connection, DatabaseAddress, connect
from relay.store.postgres.database import FORMAT, PostgresDatabase, told_by
from relay.store.postgres.formats import FORMATS, Formats, newer_format
from relay.store.postgres.kind import told_of_way
from relay.store.postgres.migrate import check, migrate
from relay.store.postgres.session import NOW
from relay.store.protocol import (
    Attempt,
    Begun,
    Denied,
    Ended,
    Kept,
    Lease,
    NewerSchema,
    NewPayload,
    StoreError,
)
from relay.store.sql.budgets import lock
from relay.store.sql.spread import spread, take_woken
from relay.store.sql.store import SqlStore

# https://www.postgresql.org/docs/current/runtime-config-wal.html#GUC-SYNCHRONOUS-COMMIT
_IS_REMOTE = (
    "current_setting('synchronous_standby_names') != ''"
    " AND current_setting('synchronous_commit') IN ('on', 'remote_apply')"
)
_MOST_READY = 500  # lanes that are looked at together
_lane_key = msgspec.json.Decoder(LaneKey).decode
_SILENT = 4  # times the duration of a lease, after which a process is gone
TTL = 15.0  # seconds for which a lane is its owner's without a word from it


class ReadyLanes(Struct, frozen=True):
    """The database's clock (Unix seconds), and lanes that have work."""

    now: float
    lanes: tuple[LaneKey, ...]


def _nobody(_: Event) -> None:
    """Ignores events."""


class PostgresStore(SqlStore):
    """Store over one PostgreSQL database (see `protocol.Store`), for the threads of one of the
    processes that share it. Each job of a batch is a transaction of its own; one that fails for the
    storage's sake has a StoreError for its result.

    Raises NewerSchema for a database of a later version, ValueError for an address that is none,
    OSError for a file that cannot be read, and StoreError where there is no database to be had.
    """

    def __init__(
        self,
        url: str | Path,
        emit: Callable[[Event], None] = _nobody,
        ttl: float = TTL,
        *,
        by_own_clock: bool = True,
        require_remote: bool = False,
        migrates: bool = True,
        formats: Formats = FORMATS,
    ) -> None:
        """`url`: the address of the database, or a file that has it (see `DatabaseAddress`).
        `ttl`: seconds for which a lane stays with an owner that is not heard of. `by_own_clock`:
        calls begin by the database's clock, whatever that of the caller says. `require_remote`:
        nothing is accepted that is not on a synchronous standby too. `migrates`: a database
        without our tables gets them, and an earlier version of them becomes ours.
        """
        self._require_remote = require_remote
        self._by_own_clock = by_own_clock
        address = DatabaseAddress(url)
        self.ttl = ttl
        self.replica = secrets.token_hex(8)
        self._formats = formats
        self.server = PostgresDatabase(address, self.replica, formats)
        try:
            with connect(address.settings()) as connection:
                (migrate if migrates else check)(connection)
                self._check_format(connection)
        except psycopg.Error as error:
            raise StoreError(f"cannot open the storage: {told_by(error)}") from error
        super().__init__(self.server, emit)
        self._spreading = partial(spread, self._db)

    def _check_format(self, connection: Connection) -> None:
        found = connection.execute(f"SELECT {FORMAT}").fetchone()
        number = int(found[0]) if found else 0
        if number > self._formats.newest:
            raise NewerSchema(newer_format(number, self._formats.newest))
        self.server.read_format(number)

    def close(self) -> None:
        """Closes the connections of all threads."""
        self.server.close()

    def batch(self, jobs: Sequence[Callable[[], object]], *, durable: bool = True) -> list[object]:
        return [self._result(job, durable=durable) for job in jobs]

    def _result(self, job: Callable[[], object], *, durable: bool) -> object:
        try:
            return self.server.transaction(job, self._spreading, durable=durable)
        except Exception as error:  # noqa: BLE001 - what a job raised is its result
            return error

    def spread(self) -> tuple[LaneKey, ...]:
        if self.server.is_all_spread():
            return take_woken(self._db)
        self.server.alone()
        return super().spread()

    def sync(self) -> None:
        """The log of what was committed before is written with the next synced commit."""
        self.server.run("SELECT pg_current_xact_id()")  # a commit of nothing is not written

    def backup(self, file: Path) -> None:
        raise StoreError(
            f"{file.name} was not written: of PostgreSQL a copy is made by its own tools (pg_dump)"
        )

    def durability(self) -> Durability:
        """How safe a commit is. The lag is known to roles that may read all statistics
        (pg_monitor) where there is a standby.
        https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-PG-STAT-REPLICATION-VIEW
        """
        remote, lag = self.server.run(
            f"SELECT {_IS_REMOTE}, (SELECT min(pg_wal_lsn_diff(pg_current_wal_lsn(), flush_lsn))"  # noqa: S608 - of constants
            " FROM pg_stat_replication)"
        ).fetchone()
        return Durability("remote" if remote else "local", None if lag is None else int(lag))

    def standing_now(self) -> StorageStatus:
        rows = self.server.run(
            f"SELECT name, version, {NOW} - seen_at, EXISTS"  # noqa: S608 - of constants
            f" (SELECT 1 FROM leader WHERE owner = replica.id AND until > {NOW})"
            " FROM replica ORDER BY name, id"
        ).fetchall()
        return replace(
            super().standing_now(),
            durability=self.durability(),
            replicas=tuple(SeenReplica(*row) for row in rows),
        )

    def take(self, lane: LaneKey) -> Lease | None:
        """Takes the lane if nobody has it. The epoch of a process that had it last is the next
        number; that of another one is the time in microseconds, which is no earlier epoch: a crash
        of the database may take back who had the lane, since that is not synced.
        """
        row = self._lane(lane)
        found = self.server.run(
            "INSERT INTO lease (lane, owner, epoch, until)"
            f" SELECT $1, $2, ({NOW} * 1000000)::bigint, {NOW} + $3 WHERE {FORMAT} <= $4"
            " ON CONFLICT (lane) DO UPDATE SET owner = excluded.owner, until = excluded.until,"
            " epoch = CASE WHEN lease.owner = excluded.owner THEN lease.epoch + 1"
            " ELSE greatest(lease.epoch + 2, excluded.epoch) END"
            f" WHERE lease.owner = excluded.owner OR lease.until <= {NOW} RETURNING epoch",
            (row, self.replica, self.ttl, self._formats.newest),
        ).fetchone()
        return Lease(lane, int(found[0])) if found else None

    def _held(self, lease: Lease) -> int:
        return self.server.hold(lease)

    def ring(self, lane: LaneKey) -> None:
        """Marks that the lane has work, for its owner or the next one."""
        self.server.run(
            "INSERT INTO lane_work (lane) VALUES ($1) ON CONFLICT (lane)"
            " DO UPDATE SET ready_at = 0, bell = lane_work.bell + 1",
            (self._lane(lane),),
        )

    def renew(self, leases: Sequence[Lease]) -> tuple[Lease, ...]:
        """Renews these leases; returns those that this process still has."""
        rows = {self._lane(lease.lane): lease for lease in leases}
        renewed = self.server.run(
            f"UPDATE lease SET until = {NOW} + $4"  # noqa: S608 - of constants
            " FROM unnest($1::bigint[], $2::bigint[]) AS told (lane, epoch)"
            " WHERE lease.lane = told.lane AND lease.epoch = told.epoch AND owner = $3"
            f" AND {FORMAT} <= $5 RETURNING lease.lane",
            (
                tuple(rows),
                tuple(each.epoch for each in rows.values()),
                self.replica,
                self.ttl,
                self._formats.newest,
            ),
        )
        return tuple(rows[row] for (row,) in renewed.fetchall())

    def give_up(self, lease: Lease, until: float | None) -> None:
        """Lets others take the lane, which has work again at `until`, if nothing came for it since
        its last turn began.
        """
        row = self._lane(lease.lane)
        given = self.server.run(
            "UPDATE lease SET until = 0 WHERE lane = $1 AND owner = $2 AND epoch = $3 RETURNING 1",
            (row, self.replica, lease.epoch),
        ).fetchone()
        if given:
            self.server.run(
                "UPDATE lane_work SET ready_at = $2 WHERE lane = $1 AND bell = $3",
                (row, until, self.server.bell(row)),
            )

    def look(self) -> ReadyLanes:
        """What is ready, by the database's clock: lanes that nobody has, and those of ours for
        which something came since their last turns began.
        """
        now, number = self.server.run(f"SELECT {NOW}, {FORMAT}").fetchone()
        self.server.read_format(number)
        rows = self.server.run(
            "SELECT lane.id, key, bell, coalesce(owner = $2 AND until > $1, FALSE)"
            " FROM lane_work JOIN lane ON lane.id = lane_work.lane"
            " LEFT JOIN lease ON lease.lane = lane_work.lane"
            " WHERE ready_at <= $1 AND (owner IS NULL OR owner = $2 OR until <= $1)"
            " ORDER BY ready_at LIMIT $3",
            (now, self.replica, _MOST_READY),
        ).fetchall()
        lanes = [
            _lane_key(key)
            for row, key, bell, ours in rows
            if not (ours and self.server.bell(row) == bell)
        ]
        return ReadyLanes(now, tuple(lanes))

    def take_lead(self, name: str) -> bool:
        """Takes or renews the lead; whether it is ours now."""
        found = self.server.run(
            "INSERT INTO leader (name, owner, epoch, until)"
            f" SELECT $1, $2, 1, {NOW} + $3 WHERE {FORMAT} <= $4 ON CONFLICT (name) DO UPDATE SET"
            " owner = excluded.owner, until = excluded.until, epoch = leader.epoch"
            " + CASE WHEN leader.owner = excluded.owner THEN 0 ELSE 1 END"
            f" WHERE leader.owner = excluded.owner OR leader.until <= {NOW} RETURNING 1",
            (name, self.replica, self.ttl, self._formats.newest),
        ).fetchone()
        return found is not None

    def give_up_lead(self, name: str) -> None:
        """Gives up the lead at once."""
        self.server.run(
            "UPDATE leader SET until = 0 WHERE name = $1 AND owner = $2", (name, self.replica)
        )

    def register(self, name: str, version: str) -> None:
        """Counts this process among those that run, whose formats decide what is written."""
        self.server.alone()  # nobody raises the format meanwhile
        self._forget_silent()
        self.server.run(
            "INSERT INTO replica (id, name, version, format, seen_at)"  # noqa: S608 - of constants
            f" VALUES ($1, $2, $3, $4, {NOW}) ON CONFLICT (id) DO UPDATE"
            " SET seen_at = excluded.seen_at",
            (self.replica, name, version, self._formats.newest),
        )

    def beat(self) -> bool:
        """Says that this process runs; False if others took it to be gone. Whoever finds that all
        read a newer format than the present one writes in that from then on.
        """
        self.server.run(f"UPDATE replica SET seen_at = {NOW} WHERE id = $1", (self.replica,))  # noqa: S608 - of constants
        known, number, oldest = self.server.run(
            f"SELECT EXISTS (SELECT 1 FROM replica WHERE id = $1), {FORMAT},"  # noqa: S608 - of constants
            f" (SELECT min(format) FROM replica WHERE seen_at > {NOW} - $2)",
            (self.replica, _SILENT * self.ttl),
        ).fetchone()
        self.server.read_format(number)
        if oldest is not None and oldest > number:
            self.server.alone()
            self._forget_silent()
            self.server.run(
                "UPDATE progress SET value = (SELECT min(format) FROM replica)"
                " WHERE name = 'format' AND value < (SELECT min(format) FROM replica)"
            )
        return bool(known)

    def _forget_silent(self) -> None:
        self.server.run(
            f"DELETE FROM replica WHERE seen_at <= {NOW} - $1",  # noqa: S608 - of constants
            (_SILENT * self.ttl,),
        )

    def leave(self) -> None:
        """Counts this process no more among those that run."""
        self.server.run("DELETE FROM replica WHERE id = $1", (self.replica,))

    def accept(self, payloads: Sequence[NewPayload]) -> Kept:
        told = self.server.run(f"SELECT {_IS_REMOTE}") if self._require_remote else None
        kept = self._accept(payloads)
        if told is not None and not told.fetchone()[0]:
            raise StoreError("there is no synchronous standby (synchronous_standby_names is empty)")
        return kept

    def _accept(self, payloads: Sequence[NewPayload]) -> Kept:
        if not all(new.deliveries for new in payloads):
            self.server.alone()  # they are brought to lanes at once
            return super().accept(payloads)
        known = self.server.remembered.rows
        wanted = Counter(known.get(way.lane) for new in payloads for way in new.deliveries)
        for new in payloads:
            for way in new.deliveries:
                self.server.has_accepted(way.lane, told_of_way(new, way))
        with self.server.accepting():
            if (numbers := {row: count for row, count in wanted.items() if row}) == wanted:
                self.server.number(len(payloads), numbers)
            return super().accept(payloads)

    def begin(
        self, lease: Lease, attempt: Attempt, limits: Sequence[Limit], now: float
    ) -> Begun | Denied:
        """Begins by the database's clock, read once the budgets are locked."""
        self._held(lease)
        lock(self.server, [limit.key for limit in limits])
        if self._by_own_clock:
            now = self.server.clock_of_budgets()
        return super().begin(lease, attempt, limits, now)

    def fold(
        self, lease: Lease, changes: Sequence[CardChange], now: float | None = None
    ) -> tuple[Ended, ...]:
        for change in changes[-1:]:
            self.server.expect(change.card)
        return super().fold(lease, changes, now)

    def route_again(self, lease: Lease, seq: int, ways: Sequence[Delivery]) -> tuple[LaneKey, ...]:
        self._held(lease)
        self.server.alone()  # it changes other lanes
        return super().route_again(lease, seq, ways)

    def copy_to_fallback(
        self,
        lease: Lease,
        receiver: str,
        fallback: str,
        to: Sequence[LaneKey],
        *,
        owner: str = "",
        card: tuple[GroupId, str] | None = None,
        before: float | None = None,
    ) -> tuple[LaneKey, ...]:
        self._held(lease)
        if self.oldest_uncopied(lease.lane, receiver, owner or receiver) is None:
            return ()
        self.server.alone()
        return super().copy_to_fallback(
            lease, receiver, fallback, to, owner=owner, card=card, before=before
        )

    def wake_api(self, lease: Lease, since: float, now: float, pause: float) -> tuple[LaneKey, ...]:
        self._held(lease)
        if not self.server.lanes_may_fail:
            return ()
        self.server.alone()
        return super().wake_api(lease, since, now, pause)

    def move_times_back(self, now: float) -> float:  # noqa: ARG002 - the database's clock is the only one
        return 0.0
