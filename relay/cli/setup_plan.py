"""The result of a platform's setup: something to write, or nothing."""

import os
from pathlib import Path

from msgspec import Struct

from relay.cli.base import CANNOT
from relay.config.extending import Addition


class Plan(Struct, frozen=True):
    """What to write: the receiver, and the secret with its path, unless it is in a file already."""

    addition: Addition
    secret: str
    secret_path: Path


class Failed(Struct, frozen=True):
    """Nothing is written; the reason was printed."""

    status: int = CANNOT


def beside(config: Path, path: Path) -> str:
    """The path for the configuration: relative to its folder."""
    return os.path.relpath(path.absolute(), config.parent.absolute())
