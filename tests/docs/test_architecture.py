"""The map of the core names every file and no other."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_the_map_of_the_core_is_whole() -> None:
    page = (ROOT / "docs" / "ARCHITECTURE.md").read_text(encoding="utf-8")
    rows = page.partition("| about | files of `relay/core/` |")[2].partition("\n\n")[0]
    listed = re.findall(r"`(\w+)`", rows)
    assert len(listed) == len(set(listed))
    assert set(listed) == {path.stem for path in (ROOT / "relay" / "core").glob("*.py")} - {"__init__"}
