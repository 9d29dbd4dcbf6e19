"""The local Discord, asked over HTTP: what the webhook API answers to each request."""

import io

import aiohttp
import pytest

from tests.sandbox.client import (
    AGENT,
    FORUM_CHANNEL,
    FORUM_HOOK,
    HOOK,
    SISTER,
    T0,
    TEXT_CHANNEL,
    Answer,
    Client,
)

FORUM = f"{FORUM_HOOK}/secret"
HI = {"content": "hi"}


def verdict(answer: Answer) -> tuple[int, object]:
    return answer.status, answer["code"]


async def posted(
    client: Client, body: dict[str, object] | None = None, query: str = "wait=true"
) -> str:
    answer = await client.discord("POST", body or HI, query=query)
    assert answer.status == 200, answer
    return str(answer["id"])


async def test_a_webhook_tells_what_it_is(client: Client) -> None:
    answer = await client.discord("GET")
    assert (answer["id"], answer["channel_id"], answer["type"]) == (str(HOOK), str(TEXT_CHANNEL), 1)


@pytest.mark.parametrize(
    ("hook", "query", "body", "status", "code"),
    [
        ("999/secret", "wait=true", HI, 404, 10015),
        (f"{HOOK}/wrong", "wait=true", HI, 401, 50027),
        (f"{HOOK}/secret", "thread_id=5", HI, 404, 10003),
        (f"{HOOK}/secret", "thread_id=701", HI, 400, 160005),
        (f"{HOOK}/secret", "wait=true", {**HI, "thread_name": "x"}, 400, 220003),
        (FORUM, "wait=true", HI, 400, 220001),
        (f"{HOOK}/secret", "wait=true", {}, 400, 50006),
        (f"{HOOK}/secret", "wait=true", {"content": " \n"}, 400, 50006),
        (f"{HOOK}/secret", "wait=true", {"embeds": [{}]}, 400, 50006),
        (f"{HOOK}/secret", "wait=true", {"embeds": [{"color": 5}]}, 400, 50006),
        (f"{HOOK}/secret", "wait=true", [], 400, 50035),
    ],
)
async def test_a_wrong_request_gets_discords_code(
    client: Client, hook: str, query: str, body: object, status: int, code: int
) -> None:
    answer = await client.discord("POST", body, query=query, hook=hook)
    assert verdict(answer) == (status, code)
    assert client.sandbox.discord.messages(TEXT_CHANNEL) == []


async def test_a_body_that_is_no_json_is_refused(client: Client) -> None:
    headers = {**AGENT, "Content-Type": "application/json"}
    answer = await client.call("POST", f"/api/webhooks/{HOOK}/secret", data=b"{", headers=headers)
    assert verdict(answer) == (400, 50109)


async def test_the_answer_is_the_message_only_when_it_is_waited_for(client: Client) -> None:
    answer = await client.discord("POST", {**HI, "username": "Alerts", "flags": 4096})
    assert (answer["content"], answer["webhook_id"], answer["flags"]) == ("hi", str(HOOK), 4096)
    assert (answer["channel_id"], answer["edited_timestamp"]) == (str(TEXT_CHANNEL), None)
    assert (await client.discord("POST", HI, query="wait=1")).status == 200, "as discord.py says it"
    quiet = await client.discord("POST", HI, query="wait=false")
    assert (quiet.status, quiet.json) == (204, None)
    first, _, second = client.sandbox.discord.messages(TEXT_CHANNEL)
    assert (first.username, first.silent, second.username, second.silent) == (
        "Alerts",
        True,
        "Alerts",
        False,
    )
    assert first.id < second.id


async def test_an_edit_changes_what_it_names_and_the_history_stays(client: Client) -> None:
    embed = {"title": "firing", "color": 1}
    number = await posted(client, {"content": "head", "embeds": [embed]})
    client.clock.now += 5
    answer = await client.discord(
        "PATCH", {"embeds": [{"title": "resolved"}]}, f"/messages/{number}"
    )
    assert (answer.status, answer["content"]) == (200, "head")
    assert answer["edited_timestamp"] is not None
    read = await client.discord("GET", path=f"/messages/{number}")
    assert read.json == answer.json
    (message,) = client.sandbox.discord.messages(TEXT_CHANNEL)
    assert [(v.at, v.embeds[0]["title"]) for v in message.versions] == [
        (T0, "firing"),
        (T0 + 5, "resolved"),
    ]
    assert client.sandbox.discord.transcript(TEXT_CHANNEL) == "head\nresolved"


async def test_an_edit_may_not_leave_nothing(client: Client) -> None:
    number = await posted(client)
    assert verdict(await client.discord("PATCH", {"content": ""}, f"/messages/{number}")) == (
        400,
        50006,
    )


async def test_a_message_that_is_gone_or_anothers_is_unknown(client: Client) -> None:
    number = await posted(client)
    path = f"/messages/{number}"
    assert verdict(await client.discord("PATCH", HI, path, hook=f"{SISTER}/secret")) == (404, 10008)
    assert (await client.discord("DELETE", path=path)).status == 204
    for verb, body in (("PATCH", HI), ("GET", None), ("DELETE", None)):
        assert verdict(await client.discord(verb, body, path)) == (404, 10008)


async def test_a_thread_takes_messages_and_wakes_up_and_needs_its_id_for_edits(
    client: Client,
) -> None:
    number = await posted(client, query="wait=true&thread_id=700")
    (message,) = client.sandbox.discord.messages(TEXT_CHANNEL)
    assert message.thread == 700
    assert not client.sandbox.discord.channels[TEXT_CHANNEL].threads[700].archived
    path = f"/messages/{number}"
    assert verdict(await client.discord("PATCH", HI, path)) == (404, 10008)
    assert (await client.discord("PATCH", HI, path, query="thread_id=700")).status == 200


async def test_a_forum_post_is_made_by_its_name(client: Client) -> None:
    answer = await client.discord("POST", {**HI, "thread_name": "HighLoad"}, hook=FORUM)
    thread = str(answer["channel_id"])
    assert thread != str(FORUM_CHANNEL)
    again = await client.discord("POST", HI, hook=FORUM, query=f"wait=true&thread_id={thread}")
    assert again["channel_id"] == thread
    both = await client.discord(
        "POST", {**HI, "thread_name": "x"}, hook=FORUM, query=f"thread_id={thread}"
    )
    assert verdict(both) == (400, 220002)


async def test_a_deleted_webhook_or_channel_stays_gone(client: Client) -> None:
    client.sandbox.discord.channels[FORUM_CHANNEL].gone = True
    assert verdict(await client.discord("GET", hook=FORUM)) == (404, 10003)
    assert (await client.discord("DELETE")).status == 204
    assert verdict(await client.discord("POST", HI)) == (404, 10015)


async def test_files_travel_beside_the_json(client: Client) -> None:
    form = aiohttp.FormData()
    form.add_field("payload_json", '{"content": "all of them", "allowed_mentions": {"parse": []}}')
    form.add_field("files[0]", b"a\nb\n", filename="alerts.txt")
    answer = await client.call(
        "POST", f"/api/webhooks/{HOOK}/secret?wait=true", data=form, headers=AGENT
    )
    assert isinstance(answer["attachments"], list)
    (attachment,) = answer["attachments"]
    assert (attachment["id"], attachment["filename"], attachment["size"]) == ("0", "alerts.txt", 4)


@pytest.mark.parametrize(("size", "status"), [(10 * 1024 * 1024, 200), (10 * 1024 * 1024 + 1, 413)])
async def test_a_file_may_have_ten_mebibytes(client: Client, size: int, status: int) -> None:
    form = aiohttp.FormData()
    form.add_field("files[0]", io.BytesIO(b"x" * size), filename="alerts.txt")
    answer = await client.call(
        "POST", f"/api/webhooks/{HOOK}/secret?wait=true", data=form, headers=AGENT
    )
    assert answer.status == status


@pytest.mark.parametrize(
    ("content", "allowed", "pings"),
    [
        ("<@5> <@&6> @everyone @here", None, ("user:5",)),
        ("<@5> <@!7> <@5>", None, ("user:5", "user:7")),
        ("<@5> <@&6> @everyone", {"parse": []}, ()),
        ("<@5> <@&6> @here", {"parse": ["roles", "everyone"]}, ("role:6", "here")),
        ("<@5> <@&6> <@8>", {"parse": [], "users": ["8"], "roles": ["6"]}, ("role:6", "user:8")),
        ("`<@5>`", None, ("user:5",)),
    ],
)
async def test_a_message_notifies_whom_allowed_mentions_lets_it(
    client: Client, content: str, allowed: object, pings: tuple[str, ...]
) -> None:
    body: dict[str, object] = {"content": content, "embeds": [{"title": "<@99> @everyone"}]}
    if allowed is not None:
        body["allowed_mentions"] = allowed
    answer = await client.call(
        "POST", f"/api/webhooks/{HOOK}/secret?wait=true", json=body, headers=AGENT
    )
    (message,) = client.sandbox.discord.messages(TEXT_CHANNEL)
    assert message.shown.pings == pings
    assert answer["mention_everyone"] is ("here" in pings)
    forgotten = [remark.what for remark in client.sandbox.discord.remarks]
    assert forgotten == (["no allowed_mentions"] if allowed is None else [])


async def test_an_edit_without_allowed_mentions_notifies_again_by_the_default(
    client: Client,
) -> None:
    number = await posted(client, {"content": "<@5>"})
    body = {"content": "<@5> again"}
    await client.call(
        "PATCH", f"/api/webhooks/{HOOK}/secret/messages/{number}", json=body, headers=AGENT
    )
    (message,) = client.sandbox.discord.messages(TEXT_CHANNEL)
    assert [version.pings for version in message.versions] == [(), ("user:5",)]


async def test_link_buttons_need_with_components(client: Client) -> None:
    button = {"type": 2, "style": 5, "label": "Runbook", "url": "https://example.org"}
    body = {**HI, "components": [{"type": 1, "components": [button]}]}
    assert (await client.discord("POST", body))["components"] == []
    shown = await client.discord("POST", body, query="wait=true&with_components=true")
    assert shown["components"] == body["components"]


async def test_an_old_message_takes_a_limited_number_of_edits(client: Client) -> None:
    number = await posted(client)
    client.clock.now += 3601
    for _ in range(30):
        client.clock.now += 3
        assert (await client.discord("PATCH", HI, f"/messages/{number}")).status == 200
    client.clock.now += 3
    refused = await client.discord("PATCH", HI, f"/messages/{number}")
    assert verdict(refused) == (429, 30046)


async def test_what_a_careful_client_would_not_send_is_noted(client: Client) -> None:
    await client.call("POST", f"/api/webhooks/{HOOK}/secret", json={**HI, "allow_mentions": {}})
    assert [remark.what for remark in client.sandbox.discord.remarks] == [
        "User-Agent is not `DiscordBot (URL, VERSION)`",
        "unknown key allow_mentions",
        "no allowed_mentions",
    ]


async def test_every_call_is_kept_without_its_token(client: Client) -> None:
    await posted(client)
    await client.discord("POST", {})
    calls = client.sandbox.discord.calls
    assert [(c.method, c.target, c.status, c.why) for c in calls] == [
        ("POST message", str(HOOK), 200, ""),
        ("POST message", str(HOOK), 400, "50006 Cannot send an empty message"),
    ]
    assert "secret" not in repr(calls)


@pytest.mark.parametrize(
    "path", ["/api/v10/guilds/1/messages", "/api/webhooks/x/y", "/api/webhooks/1"]
)
async def test_other_paths_are_not_found(client: Client, path: str) -> None:
    assert verdict(await client.call("POST", path)) == (404, 0)
