"""What is installed: every package of the tree, and the templates."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_package_is_installed() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    listed = settings["tool"]["setuptools"]["packages"]
    found = (path.parent.relative_to(ROOT) for path in (ROOT / "relay").rglob("__init__.py"))
    assert sorted(listed) == sorted([*(".".join(path.parts) for path in found), "relay.templates"])
