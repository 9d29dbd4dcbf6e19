"""A local Gateway of Discord, and what answers interactions: with the rules and limits of both.

https://docs.discord.com/developers/events/gateway and
https://docs.discord.com/developers/interactions/receiving-and-responding
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import WSCloseCode, WSMsgType, web

from relay.sandbox.discord_chats import snowflake
from relay.sandbox.reply import JsonObject

ANSWER_WITHIN, TOKEN_LIVES = 3.0, 900.0
_FORM, _MESSAGE = 9, 4
_ONLY_YOU = 64


@dataclass
class SandboxInteraction:
    """An interaction that was handed out, and how it was answered. `at` is Unix seconds."""

    id: str
    token: str
    kind: int
    at: float
    body: JsonObject
    answer: JsonObject | None = None
    answered_at: float = 0.0
    follow_ups: list[JsonObject] = field(default_factory=list)

    @property
    def shown(self) -> str:
        """What the person reads at once; `This interaction failed` without an answer in time."""
        if self.answer is None:
            return "This interaction failed"
        data = self.answer.get("data")
        return str(data.get("content") or "") if isinstance(data, dict) else ""

    @property
    def is_private(self) -> bool:
        """Only the person sees the answer."""
        data = (self.answer or {}).get("data")
        return isinstance(data, dict) and data.get("flags") == _ONLY_YOU


@dataclass
class GatewaySandbox:
    """One application with one bot. `sessions_left` is what the API says of its day.

    `events` are those of the session, for resuming; `log` what the client sent, by name.
    """

    token: str
    clock: Callable[[], float]
    application: str = "9000001"
    interval: float = 41.25
    sessions_left: int = 1000
    acks: bool = True
    refuse: int = 0
    resumes: bool = True
    url: str = ""
    events: list[JsonObject] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    intents: list[int] = field(default_factory=list)
    interactions: dict[str, SandboxInteraction] = field(default_factory=dict)
    sockets: list[web.WebSocketResponse] = field(default_factory=list)
    session: str = ""
    _number: int = 0

    def app(self) -> web.Application:
        """`/api/v10/gateway/bot`, the socket at `/`, and the answers to interactions."""
        app = web.Application()
        app.router.add_get("/api/v10/gateway/bot", self._address)
        app.router.add_get("/", self._connect)
        app.router.add_post("/api/v10/interactions/{id}/{token}/callback", self._callback)
        app.router.add_post("/api/v10/webhooks/{application}/{token}", self._follow_up)
        return app

    async def press(
        self,
        data: str,
        message: str,
        user: str,
        roles: tuple[str, ...] = (),
        channel: str = "777",
        author: str = "",
    ) -> SandboxInteraction:
        """Somebody presses a button of a message; `author` is the user who wrote it."""
        said = {"custom_id": data, "component_type": 2}
        message_body: JsonObject = {"id": message}
        if author:
            message_body["author"] = {"id": author}
        return await self._hand_out(3, said, message_body, user, roles, channel)

    async def command(
        self, name: str, message: str, user: str, webhook: str = "", channel: str = "777"
    ) -> SandboxInteraction:
        """Somebody chooses a message command, which works on a webhook's message too."""
        shown = {"id": message, "webhook_id": webhook} if webhook else {"id": message}
        said = {
            "type": 3,
            "name": name,
            "target_id": message,
            "resolved": {"messages": {message: shown}},
        }
        return await self._hand_out(2, said, None, user, (), channel)

    async def submit(
        self, form: SandboxInteraction, values: dict[str, str], user: str
    ) -> SandboxInteraction:
        """Somebody sends the form that answered an interaction."""
        data = (form.answer or {}).get("data")
        custom_id = data.get("custom_id") if isinstance(data, dict) else ""
        inputs = [
            {"type": 18, "component": {"type": 4, "custom_id": name, "value": value}}
            for name, value in values.items()
        ]
        said: JsonObject = {"custom_id": custom_id, "components": inputs}
        message = form.body.get("message")
        shown = message if isinstance(message, dict) else None
        return await self._hand_out(5, said, shown, user, (), str(form.body["channel_id"]))

    async def send(self, body: JsonObject) -> None:
        """Any message to every open connection."""
        for socket in self.sockets:
            if not socket.closed:
                await socket.send_str(json.dumps(body))

    async def cut(self, code: int = WSCloseCode.GOING_AWAY) -> None:
        """Ends the connections with a code."""
        for socket in self.sockets:
            await socket.close(code=code)
        self.sockets.clear()

    async def _hand_out(
        self,
        kind: int,
        said: JsonObject,
        message: JsonObject | None,
        user: str,
        roles: tuple[str, ...],
        channel: str,
    ) -> SandboxInteraction:
        self._number += 1
        number = str(snowflake(self.clock(), self._number))
        body: JsonObject = {
            "id": number,
            "application_id": self.application,
            "type": kind,
            "token": f"token-{self._number}",
            "version": 1,
            "channel_id": channel,
            "guild_id": "700",
            "locale": "en-US",
            "member": {"roles": list(roles), "user": {"id": user, "username": f"user {user}"}},
            "data": said,
        }
        if message is not None:
            body["message"] = message
        handed = SandboxInteraction(number, f"token-{self._number}", kind, self.clock(), body)
        self.interactions[handed.token] = handed
        event: JsonObject = {
            "op": 0,
            "t": "INTERACTION_CREATE",
            "s": len(self.events) + 1,
            "d": body,
        }
        self.events.append(event)
        await self.send(event)
        return handed

    async def _address(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bot {self.token}":
            return web.json_response({"message": "401: Unauthorized", "code": 0}, status=401)
        limit = {
            "total": 1000, "remaining": self.sessions_left, "reset_after": 60000,
            "max_concurrency": 1,
        }  # fmt: skip
        url = self.url.replace("http", "ws", 1)
        return web.json_response({"url": url, "shards": 1, "session_start_limit": limit})

    async def _connect(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        hello = {"op": 10, "d": {"heartbeat_interval": int(self.interval * 1000)}}
        await socket.send_str(json.dumps(hello))
        async for message in socket:
            if message.type != WSMsgType.TEXT:
                continue
            code = await self._hear(socket, json.loads(message.data))
            if code:
                await socket.close(code=code)
                break
        if socket in self.sockets:
            self.sockets.remove(socket)
        return socket

    async def _hear(self, socket: web.WebSocketResponse, body: JsonObject) -> int:
        """The code to close with; 0 to go on."""
        told = body.get("d")
        match body.get("op"):
            case 1:
                self.log.append("heartbeat")
                if self.acks:
                    await socket.send_str(json.dumps({"op": 11}))
            case 2 if isinstance(told, dict):
                return await self._identify(socket, told)
            case 6 if isinstance(told, dict):
                return await self._resume(socket, told)
            case _:
                return 4001
        return 0

    async def _identify(self, socket: web.WebSocketResponse, told: JsonObject) -> int:
        self.log.append("identify")
        if self.refuse or told.get("token") != self.token:
            return self.refuse or 4004
        intents = told.get("intents")
        self.intents.append(intents if isinstance(intents, int) else -1)
        self.sessions_left -= 1
        self._number += 1
        self.session = f"session-{self._number}"
        self.events.clear()
        ready: JsonObject = {
            "session_id": self.session,
            "resume_gateway_url": self.url.replace("http", "ws", 1),
            "application": {"id": self.application},
        }
        event: JsonObject = {"op": 0, "t": "READY", "s": 1, "d": ready}
        self.events.append(event)
        self.sockets.append(socket)
        await socket.send_str(json.dumps(event))
        return 0

    async def _resume(self, socket: web.WebSocketResponse, told: JsonObject) -> int:
        """Missed events come again, in order; an unknown session is refused."""
        self.log.append("resume")
        if told.get("token") != self.token:
            return 4004
        if not self.resumes or told.get("session_id") != self.session:
            await socket.send_str(json.dumps({"op": 9, "d": False}))
            return 0
        seq = told.get("seq")
        for event in self.events[seq if isinstance(seq, int) else 0 :]:
            await socket.send_str(json.dumps(event))
        self.sockets.append(socket)
        number = len(self.events) + 1
        resumed: JsonObject = {"op": 0, "t": "RESUMED", "s": number, "d": {}}
        self.events.append(resumed)
        await socket.send_str(json.dumps(resumed))
        return 0

    async def _callback(self, request: web.Request) -> web.Response:
        """The first answer: once, within three seconds; a form only to a press or a command."""
        handed = self.interactions.get(request.match_info["token"])
        if handed is None or handed.id != request.match_info["id"]:
            return _refused(404, 10062, "Unknown interaction")
        if handed.answer is not None:
            return _refused(400, 40060, "Interaction has already been acknowledged.")
        if self.clock() - handed.at > ANSWER_WITHIN:
            return _refused(404, 10062, "Unknown interaction")
        why = wrong(handed.kind, await request.json())
        if why:
            return _refused(400, 50035, f"Invalid Form Body: {why}")
        handed.answer, handed.answered_at = await request.json(), self.clock()
        return web.Response(status=204)

    async def _follow_up(self, request: web.Request) -> web.Response:
        handed = self.interactions.get(request.match_info["token"])
        if handed is None or self.clock() - handed.at > TOKEN_LIVES:
            return _refused(401, 50027, "Invalid Webhook Token")
        if handed.answer is None:
            return _refused(404, 10015, "Unknown Webhook")
        handed.follow_ups.append(await request.json())
        return web.json_response({"id": "1", "channel_id": "777"})


def wrong(kind: int, body: JsonObject) -> str:
    """What is wrong with an answer to an interaction of that kind; empty when nothing is."""
    data = body.get("data")
    told = data if isinstance(data, dict) else {}
    match body.get("type"):
        case 1 | 5 | 6:
            return ""
        case 4 | 7:
            if not told.get("content") and not told.get("embeds"):
                return "an empty message"
            return "" if len(str(told.get("content"))) <= 2000 else "content too long"
        case 9:
            if kind == 5:
                return "a form answers a form"
            components = told.get("components")
            many = len(components) if isinstance(components, list) else 0
            if not 1 <= many <= 5 or len(str(told.get("title") or "")) not in range(1, 46):
                return "title or components"
            return "" if 1 <= len(str(told.get("custom_id") or "")) <= 100 else "custom_id"
        case _:
            return "type"


def _refused(status: int, code: int, message: str) -> web.Response:
    return web.json_response({"code": code, "message": message}, status=status)
