"""A browser without a window, driven by its own debugging protocol: pages at any width, what they
complain of, and pictures.

https://chromedevtools.github.io/devtools-protocol/
"""

import asyncio
import base64
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from tests.acceptance.processes import until
from tests.docs.drawing import BROWSER

_SWITCHES = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
    "--disable-extensions", "--disable-background-networking", "--remote-debugging-port=0",
)  # fmt: skip
_PATIENCE = 60.0  # seconds
_LARGEST = 64 << 20  # bytes of a picture
Json = dict[str, Any]


@dataclass
class Browser:
    """One page. `complaints` are errors of its console, reports of its policy among them."""

    socket: aiohttp.ClientWebSocketResponse
    complaints: list[str] = field(default_factory=list)
    _number: int = 0

    async def call(self, method: str, **params: object) -> Json:
        """What the protocol answers; complaints that come meanwhile are kept."""
        self._number += 1
        await self.socket.send_json({"id": self._number, "method": method, "params": params})
        while True:
            told = await self._next()
            if told.get("id") == self._number:
                assert "error" not in told, told
                return dict(told["result"])

    async def open(
        self,
        url: str,
        width: int,
        *,
        dark: bool = False,
        language: str = "en",
        scripts: bool = True,
    ) -> None:
        """Shows the page and returns when it is loaded."""
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=800, deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip
        await self.call("Emulation.setEmulatedMedia", features=scheme)
        await self.call("Emulation.setScriptExecutionDisabled", value=not scripts)
        await self.call("Network.setExtraHTTPHeaders", headers={"Accept-Language": language})
        self.complaints.clear()
        await self.call("Page.navigate", url=url)
        await self.loaded()

    async def loaded(self) -> None:
        """Returns when the next page is there."""
        while (await self._next()).get("method") != "Page.loadEventFired":
            pass

    async def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression on the page, which may be a promise of it."""
        found = await self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    async def picture(self) -> bytes:
        """The whole page as PNG."""
        found = await self.call("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(found["data"])

    async def _next(self) -> Json:
        async with asyncio.timeout(_PATIENCE):
            told: Json = await self.socket.receive_json()
        self.complaints += _complaint(told.get("method", ""), told.get("params", {}))
        return told


def _complaint(method: str, params: Mapping[str, Any]) -> list[str]:
    match method:
        case "Log.entryAdded" if params["entry"]["level"] in ("error", "warning"):
            return [str(params["entry"]["text"])]
        case "Runtime.consoleAPICalled" if params["type"] in ("error", "warning"):
            return [str(params["args"])]
        case "Runtime.exceptionThrown":
            return [str(params["exceptionDetails"])]
        case "Audits.issueAdded" if params["issue"]["code"] == "ContentSecurityPolicyIssue":
            return [str(params["issue"]["details"])]
        case _:
            return []


@asynccontextmanager
async def browser(program: str = BROWSER) -> AsyncIterator[Browser]:
    """A browser, gone with the block."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        profile = Path(folder) / "profile"
        child = await asyncio.create_subprocess_exec(
            program, *_SWITCHES, f"--user-data-dir={profile}", "about:blank",
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL, env={"HOME": folder, "PATH": "/usr/bin:/bin"},
        )  # fmt: skip
        try:
            file = profile / "DevToolsActivePort"
            await until("the browser listens", lambda: bool(_port(file)), within=_PATIENCE)
            async with aiohttp.ClientSession() as session:
                async with session.get(f"http://127.0.0.1:{_port(file)}/json") as answer:
                    pages = [each for each in await answer.json() if each["type"] == "page"]
                address = pages[0]["webSocketDebuggerUrl"]
                async with session.ws_connect(address, max_msg_size=_LARGEST) as socket:
                    page = Browser(socket)
                    for room in ("Page", "Log", "Runtime", "Network", "Audits"):
                        await page.call(f"{room}.enable")
                    yield page
        finally:
            if child.returncode is None:
                child.kill()
            await child.wait()


def _port(file: Path) -> str:
    """The port that the browser has written down; empty before."""
    written = file.read_text(encoding="utf-8") if file.is_file() else ""
    return written.partition("\n")[0] if "\n" in written else ""
