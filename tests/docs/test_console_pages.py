"""The pages of the console in a browser: at every width, in light and dark, in both languages."""

from pathlib import Path

import pytest

from tests.docs.devtools import Browser, browser
from tests.docs.drawing import BROWSER
from tests.need import need_program
from tests.npm import need_package
from tests.shell.test_console import Running, relay

__all__ = ["relay"]
pytestmark = pytest.mark.browser
NARROW = 360  # pixels
PAGES = (
    "/", "/history", "/history?labels=alertname%3DNope", "/a/1", "/a/99", "/chats", "/explain",
    "/explain?labels=alertname%3DDisk", "/templates", "/templates?name=discord.md.j2&payload=1",
    "/configuration",
)  # fmt: skip
_WIDTH = "document.documentElement.scrollWidth"
_WITHOUT_NAME = """[...document.querySelectorAll("input:not([type=hidden]), select, textarea")]
  .filter((each) => !each.labels.length).map((each) => each.name)"""
_JUDGED = """axe.run().then((found) => found.violations
  .filter((each) => ["serious", "critical"].includes(each.impact))
  .map((each) => [each.id, each.help, each.nodes[0].html]))"""
_SMALL = """[...document.querySelectorAll("nav a, button, select, input:not([type=hidden])")]
  .filter((each) => each.getBoundingClientRect().height < 24).map((each) => each.outerHTML)"""


async def test_no_page_scrolls_sideways_or_breaks_its_policy(relay: Running) -> None:
    program = need_program(BROWSER, "chromium fonts-roboto-unhinted fonts-noto-color-emoji")
    async with browser(program) as page:
        for path in PAGES:
            for width, dark, language in ((NARROW, True, "fr"), (1280, False, "en")):
                await page.open(relay.url + path, width, dark=dark, language=language)
                assert await page.evaluate("document.documentElement.lang") == language, path
                assert await page.evaluate(_WIDTH) <= width, (path, width)
                assert await page.evaluate(_WITHOUT_NAME) == [], path
                assert await page.evaluate(_SMALL) == [], path
                faults = [each for each in page.complaints if "404 (Not Found)" not in each]
                assert faults == [], (path, width)


async def test_axe_finds_nothing_serious_on_any_page(relay: Running) -> None:
    program = need_program(BROWSER, "chromium fonts-roboto-unhinted fonts-noto-color-emoji")
    axe = need_package(".axe", "axe-core@4.14.1", Path(__file__).parent / "axe")
    source = (axe / "axe.min.js").read_text(encoding="utf-8")
    async with browser(program) as page:
        for path in PAGES:
            for width, dark, language in ((NARROW, True, "fr"), (1280, False, "en")):
                await page.open(relay.url + path, width, dark=dark, language=language)
                assert await _judged(page, source) == [], (path, width)
        await page.open(f"{relay.url}/templates?payload=3", 1280)
        await page.evaluate("document.querySelector('form[method=post] button').click()")
        await page.loaded()
        assert await _judged(page, source) == []
        await page.evaluate("document.querySelector('h1').outerHTML = '<img src=x>'")
        assert [found[0] for found in await _judged(page, source)] == ["image-alt"]


async def _judged(page: Browser, source: str) -> list[list[str]]:
    """The rules that the page breaks and that axe calls serious, each with the first place."""
    await page.evaluate(f"void (() => {{ {source} }})()")
    found = await page.evaluate(_JUDGED)
    assert isinstance(found, list)
    return found


async def test_a_template_is_tried_by_its_button_without_scripts(relay: Running) -> None:
    program = need_program(BROWSER, "chromium fonts-roboto-unhinted fonts-noto-color-emoji")
    async with browser(program) as page:
        await page.open(f"{relay.url}/templates?payload=3", NARROW, scripts=False)
        await page.evaluate("document.querySelector('form[method=post] button').click()")
        await page.loaded()
        assert await page.evaluate("document.querySelectorAll('article.message').length") > 0
        assert await page.evaluate(_WIDTH) <= NARROW
        assert page.complaints == []


async def test_a_page_that_breaks_the_policy_is_seen(relay: Running) -> None:
    program = need_program(BROWSER, "chromium fonts-roboto-unhinted fonts-noto-color-emoji")
    async with browser(program) as page:
        await page.open(f"{relay.url}/", NARROW)
        await page.evaluate(
            "document.body.insertAdjacentHTML('beforeend', '<p style=\"color:red\">')"
        )
        await page.evaluate("1")
        assert page.complaints != []
