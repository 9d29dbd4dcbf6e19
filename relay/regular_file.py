"""Reads files that a configuration names: only regular ones, so that no open or read waits for a
writer or a device.
"""

import os
import stat
from pathlib import Path


def read_regular(path: Path, most: int) -> bytes:
    """The file's bytes. Raises OSError, and ValueError if it is a pipe, a device or a folder, is
    larger than `most` bytes, or has none yet, as some files of the kernel do.
    """
    opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with os.fdopen(opened, "rb") as file:
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            raise ValueError("not a regular file")
        data: bytes | None = file.read(most + 1)
    if data is None:
        raise ValueError("nothing to read there yet")
    if len(data) > most:
        raise ValueError(f"larger than {most >> 10} KiB")
    return data
