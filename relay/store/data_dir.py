"""The storage folder: owned by one process at a time."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path

DATABASE = "relay.db"
SOCKET = "relay.sock"
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
        self._known = dict[Path, os.stat_result]()
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

    def is_there(self) -> bool:
        """Whether the lock is still ours, and the database and its log are the files that this
        process uses. What is committed to a file that was removed or replaced is lost with it.
        """
        held = os.fstat(self._lock) if self._lock >= 0 else None
        try:
            lock = self._lock_file.stat()
            same = all(self._is_same(path) for path in (self.database, self._log))
        except OSError:
            return False
        return same and held is not None and os.path.samestat(lock, held)

    def _is_same(self, path: Path) -> bool:
        """Raises OSError if there is no such file, unless it is a log that is not in use."""
        known = self._known.get(path)
        try:
            found = path.stat()
        except FileNotFoundError:
            if path != self._log or (known and _has_open(known)):
                raise
            return True
        # A damaged database is replaced by the relay itself.
        if known is None or (not os.path.samestat(known, found) and _has_open(found)):
            known = self._known[path] = found
        return os.path.samestat(known, found)

    def release(self) -> None:
        """Lets another process use the folder."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _has_open(file: os.stat_result) -> bool:
    """Whether this process has the file open."""
    for each in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            if os.path.samestat(each.stat(), file):
                return True
    return False
