"""The map of the core names every file in its room, and each step of an alert its code."""

import re
from importlib import import_module
from operator import attrgetter
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
CORE = ROOT / "relay" / "core"


def test_the_map_of_the_core_is_whole() -> None:
    page = (ROOT / "docs" / "ARCHITECTURE.md").read_text(encoding="utf-8")
    listed: list[str] = []
    room = ""
    for row in page.partition("| room of `relay/core/` |")[2].partition("\n\n")[0].splitlines()[2:]:
        named, _, files = row.strip("|").split("|")
        room = "".join(re.findall(r"`(\w+/)`", named)) if named.strip() else room
        listed += [f"{room}{name}" for name in re.findall(r"`(\w+)`", files)]
    there = (
        path.relative_to(CORE).with_suffix("")
        for path in CORE.rglob("*.py")
        if path.stem != "__init__"
    )
    assert sorted(listed) == sorted(map(str, there))


STEP = re.compile(r"^\| [a-z_ ]+ \| `([\w.]+)` \| `(relay/[\w/]+)\.py` \|", re.MULTILINE)


def test_each_step_of_an_alert_names_a_function_that_is_there() -> None:
    page = (ROOT / "docs" / "ARCHITECTURE.md").read_text(encoding="utf-8")
    steps = STEP.findall(page)
    assert len(steps) == page.partition("## Acting")[0].count("` | `relay/")
    for function, path in steps:
        attrgetter(function)(import_module(path.replace("/", ".")))
