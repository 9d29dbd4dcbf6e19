"""Fixtures that several test folders share, and the search for secrets in everything that tests
print.
"""

import logging
import os
import subprocess
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from relay.sandbox import server
from tests import canary
from tests.need import absent
from tests.sandbox import telegram_parser

pytest_plugins = ["pytester"]
canary.watch()
# What lands is judged by the same examples each time; chance finds news in the other profiles.
settings.register_profile("quick", max_examples=25, deadline=None, derandomize="CI" in os.environ)
settings.register_profile("ci", max_examples=100, deadline=None, derandomize=True)
settings.register_profile(
    "thorough", max_examples=400, deadline=None
)  # pytest --hypothesis-profile=thorough
settings.load_profile("quick")


def pytest_collection_finish() -> None:
    """What modules have made is there for all their tests."""
    canary.settle()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Generator[None, object, object]:
    """A test that sets up the log of the process sets it up for itself alone."""
    root, relay = logging.getLogger(), logging.getLogger("relay")
    handlers, levels = root.handlers, (root.level, relay.level)
    result = yield
    root.handlers = handlers
    root.setLevel(levels[0])
    relay.setLevel(levels[1])
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that printed or logged a secret has failed."""
    report = yield
    try:
        canary.check("".join(text for _, text in report.sections))
    except AssertionError as error:
        report.outcome, report.longrepr = "failed", str(error)
    if call.when == "teardown" or not report.passed:
        canary.forget()
    return report


@pytest.fixture
async def sandbox() -> AsyncIterator[server.Sandbox]:
    """A local Telegram and Discord over HTTP, empty, on the wall clock."""
    running = await server.start(parser=telegram_parser)
    yield running
    await running.stop()


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "none", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        absent(
            "a small file system cannot be mounted: run as root, in a container with "
            "--cap-add=SYS_ADMIN"
        )
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)
