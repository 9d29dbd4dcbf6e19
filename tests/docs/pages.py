"""The pages that people read: their text, their fenced blocks, their links."""

import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
_FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"")


class Block(NamedTuple):
    """A fenced block; `place` is PAGE:LINE for a test's name."""

    place: str
    page: Path
    language: str
    text: str


def name(page: Path) -> str:
    """The page's path in the repository."""
    return page.relative_to(ROOT).as_posix()


def text(page: Path) -> str:
    """All of a page."""
    return page.read_text(encoding="utf-8")


def blocks(*languages: str) -> list[Block]:
    """The fenced blocks of all pages in these languages."""
    return [block for page in PAGES for block in _blocks(page) if block.language in languages]


def _blocks(page: Path) -> Iterator[Block]:
    content = text(page)
    for found in _FENCE.finditer(content):
        line = content.count("\n", 0, found.start()) + 1
        yield Block(f"{name(page)}:{line}", page, found[2], dedent(found[3]))


def links(page: Path) -> list[str]:
    """Where a page's links and pictures lead, as they are written."""
    return [found[1] or found[2] for found in _LINK.finditer(text(page))]


def first_column(page: Path, heading: str) -> set[str]:
    """What stands in back-ticks in the first column of the tables between a heading and the next
    one of its kind.
    """
    level = heading.partition(" ")[0]
    section = text(page).partition(f"\n{heading}\n")[2].partition(f"\n{level} ")[0]
    rows = (line.split("|")[1] for line in section.splitlines() if line.startswith("| `"))
    return {word for row in rows for word in re.findall(r"`([^`]+)`", row)}
