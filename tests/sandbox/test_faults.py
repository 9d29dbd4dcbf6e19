"""Scripted faults, as a client on the network meets them."""

import asyncio

import aiohttp
import pytest

from relay.sandbox.faults import FaultKind, PlatformName, Refusal
from tests.sandbox.client import GROUP, HOOK, PRIVATE, T0, TEXT_CHANNEL, Client

BOTH: list[PlatformName] = ["telegram", "discord"]


async def send(client: Client, platform: PlatformName) -> tuple[int, str]:
    """Status and content type of a message sent."""
    call = client.say() if platform == "telegram" else client.discord("POST", {"content": "hello"})
    answer = await call
    return answer.status, answer.headers.get("Content-Type", "")


def shown(client: Client, platform: PlatformName) -> int:
    """How many messages stand in the chat."""
    if platform == "telegram":
        return len(client.sandbox.telegram.messages(GROUP))
    return len(client.sandbox.discord.messages(TEXT_CHANNEL))


@pytest.mark.parametrize("platform", BOTH)
@pytest.mark.parametrize(
    ("kind", "status", "content_type"),
    [
        ("500", 500, "application/json"),
        ("502", 502, "text/html"),
        ("429", 429, "application/json"),
        ("not json", 200, "text/html"),
        ("blocked", 403, "text/html"),
        ("ok false", 200, "application/json"),
    ],
)
async def test_an_answer_fault_leaves_the_message_unsent(
    client: Client, platform: PlatformName, kind: FaultKind, status: int, content_type: str
) -> None:
    client.sandbox.faults.add(platform, "*", kind, count=1)
    assert await send(client, platform) == (status, content_type)
    assert shown(client, platform) == 0
    client.clock.now += 60
    assert (await send(client, platform))[0] == 200
    assert shown(client, platform) == 1


async def test_a_scripted_refusal_has_the_platforms_own_form(client: Client) -> None:
    kicked, missing = (
        Refusal(403, "Forbidden: bot was kicked"),
        Refusal(403, "Missing Access", 50001),
    )
    client.sandbox.faults.add("telegram", "*", "refused", refusal=kicked)
    client.sandbox.faults.add("discord", "*", "refused", refusal=missing)
    said = await client.say()
    assert (said.status, said.json) == (
        403,
        {"ok": False, "error_code": 403, "description": kicked.words},
    )
    said = await client.discord("POST", {"content": "hello"})
    assert (said.status, said.json) == (403, {"message": "Missing Access", "code": 50001})


@pytest.mark.parametrize("platform", BOTH)
@pytest.mark.parametrize(
    ("kind", "taken"),
    [("cut before", 0), ("cut after", 1), ("short", 1), ("half", 1), ("empty", 0)],
)
async def test_a_cut_leaves_the_client_without_an_answer(
    client: Client, platform: PlatformName, kind: FaultKind, taken: int
) -> None:
    client.sandbox.faults.add(platform, "*", kind, count=1)
    with pytest.raises((aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, ValueError)):
        await send(client, platform)
    assert shown(client, platform) == taken


@pytest.mark.parametrize("platform", BOTH)
@pytest.mark.parametrize(("kind", "taken"), [("hang", 0), ("endless", 1)])
async def test_a_hanging_call_never_ends_and_does_not_hold_up_the_end(
    client: Client, platform: PlatformName, kind: FaultKind, taken: int
) -> None:
    client.sandbox.faults.add(platform, "*", kind)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(send(client, platform), 0.2)
    assert shown(client, platform) == taken
    await asyncio.wait_for(client.sandbox.stop(), 2)


async def test_a_slow_answer_comes_after_the_message_was_taken(client: Client) -> None:
    client.sandbox.faults.add("telegram", "*", "slow", count=2, seconds=0.01)
    assert (await client.say()).status == 200
    client.sandbox.faults.script[0].seconds = 60
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client.say(), 0.05)
    assert shown(client, "telegram") == 2


async def test_a_scripted_429_opens_a_real_window(client: Client) -> None:
    client.sandbox.faults.add("telegram", str(GROUP), "429", count=1, seconds=4)
    assert (await client.say())["parameters"] == {"retry_after": 4}
    client.clock.now += 1
    assert (await client.say())["parameters"] == {"retry_after": 7}
    client.sandbox.faults.add("discord", str(HOOK), "429", count=1, seconds=2.5)
    assert (await client.discord("POST", {"content": "x"}))["retry_after"] == 2.5
    assert (await client.discord("POST", {"content": "x"})).status == 429
    assert client.sandbox.telegram.calls[-1].early
    assert client.sandbox.discord.calls[-1].early


async def test_a_fault_strikes_its_target_in_its_time_as_often_as_it_should(client: Client) -> None:
    faults = client.sandbox.faults
    faults.add("telegram", str(GROUP), "500", since=T0 + 10, until=T0 + 20, count=2)
    at = {0: 200, 10: 500, 11: 500, 12: 200, 19: 200}
    for seconds, status in at.items():
        client.clock.now = T0 + seconds
        assert (await client.say()).status == status, seconds
        assert (await client.say(PRIVATE)).status == 200
    assert [(when, kind) for when, _, kind, _ in faults.struck] == [
        (T0 + 10, "500"),
        (T0 + 11, "500"),
    ]


async def test_clearing_ends_all_faults(client: Client) -> None:
    client.sandbox.faults.add("telegram", "*", "502")
    assert (await client.say()).status == 502
    client.sandbox.faults.clear()
    assert (await client.say()).status == 200
