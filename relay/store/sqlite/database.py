"""One SQLite file that stays usable: transactions, and how failing disks and damaged files are
handled.
"""

import os
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import msgspec

from relay.core.event import Event, StorageDamaged
from relay.core.routing.lane import LaneKey, Platform
from relay.store.data_dir import DatabaseFile
from relay.store.protocol import StoreError
from relay.store.sql.database import AcceptedNotifications, Remembered, Rows, Value
from relay.store.sql.unreadable import InvalidRow
from relay.store.sqlite.connection import Connect, Connection, damaged, trouble
from relay.store.sqlite.open_file import move_aside, open_checked
from relay.store.sqlite.reserve import Reserve

_ANY = 1000
_encode = msgspec.json.encode
_COPIED_AT_ONCE = 256  # pages of a backup copied before others may write
_PAUSE = 0.005  # seconds between them


class SqliteDatabase:
    """A file with one connection. After a failing disk it is opened again; a full disk leaves it
    the reserve; a damaged file is moved aside for a new one.
    """

    def __init__(
        self, path: Path | str, synchronous: str, connect: Connect, emit: Callable[[Event], None]
    ) -> None:
        """ ":memory:" keeps it in memory. `emit` is called in the thread that uses the file. Raises
        NewerSchema and StoreError.
        """
        self._path = None if path == ":memory:" else Path(path)
        self._synchronous = synchronous
        self._connect = connect
        self._emit = emit
        self.file_in_use: DatabaseFile | None = None  # None: it is being opened
        self._check_writable()
        try:
            self._reserve = Reserve(self._path) if self._path else None
            self._db = self._open()
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"cannot open the storage: {error}") from error
        if self._reserve:
            self._reserve.take()
        self._usable = True
        self._synced = True
        self.remembered = Remembered()
        self.lanes_may_fail = True  # False: no lane's calls fail, so none is looked for
        self.unspread = AcceptedNotifications()
        self.woken: dict[LaneKey, None] = {}  # lanes that got work from spreading

    def _check_writable(self) -> None:
        for path in (self._path.parent, self._path) if self._path else ():
            if path.exists() and not os.access(path, os.W_OK):
                raise StoreError(f"cannot open the storage: {path} cannot be written")

    def _open(self) -> Connection:
        path = str(self._path or ":memory:")
        self.file_in_use = None
        try:
            connection = open_checked(self._connect, path, self._synchronous, self.step)
        except sqlite3.Error as error:
            if self._path is None or trouble(error) != "damaged":
                raise
            self._move_aside(self._path, error)
            connection = open_checked(self._connect, path, self._synchronous, self.step)
        with suppress(FileNotFoundError):  # it is in memory, or where only the connection knows
            opened = Path(path).stat()
            self.file_in_use = DatabaseFile(opened, min(opened.st_size, _size(connection)))
        return connection

    def _move_aside(self, path: Path, error: sqlite3.Error) -> None:
        moved = move_aside(path, datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ"))
        self._emit(StorageDamaged(str(moved), str(error)))

    def execute(self, sql: str, parameters: Sequence[Value] = ()) -> Rows:
        """Runs one statement. Raises sqlite3.Error."""
        return self._db.execute(sql, parameters)

    def executemany(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        """Runs one statement once for each row."""
        self._db.executemany(sql, rows)

    def execute_each(self, sql: str, rows: Sequence[Sequence[Value]]) -> Sequence[Rows]:
        """Runs a statement that reads once for each row."""
        return [self._db.execute(sql, row) for row in rows]

    def prefetch(self, sql: str, rows: Sequence[Sequence[Value]]) -> None:
        """Nothing is waited for."""

    def encoded(self, value: object) -> bytes:
        """The value as JSON: no process of another version uses the file."""
        return _encode(value)

    def stored(self, body: bytes, decode: Callable[[bytes], object]) -> bytes:  # noqa: ARG002 - see Database
        """The body as it is."""
        return body

    def close(self) -> None:
        """Closes the file."""
        self._db.close()

    def number_payloads(self, count: int) -> int:
        """The first of so many numbers for payloads (`Database.number_payloads`)."""
        last = self.remembered.payload
        if last is None:
            spread, kept = self._db.execute(
                "SELECT value, (SELECT coalesce(max(id), 0) FROM payload) FROM progress"
                " WHERE name = 'spread'"
            ).fetchone()
            last = max(spread, kept)
        self.remembered.payload = last + count
        return int(last + 1)

    def take_seqs(self, wanted: Mapping[int, int]) -> dict[int, int]:
        """For each lane the last of so many consecutive sequence numbers."""
        taking = "UPDATE lane SET last_seq = last_seq + ? WHERE id = ? RETURNING last_seq"
        return {
            lane: int(self._db.execute(taking, (number, lane)).fetchone()[0])
            for lane, number in wanted.items()
        }

    def raise_seq(self, lane: int, least: int) -> None:
        """Raises the next sequence number of the lane above `least`."""
        self._db.execute(
            "UPDATE lane SET last_seq = ? WHERE id = ? AND last_seq < ?", (least, lane, least)
        )

    def count(self, platform: Platform, receiver: str, name: str, by: int) -> None:
        """Adds to a stored counter."""
        self._db.execute(
            "INSERT INTO counter VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET value = value +"
            " excluded.value",
            (platform, receiver, name, by),
        )

    def lock_budgets(self, keys: Sequence[str]) -> Mapping[str, bytes]:  # noqa: ARG002 - see Database
        """Does nothing: no other process writes here."""
        return {}

    def may_spread(self) -> bool:
        """True: no other transaction is open."""
        return True

    def has_room(self) -> bool:
        """Whether new payloads may be accepted: the reserve is whole, or could just be
        taken back.
        """
        return self._reserve is None or self._reserve.held or self._reserve.hold()

    def may_send(self) -> bool:
        """Whether there is room to record the result of another call."""
        return self.has_room() or not (self._reserve and self._reserve.is_low(self.free()))

    @property
    def step(self) -> int:
        """Pages that one transaction may change when room is short."""
        return self._reserve.log_pages if self._reserve else _ANY

    def used(self) -> int:
        """Bytes of the file that are in use."""
        return _size(self._db) - self.free()

    def free(self) -> int:
        """Bytes of the file that are free."""
        return _pragma(self._db, "freelist_count") * _pragma(self._db, "page_size")

    def shrink(self) -> None:
        """Gives some of the free bytes back to the disk."""
        self._db.execute(f"PRAGMA incremental_vacuum({self.step})").fetchall()
        if self._path is not None and self.file_in_use is not None:
            with suppress(OSError):
                kept = max(self._path.stat().st_size, self.file_in_use.least)
                self.file_in_use.least = min(kept, _size(self._db))

    def backup(self, file: Path) -> None:
        """Copies all committed data to a new file that only its owner can read, a few pages at a
        time, beside the thread that uses this. Raises StoreError and OSError.
        """
        if not isinstance(self._db, sqlite3.Connection):
            raise StoreError("this connection cannot be copied")
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            copy = sqlite3.connect(file)
            with closing(copy):
                # Others write between two parts, and their changes are copied anew
                # (https://sqlite.org/c3ref/backup_finish.html).
                self._db.backup(copy, pages=_COPIED_AT_ONCE, sleep=_PAUSE)
            with file.open("rb") as written:
                os.fsync(written.fileno())
        except BaseException as error:
            file.unlink(missing_ok=True)
            if isinstance(error, sqlite3.Error):
                raise StoreError(f"cannot copy the storage: {error}") from error
            raise

    def touch(self) -> None:
        """Changes a page of the file, so that a commit has something to sync. (Writing a row
        unchanged does not.)
        """
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        self._db.execute(f"PRAGMA user_version={version}")

    def transaction(
        self, jobs: Sequence[Callable[[], object]], *, durable: bool = True
    ) -> list[object]:
        """Runs the jobs in one transaction and commits once; twice if the first try met a full disk
        or a damaged file and that could be mended. A job that raises leaves nothing. A commit that
        is not `durable` reaches the disk with the next durable one. Raises StoreError.
        """
        try:
            try:
                return self._try(jobs, durable=durable)
            except sqlite3.Error as error:
                if not self._mended(error):
                    raise
                return self._try(jobs, durable=durable)
        except (sqlite3.Error, OSError) as error:
            raise StoreError(str(error)) from error

    def _try(self, jobs: Sequence[Callable[[], object]], *, durable: bool) -> list[object]:
        if not self._usable:
            self.file_in_use = None
            self._db.close()
            self._db = self._open()
            self._synced = True
            self._usable = True
        self._sync_commits(durable=durable)
        try:
            return self._committed([partial(_plain, job) for job in jobs])
        except _JobFailedError as failed:
            if len(jobs) == 1:
                return [failed.__cause__]
            return self._committed([partial(self._guarded, job) for job in jobs])

    def _sync_commits(self, *, durable: bool) -> None:
        """Sets whether commits are synced. With a log, NORMAL leaves a commit to the next sync of
        the log: https://sqlite.org/pragma.html#pragma_synchronous
        """
        if self._synchronous == "FULL" and durable != self._synced:
            self._db.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            self._synced = durable

    def _committed(self, jobs: Sequence[Callable[[], object]]) -> list[object]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            results = [job() for job in jobs]
            self._db.execute("COMMIT")
        except BaseException:
            self.remembered = Remembered()
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise
        return results

    def _guarded(self, job: Callable[[], object]) -> object:
        self._db.execute("SAVEPOINT job")
        try:
            result = job()
        except InvalidRow as error:
            raise damaged(str(error)) from error
        except Exception as error:
            if isinstance(error, sqlite3.Error) and trouble(error) != "refused":
                raise
            self.remembered = Remembered()
            self._db.execute("ROLLBACK TO job")
            result = error
        self._db.execute("RELEASE job")
        return result

    def _mended(self, error: sqlite3.Error) -> bool:
        """Handles the trouble; True if another try is worth it at once."""
        match trouble(error):
            case "full":
                return self._reserve is not None and self._reserve.release()
            case "damaged" if self._path is not None:
                self.file_in_use = None
                self._db.close()
                self._usable = False
                self.remembered = Remembered()
                self._move_aside(self._path, error)
                return True
            case "refused":
                return False
            case _:
                self._usable = self._path is None
                return False


def _pragma(db: Connection, name: str) -> int:
    (number,) = db.execute(f"PRAGMA {name}").fetchone()
    return int(number)


def _size(db: Connection) -> int:
    """Bytes of the file once its log is written back."""
    return _pragma(db, "page_count") * _pragma(db, "page_size")


class _JobFailedError(Exception):
    """A job of a batch raised: all of them are run again, each on its own."""


def _plain(job: Callable[[], object]) -> object:
    try:
        return job()
    except InvalidRow as error:
        raise damaged(str(error)) from error
    except Exception as error:
        if isinstance(error, sqlite3.Error) and trouble(error) != "refused":
            raise
        raise _JobFailedError from error
