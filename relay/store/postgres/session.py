"""What a thread works with: its connection to PostgreSQL, and the transaction under way."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Literal

import psycopg

from relay.core.routing.lane import LaneKey, Platform
from relay.store.postgres.ahead import Ahead, Habits, touched
from relay.store.postgres.connection import LIMITS, LIMITS_UNSYNCED, connect
from relay.store.postgres.kind import Kind
from relay.store.postgres.wire import Cells, Reply, Wire
from relay.store.protocol import Lease, StoreError
from relay.store.sql.database import AcceptedNotifications, Remembered

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

    def __init__(self, told: dict[str, str]) -> None:
        self._told = told
        self._wire: Wire | None = None
        self._habits = Habits()
        self._ahead = Ahead(self._habits, "", {})
        self._begins = False  # BEGIN is yet to be sent
        self._durable = True
        self.trips = 0  # of connections that are gone
        self.unspread = AcceptedNotifications()
        self.woken: dict[LaneKey, None] = {}
        self.is_open = False
        self.begin(_NOBODY, Remembered(), durable=True, has_spread=False)
        self.is_open = False

    def begin(self, kind: Kind, remembered: Remembered, *, durable: bool, has_spread: bool) -> None:
        """A transaction begins, with its first statement."""
        self._ahead = Ahead(self._habits, kind.name, kind.given)
        self._begins = self.is_open = True
        self._durable = durable
        self.mode: Mode = "none"
        self.wants_alone = self.wants_spread = False
        self.has_spread, self.has_passed_over = has_spread, False
        self.error: psycopg.Error | None = None
        self.held: dict[Lease, tuple[int, int]] = {}
        self.counts: dict[tuple[Platform, str, str], int] = {}
        self.numbered: dict[int, Reply] = {}
        self.sequences: tuple[Mapping[int, int], Reply] | None = None
        self.locked: set[str] = set()
        self.clock: Reply | None = None
        self.remembered = remembered
        self.unspread = AcceptedNotifications()

    @property
    def failed(self) -> psycopg.Error | None:
        """Why nothing of the transaction is kept."""
        wire = None if self._begins else self._wire
        return self.error or (wire.error if wire else None)

    @property
    def all_trips(self) -> int:
        """How often the database was waited for."""
        return self.trips + (self._wire.trips if self._wire else 0)

    def connected(self, *, prepares: bool) -> Wire:
        """The connection, in the transaction where one is open. Raises psycopg.Error."""
        wire = self._wire
        if wire is None or wire.is_lost:
            if self.is_open and not self._begins:
                raise psycopg.OperationalError("the connection to the database was lost")
            wire = self._connect(prepares=prepares)
        if self.is_open and self._begins:
            try:
                wire.settle()
            except psycopg.OperationalError:  # it was lost meanwhile
                wire = self._connect(prepares=prepares)
            wire.send("BEGIN", prepares=False)
            wire.send(LIMITS if self._durable else LIMITS_UNSYNCED)
            self._begins = False
        return wire

    def _connect(self, *, prepares: bool) -> Wire:
        self.forget()
        self._wire = Wire(connect(self._told), prepares=prepares)
        return self._wire

    def run(self, wire: Wire, sql: str, parameters: Sequence[Cells]) -> Reply:
        """Sends a statement of the transaction, and what is read after it as a rule. A read that
        was guessed is there already.
        """
        ahead, what = self._ahead, touched(sql)
        if not what.writes:
            found = ahead.asked(sql, parameters)
            if found is not None:
                return found
        elif "RETURNING" not in sql:
            ahead.wrote(sql, parameters)
            return wire.send(sql, parameters)
        else:
            ahead.wrote(sql, parameters, waited=True)
        reply = wire.send(sql, parameters)
        for guess in ahead.guesses(sql, parameters):
            ahead.ask(guess, wire.send(*guess))
            if guess[0] == LOCK:
                self.clock = wire.send(CLOCK)
        return reply

    def forget_reads(self) -> None:
        """What was read before may have changed since."""
        self._ahead.forget()

    def give(self, name: str, value: Cells) -> None:
        """Statements may have this value."""
        self._ahead.give(name, value)

    def run_each(self, wire: Wire, sql: str, rows: Iterable[Sequence[Cells]]) -> None:
        """Sends a statement that gives nothing once for each row."""
        for row in rows:
            self._ahead.wrote(sql, row)
            wire.send(sql, row)

    def commit(self) -> None:
        """Ends the transaction. One whose loss changes nothing is not waited for. Raises
        psycopg.Error and StoreError.
        """
        wire = self._wire
        if self._begins and self.mode == "none":  # no statement was sent
            self.is_open = False
            return
        if wire is None or wire.is_lost:
            raise StoreError("the connection to the database was lost")
        if wire.error is None:
            wire.send("COMMIT", prepares=False)
            wire.end()
            wire.wait()
        if wire.error is not None:
            raise wire.error
        self._ahead.learn()
        self.is_open = False

    def give_up(self) -> None:
        """Ends the transaction, of which nothing is kept. It is not waited for."""
        self.is_open = False
        wire = self._wire
        if wire is None or self._begins:
            return
        try:
            wire.end()
            wire.send("ROLLBACK", prepares=False)
            wire.end()
            wire.push()
        except psycopg.Error:
            self.forget()

    def forget(self) -> None:
        """Closes the connection; the next statement makes another one."""
        if self._wire is not None:
            self.trips += self._wire.trips
            with suppress(psycopg.Error):
                self._wire.close()
        self._wire = None
