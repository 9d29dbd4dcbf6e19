"""What the pages lead to exists, and nothing in them belongs to one machine."""

import re
from pathlib import Path

import pytest

from tests.docs import pages

MOST_BYTES = 150_000  # of a picture: people read this on a phone


@pytest.mark.parametrize("page", pages.PAGES, ids=pages.name)
def test_each_link_inside_the_repository_leads_somewhere(page: Path) -> None:
    broken = [link for link in pages.links(page) if "://" not in link and not _leads(page, link)]
    assert broken == []


def test_a_link_that_leads_nowhere_is_noticed() -> None:
    readme = pages.ROOT / "README.md"
    assert not _leads(readme, "docs/nothing.md")
    assert not _leads(readme, "docs/routing.md#no-such-heading")
    assert not _leads(readme, "tests/docs/test_links.py#test_of_nothing")
    assert _leads(readme, "docs/routing.md#matchers")


def _leads(page: Path, link: str) -> bool:
    """A fragment is a heading of a page, or a test of a test file."""
    path, _, fragment = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists() or not fragment:
        return target.exists()
    content = target.read_text(encoding="utf-8")
    if target.suffix == ".py":
        return re.search(rf"^(async )?def {fragment}\(", content, re.MULTILINE) is not None
    return fragment in {
        _anchor(heading) for heading in re.findall(r"^#+ (.*)$", content, re.MULTILINE)
    }


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", pages.PAGES, ids=pages.name)
def test_each_file_of_the_repository_that_a_page_names_is_there(page: Path) -> None:
    named = re.findall(r"`((?:relay|tests|docs|config|templates)/[\w./-]*)`", pages.text(page))
    assert [path for path in named if not (pages.ROOT / path).exists()] == []


def test_each_page_can_be_reached_from_the_readme() -> None:
    decisions = {
        page for page in pages.PAGES if page.parent.name == "adr"
    }  # their folder lists them
    assert set(pages.PAGES) - decisions - _reached(pages.ROOT / "README.md") == set()


def _reached(page: Path) -> set[Path]:
    seen: set[Path] = set()
    waiting = [page]
    while waiting:
        at = waiting.pop()
        if at not in seen:
            seen.add(at)
            found = (
                (at.parent / link.partition("#")[0]).resolve()
                for link in pages.links(at)
                if "://" not in link
            )
            waiting += [each for each in found if each.suffix == ".md"]
    return seen


@pytest.mark.parametrize("page", pages.PAGES, ids=pages.name)
def test_no_page_knows_the_machine_it_was_written_on(page: Path) -> None:
    assert str(pages.ROOT) not in pages.text(page)
    assert (
        re.findall(
            r"(?<![\w.])/(?:work|home|tmp|root)\b[^\s)`]*|localhost:\d+|\S*\b(?:pypi|registry)\.\S+",
            pages.text(page),
        )
        == []
    )


@pytest.mark.parametrize(
    "picture", sorted((pages.ROOT / "docs/pictures").iterdir()), ids=lambda path: path.name
)
def test_each_picture_is_small_and_shown(picture: Path) -> None:
    assert picture.stat().st_size <= MOST_BYTES
    assert any(picture.name in pages.text(page) for page in pages.PAGES)
