"""Says whether a program that a test tier needs is here: skip when it is not, or fail when every
tier is required.
"""

import os
import shutil
from typing import NoReturn

import pytest


def need_program(program: str, package: str) -> str:
    """The path of `program`; without it the test is skipped with the line that installs it.

    With RELAY_TEST_REQUIRE=all an absent program is a failure, so that no tier is left out
    unnoticed.
    """
    path = shutil.which(program)
    if path is None:
        absent(f"{program} is not installed: apt-get install -y {package}")
    return path


def absent(reason: str) -> NoReturn:
    """Leaves the test out because of what is not here, or fails it when every tier is required."""
    if os.environ.get("RELAY_TEST_REQUIRE") == "all":
        pytest.fail(reason)
    pytest.skip(reason)


def share(number: int) -> int:
    """As many lives of a long loop as `RELAY_SHARE` leaves of `number`: all of them, or a part of
    them where the whole suite has half an hour.
    """
    return max(1, int(number * float(os.environ.get("RELAY_SHARE", "1"))))
