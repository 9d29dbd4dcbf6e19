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
from contextlib import contextmanager
from typing import TypeVar

import psycopg

from relay.core.card.card import Card
from relay.core.routing.lane import LaneKey, Platform
from relay.store.postgres.connection import NOT_PREPARED, trouble
from relay.store.postgres.dialect import translated
from relay.store.postgres.kind import kind_of, lane_text, told_of
from relay.store.postgres.pipelined import Cells, PipelinedConnection
from relay.store.postgres.prefetch import PrefetchHistory
from relay.store.postgres.session import CLOCK, LOCK, Session
from relay.store.protocol import Fenced, Lease, StoreError
from relay.store.sql.database import AcceptedNotifications, Remembered, Rows, Value

T = TypeVar("T")
_STORAGE = 7_203_461_185  # the advisory lock: any number that no other program uses
_WRITERS = 16  # rows of a counter: those that count at once seldom meet
_TRIES = 6  # of a transaction that others were in the way of
_WRITES = ("INSERT", "UPDATE", "DELETE")
_PROGRESS = (
    "SELECT accepted.value, spread.value FROM progress AS accepted, progress AS spread"
    " WHERE accepted.name = 'accepted' AND spread.name = 'spread'"
)
_HOLD = (
    "SELECT lease.lane, coalesce(bell, 0),"
    " (SELECT value FROM progress WHERE name = 'accepted'),"
    " (SELECT value FROM progress WHERE name = 'spread'),"
    " EXISTS (SELECT 1 FROM lane AS other WHERE attempts > 0 AND other.id != lane.id)"
    " FROM lane JOIN lease ON lease.lane = lane.id"
    " LEFT JOIN lane_work ON lane_work.lane = lane.id"
    " WHERE key = $1 AND owner = $2 AND epoch = $3 FOR UPDATE OF lease"
)
_NUMBER = "UPDATE progress SET value = value + $1 WHERE name = 'accepted' RETURNING value"
_SEQUENCES = (
    "INSERT INTO lane_work (lane, last_seq) SELECT * FROM"
    " unnest($1::bigint[], $2::bigint[]) ON CONFLICT (lane) DO UPDATE SET"
    " last_seq = lane_work.last_seq + excluded.last_seq, ready_at = 0,"
    " bell = lane_work.bell + 1 RETURNING lane, last_seq"
)


class _AgainError(Exception):
    """The transaction is to be run once more: alone, or after payloads were brought to lanes."""


class _NotPreparedError(_AgainError):
    """It is to be run once more on a connection that prepares nothing."""


class PostgresDatabase:
    """See `sql.database.Database`. `replica` is this process among those that share the
    database.
    """

    def __init__(self, told: dict[str, str], replica: str) -> None:
        """`told` is what the address says."""
        self._told = told
        self._prepares = True
        self.replica = replica
        self._history = PrefetchHistory()
        self._local = threading.local()
        self._sessions: list[Session] = []
        self._first_writer = int(replica[:4], 16)
        self._rows: dict[LaneKey, int] = {}
        self._keys: dict[int, LaneKey] = {}
        self._bells: dict[int, int] = {}
        self._accepted: dict[LaneKey | None, Mapping[str, Cells]] = {}  # the last of each lane here
        self._last_accepted: LaneKey | None = None
        self._spread = 0  # up to which payload others had heard of it, when it was last read

    @property
    def trips(self) -> int:
        """How often the database was waited for."""
        return sum(session.all_trips for session in self._sessions)

    @property
    def _session(self) -> Session:
        session: Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = Session(self._told, self._history)
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
        """Whether calls of another lane than the one that is held fail."""
        return self._session.others_fail

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
        session = self._session
        connection = self._connected()
        if session.is_open:
            session.run_each(connection, translated(sql), given)
            return
        for row in given:
            connection.send(translated(sql), row)
        connection.finish()

    def execute_each(self, sql: str, rows: Sequence[Sequence[Value]]) -> Sequence[Rows]:
        """Runs a statement that reads once for each row, with one wait for all."""
        return [self.execute(sql, row) for row in rows]

    def prefetch(self, sql: str, rows: Sequence[Sequence[Value]]) -> None:
        """The statement is going to read these: they are asked for with what is sent next."""
        session = self._session
        if session.is_open:
            connection = self._connected()
            for row in rows:
                session.ask(connection, translated(sql), row)

    def _before(self, sql: str) -> None:
        session = self._session
        if session.is_open and session.mode == "none" and sql.startswith(_WRITES):
            self.alone()

    def run(self, sql: str, parameters: Sequence[Cells] = ()) -> Rows:
        """Runs a statement in PostgreSQL's own SQL."""
        session = self._session
        connection = self._connected()
        if session.is_open:
            return session.run(connection, sql, parameters)
        reply = session.run_alone(connection, sql, parameters)
        try:
            connection.finish()
        except psycopg.Error as error:
            if not self._prepared_elsewhere(error):
                raise
            return self.run(sql, parameters)
        return reply

    def _connected(self) -> PipelinedConnection:
        """The connection, in the transaction that begins with its first statement."""
        session = self._session
        if not session.is_open:
            session.remembered = self._fresh()
        try:
            return session.connected(prepares=self._prepares)
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
        self._connected().send(f"SELECT pg_advisory_xact_lock({_STORAGE})")
        session.forget_reads()
        self._read_progress(self.run(_PROGRESS).fetchone())

    def _read_progress(self, told: tuple[int, int]) -> None:
        session = self._session
        remembered = session.remembered
        remembered.payload, remembered.spread = told
        self._spread = max(self._spread, remembered.spread)

    def is_all_spread(self) -> bool:
        """Whether no accepted payload is to be brought to lanes."""
        accepted, spread = self.run(_PROGRESS).fetchone()
        return bool(accepted == spread)

    def hold(self, lease: Lease) -> int:
        """The number of the lane, which nobody else works on until the end of this transaction.
        Raises Fenced.
        """
        session = self._session
        if lease in session.held:
            return session.held[lease][0]
        if session.is_open and session.mode == "none":
            session.mode = "shared"
            self._connected().send(f"SELECT pg_advisory_xact_lock_shared({_STORAGE})")
        found = self.run(_HOLD, (lane_text(lease.lane), self.replica, lease.epoch)).fetchone()
        if found is None:
            raise Fenced
        lane, bell, accepted, spread, session.others_fail = found
        if session.is_open:
            session.held[lease] = (lane, bell)
            if session.has_spread and accepted > spread:
                session.has_passed_over = True
                accepted = spread
            self._read_progress((accepted, spread))
        return int(lane)

    def _hold_first(self, lease: Lease) -> None:
        """What was accepted is brought to lanes before the lane has a turn."""
        session = self._session
        self.hold(lease)
        remembered = session.remembered
        if remembered.payload != remembered.spread:
            session.wants_spread = True
            raise _AgainError

    def expect(self, card: Card) -> None:
        """Statements may ask for what this card's are."""
        for name, value in told_of(card).items():
            self._session.give(name, value)

    def has_accepted(self, lane: LaneKey, told: Mapping[str, Cells]) -> None:
        """Something with these values came for the lane."""
        self._accepted[lane] = told
        self._last_accepted = lane

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
        alone = job is spread
        has_spread = False
        for _ in range(_TRIES):
            try:
                return self._once(job, durable=durable, alone=alone, has_spread=has_spread)
            except _NotPreparedError:
                pass
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
        kind = kind_of(job, self._rows)
        if kind.single:
            return self._single(job, durable=durable)
        lane = kind.lease.lane if kind.lease else self._last_accepted
        given = {"spread": self._spread, **self._accepted.get(lane, {})}
        session.begin(kind, self._fresh(), given, durable=durable, has_spread=has_spread)
        woken = dict(session.woken)
        try:
            if alone:
                self.alone()
            elif kind.lease is not None:
                self._hold_first(kind.lease)
            result = job()
            self._flush_counts(session)
            if session.failed or session.wants_alone or session.wants_spread:
                raise _AgainError  # of which the job made nothing
            session.commit()
        except BaseException as error:
            cause = session.failed or error
            session.woken |= woken  # whoever was told of them forgot it
            session.give_up()
            if isinstance(cause, psycopg.Error):
                raise self._meant(cause, alone=alone) from error
            if session.wants_alone or session.wants_spread:
                raise _AgainError from error
            raise
        self._learn(session)
        return result

    def _single(self, job: Callable[[], T], *, durable: bool) -> T:
        """Each statement of the job is a transaction of its own."""
        session = self._session
        session.durable = durable
        try:
            return job()
        except psycopg.Error as error:
            raise self._meant(error, alone=False) from error
        finally:
            session.durable = True

    def _meant(self, error: psycopg.Error, *, alone: bool) -> Exception:
        if self._prepared_elsewhere(error):
            return _NotPreparedError()
        match trouble(error):
            case "conflict" if not (alone and error.sqlstate == "23505"):
                return _AgainError()
            case "away":
                return StoreError(told_by(error))
            case "conflict" | "refused":
                return error

    def _prepared_elsewhere(self, error: psycopg.Error) -> bool:
        """Whether a pooler is between us and the database: nothing is prepared from now on."""
        session = self._session
        if error.sqlstate not in NOT_PREPARED or not session.prepares:
            return False
        self._prepares = False
        session.forget()
        return True

    def _learn(self, session: Session) -> None:
        for seen, known in (
            (session.remembered.rows, self._rows),
            (session.remembered.keys, self._keys),
        ):
            if isinstance(seen, ChainMap):
                known.update(seen.maps[0])
        self._spread = max(self._spread, session.remembered.spread or 0)
        if not session.has_passed_over:  # else the bell rang for what this turn did not see
            self._bells.update(dict(session.held.values()))

    def _flush_counts(self, session: Session) -> None:
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
                tuple(platform for (platform, _, _), _ in counts),
                tuple(receiver for (_, receiver, _), _ in counts),
                tuple(name for (_, _, name), _ in counts),
                tuple(by for _, by in counts),
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

    def number(self, count: int, wanted: Mapping[int, int]) -> None:
        """Begins what `number_payloads` and `take_seqs` of these will go on with."""
        session = self._session
        if session.is_open:
            session.numbered = {count: self.run(_NUMBER, (count,))}
            session.sequences = (wanted, self._take(wanted))

    def number_payloads(self, count: int) -> int:
        """The first of so many numbers for payloads (see `Database`)."""
        session = self._session
        reply = session.numbered.pop(count, None) or self.run(_NUMBER, (count,))
        (last,) = reply.fetchone()
        session.remembered.payload = None
        return int(last) - count + 1

    def take_seqs(self, wanted: Mapping[int, int]) -> dict[int, int]:
        """The last of so many sequence numbers of each lane, which has work then."""
        if not wanted:
            return {}
        session = self._session
        sequences, session.sequences = session.sequences, None
        if sequences is not None and sequences[0] == wanted:
            return dict(sequences[1].fetchall())
        self.run("SELECT value FROM progress WHERE name = 'accepted' FOR UPDATE")
        return dict(self._take(wanted).fetchall())

    def _take(self, wanted: Mapping[int, int]) -> Rows:
        return self.run(_SEQUENCES, (tuple(wanted), tuple(wanted.values())))

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
                (tuple(key for key in wanted if key not in found), b""),
            )
            session.clock = None
            found = self._locked(wanted)
        session.locked.update(wanted)
        return found

    def _locked(self, keys: list[str]) -> dict[str, bytes]:
        session = self._session
        rows = self.run(LOCK, (tuple(keys),))
        if session.clock is None:
            session.clock = self._connected().send(CLOCK)
        return dict(rows.fetchall())

    def clock_of_budgets(self) -> float:
        """The database's clock after the budgets were locked, Unix seconds."""
        clock = self._session.clock
        return float(clock.fetchone()[0]) if clock else self.read_clock()

    def read_clock(self) -> float:
        """The database's clock, Unix seconds."""
        (now,) = self.run(CLOCK).fetchone()
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
            session.forget()


def told_by(error: psycopg.Error) -> str:
    """The first line of what the database says."""
    return str(error).strip().partition("\n")[0] or type(error).__name__
