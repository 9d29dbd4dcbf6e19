"""Watches the contents of the configuration file and of the secrets and templates that it names."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from relay.config.config import parse
from relay.config.files import FileNames, Files, file_names
from relay.own_thread import OwnThread
from relay.platforms import PLATFORMS
from relay.platforms.contract import Platforms
from relay.regular_file import read_regular
from relay.settings.load import MOST_CONFIG, read_files

SECRETS_EVERY = 60.0  # seconds
_LOOK_SECONDS = 60.0  # for one check; a file on a dead mount is checked again later
_NOTHING = FileNames(frozenset(), (), frozenset())


class Watch:
    """The contents of the files at the last check. Comparing contents also works on mounted
    volumes.
    """

    def __init__(self, path: Path, platforms: Platforms = PLATFORMS) -> None:
        """Reads the configuration at `path` for the first time."""
        self._path = path
        self._platforms = platforms
        self._data = b""
        self._names = _NOTHING
        self._files = Files()
        self.changed()
        self._secrets = self._files.secrets

    def changed(self) -> bool:
        """Whether anything changed since the last check. A configuration that cannot be read is no
        change.
        """
        try:
            data = read_regular(self._path, MOST_CONFIG)
        except (OSError, ValueError):
            return False
        names = self._names if data == self._data else self._named(data)
        before = self._data, self._files
        self._data, self._names, self._files = data, names, read_files(names, self._path.parent)
        return before != (self._data, self._files)

    def secrets_changed(self) -> bool:
        """Whether the contents of a secret file changed since the last check. A file that cannot be
        read now, or that the configuration did not name then, is no change.
        """
        before = self._secrets
        self.changed()
        self._secrets = before | self._files.secrets
        return any(self._secrets[name] != before[name] for name in before)

    def _named(self, data: bytes) -> FileNames:
        config, _ = parse(str(self._path), data, self._platforms)
        return file_names(config.file) if config else _NOTHING


async def follow(
    changed: Callable[[], bool], seconds: float, reload: Callable[[], Awaitable[object]]
) -> None:
    """Reloads whenever something changed, for ever; it checks every so many seconds."""
    thread = OwnThread("watch")
    try:
        while True:
            await asyncio.sleep(seconds)
            with suppress(TimeoutError):
                if await thread.run(changed, _LOOK_SECONDS):
                    await reload()
    finally:
        thread.close()
