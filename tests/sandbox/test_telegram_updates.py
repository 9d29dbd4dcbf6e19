"""The sandbox's way back: what people do reaches bots by polling or by webhook, as Telegram lets
it.
"""

import asyncio

from aiohttp import web
from pytest_aiohttp import AiohttpServer

from relay.core.bot.update import Command, Membership, Migrated, Seen, Update
from relay.platforms.telegram.updates import update
from tests.acceptance.processes import until
from tests.sandbox.client import FORUM, GROUP, PRIVATE, TOKEN, Answer, Client


async def heard(client: Client) -> list[Update]:
    result = (await client.telegram("getUpdates"))["result"]
    assert isinstance(result, list)
    return [update(each, "relay_bot") for each in result]


async def test_a_bot_hears_what_people_do(client: Client) -> None:
    telegram = client.sandbox.telegram
    telegram.says(PRIVATE, PRIVATE, "/start token")
    telegram.says(777, 777, "hello", language="fr")
    telegram.says(FORUM, 5, "/chatid", topic=7)
    telegram.says(GROUP, 0, "/stop")
    telegram.adds_bot(GROUP, "administrator")
    telegram.kick(PRIVATE)
    telegram.upgrade(GROUP, -1000000000006)
    command, seen, topic, nameless, added, blocked, moved, again = await heard(client)
    assert isinstance(command, Command)
    assert (command.argument, command.user) == ("token", PRIVATE)
    assert isinstance(seen, Seen)
    assert (seen.chat.id, seen.chat.kind) == ("777", "private")
    assert isinstance(topic, Command)
    assert (topic.topic.id, topic.topic.title) == ("7", "db")
    assert isinstance(nameless, Command)
    assert nameless.user == 0
    assert isinstance(added, Membership)
    assert (added.standing, added.chat.id) == ("administrator", str(GROUP))
    assert isinstance(blocked, Membership)
    assert (blocked.standing, blocked.is_in) == ("kicked", False)
    assert isinstance(moved, Migrated)
    assert isinstance(again, Migrated)
    assert (moved.old, moved.chat.id, again.old) == (str(GROUP), "-1000000000006", str(GROUP))


async def test_a_call_waits_for_the_next_update(client: Client) -> None:
    call = asyncio.create_task(client.telegram("getUpdates", timeout=10))
    updates = client.sandbox.telegram.bots[TOKEN].updates
    await until("it waits", lambda: updates.pending_poll is not None)
    client.sandbox.telegram.says(GROUP, 5, "/help")
    assert len((await asyncio.wait_for(call, 5))["result"]) == 1  # type: ignore[arg-type] # JSON


async def test_two_that_poll_one_bot_conflict(client: Client) -> None:
    updates = client.sandbox.telegram.bots[TOKEN].updates
    first = asyncio.create_task(client.telegram("getUpdates", timeout=10))
    await until("it waits", lambda: updates.pending_poll is not None)
    second = asyncio.create_task(client.telegram("getUpdates", timeout=10))
    answer: Answer = await asyncio.wait_for(first, 5)
    assert answer.status == 409
    assert str(answer["description"]).startswith("Conflict: terminated by other getUpdates request")
    client.sandbox.telegram.says(GROUP, 5, "/help")
    assert (await asyncio.wait_for(second, 5)).status == 200


async def test_a_webhook_gets_each_update_with_the_secret_until_it_fails(
    client: Client, aiohttp_server: AiohttpServer
) -> None:
    came: list[tuple[str | None, object]] = []

    async def take(request: web.Request) -> web.Response:
        came.append(
            (
                request.headers.get("X-Telegram-Bot-Api-Secret-Token"),
                (await request.json())["update_id"],
            )
        )
        return web.Response(status=200 if len(came) < 3 else 503)

    app = web.Application()
    app.router.add_post("/telegram/100", take)
    server = await aiohttp_server(app)
    client.sandbox.handlers["https://relay.example.org"] = str(server.make_url("")).rstrip("/")
    await client.telegram(
        "setWebhook", url="https://relay.example.org/telegram/100", secret_token="s"
    )
    for text in ("/help", "/stop", "/mute"):
        client.sandbox.telegram.says(GROUP, 5, text)
    assert await client.sandbox.deliver(TOKEN) == [200, 200, 503]
    assert came == [("s", 1), ("s", 2), ("s", 3)]
    info = (await client.telegram("getWebhookInfo"))["result"]
    assert isinstance(info, dict)
    assert (info["pending_update_count"], info["last_error_message"]) == (
        1,
        "Wrong response from the webhook: 503",
    )
