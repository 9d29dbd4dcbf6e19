"""A box in between: a firewall or gateway that answers some calls itself and passes on others."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

PAGE = (
    b"<html><head><title>Blocked</title></head><body>Event 7: see your administrator.</body></html>"
)


@dataclass
class Rule:
    """Its answer to each call that contains `text`, and `also` that."""

    text: str
    status: int
    body: bytes = PAGE
    content_type: str = "text/html"
    also: str = ""

    def concerns(self, body: bytes) -> bool:
        return self.text.encode() in body and self.also.encode() in body


@dataclass
class Box:
    """Listens at `url`; `answered` are the rules that it applied, in order."""

    url: str = ""
    rules: list[Rule] = field(default_factory=list)
    answered: list[Rule] = field(default_factory=list)

    def answers(self, body: bytes) -> Rule | None:
        found = next((rule for rule in self.rules if rule.concerns(body)), None)
        if found:
            self.answered.append(found)
        return found


@asynccontextmanager
async def box(behind: str) -> AsyncIterator[Box]:
    """A box before the address `behind`."""
    made = Box()
    session = aiohttp.ClientSession(auto_decompress=False)

    async def passed(asked: web.Request) -> web.Response:
        body = await asked.read()
        if rule := made.answers(body):
            return web.Response(status=rule.status, body=rule.body, content_type=rule.content_type)
        headers = {"Content-Type": asked.headers.get("Content-Type", "")}
        async with session.request(
            asked.method, behind + asked.raw_path, data=body, headers=headers
        ) as answer:
            return web.Response(
                status=answer.status,
                body=await answer.read(),
                content_type=answer.content_type,
            )

    app = web.Application(client_max_size=1 << 26)
    app.router.add_route("*", "/{rest:.*}", passed)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    made.url = f"http://{host}:{port}"
    try:
        yield made
    finally:
        await runner.cleanup()
        await session.close()
