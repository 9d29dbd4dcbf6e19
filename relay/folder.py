"""The storage folder: owned by one process at a time."""

import fcntl
import os
from pathlib import Path

DATABASE = "relay.db"


class CannotStart(Exception):  # noqa: N818 - said to a person, as one line
    """Why the relay does not start, and what to do about it, in one line (exit status 2)."""


class Folder:
    """A storage folder held by this process until `release`, or its end. Raises CannotStart when it cannot be had."""

    def __init__(self, path: Path) -> None:
        self.database = path / DATABASE
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(path / "relay.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise CannotStart(
                f"cannot use the storage folder {path}: {error.strerror}; name another one with --storage.path"
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise CannotStart(
                f"another alert-relay uses the storage folder {path}: stop it, or name another one with --storage.path"
            ) from error

    def release(self) -> None:
        """Lets another process have the folder."""
        os.close(self._lock)
