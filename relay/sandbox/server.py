"""The sandbox over real HTTP on loopback: both APIs, and a page that shows all chats live."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.resources import files

import aiohttp
from aiohttp import web

from relay.sandbox.discord import Discord
from relay.sandbox.faults import Faults
from relay.sandbox.page_state import page_state, revision
from relay.sandbox.reply import Reply
from relay.sandbox.telegram import Telegram, refusal
from relay.sandbox.telegram_form import ApiError
from relay.sandbox.telegram_text import NoParser, Parser
from relay.sandbox.telegram_updates import TERMINATED, PendingPoll

MAX_BODY = 64 * 1024 * 1024
STEP = 0.02  # seconds between checks for an update
SECRET = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - the name of a header


Control = Callable[[dict[str, str]], Awaitable[None]]
"""The action of a button; it gets the parameters of its address."""
_OWN_SITE = ("same-origin", "none")


@dataclass
class Sandbox:
    """A running sandbox. `url` is both platforms' API address: `URL/bot...` and
    `URL/api/webhooks/...`.

    `handlers` maps public addresses, such as a webhook needs, to addresses on this machine.
    `controls` are the buttons of the page by name, `notes` lines of text above its chats.
    """

    telegram: Telegram
    discord: Discord
    faults: Faults
    clock: Callable[[], float]
    url: str = ""
    handlers: dict[str, str] = field(default_factory=dict)
    controls: dict[str, Control] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    _runner: web.AppRunner | None = None
    _closing: asyncio.Event = field(default_factory=asyncio.Event)

    async def stop(self) -> None:
        """Closes all connections, also those that hang by a fault."""
        self._closing.set()
        if self._runner is not None:
            await self._runner.cleanup()

    async def listen(self, host: str, port: int) -> None:
        """Starts to listen on `host` and `port` (0: a free one)."""
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_get("/", self._page)
        app.router.add_get("/state", self._state)
        app.router.add_post("/controls/{name}", self._control)
        app.router.add_route("*", "/api/{rest:.*}", self._discord)
        app.router.add_route("*", "/{rest:.*}", self._telegram)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        address = self._runner.addresses[0]
        self.url = f"http://{address[0]}:{address[1]}"

    async def _page(self, _request: web.Request) -> web.Response:
        policy = (
            "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
            "connect-src 'self'"
        )
        page = files("relay.sandbox").joinpath("page.html").read_text("utf-8")
        return web.Response(
            text=page, content_type="text/html", headers={"Content-Security-Policy": policy}
        )

    async def _state(self, request: web.Request) -> web.Response:
        """The contents of the page; 204 if they are still those of `since`."""
        if request.query.get("since") == str(revision(self.telegram, self.discord)):
            return web.Response(status=204)
        shown = page_state(self.telegram, self.discord)
        return web.json_response(
            {**shown, "controls": list(self.controls), "notes": list(self.notes)}
        )

    async def _control(self, request: web.Request) -> web.Response:
        """Handles a button of the page. Another site may not press it."""
        control = self.controls.get(request.match_info["name"])
        if control is None or request.headers.get("Sec-Fetch-Site", "none") not in _OWN_SITE:
            return web.Response(status=404 if control is None else 403)
        await control(dict(request.query))
        return web.Response(status=204)

    async def _telegram(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        pending_poll = self.telegram.pending_poll(
            request.path, request.query, request.headers, body
        )
        if pending_poll and not await self._hold_poll(pending_poll):
            return await self._send(request, refusal(ApiError(409, TERMINATED)))
        now = self.clock()
        reply = self.telegram.handle(
            request.method, request.path, request.query, request.headers, body, now
        )
        return await self._send(request, reply)

    async def _hold_poll(self, pending_poll: PendingPoll) -> bool:
        """Holds a getUpdates until there is an update or its time is over; False if another one
        ends it.
        """
        until = time.monotonic() + pending_poll.seconds
        while time.monotonic() < until and pending_poll.waits and not self._closing.is_set():
            await self._wait(STEP)
        return pending_poll.is_latest

    async def deliver(self, token: str) -> list[int]:
        """Posts the updates of a bot's webhook, one after the other, until one is refused. Returns
        the answers' statuses.
        """
        updates, statuses = self.telegram.bots[token].updates, list[int]()
        url = next(
            (
                url.replace(far, near, 1)
                for far, near in self.handlers.items()
                if (url := updates.webhook)
            ),
            "",
        )
        async with aiohttp.ClientSession(headers={SECRET: updates.secret}) as session:
            while updates.queue and url:
                async with session.post(url, json=updates.queue[0]) as response:
                    statuses.append(response.status)
                if statuses[-1] != 200:
                    updates.error = f"Wrong response from the webhook: {statuses[-1]}"
                    break
                updates.delivered()
        return statuses

    async def _discord(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        now = self.clock()
        reply = self.discord.handle(
            request.method, request.path, request.query, request.headers, body, now
        )
        return await self._send(request, reply)

    async def _send(self, request: web.Request, reply: Reply) -> web.StreamResponse:
        if reply.ending == "hang" or reply.delay:
            await self._wait(reply.delay if reply.delay else None)
        if reply.ending in ("short", "endless"):
            await self._begin(request, reply)
        if reply.ending != "answer" and request.transport is not None:
            request.transport.abort()
        return web.Response(status=reply.status, headers=reply.headers, body=reply.body)

    async def _begin(self, request: web.Request, reply: Reply) -> None:
        """Sends an answer that does not end."""
        response = web.StreamResponse(status=reply.status, headers=reply.headers)
        if reply.ending == "short":
            response.content_length = len(reply.body)
        await response.prepare(request)
        await response.write(reply.body[: len(reply.body) // 2])
        while reply.ending == "endless" and not self._closing.is_set():
            with suppress(ConnectionError):
                await response.write(b" ")
            if request.transport is None or request.transport.is_closing():
                return
            await self._wait(STEP)

    async def _wait(self, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        except TimeoutError:
            return


async def start(
    host: str = "127.0.0.1",
    port: int = 0,
    clock: Callable[[], float] = time.time,
    parser: Parser | None = None,
) -> Sandbox:
    """Starts a sandbox. `clock` gives the Unix time for all its rules, `parser` reads markup and
    links (None: without markup).
    """
    faults = Faults()
    telegram = Telegram(faults=faults, parser=parser or NoParser())
    sandbox = Sandbox(telegram, Discord(faults=faults), faults, clock)
    await sandbox.listen(host, port)
    return sandbox
