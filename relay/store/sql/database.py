"""What the statements need of an engine: they run inside a transaction that it opened."""

from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any, Protocol

from relay.core.alert import Notification
from relay.core.budget import Budget
from relay.core.routing.lane import LaneKey, Platform

_MOST_UNSPREAD = 2000  # alerts
Value = str | bytes | int | float | None


class Rows(Protocol):
    """The rows of a statement; their columns are typed by the SQL alone."""

    def fetchone(self) -> Any:
        """The next row, or None."""

    def fetchall(self) -> list[Any]:
        """The rows that are left."""

    def __iter__(self) -> Iterator[Any]: ...


class Remembered:
    """Values of the tables that this run keeps in memory; emptied when a transaction fails. `rows`
    and `keys` are the lanes by their keys and numbers, `payload` is the number of the last accepted
    payload, `spread` that of the last one that was spread. `budgets` are rows by their keys.
    `undigested` are lanes without a digest and without a card in one, `alone` says of lanes whether
    their chats have no other lane. `wishes`: there may be some.

    Where others write to the database, too, a transaction remembers no more than what it has read
    under its locks.
    """

    def __init__(self) -> None:
        self.budgets: dict[str, Budget] = {}
        self.undigested: set[int] = set()
        self.alone: dict[int, bool] = {}
        self.wishes = True
        self.rows: MutableMapping[LaneKey, int] = {}
        self.keys: MutableMapping[int, LaneKey] = {}
        self.payload: int | None = None
        self.spread: int | None = None


class AcceptedNotifications:
    """Notifications that were accepted and not spread, by the number of their payload. Few are kept
    in memory: the others are read from the table.
    """

    def __init__(self) -> None:
        self._kept: dict[int, Notification] = {}
        self._alerts = 0

    def keep(self, number: int, notification: Notification | None) -> None:
        """Keeps it, in place of one of a transaction that failed."""
        self.take(number)
        if notification is None or notification.parts > 1:
            return
        if self._alerts + len(notification.alerts) <= _MOST_UNSPREAD:
            self._kept[number] = notification
            self._alerts += len(notification.alerts)

    def take(self, number: int) -> Notification | None:
        """The notification of the payload, if it is kept; no longer."""
        found = self._kept.pop(number, None)
        if found is not None:
            self._alerts -= len(found.alerts)
        return found


class Database(Protocol):
    """An engine, inside a transaction.

    `unspread` are notifications that were accepted and not spread, and `woken` the lanes that have
    work by what was spread. `lanes_may_fail` is False while no lane's calls fail, so that none need
    be looked for.
    """

    remembered: Remembered
    unspread: AcceptedNotifications
    woken: dict[LaneKey, None]
    lanes_may_fail: bool

    def execute(self, sql: str, parameters: Sequence[Value] = ()) -> Rows:
        """Runs one statement. The engine's own errors come through."""

    def executemany(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        """Runs one statement once for each row."""

    def execute_each(self, sql: str, rows: Sequence[Sequence[Value]]) -> Sequence[Rows]:
        """Runs a statement that reads once for each row, with one wait for all."""

    def prefetch(self, sql: str, rows: Sequence[Sequence[Value]]) -> None:
        """The statement is going to read these: an engine that waits for answers may ask for them
        now.
        """

    def number_payloads(self, count: int) -> int:
        """The first of so many numbers for payloads, which go on from the last that ever was: what
        was spread is known by its number. They are in the order of the commits.
        """

    def take_seqs(self, wanted: Mapping[int, int]) -> dict[int, int]:
        """The last of so many sequence numbers of each lane, which follow on each other."""

    def raise_seq(self, lane: int, least: int) -> None:
        """What follows on the lane has higher numbers than `least`."""

    def count(self, platform: Platform, receiver: str, name: str, by: int) -> None:
        """Adds to a counter that lasts."""

    def lock_budgets(self, keys: Sequence[str]) -> Mapping[str, bytes]:
        """Nobody else changes these budgets until the end of the transaction. The rows of those
        that were not locked before (empty: new), as far as others may have changed them.
        """

    def may_spread(self) -> bool:
        """Whether this transaction may bring payloads to lanes; False: one just before it did, and
        what came since is for a later one.
        """

    def has_room(self) -> bool:
        """Whether something new may be accepted."""

    def may_send(self) -> bool:
        """Whether there is room to record the result of another call."""

    @property
    def step(self) -> int:
        """Pages that may change in one transaction when room is short."""

    def used(self) -> int:
        """Bytes in use."""

    def free(self) -> int:
        """Bytes that could be given back."""

    def shrink(self) -> None:
        """Gives back some of what is free."""
