"""A separate process for work that may freeze or fill the relay: templates and files that others
wrote. Its time and memory are bounded.
"""

import math
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

from msgspec import Struct

_PACKAGES = str(Path(__file__).parents[2])


class Bounds(Struct, frozen=True):
    """The limits of one piece of work: seconds of a processor, MiB of memory; and seconds of
    elapsed time for one process, and until no other is started for what is left of the work.
    """

    seconds: int = 5
    mebibytes: int = 256
    patience: float = 60.0
    total: float = 60.0


def output_of(module: str, request: bytes, patience: float) -> bytes:
    """What the module, run as a process, wrote to its standard output until it ended or was killed.
    Called from a thread. Raises OSError if no process can be started.
    """
    paths = os.pathsep.join(filter(None, (_PACKAGES, os.environ.get("PYTHONPATH", ""))))
    try:
        return subprocess.run(  # noqa: S603 - a module of ours
            [sys.executable, "-P", "-m", module],
            input=request,
            capture_output=True,
            check=False,
            env=os.environ | {"PYTHONPATH": paths},
            start_new_session=True,  # a signal to our process group is not meant for it
            timeout=patience,
        ).stdout
    except subprocess.TimeoutExpired as late:
        return late.stdout or b""


def bound_memory(mebibytes: int) -> None:
    """Limits this process to that many more MiB of memory. If it is killed it leaves no
    core file.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    _bound(resource.RLIMIT_AS, pages * resource.getpagesize() + (mebibytes << 20))


def bound_time(seconds: int) -> None:
    """Limits this process to that many more seconds of a processor."""
    _bound(resource.RLIMIT_CPU, math.ceil(time.process_time()) + seconds)


def _bound(limit: int, most: int) -> None:
    """Sets a limit, unless a lower one is in force already, which must not be raised."""
    _, hard = resource.getrlimit(limit)
    resource.setrlimit(limit, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
