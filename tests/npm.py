"""Packages of npm that tests use: fetched where every tier is required, else named with the line
that installs them.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.need import absent, need_program

ROOT = Path(__file__).parents[1]
_FETCH = 60  # seconds
_TIMED_OUT: list[Exception] = []  # a registry that did not answer once is not waited for again
_QUIETLY = ("--ignore-scripts", "--no-audit", "--no-fund")


def need_package(home: str, name: str, lock: Path | None = None) -> Path:
    """The folder of the package `name` (with its version) below `home`. With `lock`, a folder with
    a package.json and its lock file, it is what the hash there says.
    """
    folder = ROOT / home
    found = folder / "node_modules" / name.rpartition("@")[0]
    if (found / "package.json").is_file():
        return found
    words = ("ci", *_QUIETLY) if lock else ("install", *_QUIETLY, name)
    if os.environ.get("RELAY_TEST_REQUIRE") != "all":
        copied = f"cp {lock.relative_to(ROOT)}/*.json {home} && " if lock else ""
        line = f"mkdir -p {home} && {copied}npm --prefix {home} {' '.join(words)}"
        absent(f"{name} is not installed: {line}")
    folder.mkdir(exist_ok=True)
    for file in sorted(lock.glob("*.json")) if lock else ():
        shutil.copy(file, folder)
    _fetch(folder, name, words)
    return found


def _fetch(folder: Path, name: str, words: Sequence[str]) -> None:
    npm = need_program("npm", "npm")
    if _TIMED_OUT:
        _out_of_reach(name, _TIMED_OUT[0])
    try:
        subprocess.run(
            [npm, "--prefix", str(folder), *words], check=True, capture_output=True, timeout=_FETCH
        )
    except subprocess.CalledProcessError as error:
        if b"EINTEGRITY" in error.stderr:
            raise
        _out_of_reach(name, error)
    except (subprocess.SubprocessError, OSError) as error:
        _TIMED_OUT.append(error)
        shutil.rmtree(folder / "node_modules", ignore_errors=True)  # what is there of it
        _out_of_reach(name, error)


def _out_of_reach(name: str, error: Exception) -> None:
    """No registry in reach is no fault of the relay's."""
    pytest.skip(f"not run: {name} cannot be fetched ({type(error).__name__})")
