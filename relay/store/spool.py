"""The spool: bodies of payloads on the local disk while a shared storage is away, in order."""

import asyncio
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from msgspec import Struct

from relay.own_thread import OwnThread
from relay.store.data_dir import CannotStart, DataDir
from relay.store.protocol import NewerSchema, StoreError
from relay.store.sqlite.connection import Connection, connect
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
    return when their effect is on the disk, and raise StoreError. Needs a running loop.
    """

    def __init__(self, folder: Path) -> None:
        """Raises CannotStart."""
        self._dir = DataDir(folder, SPOOL, _FLAG)
        self._thread = OwnThread("spool")
        self._arrived: list[tuple[Spooled, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None
        path = self._dir.database
        try:
            self._db: Connection = open_checked(connect, str(path), "FULL", _LOG_PAGES, _STEPS)
            rows = self._db.execute("SELECT count(*) FROM spool WHERE aside = 0").fetchone()
        except (sqlite3.Error, NewerSchema, OSError) as error:
            self._dir.release()
            raise CannotStart(f"{path}: {error}; move the file away to begin anew") from error
        self.count = int(rows[0])  # waiting bodies, with those being written

    async def keep(self, spooled: Spooled) -> None:
        """Appends a body. Bodies that arrive together are synced together."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._arrived.append((spooled, done))
        self.count += 1
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        await asyncio.shield(done)

    async def first(self) -> Spooled | None:
        """The body that has waited longest."""
        return await self._run(self._first)

    async def remove(self, spooled: Spooled) -> None:
        """Removes a body that is in the storage."""
        await self._run(partial(self._change, "DELETE FROM spool WHERE id = ?", spooled.number))
        self.count -= 1

    async def put_aside(self, spooled: Spooled) -> None:
        """Keeps the body in the file for a person to look at; it does not wait any more."""
        sql = "UPDATE spool SET aside = 1 WHERE id = ?"
        await self._run(partial(self._change, sql, spooled.number))
        self.count -= 1

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
                    done.set_exception(StoreError(str(error)))
            else:
                for _, done in arrived:
                    done.set_result(None)

    async def _run(self, job: Callable[[], T]) -> T:
        try:
            return await self._thread.run(job, None)
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"the spool: {error}") from error

    def _insert(self, bodies: list[Spooled]) -> None:
        if not self._dir.is_there():
            raise StoreError("the spool is gone: restart the relay")
        self._db.execute("BEGIN")
        try:
            self._db.executemany(
                "INSERT INTO spool (source, at, body) VALUES (?, ?, ?)",
                [(each.source, each.at, each.body) for each in bodies],
            )
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def _first(self) -> Spooled | None:
        row = self._db.execute(
            "SELECT source, at, body, id FROM spool WHERE aside = 0 ORDER BY id LIMIT 1"
        ).fetchone()
        return Spooled(*row) if row else None

    def _change(self, sql: str, number: int) -> None:
        self._db.execute(sql, (number,))
