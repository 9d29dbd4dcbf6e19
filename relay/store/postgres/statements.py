"""The statements of the store on PostgreSQL: each thread's on its own connection, those of a
transaction together.
"""

import threading
from abc import ABC, abstractmethod
from collections import ChainMap
from collections.abc import Callable, Iterable, Mapping, Sequence

import psycopg

from relay.core.routing.lane import LaneKey, Platform
from relay.store.postgres.connection import NOT_PREPARED, DatabaseAddress
from relay.store.postgres.dialect import translated
from relay.store.postgres.formats import FORMATS, Formats, newer_format
from relay.store.postgres.pipelined import Cells, PipelinedConnection
from relay.store.postgres.prefetch import PrefetchHistory
from relay.store.postgres.session import CLOCK, LOCK, Session
from relay.store.protocol import StoreError
from relay.store.sql.database import AcceptedNotifications, Remembered, Rows, Value

_WRITERS = 16  # rows of a counter: those that count at once seldom meet
_WRITES = ("INSERT", "UPDATE", "DELETE")
_NUMBER = "UPDATE progress SET value = value + $1 WHERE name = 'accepted' RETURNING value"
_SEQUENCES = (
    "INSERT INTO lane_work (lane, last_seq) SELECT * FROM"
    " unnest($1::bigint[], $2::bigint[]) ON CONFLICT (lane) DO UPDATE SET"
    " last_seq = lane_work.last_seq + excluded.last_seq, ready_at = 0,"
    " bell = lane_work.bell + 1 RETURNING lane, last_seq"
)


class PostgresStatements(ABC):
    """See `sql.database.Database`. `replica` is this process among those that share the
    database.
    """

    def __init__(self, address: DatabaseAddress, replica: str, formats: Formats = FORMATS) -> None:
        self._formats = formats
        self._format = 1  # what was read last; it never falls
        self._address = address
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
        """The number of waits for the database."""
        return sum(session.all_trips for session in self._sessions)

    @property
    def _session(self) -> Session:
        session: Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = Session(self._address, self._history)
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

    @abstractmethod
    def alone(self) -> None:
        """No turn is under way until the end of this transaction."""

    def _prepared_elsewhere(self, error: psycopg.Error) -> bool:
        """Whether a pooler is between us and the database: nothing is prepared from now on."""
        session = self._session
        if error.sqlstate not in NOT_PREPARED or not session.prepares:
            return False
        self._prepares = False
        session.forget()
        return True

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

    def encoded(self, value: object) -> bytes:
        """The value as JSON (see `formats`)."""
        return self._formats.encoded(value, self._format)

    def stored(self, body: bytes, decode: Callable[[bytes], object]) -> bytes:
        """The JSON of a value, which `body` has in our newest format."""
        return body if self._format == self._formats.newest else self.encoded(decode(body))

    def read_format(self, number: int) -> None:
        """Values are written in this format from now on. Raises StoreError if we do not read it."""
        if number > self._formats.newest:
            raise StoreError(newer_format(number, self._formats.newest))
        self._format = max(self._format, number)

    def bell(self, lane: int) -> int:
        """How often something had come for the lane when its last turn began; -1: it had none."""
        return self._bells.get(lane, -1)

    def has_room(self) -> bool:
        """The database says it by itself when it has none."""
        return True

    def may_send(self) -> bool:
        """As `has_room`."""
        return True

    @property
    def step(self) -> int:
        """Pages that may change in one transaction: what a purge does at once stays short."""
        return 1600

    def used(self) -> int:
        """The size is for the database's owner to watch: what is deleted gives nothing back."""
        return 0

    def free(self) -> int:
        """As `used`."""
        return 0

    def close(self) -> None:
        """Closes the connections of all threads."""
        for session in self._sessions:
            session.forget()
