"""The storage folder: owned by one process at a time."""

import fcntl
import os
from pathlib import Path

DATABASE = "relay.db"
SOCKET = "relay.sock"
LOG_LIMIT = 4 << 20  # bytes to which SQLite may cut the database's log, if it grew beyond that
_LONGEST_SOCKET = (
    107  # bytes of a path: `sun_path` of Linux, https://man7.org/linux/man-pages/man7/unix.7.html
)


class CannotStart(Exception):  # noqa: N818 - its text is one line for a person
    """The relay cannot start; one line with the reason and the remedy (exit status 2)."""


class InUse(CannotStart):
    """Another process holds the storage folder."""


def socket_path(data_dir: Path) -> Path:
    """The path of the admin socket of the relay that uses the folder. Raises CannotStart if it is
    too long.
    """
    path = data_dir / SOCKET
    if len(os.fsencode(path)) > _LONGEST_SOCKET:
        raise CannotStart(
            f"the socket {path} would have a path of over {_LONGEST_SOCKET} bytes: name a "
            "shorter --storage.path"
        )
    return path


class DatabaseFile:
    """The database file in use. `least`: bytes that it has unless somebody cut it; the thread that
    uses the file changes it.
    """

    def __init__(self, opened: os.stat_result, least: int) -> None:
        self.opened = opened
        self.least = least


class DataDir:
    """A storage folder, locked by this process until `release` or its end. Only its user can read a
    new one.

    Raises CannotStart if it cannot be used.
    """

    def __init__(self, path: Path, database: str = DATABASE, flag: str = "--storage.path") -> None:
        """`flag` is the command-line flag that named the folder."""
        self.folder = path
        self.database = path / database
        self._log = path / f"{database}-wal"
        self._seen: DatabaseFile | None = None  # the file of which the next two tell
        self._longest_log: int | None = None  # bytes; None: no log was there yet
        self._cut = False
        self.socket = socket_path(path)
        self._lock_file = path / "relay.lock"
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(self._lock_file, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise CannotStart(
                f"cannot use the storage folder {path}: {error.strerror}; name another one with "
                f"{flag}"
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise InUse(
                f"another alert-relay uses the storage folder {path}: stop it, or name another "
                f"one with {flag}"
            ) from error

    def is_there(self, file: DatabaseFile | None) -> bool:
        """Whether the lock is still ours, and the database is this file (None: it is being opened),
        as long as it was, and has its log. What is committed to a file that was removed, replaced
        or cut is lost with the process.
        """
        held = os.fstat(self._lock) if self._lock >= 0 else None
        try:
            lock = self._lock_file.stat()
            if file is not None and not self._is_whole(file):
                return False
        except OSError:
            return False
        return held is not None and os.path.samestat(lock, held)

    def _is_whole(self, file: DatabaseFile) -> bool:
        """Raises OSError if there is no such file. One that was cut never counts as whole again:
        the next writes behind its end leave a gap.
        """
        if self._seen is not file:
            self._seen, self._longest_log, self._cut = file, None, False
        least = file.least
        found = self.database.stat()
        if not os.path.samestat(found, file.opened):
            return False
        longest = self._longest_log
        try:
            log = self._log.stat().st_size
        except FileNotFoundError:
            return longest is None  # it is made by the first change
        self._longest_log = max(log, longest or 0)
        is_short = found.st_size < min(least, file.least)  # it may have changed meanwhile
        if is_short or log < min(longest or 0, LOG_LIMIT):
            self._cut = True
        return not self._cut

    def release(self) -> None:
        """Lets another process use the folder."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
