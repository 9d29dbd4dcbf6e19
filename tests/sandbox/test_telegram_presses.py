"""Presses in the local Telegram: forged data, lost presses, late answers, anonymous people."""

from typing import Any

from tests.sandbox.client import GROUP, TOKEN, Client

KEYBOARD = {"inline_keyboard": [[{"text": "Take", "callback_data": "1t.x"}]]}


async def result(client: Client, method: str, **parameters: object) -> Any:
    return (await client.telegram(method, TOKEN, **parameters))["result"]


async def shown(client: Client) -> int:
    """A message with a button; its id."""
    sent = await result(client, "sendMessage", chat_id=GROUP, text="A fires", reply_markup=KEYBOARD)
    return int(sent["message_id"])


async def heard(client: Client) -> list[dict[str, Any]]:
    return [
        each["callback_query"]
        for each in await result(client, "getUpdates")
        if "callback_query" in each
    ]


async def test_a_press_is_heard_with_any_data_and_answered_once(client: Client) -> None:
    message, now = await shown(client), client.clock.now
    (query,) = client.sandbox.telegram.presses(GROUP, message, 12, "forged", at=now)
    (told,) = await heard(client)
    assert (told["id"], told["data"], told["from"]["id"]) == (query.id, "forged", 12)
    said: dict[str, object] = {"callback_query_id": query.id, "text": "no", "show_alert": True}
    assert (await client.telegram("answerCallbackQuery", TOKEN, **said)).status == 200
    assert (query.answer, query.alert) == ("no", True)
    again = await client.telegram("answerCallbackQuery", TOKEN, **said)
    assert again.status == 400
    assert "too old" in str(again["description"])


async def test_a_late_answer_is_refused(client: Client) -> None:
    message, now = await shown(client), client.clock.now
    (query,) = client.sandbox.telegram.presses(GROUP, message, 12, "x", at=now)
    client.clock.now += 15.1
    late = await client.telegram("answerCallbackQuery", callback_query_id=query.id)
    assert late.status == 400


async def test_a_press_that_nobody_fetched_for_150_s_is_gone(client: Client) -> None:
    message, now = await shown(client), client.clock.now
    client.sandbox.telegram.presses(GROUP, message, 12, "x", at=now)
    client.clock.now = now + 150.0
    assert len(await heard(client)) == 1
    client.clock.now = now + 150.1
    assert await heard(client) == []


async def test_of_an_old_message_only_chat_and_id_are_told(client: Client) -> None:
    message, now = await shown(client), client.clock.now
    client.sandbox.telegram.presses(GROUP, message, 12, "x", at=now, inaccessible=True)
    (told,) = await heard(client)
    assert (told["message"]["date"], told["message"]["message_id"]) == (0, message)


async def test_an_edit_without_a_keyboard_takes_it_away(client: Client) -> None:
    message = await shown(client)
    edited = await result(
        client, "editMessageText", chat_id=GROUP, message_id=message, text="A is over"
    )
    assert "reply_markup" not in edited


async def test_who_administers_is_told_to_an_administrator_bot_alone(client: Client) -> None:
    chat = client.sandbox.telegram.chats[GROUP]
    refused = await client.telegram("getChatMember", chat_id=GROUP, user_id=12)
    assert refused.status == 400
    chat.tells_members, chat.administrators = True, {12: True}
    answer = await result(client, "getChatMember", chat_id=GROUP, user_id=12)
    assert (answer["status"], answer["is_anonymous"]) == ("administrator", True)
    other = await result(client, "getChatMember", chat_id=GROUP, user_id=13)
    assert other["status"] == "member"


async def test_an_answer_in_writing_names_the_question(client: Client) -> None:
    message, now = await shown(client), client.clock.now
    client.sandbox.telegram.replies(GROUP, 12, message, "90m", at=now)
    told = (await result(client, "getUpdates"))[-1]["message"]
    assert (told["text"], told["reply_to_message"]["message_id"]) == ("90m", message)
    assert told["reply_to_message"]["from"]["is_bot"] is True
