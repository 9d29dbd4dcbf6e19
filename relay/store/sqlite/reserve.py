"""Reserved disk space, so that sent messages can be recorded when the disk is full."""

import os
from contextlib import suppress
from pathlib import Path

LARGEST = 16 * 1024 * 1024  # bytes: four times the log at which SQLite writes it back
_PAGE = 4096


class Reserve:
    """A file of real blocks beside the database. While it is not held, nothing new is accepted;
    with less than half of it left, nothing new is sent.

    On a small disk it is an eighth of the disk:
    docs/adr/0006-room-is-kept-back-for-what-was-sent.md
    """

    def __init__(self, database: Path) -> None:
        """Measures the disk; takes no room yet. Raises OSError."""
        self._path = database.with_name(database.name + ".reserve")
        disk = os.statvfs(database.parent)
        self._size = min(LARGEST, disk.f_blocks * disk.f_frsize // 8)
        self.held = False

    @property
    def log_pages(self) -> int:
        """Pages of log after which SQLite writes back: the reserve must have room for them beside
        the results to settle.
        """
        return max(1, self._size // 4 // _PAGE)

    def take(self) -> None:
        """Takes the room when the storage is opened, if it is there."""
        self.held = self._is_there() or self._allocated()

    def hold(self) -> bool:
        """Takes the room back once half as much again is free, so that it is not needed again at
        once.
        """
        self.held = self.held or (self._free() >= self._size * 3 // 2 and self._allocated())
        return self.held

    def release(self) -> bool:
        """Gives the room to the database; False if that was done already."""
        was_held, self.held = self.held, False
        self._path.unlink(missing_ok=True)
        return was_held

    def is_low(self, spare: int) -> bool:
        """Whether half of it or more is used up; `spare` bytes are free in the database itself."""
        return not self.held and self._free() + spare < self._size // 2

    def _free(self) -> int:
        disk = os.statvfs(self._path.parent)
        return disk.f_bavail * disk.f_frsize

    def _is_there(self) -> bool:
        return self._path.exists() and self._path.stat().st_blocks * 512 >= self._size

    def _allocated(self) -> bool:
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                os.posix_fallocate(file, 0, self._size)
            finally:
                os.close(file)
        except OSError:
            with suppress(OSError):  # of a file system that became read-only
                self._path.unlink(missing_ok=True)
            return False
        return True
