"""Reserved disk space, so that sent messages can be recorded when the disk is full."""

import os
from contextlib import suppress
from pathlib import Path

LARGEST = (
    16 * 1024 * 1024
)  # bytes; four times the log that SQLite lets grow before it is written back
_PAGE = 4096


class Reserve:
    """A file of real blocks beside the database. While it is not held, nothing new may be accepted;
    with less than half of it left, nothing new may be sent.

    It is an eighth of a small disk. See docs/adr/0006-room-is-kept-back-for-what-was-sent.md.
    """

    def __init__(self, database: Path) -> None:
        """Measures the disk and takes nothing yet. Raises OSError."""
        self._path = database.with_name(database.name + ".reserve")
        disk = os.statvfs(database.parent)
        self._size = min(LARGEST, disk.f_blocks * disk.f_frsize // 8)
        self.held = False

    @property
    def log_pages(self) -> int:
        """Pages of log after which SQLite writes back: the reserve must have room for them beside
        what is settled.
        """
        return max(1, self._size // 4 // _PAGE)

    def take(self) -> None:
        """Takes the room, if it is there, when the storage is opened."""
        self.held = self._is_there() or self._allocated()

    def hold(self) -> bool:
        """Takes the room back once there is half as much again, so that it is not needed again at
        once.
        """
        self.held = self.held or (self._free() >= self._size * 3 // 2 and self._allocated())
        return self.held

    def release(self) -> bool:
        """Gives the room to the database; False when it was given already."""
        was_held, self.held = self.held, False
        self._path.unlink(missing_ok=True)
        return was_held

    def is_low(self, spare: int) -> bool:
        """Half of it is used up, or more; `spare` bytes are free in the database itself."""
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
            with suppress(OSError):  # of a file system that turned read-only
                self._path.unlink(missing_ok=True)
            return False
        return True
