"""Messages drawn by the sandbox's page in a browser without a window: pictures, and how high the
messages are.
"""

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from html import unescape
from importlib.resources import files
from pathlib import Path

import msgspec
from msgspec import Struct

from relay.sandbox.discord import Discord
from relay.sandbox.page_state import page_state
from relay.sandbox.telegram import Telegram

BROWSER = "chromium"
_SWITCHES = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
    "--disable-extensions", "--disable-background-networking", "--force-device-scale-factor=1",
)  # fmt: skip
_PATIENCE = 90.0  # seconds for the browser
_NARROW = """<style>
html, body {{ height: auto; overflow: hidden; }}
body {{ width: {width}px; font-family: Roboto, "Noto Color Emoji", sans-serif; }}
body > header {{ display: none; }}
main {{ display: block; padding: 0; overflow: visible; }}
section {{ margin: 0; border-radius: 0; max-height: none; width: {width}px; }}
.log {{ padding: 8px; overflow: visible; }}
</style>"""
_WIDE = """<style>
html, body {{ height: auto; overflow: hidden; }}
body {{ width: {width}px; font-family: Roboto, "Noto Color Emoji", sans-serif; }}
body > header {{ display: none; }}
main {{ padding: 10px; grid-auto-columns: 1fr; overflow: visible; }} .log {{ overflow: visible; }}
</style>"""
_MEASURE = """
picture.chats.forEach(show);
document.title = JSON.stringify({
  messages: [...document.querySelectorAll(".message")].map(
    node => [node.closest("section").className, Math.round(node.getBoundingClientRect().height)]),
  height: Math.ceil(document.querySelector("main").getBoundingClientRect().height),
});
"""


class Drawn(Struct, frozen=True):
    """How high each message is, by platform in the order of the chats, and all of the page, in
    pixels."""

    messages: tuple[tuple[str, int], ...]
    height: int


def page(telegram: Telegram | None, discord: Discord | None, width: int, *, wide: bool) -> str:
    """The sandbox's page, which shows these chats and nothing else; `wide`: side by side."""
    html = files("relay.sandbox").joinpath("page.html").read_text("utf-8")
    told = page_state(telegram or Telegram(), discord or Discord())
    data = json.dumps(told).replace("<", "\\u003c")
    style = (_WIDE if wide else _NARROW).format(width=width)
    html = html.replace("</style>\n<header>", f"</style>\n{style}\n<header>", 1)
    return re.sub(
        r"\nlook\(\);\n</script>",
        lambda _: f"\nconst picture = {data};\n{_MEASURE}\n</script>",
        html,
    )


def measure(html: str, width: int, browser: str = BROWSER) -> Drawn:
    """The page drawn, and what came of it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.html"
        path.write_text(html, encoding="utf-8")
        size = f"--window-size={max(width, 500)},4000"
        dom = _run(browser, folder, size, "--dump-dom", path.as_uri())
    title = re.search(r"<title>(.*?)</title>", dom)
    return msgspec.json.decode(unescape(title[1]) if title else "", type=Drawn)


def shoot(html: str, width: int, height: int, out: Path, browser: str = BROWSER) -> None:
    """A picture of the page of that size."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.html"
        path.write_text(html, encoding="utf-8")
        size = f"--window-size={width},{height}"
        _run(browser, folder, size, f"--screenshot={out}", path.as_uri())


def _run(browser: str, folder: str, *arguments: str) -> str:
    command: Sequence[str] = (browser, *_SWITCHES, f"--user-data-dir={folder}/profile", *arguments)
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=True,
        timeout=_PATIENCE,
        env={"TZ": "Europe/Paris", "HOME": folder, "PATH": "/usr/bin:/bin"},
    )
    return done.stdout


def shrink(picture: Path) -> None:
    """Makes the file smaller by fewer colors, where pngquant is here."""
    if program := shutil.which("pngquant"):
        words = ("--force", "--skip-if-larger", "--strip", "--output", picture, "96", picture)
        subprocess.run([program, *words], check=False)
