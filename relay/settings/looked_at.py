"""The configuration file for display: its faults, and its lines without secrets."""

from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

from relay.config.config import parse
from relay.config.fault import Fault
from relay.config.files import file_names
from relay.core.secret import Secret, stars
from relay.platforms.contract import Platforms
from relay.regular_file import read_regular
from relay.settings.load import MOST_CONFIG, load, read_files

MOST_LINES = 3000
_SHORTEST = 6  # characters; a shorter secret would blot out words of the file


class LookedAt(Struct, frozen=True):
    """The file on disk: its bytes, its faults, its lines with the secrets masked (none if too
    little of the file can be parsed), and the templates beside the built-in ones, by name.
    """

    data: bytes
    faults: tuple[Fault, ...]
    lines: tuple[str, ...]
    templates: dict[str, str]
    builtin: dict[str, str]


def look_at(path: Path, platforms: Platforms, secrets: Iterable[Secret]) -> LookedAt:
    """Reads the file and the templates that it names, as a reload would. `secrets` are masked
    wherever they occur. Called from a thread.
    """
    _, faults = load(path, "serve", platforms)
    try:
        data = read_regular(path, MOST_CONFIG)
    except (OSError, ValueError):
        return LookedAt(b"", faults, (), {}, {})
    config, _ = parse(str(path), data, platforms)
    if config is None:
        return LookedAt(data, faults, (), {}, {})
    files = read_files(file_names(config.file), path.parent)
    known = {each.reveal() for each in (*secrets, *files.secrets.values())}
    hidden = sorted((each for each in known if len(each) >= _SHORTEST), key=len, reverse=True)
    lines = (config.source.excerpt(at) for at in range(len(config.source.lines)))
    shown = tuple(_without(line, hidden) for line, _ in zip(lines, range(MOST_LINES), strict=False))
    return LookedAt(data, faults, shown, files.templates, files.builtin)


def _without(line: str, hidden: list[str]) -> str:
    for secret in hidden:
        line = line.replace(secret, stars(secret))
    return line
