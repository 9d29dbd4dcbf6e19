"""The embedded store: one SQLite file, one connection, one thread, every commit synced before it is
acknowledged.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from relay.core.event import Event
from relay.store.data_dir import DatabaseFile
from relay.store.sql.store import SqlStore
from relay.store.sqlite.connection import Connect, connect
from relay.store.sqlite.database import SqliteDatabase


def _nobody(_: Event) -> None:
    """Ignores the event."""


class SqliteStore(SqlStore):
    """`protocol.Store` over one SQLite file. ":memory:" keeps it in memory, for tests.

    WAL with `synchronous=FULL`: a commit is on the disk before it returns
    (https://sqlite.org/pragma.html#pragma_synchronous). Raises NewerSchema for a file of a later
    version and StoreError for one that cannot be opened.
    """

    def __init__(
        self,
        path: Path | str,
        synchronous: str = "FULL",
        connect: Connect = connect,
        emit: Callable[[Event], None] = _nobody,
    ) -> None:
        """`emit` gets reports of damage, in the thread that uses the store."""
        self._file = SqliteDatabase(path, synchronous, connect, emit)
        super().__init__(self._file, emit)

    def close(self) -> None:
        """Closes the storage."""
        self._file.close()

    @property
    def file_in_use(self) -> DatabaseFile | None:
        """The file in use; None while it is being opened."""
        return self._file.file_in_use

    def batch(self, jobs: Sequence[Callable[[], object]], *, durable: bool = True) -> list[object]:
        return self._file.transaction(jobs, durable=durable)

    def sync(self) -> None:
        self._file.touch()

    def backup(self, file: Path) -> None:
        self._file.backup(file)
