"""One PostgreSQL database for several processes and threads: each transaction on the connection of
its thread.

Three locks keep apart what would be in each other's way, always taken in this order:

- the storage (an advisory lock): shared by the turns of lanes, each of which changes its own lane;
  alone for what changes several, such as bringing accepted payloads to all lanes;
- the lane's lease, by the turns of its owner;
- the row of `progress` that numbers payloads, by whoever accepts, up to the commit.
"""

from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

import psycopg

from relay.core.card.card import Card
from relay.core.routing.lane import LaneKey
from relay.store.postgres.connection import trouble
from relay.store.postgres.kind import kind_of, lane_text, told_of
from relay.store.postgres.pipelined import Cells
from relay.store.postgres.session import Session
from relay.store.postgres.statements import PostgresStatements
from relay.store.protocol import Fenced, Lease, StoreError

T = TypeVar("T")
STORAGE = 7_203_461_185  # the advisory lock: any number that no other program uses
_TRIES = 6  # of a transaction that others were in the way of
_ACCEPTED, _SPREAD, FORMAT = (
    f"(SELECT value FROM progress WHERE name = '{name}')"  # noqa: S608 - of constants
    for name in ("accepted", "spread", "format")
)
_PROGRESS = f"SELECT {_ACCEPTED}, {_SPREAD}, {FORMAT}"
_HOLD = (
    "SELECT lease.lane, coalesce(bell, 0),"  # noqa: S608 - of constants
    f" {_ACCEPTED}, {_SPREAD}, {FORMAT},"
    " EXISTS (SELECT 1 FROM lane AS other WHERE attempts > 0 AND other.id != lane.id)"
    " FROM lane JOIN lease ON lease.lane = lane.id"
    " LEFT JOIN lane_work ON lane_work.lane = lane.id"
    " WHERE key = $1 AND owner = $2 AND epoch = $3 FOR UPDATE OF lease"
)


class _AgainError(Exception):
    """The transaction is to be run once more: alone, or after payloads were brought to lanes."""


class _OnceMoreError(_AgainError):
    """It is to be run once more as it is: on a connection that prepares nothing, or without guesses
    at what it reads.
    """


class PostgresDatabase(PostgresStatements):
    """See `sql.database.Database`, and above."""

    @property
    def lanes_may_fail(self) -> bool:
        """Whether calls of another lane than the one that is held fail."""
        return self._session.others_fail

    @lanes_may_fail.setter
    def lanes_may_fail(self, _: bool) -> None: ...

    def shrink(self) -> None:
        """Nothing: autovacuum gives back what is free."""

    def alone(self) -> None:
        """No turn is under way until the end of this transaction."""
        session = self._session
        if not session.is_open or session.mode == "alone":
            return
        if session.mode == "shared":  # two that waited for each other's end would never end
            session.wants_alone = True
            raise _AgainError
        session.mode = "alone"
        self._connected().send(f"SELECT pg_advisory_xact_lock({STORAGE})")
        session.forget_reads()
        self._read_progress(self.run(_PROGRESS).fetchone())

    def _read_progress(self, told: tuple[int, int, int]) -> None:
        session = self._session
        remembered = session.remembered
        remembered.payload, remembered.spread, number = told
        self.read_format(number)
        self._spread = max(self._spread, remembered.spread)

    def is_all_spread(self) -> bool:
        """Whether no accepted payload is to be brought to lanes."""
        accepted, spread, _ = self.run(_PROGRESS).fetchone()
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
            self._connected().send(f"SELECT pg_advisory_xact_lock_shared({STORAGE})")
        found = self.run(_HOLD, (lane_text(lease.lane), self.replica, lease.epoch)).fetchone()
        if found is None:
            raise Fenced
        lane, bell, accepted, spread, number, session.others_fail = found
        if session.is_open:
            session.held[lease] = (lane, bell)
            if session.has_spread and accepted > spread:
                session.has_passed_over = True
                accepted = spread
            self._read_progress((accepted, spread, number))
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
        """Adds the card's values, which statements may have."""
        for name, value in told_of(card).items():
            self._session.give(name, value)

    def has_accepted(self, lane: LaneKey, told: Mapping[str, Cells]) -> None:
        """Notes that a delivery with these values came for the lane."""
        self._accepted[lane] = told
        self._last_accepted = lane

    @contextmanager
    def accepting(self) -> Iterator[None]:
        """While this is held, accepting waits for no turn."""
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
            except _OnceMoreError:
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
                meant = self._meant(cause, alone=alone)
                if isinstance(meant, psycopg.Error) and session.may_be_a_guess():
                    meant = _OnceMoreError()
                raise meant from error
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
            return _OnceMoreError()
        match trouble(error):
            case "conflict" if not (alone and error.sqlstate == "23505"):
                return _AgainError()
            case "away":
                return StoreError(told_by(error))
            case "conflict" | "refused":
                return error

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


def told_by(error: psycopg.Error) -> str:
    """The first line of the database's message."""
    return str(error).strip().partition("\n")[0] or type(error).__name__
