"""A member of the contract that a platform leaves out is named by mypy."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.platforms.specs import ROOT

MODULE = """\
from relay.platforms.contract import registry
from tests.platforms import incomplete

ALL = registry(incomplete=incomplete)
"""


@pytest.mark.slow
def test_a_member_that_is_left_out_is_named(tmp_path: Path) -> None:
    toy = (ROOT / "tests/platforms/toy/__init__.py").read_text()
    package = tmp_path / "tests" / "platforms"
    package.mkdir(parents=True)
    for folder in (tmp_path / "tests", package):
        (folder / "__init__.py").touch()
    (package / "incomplete.py").write_text(toy.replace("def remedy(", "def remedi("))
    (tmp_path / "registry.py").write_text(MODULE)
    found = subprocess.run(
        [sys.executable, "-m", "mypy", f"--config-file={ROOT}/pyproject.toml", "registry.py"],
        cwd=tmp_path,
        env=os.environ | {"MYPYPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 1, found.stdout + found.stderr
    assert "remedy" in found.stdout
    assert "registry.py" in found.stdout
    assert "secret_files" not in found.stdout
