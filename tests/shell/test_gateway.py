"""The connection to Discord's Gateway, against a local one."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest
from msgspec.structs import replace
from pytest_aiohttp import AiohttpServer

from relay import supervised
from relay.bot.gateway import Gateway
from relay.core.action.settings import DiscordBot
from relay.core.event import BotListens, Event, Noted
from relay.core.routing.lane import HttpOptions
from relay.core.secret import Secret
from relay.core.text.richtext import RichText
from relay.delivery.calls import Exchange
from relay.delivery.transport import Transport
from relay.platforms.discord.gateway import GatewaySession
from relay.platforms.discord.interactions import (
    FormChoice,
    Interaction,
    Interactions,
    answer,
    form,
    noted,
    told,
)
from relay.platforms.http import NoAnswer, Request, Response
from relay.store.protocol import StoreError
from tests.gateway_sandbox import ANSWER_WITHIN, GatewaySandbox

TOKEN = "canary-token"


@dataclass
class Clock:
    now: float = 1_795_300_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class World:
    """A local Gateway, and all that a connection to it brought."""

    clock: Clock
    sandbox: GatewaySandbox
    transport: Transport
    bot: DiscordBot
    events: list[Event] = field(default_factory=list)
    heard: list[Interactions] = field(default_factory=list)
    kept: list[GatewaySession] = field(default_factory=list)
    running: list[Gateway] = field(default_factory=list)
    broken: int = 0  # how often the storage fails yet

    async def take(self, found: Interactions) -> None:
        self.heard.append(found)
        if isinstance(found, Interaction) and found.kind == "press":
            await self.transport.send(answer(self.bot, found, told(RichText("It is yours."))))

    async def keep(self, session: GatewaySession) -> None:
        if self.broken:
            self.broken -= 1
            raise StoreError("disk I/O error")
        self.kept.append(session)

    def gateway(
        self, session: GatewaySession | None = None, exchange: Exchange | None = None
    ) -> Gateway:
        found = Gateway(
            self.bot,
            self.take,
            exchange or self.transport.send,
            self.keep,
            self.clock,
            self.events.append,
            session,
        )
        self.running.append(found)
        found.start()
        return found


@pytest.fixture
async def world(aiohttp_server: AiohttpServer) -> AsyncIterator[World]:
    clock = Clock()
    sandbox = GatewaySandbox(TOKEN, clock)
    server = await aiohttp_server(sandbox.app())
    sandbox.url = str(server.make_url("/")).rstrip("/")
    bot = DiscordBot(f"{sandbox.url}/api/v10", "12345678", Secret(TOKEN), HttpOptions())
    transport = Transport()
    found = World(clock, sandbox, transport, bot)
    yield found
    for gateway in found.running:
        await gateway.stop()
    await transport.close()
    await sandbox.cut()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - the local Gateway has no event for it
            await asyncio.sleep(0.01)


async def test_a_press_comes_in_and_is_answered_within_its_three_seconds(world: World) -> None:
    gateway = world.gateway()
    await until(lambda: bool(world.sandbox.sockets))
    handed = await world.sandbox.press("1t.abc", "444444", "333333", ("222222",))
    await until(lambda: handed.answer is not None)
    assert (handed.shown, handed.is_private) == ("It is yours.", True)
    (found,) = world.heard
    assert isinstance(found, Interaction)
    assert (found.data, found.message) == ("1t.abc", "444444")
    assert found.presser.roles == {"222222"}
    assert world.sandbox.intents == [0]
    assert gateway.application == world.sandbox.application
    assert BotListens("12345678", listens=True) in world.events


async def test_after_a_cut_the_session_is_resumed_and_what_was_missed_comes(world: World) -> None:
    world.gateway()
    await until(lambda: bool(world.sandbox.sockets))
    await world.sandbox.cut(4000)
    missed = await world.sandbox.press("1t.abc", "444444", "333333")
    await until(lambda: missed.answer is not None)
    assert world.sandbox.log.count("identify") == 1
    assert "resume" in world.sandbox.log


async def test_a_storage_that_fails_for_a_moment_does_not_end_the_listening(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervised, "AGAIN_AFTER", 0.0)
    world.gateway()
    await until(lambda: bool(world.sandbox.sockets))
    world.broken = 1
    await world.sandbox.cut(4000)
    missed = await world.sandbox.press("1t.abc", "444444", "333333")
    await until(lambda: missed.answer is not None)
    assert Noted("error", "storage failed", (("at", "the Gateway"), ("err", "disk I/O error"))) in (
        world.events
    )


async def test_a_successor_resumes_what_was_kept(world: World) -> None:
    first = world.gateway()
    await until(lambda: any(kept.session for kept in world.kept))
    await first.stop()
    missed = await world.sandbox.press("1t.abc", "444444", "333333")
    world.gateway(world.kept[-1])
    await until(lambda: missed.answer is not None)
    assert world.sandbox.log.count("identify") == 1


@pytest.mark.medium
async def test_a_session_that_cannot_be_resumed_is_begun_anew(world: World) -> None:
    world.gateway()
    await until(lambda: bool(world.sandbox.sockets))
    world.sandbox.resumes = False
    await world.sandbox.cut(4000)
    await until(lambda: world.sandbox.log.count("identify") == 2)


async def test_discord_may_ask_for_a_new_connection(world: World) -> None:
    world.gateway()
    await until(lambda: bool(world.sandbox.sockets))
    await world.sandbox.send({"op": 7, "d": None})
    await until(lambda: "resume" in world.sandbox.log)


@pytest.mark.medium
async def test_a_connection_whose_heartbeats_are_not_answered_is_given_up(world: World) -> None:
    world.sandbox.interval, world.sandbox.acks = 1.0, False
    world.gateway()
    await until(lambda: "resume" in world.sandbox.log)
    assert "heartbeat" in world.sandbox.log


@pytest.mark.parametrize(("code", "word"), [(4014, "intents"), (4004, "token")])
async def test_a_final_end_is_said_once_with_its_remedy(world: World, code: int, word: str) -> None:
    world.sandbox.refuse = code
    world.gateway()
    await until(lambda: any(isinstance(each, BotListens) for each in world.events))
    (said,) = (each for each in world.events if isinstance(each, BotListens))
    assert not said.listens
    assert word in said.why
    assert said.remedy
    assert world.sandbox.log == ["identify"]


async def test_a_token_that_the_api_refuses_opens_no_connection(world: World) -> None:
    world.bot = replace(world.bot, token=Secret("other"))
    world.gateway()
    await until(lambda: bool(world.events))
    assert world.sandbox.log == []


async def test_a_firewall_that_asks_for_a_login_does_not_end_the_connection_for_good(
    world: World,
) -> None:
    """It was taken for Discord's word on the token: no press was heard until the next start."""
    answers = [Response(401, {}, b"<html><body>Please log in.</body></html>")]
    send = world.transport.send

    async def spoiled(request: Request) -> Response | NoAnswer:
        return answers.pop() if answers else await send(request)

    world.gateway(exchange=spoiled)
    await until(lambda: "identify" in world.sandbox.log)
    assert not any(isinstance(each, BotListens) and not each.listens for each in world.events)


async def test_the_local_discord_takes_one_answer_within_three_seconds(world: World) -> None:
    world.gateway()
    await until(lambda: bool(world.sandbox.sockets))

    async def status(body: dict[str, object]) -> int:
        found = world.heard[-1]
        assert isinstance(found, Interaction)
        response: Response | NoAnswer = await world.transport.send(answer(world.bot, found, body))
        assert isinstance(response, Response)
        return response.status

    command = await world.sandbox.command("Take", "444444", "333333", webhook="99999")
    await until(lambda: len(world.heard) == 1)
    asked = form(
        "Silence", "1m.abc", "What?", [FormChoice("silence", "this alert")], "How long?", "Why?"
    )
    assert await status(asked) == 204
    assert await status(noted()) == 400  # 40060
    await world.sandbox.submit(command, {"duration": "90m"}, "333333")
    await until(lambda: len(world.heard) == 2)
    found = world.heard[-1]
    assert isinstance(found, Interaction)
    assert found.values == {"duration": "90m"}
    assert await status(asked) == 400  # a form does not answer a form
    world.clock.now += ANSWER_WITHIN + 0.1
    assert await status(noted()) == 404  # too late
