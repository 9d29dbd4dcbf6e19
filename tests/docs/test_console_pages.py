"""The pages of the console in a browser: at every width, in light and dark, in both languages."""

import pytest

from tests.docs.devtools import browser
from tests.docs.drawing import BROWSER
from tests.need import need_program
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
