"""The part of an engine that the statements need. They run inside a transaction that it opened."""

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any, Protocol

from relay.core.alert import Notification
from relay.core.budget import Budget
from relay.core.routing.lane import LaneKey, Platform

_MOST_UNSPREAD = 2000  # alerts
Value = str | bytes | int | float | None


class Rows(Protocol):
    """The rows of a statement. The SQL alone decides the types of their columns."""

    def fetchone(self) -> Any:
        """The next row, or None."""

    def fetchall(self) -> list[Any]:
        """The rows that are left."""

    def __iter__(self) -> Iterator[Any]: ...


class Remembered:
    """Values of the tables that this run keeps in memory; emptied when a transaction fails. `rows`
    and `keys` are the lanes by key and number, `payload` is the number of the last accepted
    payload, `spread` that of the last one that was spread. `budgets` are rows by key. `undigested`
    are lanes without a digest and without a card in one, `alone` tells of lanes whether their chats
    have no other lane. `wishes`: there may be some.

    If other processes write to the database too, a transaction remembers only what it has read
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
    """Notifications that were accepted and not spread, by the number of their payload. Only a few
    are kept in memory; the others are read from the table.
    """

    def __init__(self) -> None:
        self._kept: dict[int, Notification] = {}
        self._alerts = 0

    def keep(self, number: int, notification: Notification | None) -> None:
        """Keeps the notification, in place of one from a failed transaction."""
        self.take(number)
        if notification is None or notification.parts > 1:
            return
        if self._alerts + len(notification.alerts) <= _MOST_UNSPREAD:
            self._kept[number] = notification
            self._alerts += len(notification.alerts)

    def take(self, number: int) -> Notification | None:
        """The notification of the payload if it is kept, which ends that."""
        found = self._kept.pop(number, None)
        if found is not None:
            self._alerts -= len(found.alerts)
        return found


class Database(Protocol):
    """An engine, inside a transaction.

    `unspread` are notifications that were accepted and not spread, and `woken` are the lanes that
    got work from spreading. `lanes_may_fail` is False while no lane's calls fail, so that failing
    lanes need not be looked for.
    """

    remembered: Remembered
    unspread: AcceptedNotifications
    woken: dict[LaneKey, None]
    lanes_may_fail: bool

    def execute(self, sql: str, parameters: Sequence[Value] = ()) -> Rows:
        """Runs one statement. The engine's own errors pass through."""

    def executemany(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        """Runs one statement once for each row."""

    def execute_each(self, sql: str, rows: Sequence[Sequence[Value]]) -> Sequence[Rows]:
        """Runs a statement that reads once for each row, with one wait for all."""

    def prefetch(self, sql: str, rows: Sequence[Sequence[Value]]) -> None:
        """The statement is going to read these: an engine that waits for answers may ask for them
        now.
        """

    def encoded(self, value: object) -> bytes:
        """The value as JSON, in a format that every process that uses the storage reads."""

    def stored(self, body: bytes, decode: Callable[[bytes], object]) -> bytes:
        """The JSON of a value in that format; `body` is in that of this version."""

    def number_payloads(self, count: int) -> int:
        """The first of so many numbers for payloads. They go on from the highest that ever was,
        since they tell what was spread, and follow the order of the commits.
        """

    def take_seqs(self, wanted: Mapping[int, int]) -> dict[int, int]:
        """For each lane the last of so many consecutive sequence numbers."""

    def raise_seq(self, lane: int, least: int) -> None:
        """Raises the next sequence number of the lane above `least`."""

    def count(self, platform: Platform, receiver: str, name: str, by: int) -> None:
        """Adds to a stored counter."""

    def lock_budgets(self, keys: Sequence[str]) -> Mapping[str, bytes]:
        """Locks these budgets until the end of the transaction. Returns the rows of those that were
        not locked before (empty: new), if others may have changed them.
        """

    def may_spread(self) -> bool:
        """Whether this transaction may spread payloads; False if another one just did, and what
        came since is left to a later one.
        """

    def has_room(self) -> bool:
        """Whether new payloads may be accepted."""

    def may_send(self) -> bool:
        """Whether there is room to record the result of another call."""

    @property
    def step(self) -> int:
        """Pages that one transaction may change when room is short."""

    def used(self) -> int:
        """Bytes in use."""

    def free(self) -> int:
        """Bytes that can be given back."""

    def shrink(self) -> None:
        """Gives some of the free bytes back."""
