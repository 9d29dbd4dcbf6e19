"""A connection to Discord's Gateway, which brings presses without a public address."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import aiohttp
from msgspec.structs import replace

from relay.core.action.settings import DiscordBot
from relay.core.event import BotListens, Event, Noted
from relay.core.secret import Secret
from relay.delivery.transport import USER_AGENT
from relay.platforms.answer import (
    LONGEST_WAIT,
    json_object,
    object_of,
    seconds_of,
    text_of,
    wait_of,
)
from relay.platforms.discord import gateway
from relay.platforms.discord.bot import USER_AGENT as DISCORD_AGENT
from relay.platforms.discord.gateway import (
    GatewayClose,
    GatewayEnded,
    GatewayLink,
    GatewayReady,
    GatewayReceive,
    GatewayReconnect,
    GatewaySend,
    GatewaySession,
)
from relay.platforms.discord.interactions import Interactions, interaction, register_commands
from relay.platforms.discord.messages import answer_of
from relay.platforms.http import NoAnswer, Request, Response
from relay.supervised import Loop

MOST_READ = 4 << 20  # bytes of a message
PATIENCE = 3  # failures in a row until they are reported
_FEW = 10  # sessions left for others
_GREETING = 15.0  # seconds


class Gateway:
    """Keeps one connection for a bot: it is opened again whenever it ends, and resumed if
    possible.
    """

    def __init__(
        self,
        bot: DiscordBot,
        take: Callable[[Interactions], Awaitable[None]],
        exchange: Callable[[Request], Awaitable[Response | NoAnswer]],
        keep: Callable[[GatewaySession], Awaitable[None]],
        clock: Callable[[], float],
        emit: Callable[[Event], None],
        session: GatewaySession | None = None,
    ) -> None:
        """`take` carries out an interaction and raises nothing; `keep` stores the session for a
        successor; `session` is what a predecessor left.
        """
        self._bot = bot
        self._take = take
        self._exchange = exchange
        self._keep = keep
        self._clock = clock
        self._emit = emit
        self._link = GatewayLink(session or GatewaySession())
        self._loop = Loop("the Gateway failed", self._go_on, emit)
        self._work: set[asyncio.Future[None]] = set()
        self.application = ""

    def start(self) -> None:
        """Begins to listen."""
        self._loop.start()

    async def stop(self) -> None:
        """Stops. The session is left for a successor to resume."""
        for each in self._work:
            each.cancel()
        await asyncio.gather(self._loop.stop(), *self._work, return_exceptions=True)

    async def _go_on(self) -> None:
        while True:
            try:
                code = await self._listen()
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
                code = None
            now = self._clock()
            self._link, then = gateway.closed(self._link, code, now, random.random())  # noqa: S311 - jitter
            await self._keep(self._link.session)
            if isinstance(then, GatewayEnded):
                self._tell(then.why, then.remedy)
                return
            if self._link.failures == PATIENCE:
                self._tell("no connection to the Gateway", "check DNS, firewall and proxy")
            await asyncio.sleep(then.wait)

    async def _listen(self) -> int | None:
        """One connection, until it ends; returns Discord's close code, if there is one."""
        url = await self._url()
        if isinstance(url, GatewayReconnect):
            await asyncio.sleep(url.wait)
            return None
        if isinstance(url, int):
            return url
        options = self._bot.http
        timeout = aiohttp.ClientTimeout(total=None, connect=_GREETING)
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=False) as session,
            session.ws_connect(
                gateway.address(self._link, url),
                max_msg_size=MOST_READ,
                headers={"User-Agent": USER_AGENT},
                proxy=options.proxy_url.reveal() if options.proxy_url else None,
            ) as socket,
        ):
            beats = asyncio.create_task(self._beat(socket))
            try:
                await self._read(socket)
            finally:
                beats.cancel()
                await asyncio.gather(beats, return_exceptions=True)
                # Any code but 1000 and 1001 keeps the session for a successor.
                await socket.close(code=4000)
            return socket.close_code

    async def _url(self) -> str | int | GatewayReconnect:
        """The address of the Gateway; 4004 if the token is refused, or when to try again."""
        request = Request(
            "GET",
            Secret(f"{self._bot.api}/gateway/bot"),
            "get_gateway",
            repeatable=True,
            http=self._bot.http,
            headers=(DISCORD_AGENT, ("Authorization", f"Bot {self._bot.token.reveal()}")),
        )
        response = await self._exchange(request)
        if isinstance(response, NoAnswer):
            raise ConnectionError(response.why)
        body = json_object(response.body)
        own = answer_of(response.status, body).own
        if response.status == 401 and own:
            return 4004
        if response.status == 429:
            return GatewayReconnect(wait_of(body.get("retry_after"), response, own=own))
        limit = object_of(body.get("session_start_limit"))
        left, after = limit.get("remaining"), seconds_of(limit.get("reset_after")) or 0.0
        if isinstance(left, int) and left < _FEW and not self._link.session.session:
            return GatewayReconnect(min(max(60.0, after / 1000), LONGEST_WAIT))
        url = text_of(body.get("url"))
        if not url.startswith(("wss://", "ws://")):
            raise ConnectionError("no address")
        return url

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                continue
            before = self._link.session
            self._link, acts = gateway.heard(
                self._link, message.data, self._bot.token, self._clock()
            )
            if before.identified != self._link.session.identified:
                await self._keep(self._link.session)
            for act in acts:
                match act:
                    case GatewaySend(text):
                        await socket.send_str(text.reveal())
                    case GatewayReceive(body):
                        self._begin(self._take(interaction(body)))
                    case GatewayReady(application):
                        await self._ready(application)
                    case GatewayClose():
                        return

    async def _beat(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Heartbeats, the first after a random part of the interval. A connection without a
        greeting is dead.
        """
        started = self._clock()
        while not self._link.interval:
            if self._clock() - started > _GREETING:
                await socket.close(code=4000)
                return
            await asyncio.sleep(0.05)
        await asyncio.sleep(self._link.interval * random.random())  # noqa: S311 - jitter
        while True:
            self._link, act = gateway.timed(self._link)
            if isinstance(act, GatewayClose):
                await socket.close(code=4000)
                return
            await socket.send_str(act.text.reveal())
            await asyncio.sleep(self._link.interval)

    async def _ready(self, application: str) -> None:
        if application and application != self.application:
            self._begin(self._register(application))
        self.application = application or self.application
        self._link = replace(self._link, failures=0)
        await self._keep(self._link.session)
        self._emit(BotListens(self._bot.account, listens=True))

    async def _register(self, application: str) -> None:
        """Registers the message command. Everything else works without it, so one try is enough."""
        await self._exchange(register_commands(self._bot, application))

    def _begin(self, work: Awaitable[None]) -> None:
        """Answers an interaction beside the next ones: each has three seconds."""
        task = asyncio.ensure_future(work)
        self._work.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Future[None]") -> None:
        self._work.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._emit(Noted("error", "interaction failed", (("err", repr(error)),)))

    def _tell(self, why: str, remedy: str) -> None:
        self._emit(BotListens(self._bot.account, listens=False, why=why, remedy=remedy))
