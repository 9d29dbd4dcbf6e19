"""A disk for SQLite that lies as real ones do: until a sync, writes may be dropped, torn or
reordered by a power cut.

It is an SQLite VFS (https://sqlite.org/vfs.html) in memory, for apsw's SQLite; `connect` gives what
`relay.store.sqlite.connection.Connection` asks for. Like SQLite's own VFS for Unix it promises
"powersafe overwrite": a torn write harms nothing outside its own range. The first sync of a log or
journal syncs the folder too, as os_unix.c does.
"""

import random
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import apsw

from relay.store.sql.database import Value

_LOGS = apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL
_SECTORS = (512, 4096)


class Inode:
    """A file: what the device holds for certain, what programs see, and the writes between the
    two.
    """

    def __init__(self, durable: bytes = b"") -> None:
        self.durable = bytearray(durable)
        self.seen = bytearray(durable)
        self.pending: list[
            tuple[int, bytes | None]
        ] = []  # (offset, data), or (size, None) for a truncation

    def change(self, at: int, data: bytes | None) -> None:
        _apply(self.seen, at, data)
        self.pending.append((at, data))

    def sync(self) -> None:
        for at, data in self.pending:
            _apply(self.durable, at, data)
        self.pending.clear()

    def survivor(self, chance: random.Random, kept: float, torn: float) -> "Inode":
        left = bytearray(self.durable)
        for at, data in self.pending:
            if chance.random() < torn and data is not None:
                for piece_at, piece in _sectors(at, data, chance.choice(_SECTORS)):
                    if chance.random() < 0.5:
                        _apply(left, piece_at, piece)
            elif chance.random() < kept:
                _apply(left, at, data)
        return Inode(bytes(left))


def _apply(content: bytearray, at: int, data: bytes | None) -> None:
    if data is None:
        del content[at:]
        return
    content.extend(b"\0" * (at - len(content)))
    content[at : at + len(data)] = data


def _sectors(at: int, data: bytes, size: int) -> Iterator[tuple[int, bytes]]:
    start = at
    while start < at + len(data):
        end = min(start - start % size + size, at + len(data))
        yield start, data[start - at : end - at]
        start = end


class Disk(apsw.VFS):
    """A folder on such a device. `cut_at`: the power goes at this operation; from then on nothing
    works, and `after` is what a new start finds.

    `failing` syncs report an error and sync nothing. While `at_its_quota` nothing is written. While
    it is `closed` no file can be opened, and never a temporary one. Handles from before it was last
    `plugged_in` are dead.
    """

    def __init__(
        self,
        chance: random.Random,
        files: dict[str, Inode] | None = None,
        cut_at: int | None = None,
    ) -> None:
        self.name = f"disk-{id(self)}"
        super().__init__(self.name, "")
        self._chance = chance
        self._cut_at = cut_at
        self._names = dict(files or {})
        self._durable_names = dict(self._names)
        self._folder: list[tuple[str, Inode | None]] = []
        self.operations = 0
        self.after: dict[str, Inode] | None = None
        self.failing = False
        self.closed = False
        self.at_its_quota: Callable[[], bool] = lambda: False
        self.plugged_in = 1
        self.temporary = 0

    def connect(self, path: str) -> "ApswConnection":
        return ApswConnection(path, self.name)

    def operate(self) -> None:
        """Counts an operation that changes the device; the one the cut falls on does not happen."""
        if self.after is None:
            self.operations += 1
            if self.operations == self._cut_at:
                self.after = self.survivors()
        if self.after is not None:
            raise apsw.exception_for(apsw.SQLITE_IOERR)

    def survivors(self) -> dict[str, Inode]:
        kept, torn = self._chance.choice((0.0, 0.5, 1.0)), self._chance.choice((0.0, 0.5, 1.0))
        names = dict(self._durable_names)
        for name, inode in self._folder:
            if self._chance.random() < 0.5:
                _rename(names, name, inode)
        return {name: inode.survivor(self._chance, kept, torn) for name, inode in names.items()}

    def sync_folder(self) -> None:
        for name, inode in self._folder:
            _rename(self._durable_names, name, inode)
        self._folder.clear()

    def excepthook(self, *_: object) -> bool:
        """Says nothing of errors that SQLite does not pass on."""
        return True

    def xAccess(self, pathname: str, _: int) -> bool:  # noqa: N802 - SQLite's name, as all below
        return pathname in self._names

    def xFullPathname(self, name: str) -> str:  # noqa: N802
        return name

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        self.operate()
        if filename not in self._names:
            raise apsw.exception_for(apsw.SQLITE_IOERR_DELETE_NOENT)
        del self._names[filename]
        self._folder.append((filename, None))
        if syncdir:
            self.sync_folder()

    def xOpen(self, name: "str | apsw.URIFilename | None", flags: list[int]) -> "apsw.VFSFile":  # noqa: N802
        if name is None or self.closed:
            self.temporary += name is None
            raise apsw.exception_for(apsw.SQLITE_CANTOPEN)
        path = name if isinstance(name, str) else name.filename()
        if path not in self._names:
            if not flags[0] & apsw.SQLITE_OPEN_CREATE:
                raise apsw.exception_for(apsw.SQLITE_CANTOPEN)
            self.operate()
            self._names[path] = Inode()
            self._folder.append((path, self._names[path]))
        flags[1] = flags[0]
        return File(self, self._names[path], is_log=bool(flags[0] & _LOGS))  # type: ignore[return-value] # duck-typed


def _rename(names: dict[str, Inode], name: str, inode: Inode | None) -> None:
    if inode is None:
        names.pop(name, None)
    else:
        names[name] = inode


class File:
    """An open file of a Disk, with the methods that SQLite calls."""

    def __init__(self, disk: Disk, inode: Inode, *, is_log: bool) -> None:
        self._disk = disk
        self._inode = inode
        self._new_log = is_log
        self._plugged_in = disk.plugged_in

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802
        if self._disk.after is not None or self._plugged_in != self._disk.plugged_in:
            raise apsw.exception_for(apsw.SQLITE_IOERR_READ)
        return bytes(self._inode.seen[offset : offset + amount])

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        self._disk.operate()
        if self._disk.at_its_quota():
            raise apsw.exception_for(apsw.SQLITE_IOERR_WRITE)
        self._inode.change(offset, bytes(data))

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        self._disk.operate()
        self._inode.change(newsize, None)

    def xSync(self, _: int) -> None:  # noqa: N802
        self._disk.operate()
        if self._disk.failing or self._plugged_in != self._disk.plugged_in:
            raise apsw.exception_for(apsw.SQLITE_IOERR_FSYNC)
        self._inode.sync()
        if self._new_log:
            self._disk.sync_folder()
            self._new_log = False

    def xFileSize(self) -> int:  # noqa: N802
        return len(self._inode.seen)

    def xSectorSize(self) -> int:  # noqa: N802
        return 4096

    def xDeviceCharacteristics(self) -> int:  # noqa: N802
        return apsw.SQLITE_IOCAP_POWERSAFE_OVERWRITE

    def xFileControl(self, _: int, __: int) -> bool:  # noqa: N802
        return False

    def xCheckReservedLock(self) -> bool:  # noqa: N802
        return False

    def xLock(self, _: int) -> None:  # noqa: N802
        return

    def xUnlock(self, _: int) -> None:  # noqa: N802
        return

    def xClose(self) -> None:  # noqa: N802
        return

    def excepthook(self, *_: object) -> bool:
        return True


class ApswConnection:
    """An apsw connection with the face and the errors of the standard library's."""

    def __init__(self, path: str, vfs: str) -> None:
        try:
            self._db = apsw.Connection(path, vfs=vfs)
        except apsw.Error as error:
            raise _translated(error) from error

    @property
    def in_transaction(self) -> bool:
        return self._db.in_transaction

    def execute(self, sql: str, parameters: Sequence[Value] = (), /) -> "Fetched":
        try:
            return Fetched(list(self._db.execute(sql, tuple(parameters))))
        except apsw.Error as error:
            raise _translated(error) from error

    def executemany(self, sql: str, rows: Iterable[Sequence[Value]], /) -> None:
        try:
            self._db.executemany(sql, [tuple(row) for row in rows])
        except apsw.Error as error:
            raise _translated(error) from error

    def executescript(self, sql: str, /) -> None:
        self.execute(sql)

    def close(self) -> None:
        with suppress(
            apsw.Error
        ):  # as the standard library, which says nothing of a last failed write
            self._db.close(True)


class Fetched:
    """Rows that were read at once."""

    def __init__(self, rows: list[Any]) -> None:  # Any: as sqlite3.Cursor has it
        self._rows = iter(rows)

    def fetchone(self) -> Any:
        return next(self._rows, None)

    def fetchall(self) -> list[Any]:
        return list(self._rows)

    def __iter__(self) -> Iterator[Any]:
        return self._rows


def _translated(error: apsw.Error) -> sqlite3.Error:
    translated = sqlite3.OperationalError(str(error))
    translated.sqlite_errorcode = getattr(error, "extendedresult", sqlite3.SQLITE_ERROR)
    return translated
