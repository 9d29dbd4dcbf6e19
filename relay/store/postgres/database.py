"""One PostgreSQL database for several processes and threads: each transaction on the connection of
its thread.

Three locks keep apart what would be in each other's way, always taken in this order:

- the storage (an advisory lock): shared by the turns of lanes, each of which changes its own lane;
  alone for what changes several, such as bringing accepted payloads to all lanes;
- the lane's lease, by the turns of its owner;
- the row of `progress` that numbers payloads, by whoever accepts, up to the commit.
"""

import threading
from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Literal, TypeVar

import msgspec
import psycopg

from relay.core.routing.lane import LaneKey, Platform
from relay.store.postgres.connection import LIMITS, NOT_PREPARED, Connection, connect, trouble
from relay.store.postgres.dialect import translated
from relay.store.protocol import Fenced, Lease, StoreError
from relay.store.sql.database import AcceptedNotifications, Remembered, Rows, Value

T = TypeVar("T")
_STORAGE = 7_203_461_185  # the advisory lock: any number that no other program uses
_WRITERS = 16  # rows of a counter: those that count at once seldom meet
_TRIES = 6  # of a transaction that others were in the way of
_IDLE = psycopg.pq.TransactionStatus.IDLE
_WRITES = ("INSERT", "UPDATE", "DELETE")
NOW = "extract(epoch FROM clock_timestamp())::float8"
_Mode = Literal["none", "accepting", "shared", "alone"]
Cells = Value | list[int] | list[str]


class _AgainError(Exception):
    """The transaction is to be run once more: alone, or after payloads were brought to lanes."""


class _Session:
    """What a thread works with: its connection, and the transaction under way."""

    def __init__(self) -> None:
        self.connection: Connection | None = None
        self.is_open = False  # a transaction is
        self.durable = True
        self.mode: _Mode = "none"
        self.wants_alone = False
        self.wants_spread = False
        self.has_spread = False
        self.has_passed_over = False  # payloads that came since were not brought to lanes
        self.error: psycopg.Error | None = None
        self.held: dict[Lease, tuple[int, int]] = {}
        self.locked: set[str] = set()
        self.counts: dict[tuple[Platform, str, str], int] = {}
        self.remembered = Remembered()
        self.unspread = AcceptedNotifications()
        self.woken: dict[LaneKey, None] = {}


class PostgresDatabase:
    """See `sql.database.Database`. `replica` is this process among those that share the
    database.
    """

    def __init__(self, told: dict[str, str], replica: str) -> None:
        """`told` is what the address says."""
        self._told = told
        self._prepares = True
        self.replica = replica
        self._local = threading.local()
        self._sessions: list[_Session] = []
        self._first_writer = int(replica[:4], 16)
        self._rows: dict[LaneKey, int] = {}
        self._keys: dict[int, LaneKey] = {}
        self._bells: dict[int, int] = {}

    @property
    def _session(self) -> _Session:
        session: _Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = _Session()
            self._sessions.append(session)
        return session

    @property
    def remembered(self) -> Remembered:
        """What this transaction has read, and the lanes of those before it."""
        return self._session.remembered

    @remembered.setter
    def remembered(self, _: Remembered) -> None:
        self._session.remembered = self._fresh()

    def _fresh(self) -> Remembered:
        fresh = Remembered()
        fresh.rows, fresh.keys = ChainMap({}, self._rows), ChainMap({}, self._keys)
        return fresh

    @property
    def unspread(self) -> AcceptedNotifications:
        """Payloads of this transaction: others are read from the table, by whichever process."""
        return self._session.unspread

    @unspread.setter
    def unspread(self, told: AcceptedNotifications) -> None:
        self._session.unspread = told

    @property
    def woken(self) -> dict[LaneKey, None]:
        """The lanes that have work by what this thread spread."""
        return self._session.woken

    @woken.setter
    def woken(self, lanes: dict[LaneKey, None]) -> None:
        self._session.woken = lanes

    @property
    def lanes_may_fail(self) -> bool:
        """Another process may know of one."""
        return True

    @lanes_may_fail.setter
    def lanes_may_fail(self, _: bool) -> None: ...

    def execute(self, sql: str, parameters: Sequence[Value] = ()) -> Rows:
        """Runs one statement; one that writes without a lease has the storage to itself."""
        self._before(sql)
        return self.run(translated(sql), parameters)

    def executemany(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        """Runs one statement once for each row, without a wait between."""
        given = list(rows)
        if not given:
            return
        self._before(sql)
        try:
            with self._noted() as connection, connection.cursor() as cursor:
                cursor.executemany(translated(sql).encode(), given)
        except psycopg.Error as error:
            if self._session.is_open or not self._prepared_elsewhere(error):
                raise
            self.executemany(sql, given)

    def _before(self, sql: str) -> None:
        session = self._session
        if session.is_open and session.mode == "none" and sql.startswith(_WRITES):
            self.alone()

    def run(self, sql: str, parameters: Sequence[Cells] = ()) -> Rows:
        """Runs a statement in PostgreSQL's own SQL."""
        try:
            with self._noted() as connection:
                return connection.execute(sql.encode(), parameters or None)
        except psycopg.Error as error:
            if self._session.is_open or not self._prepared_elsewhere(error):
                raise
        return self.run(sql, parameters)

    @contextmanager
    def _noted(self, also: str = "") -> Iterator[Connection]:
        """The connection, in the transaction that begins with its first statement, and `also` with
        that. An error that a job takes for its own is remembered.
        """
        session = self._session
        try:
            if session.connection is None or session.connection.closed:
                session.connection = connect(self._told, prepares=self._prepares)
            connection = session.connection
            if not session.is_open:
                session.remembered = self._fresh()
            elif connection.info.transaction_status == _IDLE:
                commit = "" if session.durable else "; SET LOCAL synchronous_commit = off"
                connection.execute(f"BEGIN; {LIMITS}{commit}; {also}".encode())
            elif also:
                connection.execute(also.encode())
            yield connection
        except psycopg.Error as error:
            session.error = session.error or error
            raise

    def alone(self) -> None:
        """No turn is under way until the end of this transaction."""
        session = self._session
        if not session.is_open or session.mode == "alone":
            return
        if session.mode == "shared":  # two that waited for each other's end would never end
            session.wants_alone = True
            raise _AgainError
        session.mode = "alone"
        session.remembered.spread = None  # another one may have done it while we waited
        with self._noted(f"SELECT pg_advisory_xact_lock({_STORAGE})"):
            pass

    def hold(self, lease: Lease) -> int:
        """The number of the lane, which nobody else works on until the end of this transaction.
        Raises Fenced.
        """
        session = self._session
        if lease in session.held:
            return session.held[lease][0]
        if session.is_open and session.mode == "none":
            session.mode = "shared"
            with self._noted(f"SELECT pg_advisory_xact_lock_shared({_STORAGE})"):
                pass
        found = self.run(
            "SELECT lease.lane, coalesce(bell, 0) FROM lane JOIN lease ON lease.lane = lane.id"
            " LEFT JOIN lane_work ON lane_work.lane = lane.id"
            " WHERE key = $1 AND owner = $2 AND epoch = $3 FOR UPDATE OF lease",
            (_text(lease.lane), self.replica, lease.epoch),
        ).fetchone()
        if found is None:
            raise Fenced
        if session.is_open:
            session.held[lease] = found
        return int(found[0])

    @contextmanager
    def accepting(self) -> Iterator[None]:
        """What is accepted here waits for no turn."""
        session = self._session
        before = session.mode
        if before == "none":
            session.mode = "accepting"
        yield
        session.mode = before

    def may_spread(self) -> bool:
        """Whether this transaction may bring payloads to lanes. A turn lets another one do it
        first, and then goes by what that did.
        """
        session = self._session
        if not session.is_open or session.mode != "shared":
            self.alone()
            return True
        if session.has_spread:
            session.has_passed_over = True
            return False
        session.wants_spread = True
        raise _AgainError

    def transaction(
        self, job: Callable[[], T], spread: Callable[[], object], *, durable: bool
    ) -> T:
        """Runs the job in a transaction; again when others were in its way, at last with the
        storage to itself. `spread` brings accepted payloads to lanes. Raises StoreError, and what
        the job raises.
        """
        alone = has_spread = False
        for _ in range(_TRIES):
            try:
                return self._once(job, durable=durable, alone=alone, has_spread=has_spread)
            except _AgainError:
                session = self._session
                if session.wants_spread and not alone:
                    self.transaction(spread, spread, durable=False)
                    has_spread = True
                else:
                    alone = True
        raise StoreError("other transactions are in the way")

    def _once(self, job: Callable[[], T], *, durable: bool, alone: bool, has_spread: bool) -> T:
        session = self._session
        _reset(session, self._fresh(), durable=durable, has_spread=has_spread)
        try:
            if alone:
                self.alone()
            result = job()
            self._flush_counts(session)
            if session.error or session.wants_alone or session.wants_spread:
                raise _AgainError  # of which the job made nothing
            self._end(session, "COMMIT")
        except BaseException as error:
            cause = session.error or error
            session.is_open = False
            self._give_up(session)
            if isinstance(cause, psycopg.Error):
                raise self._meant(cause, alone=alone) from error
            if session.wants_alone or session.wants_spread:
                raise _AgainError from error
            raise
        session.is_open = False
        self._learn(session)
        return result

    def _meant(self, error: psycopg.Error, *, alone: bool) -> Exception:
        if self._prepared_elsewhere(error):
            return _AgainError()
        match trouble(error):
            case "conflict" if not (alone and error.sqlstate == "23505"):
                return _AgainError()
            case "away":
                return StoreError(told_by(error))
            case "conflict" | "refused":
                return error

    def _prepared_elsewhere(self, error: psycopg.Error) -> bool:
        """Whether a pooler is between us and the database: nothing is prepared from now on."""
        if error.sqlstate not in NOT_PREPARED or not self._prepares:
            return False
        self._prepares = False
        self._forget_connection(self._session)
        return True

    def _forget_connection(self, session: _Session) -> None:
        with suppress(psycopg.Error):
            if session.connection:
                session.connection.close()
        session.connection = None

    def _end(self, session: _Session, how: str) -> None:
        connection = session.connection
        if connection is None or connection.closed:
            if session.error is None and session.mode != "none":
                raise StoreError("the connection to the database was lost")
            return
        if connection.info.transaction_status != _IDLE:
            try:
                connection.execute(how.encode())
            except psycopg.Error as error:
                session.error = session.error or error
                raise

    def _give_up(self, session: _Session) -> None:
        try:
            self._end(session, "ROLLBACK")
        except (psycopg.Error, StoreError):
            self._forget_connection(session)

    def _learn(self, session: _Session) -> None:
        for seen, known in (
            (session.remembered.rows, self._rows),
            (session.remembered.keys, self._keys),
        ):
            if isinstance(seen, ChainMap):
                known.update(seen.maps[0])
        if not session.has_passed_over:  # else the bell rang for what this turn did not see
            self._bells.update(dict(session.held.values()))

    def _flush_counts(self, session: _Session) -> None:
        """In one order, in rows of this thread's own: nobody waits for them."""
        counts = sorted((key, by) for key, by in session.counts.items() if by)
        session.counts = {}
        if not counts:
            return
        self.run(
            "INSERT INTO counter (platform, receiver, name, value, writer)"
            " SELECT platform, receiver, name, value, $5 FROM"
            " unnest($1::text[], $2::text[], $3::text[], $4::bigint[])"
            " AS told (platform, receiver, name, value)"
            " ON CONFLICT (platform, receiver, name, writer)"
            " DO UPDATE SET value = counter.value + excluded.value",
            (
                [platform for (platform, _, _), _ in counts],
                [receiver for (_, receiver, _), _ in counts],
                [name for (_, _, name), _ in counts],
                [by for _, by in counts],
                str((self._first_writer + self._sessions.index(session)) % _WRITERS),
            ),
        )

    def count(self, platform: Platform, receiver: str, name: str, by: int) -> None:
        """Adds to a counter that lasts, at the end of the transaction."""
        session = self._session
        key = (platform, receiver, name)
        session.counts[key] = session.counts.get(key, 0) + by
        if not session.is_open:
            self._flush_counts(session)

    def number_payloads(self, count: int) -> int:
        """The first of so many numbers for payloads (see `Database`)."""
        (last,) = self.run(
            "UPDATE progress SET value = value + $1 WHERE name = 'accepted' RETURNING value",
            (count,),
        ).fetchone()
        self._session.remembered.payload = None
        return int(last) - count + 1

    def take_seqs(self, wanted: Mapping[int, int]) -> dict[int, int]:
        """The last of so many sequence numbers of each lane, which has work then."""
        self.run("SELECT value FROM progress WHERE name = 'accepted' FOR UPDATE")
        rows = self.run(
            "INSERT INTO lane_work (lane, last_seq) SELECT * FROM"
            " unnest($1::bigint[], $2::bigint[]) ON CONFLICT (lane) DO UPDATE SET"
            " last_seq = lane_work.last_seq + excluded.last_seq, ready_at = 0,"
            " bell = lane_work.bell + 1 RETURNING lane, last_seq",
            (list(wanted), list(wanted.values())),
        )
        return dict(rows.fetchall())

    def raise_seq(self, lane: int, least: int) -> None:
        """What follows on the lane has higher numbers than `least`."""
        self.run(
            "INSERT INTO lane_work (lane, last_seq) VALUES ($1, $2) ON CONFLICT (lane)"
            " DO UPDATE SET last_seq = greatest(lane_work.last_seq, excluded.last_seq)",
            (lane, least),
        )

    def lock_budgets(self, keys: Sequence[str]) -> Mapping[str, bytes]:
        """Nobody else changes these budgets until the end of the transaction (see `Database`)."""
        session = self._session
        wanted = sorted(set(keys) - session.locked)
        if not wanted or not session.is_open:
            return {}
        found = self._locked(wanted)
        if len(found) < len(wanted):
            self.run(
                "INSERT INTO budget (key, body) SELECT key, $2 FROM unnest($1::text[]) AS told"
                " (key) ORDER BY key ON CONFLICT DO NOTHING",
                ([key for key in wanted if key not in found], b""),
            )
            found = self._locked(wanted)
        session.locked.update(wanted)
        return found

    def _locked(self, keys: list[str]) -> dict[str, bytes]:
        rows = self.run(
            "SELECT key, body FROM budget WHERE key = ANY($1::text[]) ORDER BY key FOR UPDATE",
            (keys,),
        )
        return dict(rows.fetchall())

    def read_clock(self) -> float:
        """The database's clock, Unix seconds."""
        (now,) = self.run(f"SELECT {NOW}").fetchone()
        return float(now)

    def bell(self, lane: int) -> int:
        """How often something had come for the lane when its last turn began; -1: it had none."""
        return self._bells.get(lane, -1)

    def has_room(self) -> bool:
        """The database says it by itself when it has none."""
        return True

    def may_send(self) -> bool:
        """The same."""
        return True

    @property
    def step(self) -> int:
        """Pages that may change in one transaction: what a purge does at once stays short."""
        return 1600

    def used(self) -> int:
        """The size is for the database's owner to watch: what is deleted gives nothing back."""
        return 0

    def free(self) -> int:
        """See `used`."""
        return 0

    def shrink(self) -> None:
        """Autovacuum does it."""

    def close(self) -> None:
        """Closes the connections of all threads."""
        for session in self._sessions:
            if session.connection:
                session.connection.close()


def _reset(session: _Session, fresh: Remembered, *, durable: bool, has_spread: bool) -> None:
    session.is_open, session.durable, session.mode = True, durable, "none"
    session.wants_alone = session.wants_spread = False
    session.has_spread, session.has_passed_over, session.error = has_spread, False, None
    session.held, session.counts, session.unspread = {}, {}, AcceptedNotifications()
    session.locked = set()
    session.remembered = fresh


def told_by(error: psycopg.Error) -> str:
    """The first line of what the database says."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


def _text(lane: LaneKey) -> str:
    return msgspec.json.encode(lane).decode()
