"""Reads the readable part of a damaged storage: damaged pages are skipped."""

import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Struct

from relay.store.sqlite.connection import connect
from relay.store.sqlite.open_file import open_checked

T = TypeVar("T", bound=Struct)
_PAGE = 4096
_SIZE_AT = slice(
    28, 32
)  # of the file, in pages: https://sqlite.org/fileformat2.html#the_database_header
_MANY = 1 << 20  # rows to expect if the number of the last one cannot be read
# Rows tried one by one in a broken region; after them the steps grow.
_PATIENCE = 10_000


class WreckedLane(Struct, frozen=True):
    """A lane: its number in the file, its key (JSON), the last sequence number that it gave."""

    id: int
    key: str
    last_seq: int


class WreckedCard(Struct, frozen=True):
    """The position of a card in the file; its group is JSON."""

    id: int
    lane: int
    group: str
    fingerprint: str
    due: float | None
    urgent: int


class WreckedDelivery(Struct, frozen=True):
    """A pending delivery. `payload` is the number of its payload, `alerts` is JSON."""

    payload: int
    receiver: str
    group: str
    fingerprint: str
    alerts: bytes | None
    accepted_at: float


class Wreck:
    """A damaged storage, read from a copy."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._unread = 0

    def unread(self) -> int:
        """How many deliveries could not be read since this was last asked."""
        count, self._unread = self._unread, 0
        return count

    def lanes(self) -> list[WreckedLane]:
        """The lanes whose keys can be read."""
        last_seq = f"CASE typeof(last_seq) WHEN 'integer' THEN last_seq ELSE {_MANY} END"
        rows = self._rows("lane", f"id, key, {last_seq}", "id > ?", self._last("lane"))
        return [WreckedLane(*row) for row in rows if row is not None]

    def cards(self) -> Iterator[WreckedCard]:
        """The cards of all lanes, without their bodies."""
        columns = "id, lane, grp, fingerprint, due, urgent"
        for row in self._rows("card", columns, "id > ?", self._last("card")):
            card = _sound(WreckedCard, row)
            if card is not None:
                yield card

    def pending(self, lane: WreckedLane) -> Iterator[WreckedDelivery]:
        """The pending deliveries of the lane, in order of acceptance."""
        columns = "seq, payload, receiver, grp, fingerprint, alerts, accepted_at, settlement"
        for row in self._rows("delivery", columns, f"lane = {lane.id} AND seq > ?", lane.last_seq):
            if row is not None and row[-1] is not None:
                continue
            delivery = _sound(WreckedDelivery, row and row[1:-1])
            if delivery is not None:
                yield delivery
            else:
                self._unread += 1

    def people(self, table: Literal["invite", "subscription"]) -> Iterator[bytes | None]:
        """The JSON of each invitation or subscription; None for each broken one."""
        for row in self._rows(table, "rowid, body", "rowid > ?", self._last(table)):
            yield None if row is None else row[1]

    def chats(self) -> list[bytes | None]:
        """The JSON of each chat of the registry; None for broken ones in between."""
        return [
            None if row is None else row[-1] for row in self._both_ways("chat", ("bot", "chat"))
        ]

    def bots(self) -> list[tuple[bytes, bytes] | None]:
        """The key of each bot and how far it was polled, as JSON; None for broken ones in
        between.
        """
        return [
            None if row is None else (str(row[0]).encode(), row[1])
            for row in self._both_ways("bot", ("key",))
        ]

    def body(self, table: Literal["card", "payload"], number: int) -> bytes:
        """The JSON of a card or payload; nothing if it cannot be read."""
        try:
            found = self._db.execute(f"SELECT body FROM {table} WHERE id = ?", (number,)).fetchone()  # noqa: S608
        except sqlite3.Error:
            return b""
        return found[0] if found else b""

    def _both_ways(self, table: str, key: tuple[str, ...]) -> list[tuple[Any, ...] | None]:
        """The rows of a table whose key is not a number, with their bodies last: from the first one
        up to a broken one, and back from the last one.
        """
        columns, found = ", ".join(key), dict[tuple[Any, ...], tuple[Any, ...] | None]()
        for way in ("ASC", "DESC"):
            order = ", ".join(f"{column} {way}" for column in key)
            try:
                sql = f"SELECT {columns}, body FROM {table} ORDER BY {order}"  # noqa: S608
                for row in self._db.execute(sql):
                    found[row[:-1]] = row
            except sqlite3.Error:
                found[()] = None
            else:
                break
        return list(found.values())

    def _last(self, table: str) -> int:
        try:
            (last,) = self._db.execute(f"SELECT coalesce(max(rowid), 0) FROM {table}").fetchone()  # noqa: S608
        except sqlite3.Error:
            return _MANY
        return int(last)

    def _rows(
        self, table: str, columns: str, after: str, last: int
    ) -> Iterator[tuple[Any, ...] | None]:
        """The rows of a table in the order of their first column, from 1 to `last`; None for each
        broken one.
        """
        order = columns.partition(",")[0]
        at, failures = 0, 0
        while at < last:
            try:
                sql = f"SELECT {columns} FROM {table} WHERE {after} ORDER BY {order}"  # noqa: S608
                for row in self._db.execute(sql, (at,)):
                    at = row[0]
                    yield row
            except sqlite3.Error:
                failures += 1
                at += max(1, failures - _PATIENCE)
                yield None
            else:
                return


class NothingToSalvage(Exception):  # noqa: N818 - a state of the file, told to a person
    """The file is not a storage, or nothing of it can be read."""


@contextlib.contextmanager
def opened(file: Path) -> Iterator[Wreck]:
    """The damaged storage at `file`, which stays unchanged. Raises NothingToSalvage."""
    try:
        with tempfile.TemporaryDirectory(dir=file.parent, prefix="salvage-") as folder:
            copy = _copied(file, Path(folder))
            with contextlib.closing(
                sqlite3.connect(copy, isolation_level=None, check_same_thread=False)
            ) as db:
                db.text_factory = _replaced
                db.execute(
                    "PRAGMA writable_schema=ON"
                )  # a fault of one table does not lock the others
                db.execute("SELECT count(*) FROM sqlite_schema")
                yield Wreck(db)
    except (OSError, sqlite3.Error) as error:
        raise NothingToSalvage(f"{file}: {error}") from error


def _sound(kind: type[T], row: tuple[Any, ...] | None) -> T | None:
    """The row, if it can be read and each of its columns has a valid value."""
    try:
        return msgspec.convert(dict(zip(kind.__struct_fields__, row or (), strict=False)), kind)
    except msgspec.ValidationError:
        return None


def _replaced(text: bytes) -> str:
    return text.decode(errors="replace")


def _copied(file: Path, folder: Path) -> Path:
    copy = folder / "wreck.db"
    shutil.copy(file, copy)
    log = file.with_name(file.name + "-wal")
    if log.exists():
        shutil.copy(log, copy.with_name(copy.name + "-wal"))
    if not _has_tables(copy):
        _mend_schema(copy)
    return copy


def _has_tables(path: Path) -> bool:
    try:
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.execute("SELECT 1 FROM lane, delivery, payload, card WHERE 0")
    except (sqlite3.Error, UnicodeDecodeError):  # SQLite quotes text that it cannot decode
        return False
    return True


def _mend_schema(path: Path) -> None:
    """Restores the head of the file and the list of tables, which are in the same place in every
    new storage.
    """
    fresh = path.with_name("fresh.db")
    with contextlib.closing(open_checked(connect, str(fresh), "OFF", 1000)) as db:
        roots = {root for (root,) in db.execute("SELECT rootpage FROM sqlite_schema")}
    pages = bytearray(fresh.read_bytes())
    pages[_SIZE_AT] = (path.stat().st_size // _PAGE).to_bytes(4, "big")
    with path.open("r+b") as file:
        for number in set(range(1, len(pages) // _PAGE + 1)) - roots:
            at = (number - 1) * _PAGE
            file.seek(at)
            file.write(pages[at : at + _PAGE])
