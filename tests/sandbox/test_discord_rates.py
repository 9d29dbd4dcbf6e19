"""The local Discord's rate rules.

https://discord.com/developers/docs/topics/rate-limits and issue 367 of discord/discord-api-docs.
"""

import pytest

from relay.sandbox.rates import Window
from tests.sandbox.client import FORUM_HOOK, HOOK, SISTER, T0, Answer, Client

HI = {"content": "hi"}


async def post(client: Client, hook: int = HOOK) -> Answer:
    return await client.discord("POST", HI, hook=f"{hook}/secret")


async def test_the_headers_count_down_and_say_when_it_begins_anew(client: Client) -> None:
    answers = [await post(client) for _ in range(5)]
    assert [a.headers["X-RateLimit-Remaining"] for a in answers] == ["4", "3", "2", "1", "0"]
    assert {a.headers["X-RateLimit-Limit"] for a in answers} == {"5"}
    assert float(answers[0].headers["X-RateLimit-Reset"]) == T0 + 2
    client.clock.now += 1.25
    head = await client.discord("GET", hook=f"{SISTER}/secret")
    assert head.headers["X-RateLimit-Bucket"] == answers[0].headers["X-RateLimit-Bucket"], (
        "one name for all webhooks"
    )
    assert head.headers["X-RateLimit-Remaining"] == "4", "but each webhook has its own"


async def test_the_sixth_in_two_seconds_is_told_to_wait(client: Client) -> None:
    for _ in range(5):
        await post(client)
    client.clock.now += 1.5
    refused = await post(client)
    assert (refused.status, refused["retry_after"], refused["global"]) == (429, 0.5, False)
    assert (refused.headers["Retry-After"], refused.headers["X-RateLimit-Scope"]) == ("1", "user")
    assert (refused.headers["Content-Type"], refused.headers["Via"]) == (
        "application/json",
        "1.1 google",
    )
    client.clock.now += 0.5
    assert (await post(client)).status == 200
    assert [call.early for call in client.sandbox.discord.calls] == [False] * 7


async def test_a_call_before_the_wait_is_over_is_noted_as_early(client: Client) -> None:
    for _ in range(7):
        await post(client)
    assert [call.early for call in client.sandbox.discord.calls] == [False] * 6 + [True]


async def test_a_channel_takes_thirty_a_minute_over_all_its_webhooks_and_no_header_says_so(
    client: Client,
) -> None:
    for number in range(30):
        client.clock.now += 1
        assert (await post(client, (HOOK, SISTER)[number % 2])).status == 200
    client.clock.now += 1
    refused = await post(client, SISTER)
    assert (refused.status, refused["retry_after"]) == (429, 30.0)
    assert int(refused.headers["X-RateLimit-Remaining"]) > 0
    assert refused.headers["X-RateLimit-Scope"] == "shared"
    assert (await client.discord("GET")).status == 200, "what is no message is not counted there"


async def test_one_address_makes_fifty_calls_a_second(client: Client) -> None:
    discord = client.sandbox.discord
    for number in range(11):
        discord.add_channel(900 + number, "more")
        discord.add_webhook(900 + number, "secret", 900 + number)
    statuses = [(await post(client, 900 + number // 5)).status for number in range(50)]
    refused = await post(client, 910)
    assert statuses == [200] * 50
    assert (refused.status, refused["global"], refused["retry_after"]) == (429, True, 1.0)
    assert refused.headers["X-RateLimit-Global"] == "true"


async def test_new_forum_posts_are_few(client: Client) -> None:
    for number in range(6):
        client.clock.now += 2
        body = {**HI, "thread_name": str(number)}
        answer = await client.discord("POST", body, hook=f"{FORUM_HOOK}/secret")
        assert answer.status == (200 if number < 5 else 429)
    assert answer["retry_after"] == 290.0


@pytest.mark.parametrize(
    ("hook", "counts"), [(f"{HOOK}/wrong", True), (f"{HOOK}/secret", False), ("999/x", False)]
)
async def test_too_many_invalid_requests_ban_the_address(
    client: Client, hook: str, counts: bool
) -> None:
    client.sandbox.discord.invalid = Window(3, 600.0)
    for _ in range(3):
        await client.discord("GET", hook=hook)
    banned = await client.discord("GET")
    assert (banned.status, banned.json) == ((429, None) if counts else (200, banned.json))
    client.clock.now += 601
    assert (await client.discord("GET")).status == 200
