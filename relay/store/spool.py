"""The spool: bodies of payloads on the local disk while a shared storage is away, in order."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from msgspec import Struct

from relay.own_thread import OwnThread
from relay.store.data_dir import CannotStart, DatabaseFile, DataDir
from relay.store.protocol import NewerSchema, StoreError
from relay.store.sqlite.connection import Connection, connect, trouble
from relay.store.sqlite.open_file import open_checked

T = TypeVar("T")
SPOOL = "spool.db"
_FLAG = "--storage.spool"
_LOG_PAGES = 1000
_STEPS = (
    (
        "CREATE TABLE spool (id INTEGER PRIMARY KEY AUTOINCREMENT, source TEXT NOT NULL,"
        " at REAL NOT NULL, body BLOB NOT NULL, aside INTEGER NOT NULL DEFAULT 0) STRICT;"
        " CREATE INDEX spool_next ON spool (aside, id);"
    ),
)


class SpoolError(StoreError):
    """The local disk fails, not the shared storage."""


class DamagedPayload(Struct, frozen=True):
    """A body that cannot be read from the file, and why."""

    number: int
    why: str


class Spooled(Struct, frozen=True):
    """A body, its source, and when it was accepted, Unix seconds. `number` is its position in the
    spool.
    """

    source: str
    at: float
    body: bytes
    number: int = 0


class Spool:
    """A folder with bodies that wait for the storage, owned by one process until `close`. Methods
    return when their effect is on the disk, and raise SpoolError. Needs a running loop.

    What was taken from it does not come again, also while the file cannot be changed, as on a full
    disk: then only the next process finds it there once more.
    """

    def __init__(self, folder: Path) -> None:
        """Raises CannotStart."""
        self._dir = DataDir(folder, SPOOL, _FLAG)
        self._thread = OwnThread("spool")
        self._arrived: list[tuple[Spooled, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None
        self._passed = 0  # the last body that was taken; this and the next are the thread's
        self._taken: list[int] = []  # bodies that are yet to be removed from the file
        path = self._dir.database
        try:
            self._db = self._open()
            rows = self._db.execute("SELECT count(*) FROM spool WHERE aside = 0").fetchone()
        except (sqlite3.Error, NewerSchema, OSError) as error:
            self._dir.release()
            raise CannotStart(f"{path}: {error}; move the file away to begin anew") from error
        self.count = int(rows[0])  # waiting bodies, with those being written
        self.is_readable = True  # as far as is known

    def _open(self) -> Connection:
        connection = open_checked(connect, str(self._dir.database), "FULL", _LOG_PAGES, _STEPS)
        opened = self._dir.database.stat()
        self._file = DatabaseFile(opened, opened.st_size)  # it never shrinks
        return connection

    async def keep(self, spooled: Spooled) -> None:
        """Appends a body. Bodies that arrive together are synced together. None is kept in a file
        that cannot be read.
        """
        if not self.is_readable:
            raise SpoolError("the spool cannot be read")
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._arrived.append((spooled, done))
        self.count += 1
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        await asyncio.shield(done)

    async def first(self) -> Spooled | DamagedPayload | None:
        """The body that has waited longest."""
        try:
            found = await self._run(self._first)
        except SpoolError:
            self.is_readable = False
            raise
        self.is_readable = True
        return found

    async def remove(self, number: int) -> None:
        """Removes a body that is in the storage."""
        self.count -= 1
        with suppress(SpoolError):
            await self._run(partial(self._remove, number))

    async def put_aside(self, number: int) -> None:
        """Keeps the body in the file for a person to look at; it does not wait any more."""
        self.count -= 1
        with suppress(SpoolError):
            await self._run(partial(self._put_aside, number))

    async def close(self) -> None:
        """Closes the folder after everything that arrived is written."""
        if self._writing:
            await asyncio.gather(self._writing, return_exceptions=True)
        await self._run(self._db.close)
        self._thread.close()
        self._dir.release()

    async def _write(self) -> None:
        while self._arrived:
            arrived, self._arrived = self._arrived, []
            try:
                await self._run(partial(self._insert, [spooled for spooled, _ in arrived]))
            except StoreError as error:
                self.count -= len(arrived)
                for _, done in arrived:
                    done.set_exception(SpoolError(str(error)))
            else:
                for _, done in arrived:
                    done.set_result(None)

    async def _run(self, job: Callable[[], T]) -> T:
        try:
            return await self._thread.run(job, None)
        except (sqlite3.Error, OSError) as error:
            raise SpoolError(f"the spool: {error}") from error

    def _insert(self, bodies: list[Spooled]) -> None:
        if not self._dir.is_there(self._file):
            raise SpoolError("the spool is gone: restart the relay")
        self._change(
            "INSERT INTO spool (source, at, body) VALUES (?, ?, ?)",
            [(each.source, each.at, each.body) for each in bodies],
        )

    def _change(self, sql: str, rows: Sequence[tuple[str, float, bytes] | tuple[int]]) -> None:
        self._db.execute("BEGIN")
        try:
            self._db.executemany(sql, rows)
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def _first(self) -> Spooled | DamagedPayload | None:
        next_one = "SELECT id FROM spool WHERE aside = 0 AND id > ? ORDER BY id LIMIT 1"
        found = self._db.execute(next_one, (self._passed,)).fetchone()
        if found is None:
            return None
        try:
            row = self._db.execute(
                "SELECT source, at, body, id FROM spool WHERE id = ?", found
            ).fetchone()
        except sqlite3.Error as error:
            if trouble(error) != "damaged":
                raise
            return DamagedPayload(found[0], str(error))
        return Spooled(*row)

    def _remove(self, number: int) -> None:
        self._passed = number
        self._taken.append(number)
        try:
            self._change("DELETE FROM spool WHERE id = ?", [(each,) for each in self._taken])
        except sqlite3.Error as error:
            if trouble(error) != "full" or not self._is_all_taken():
                raise
            self._begin_anew()
        self._taken = []

    def _is_all_taken(self) -> bool:
        (rows,) = self._db.execute("SELECT count(*) FROM spool").fetchone()
        return bool(rows == len(self._taken))

    def _begin_anew(self) -> None:
        """A file of which nothing is wanted gives its room back even on a full disk."""
        self._db.close()
        for suffix in ("", "-wal"):
            path = self._dir.database
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        self._passed = 0
        self._db = self._open()

    def _put_aside(self, number: int) -> None:
        self._passed = number
        self._change("UPDATE spool SET aside = 1 WHERE id = ?", [(number,)])
