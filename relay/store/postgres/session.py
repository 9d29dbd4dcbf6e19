"""What a thread works with: its connection to PostgreSQL, and the transaction under way."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Literal

import psycopg

from relay.core.routing.lane import LaneKey, Platform
from relay.store.postgres.connection import (
    LIMITS,
    LIMITS_UNSYNCED,
    NO_LIMIT,
    DatabaseAddress,
    connect,
)
from relay.store.postgres.kind import Kind
from relay.store.postgres.pipelined import Cells, PipelinedConnection, Reply
from relay.store.postgres.prefetch import Prefetch, PrefetchHistory, touched
from relay.store.protocol import Lease, StoreError
from relay.store.sql.database import AcceptedNotifications, Remembered, Rows

NOW = "extract(epoch FROM clock_timestamp())::float8"
CLOCK = f"SELECT {NOW}"
LOCK = "SELECT key, body FROM budget WHERE key = ANY($1::text[]) ORDER BY key FOR UPDATE"
Mode = Literal["none", "accepting", "shared", "alone"]
_NOBODY = Kind()


class Session:
    """One thread's. What belongs to a transaction is as `begin` left it while none is open.

    `mode` says which part of the storage the transaction has, `wants_alone` and `wants_spread` why
    it is to be run again. `has_spread`: another one brought payloads to lanes just before it;
    `has_passed_over`: what came since then was not.
    """

    def __init__(self, address: DatabaseAddress, history: PrefetchHistory) -> None:
        self._address = address
        self._connection: PipelinedConnection | None = None
        self._history = history
        self._begins = False  # BEGIN is yet to be sent
        self.durable = True
        self.trips = 0  # of connections that are gone
        self.unspread = AcceptedNotifications()
        self.woken: dict[LaneKey, None] = {}
        self.is_open = False
        self.begin(_NOBODY, Remembered(), {}, durable=True, has_spread=False)
        self.is_open = False

    def begin(
        self,
        kind: Kind,
        remembered: Remembered,
        given: Mapping[str, Cells],
        *,
        durable: bool,
        has_spread: bool,
    ) -> None:
        """A transaction begins, with its first statement. `given`: values that its statements may
        have, beside those of its kind.
        """
        self._prefetch = Prefetch(self._history, kind.name, {**given, **kind.given})
        self._begins = self.is_open = True
        self.durable = durable
        self.mode: Mode = "none"
        self.wants_alone = self.wants_spread = False
        self.has_spread, self.has_passed_over = has_spread, False
        self.error: psycopg.Error | None = None
        self.held: dict[Lease, tuple[int, int]] = {}
        self.counts: dict[tuple[Platform, str, str], int] = {}
        self.numbered: dict[int, Rows] = {}
        self.sequences: tuple[Mapping[int, int], Rows] | None = None
        self.locked: set[str] = set()
        self.clock: Reply | None = None
        self.others_fail = True
        self.remembered = remembered
        self.unspread = AcceptedNotifications()

    @property
    def failed(self) -> psycopg.Error | None:
        """Why nothing of the transaction is kept."""
        connection = None if self._begins else self._connection
        return self.error or (connection.error if connection else None)

    @property
    def prepares(self) -> bool:
        """Whether the connection prepares statements."""
        return self._connection is not None and self._connection.prepares

    @property
    def all_trips(self) -> int:
        """The number of waits for the database."""
        return self.trips + (self._connection.trips if self._connection else 0)

    def connected(self, *, prepares: bool) -> PipelinedConnection:
        """The connection, in the transaction where one is open. Raises psycopg.Error."""
        connection = self._connection
        if self.prepares and not prepares and (self._begins or not self.is_open):
            connection = None  # others found that it does not work
        if connection is None or connection.is_lost:
            if self.is_open and not self._begins:
                raise psycopg.OperationalError("the connection to the database was lost")
            connection = self._connect(prepares=prepares)
        if self.is_open and self._begins:
            try:
                connection.settle()
            except psycopg.OperationalError:  # it was lost meanwhile
                connection = self._connect(prepares=prepares)
            connection.send("BEGIN", prepares=False)
            connection.send(LIMITS if self.durable else LIMITS_UNSYNCED)
            self._begins = False
        return connection

    def _connect(self, *, prepares: bool) -> PipelinedConnection:
        self.forget()
        self._connection = PipelinedConnection(connect(self._address.settings()), prepares=prepares)
        return self._connection

    def run(self, connection: PipelinedConnection, sql: str, parameters: Sequence[Cells]) -> Reply:
        """Sends a statement of the transaction, and what is read after it as a rule. A read that
        was guessed is there already.
        """
        prefetch, what = self._prefetch, touched(sql)
        if not what.writes:
            found = prefetch.asked(sql, parameters)
            if found is not None:
                return found
        elif "RETURNING" not in sql:
            prefetch.wrote(sql, parameters)
            return connection.send(sql, parameters)
        else:
            prefetch.wrote(sql, parameters, waited=True)
        reply = connection.send(sql, parameters)
        for guess in prefetch.guesses(sql):
            prefetch.ask(guess, connection.send(*guess))
            if guess[0] == LOCK:
                self.clock = connection.send(CLOCK)
        return reply

    def run_alone(
        self, connection: PipelinedConnection, sql: str, parameters: Sequence[Cells]
    ) -> Reply:
        """Sends a statement that is a transaction of its own, with its limits."""
        connection.send(LIMITS if self.durable else LIMITS_UNSYNCED)
        return connection.send(sql, parameters)

    def ask(self, connection: PipelinedConnection, sql: str, parameters: Sequence[Cells]) -> None:
        """Sends a read before a statement asks for it."""
        guess = (sql, tuple(parameters))
        if not self._prefetch.has_asked(guess):
            self._prefetch.ask(guess, connection.send(*guess))

    def may_be_a_guess(self) -> bool:
        """Whether what the database refused may be a read that was only guessed: without guesses
        the transaction may go well.
        """
        return self._prefetch.refused()

    def forget_reads(self) -> None:
        """Forgets results that may have changed since."""
        self._prefetch.forget()

    def give(self, name: str, value: Cells) -> None:
        """Adds a value that statements may have."""
        self._prefetch.give(name, value)

    def run_each(
        self, connection: PipelinedConnection, sql: str, rows: Iterable[Sequence[Cells]]
    ) -> None:
        """Sends a statement that gives nothing once for each row."""
        for row in rows:
            self._prefetch.wrote(sql, row)
            connection.send(sql, row)

    def commit(self) -> None:
        """Ends the transaction. One whose loss changes nothing is not waited for. Raises
        psycopg.Error and StoreError.
        """
        connection = self._connection
        if self._begins and self.mode == "none":  # no statement was sent
            self.is_open = False
            return
        if connection is None or connection.is_lost:
            raise StoreError("the connection to the database was lost")
        if connection.error is None:
            if self.durable:  # a commit that no longer waits for its standby says that it is done
                connection.send(NO_LIMIT)
            connection.send("COMMIT", prepares=False)
            connection.end()
            connection.wait()
        if connection.error is not None:
            raise connection.error
        self._prefetch.learn()
        self.is_open = False
        if connection.is_swollen:
            self.forget()

    def give_up(self) -> None:
        """Ends the transaction, of which nothing is kept. It is not waited for."""
        self.is_open = False
        connection = self._connection
        if connection is None or self._begins:
            return
        try:
            connection.end()
            connection.send("ROLLBACK", prepares=False)
            connection.end()
            connection.push()
        except psycopg.Error:
            self.forget()

    def forget(self) -> None:
        """Closes the connection; the next statement makes another one."""
        if self._connection is not None:
            self.trips += self._connection.trips
            with suppress(psycopg.Error):
                self._connection.close()
        self._connection = None
