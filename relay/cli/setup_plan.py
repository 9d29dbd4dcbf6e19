"""What the setup of a platform comes to: something to write, or nothing."""

import os
from pathlib import Path

from msgspec import Struct

from relay.cli.base import CANNOT
from relay.config.extending import Addition


class Plan(Struct, frozen=True):
    """What to write: the receiver, and the secret with the place for it, unless it has a file
    already.
    """

    addition: Addition
    secret: str
    secret_path: Path


class Failed(Struct, frozen=True):
    """Nothing is written; why was said."""

    status: int = CANNOT


def beside(config: Path, path: Path) -> str:
    """The path as the configuration names it: relative to its folder."""
    return os.path.relpath(path.absolute(), config.parent.absolute())
