"""Dockerfile and shell scripts, as their linters see them."""

import subprocess

import pytest

from tests.ship.charts import ROOT, tool

pytestmark = pytest.mark.slow


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    checked = subprocess.run(
        [tool("hadolint"), ROOT / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize(
    "script", ["run", *sorted(f".ci/{path.name}" for path in (ROOT / ".ci").iterdir())]
)
def test_shellcheck_finds_nothing_in_the_scripts(script: str) -> None:
    checked = subprocess.run(
        [tool("shellcheck"), ROOT / script], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout
