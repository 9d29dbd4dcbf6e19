"""The local Telegram's rate rules:
https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this.
"""

from tests.sandbox.client import FORUM, GROUP, PRIVATE, T0, Client


async def statuses(client: Client, chat: int, count: int, every: float) -> list[int]:
    found = []
    for _ in range(count):
        found.append((await client.say(chat)).status)
        client.clock.now += every
    return found


async def test_a_burst_of_three_passes_and_the_fourth_is_told_to_wait(client: Client) -> None:
    assert await statuses(client, PRIVATE, 3, 0.0) == [200] * 3
    refused = await client.say(PRIVATE)
    assert refused.status == 429
    assert refused["description"] == "Too Many Requests: retry after 3"
    assert refused["parameters"] == {"retry_after": 3}
    assert refused.headers["Retry-After"] == "3"


async def test_who_waits_as_told_is_served(client: Client) -> None:
    await statuses(client, PRIVATE, 4, 0.0)
    client.clock.now += 3
    assert (await client.say(PRIVATE)).status == 200
    assert not any(call.early for call in client.sandbox.telegram.calls)


async def test_who_does_not_wait_waits_longer(client: Client) -> None:
    await statuses(client, PRIVATE, 4, 0.0)
    client.clock.now += 1
    assert (await client.say(PRIVATE))["parameters"] == {"retry_after": 5}
    assert (await client.say(PRIVATE))["parameters"] == {"retry_after": 10}
    assert [call.early for call in client.sandbox.telegram.calls] == [False] * 4 + [True] * 2


async def test_a_group_takes_twenty_a_minute_and_edits_count(client: Client) -> None:
    await client.say()
    for number in range(19):
        client.clock.now += 1.5
        edit = await client.telegram(
            "editMessageText", chat_id=GROUP, message_id=1, text=f"edit {number}"
        )
        assert edit.status == 200
    client.clock.now += 1.5
    assert (await client.say())["parameters"] == {"retry_after": 30}, (
        "until the first is a minute old"
    )
    assert (await client.say(PRIVATE)).status == 200, "other chats are not concerned"


async def test_a_private_chat_has_no_minute_limit(client: Client) -> None:
    assert await statuses(client, PRIVATE, 40, 1.0) == [200] * 40


async def test_a_forums_topics_share_one_budget(client: Client) -> None:
    for topic in (7, 0, 7):
        assert (await client.say(FORUM, message_thread_id=topic)).status == 200
    assert (await client.say(FORUM, message_thread_id=7)).status == 429


async def test_a_bot_sends_thirty_a_second_over_all_chats(client: Client) -> None:
    for chat in range(1000, 1031):
        client.sandbox.telegram.add_chat(chat, "private", "someone")
    answers = [(await client.say(chat)).status for chat in range(1000, 1031)]
    assert answers == [200] * 30 + [429]
    assert (await client.telegram("getMe")).status == 200
    assert (await client.say(PRIVATE)).status == 429, "the whole bot has to wait"
    assert client.clock.now == T0


async def test_a_refused_message_is_not_shown(client: Client) -> None:
    await statuses(client, GROUP, 5, 0.0)
    assert len(client.sandbox.telegram.messages(GROUP)) == 3
