"""A plain HTTP client of the sandbox, and the clock that the sandbox goes by."""

import json
from dataclasses import dataclass

import aiohttp
from msgspec import Struct

from relay.sandbox.server import Sandbox

T0 = 1_795_300_000.0
TOKEN = "100:token"
PRIVATE, GROUP, FORUM, CHANNEL = 55, -5, -1005, -1009
TEXT_CHANNEL, FORUM_CHANNEL = 70, 71
HOOK, SISTER, FORUM_HOOK = 80, 81, 82
AGENT = {"User-Agent": "DiscordBot (https://example.org, 1.0)"}
QUIET: dict[str, object] = {"allowed_mentions": {"parse": []}}


@dataclass
class Clock:
    """Unix time, moved by the tests."""

    now: float = T0

    def __call__(self) -> float:
        return self.now


class Answer(Struct, frozen=True):
    """Status, headers and decoded JSON (None without a body)."""

    status: int
    headers: dict[str, str]
    json: dict[str, object] | None

    def __getitem__(self, key: str) -> object:
        assert self.json is not None
        return self.json[key]


@dataclass
class Client:
    """Calls both APIs as anyone would."""

    sandbox: Sandbox
    session: aiohttp.ClientSession
    clock: Clock

    async def telegram(self, method: str, token: str = TOKEN, **parameters: object) -> Answer:
        """A Bot API call with a JSON body."""
        return await self.call("POST", f"/bot{token}/{method}", json=parameters)

    async def say(self, chat: int = GROUP, text: str = "hello", **parameters: object) -> Answer:
        """sendMessage."""
        return await self.call(
            "POST", f"/bot{TOKEN}/sendMessage", json={"chat_id": chat, "text": text, **parameters}
        )

    async def discord(
        self,
        verb: str,
        body: object = None,
        path: str = "",
        query: str = "wait=true",
        hook: str = f"{HOOK}/secret",
    ) -> Answer:
        """A webhook call; a body gets the quiet allowed_mentions unless it has its own."""
        if isinstance(body, dict):
            body = {**QUIET, **body}
        return await self.call(
            verb, f"/api/v10/webhooks/{hook}{path}?{query}", json=body, headers=AGENT
        )

    async def call(
        self,
        verb: str,
        path: str,
        *,
        json: object = None,
        data: object = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Any request."""
        url = self.sandbox.url + path
        async with self.session.request(
            verb, url, json=json, data=data, headers=headers
        ) as response:
            return _answer(response.status, dict(response.headers), await response.read())


def _answer(status: int, headers: dict[str, str], body: bytes) -> Answer:
    is_json = headers.get("Content-Type") == "application/json"
    return Answer(status, headers, json.loads(body) if is_json else None)
