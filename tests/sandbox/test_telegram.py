"""The local Telegram, asked over HTTP: what the Bot API answers to each request."""

import json

import aiohttp
import pytest

from tests.sandbox.client import CHANNEL, FORUM, GROUP, PRIVATE, TOKEN, Client

BOLD = {"type": "bold", "offset": 0, "length": 5}
REFUSALS = [
    ("getMe", {}, "999:other", 401, "Unauthorized"),
    ("getMe", {}, "no-token", 404, "Not Found"),
    ("sendPoem", {}, TOKEN, 404, "Not Found: method not found"),
    ("sendMessage", {"text": "x"}, TOKEN, 400, "Bad Request: chat_id is empty"),
    ("sendMessage", {"chat_id": 12345, "text": "x"}, TOKEN, 400, "Bad Request: chat not found"),
    ("sendMessage", {"chat_id": "Team", "text": "x"}, TOKEN, 400, "Bad Request: chat not found"),
    ("sendMessage", {"chat_id": GROUP}, TOKEN, 400, "Bad Request: message text is empty"),
    (
        "sendMessage",
        {"chat_id": GROUP, "text": " \n "},
        TOKEN,
        400,
        "Bad Request: message text is empty",
    ),
    (
        "sendMessage",
        {"chat_id": GROUP, "text": "<b></b>", "parse_mode": "HTML"},
        TOKEN,
        400,
        "text is empty",
    ),
    (
        "sendMessage",
        {"chat_id": GROUP, "text": "x" * 4097},
        TOKEN,
        400,
        "Bad Request: message is too long",
    ),
    (
        "sendMessage",
        {"chat_id": GROUP, "text": "😀" * 2049},
        TOKEN,
        400,
        "Bad Request: message is too long",
    ),
    (
        "sendMessage",
        {"chat_id": GROUP, "text": "é" * 16_385},
        TOKEN,
        400,
        "Bad Request: text is too long",
    ),
    (
        "sendMessage",
        {"chat_id": GROUP, "text": "\ud800"},
        TOKEN,
        400,
        "strings must be encoded in UTF-8",
    ),
    (
        "sendMessage",
        {"chat_id": GROUP, "text": "x", "parse_mode": "BBCode"},
        TOKEN,
        400,
        "unsupported parse_mode",
    ),
    (
        "sendMessage",
        {"chat_id": GROUP, "text": "a < b", "parse_mode": "HTML"},
        TOKEN,
        400,
        'Bad Request: can\'t parse entities: Unsupported start tag "" at byte offset 2',
    ),
    (
        "sendMessage",
        {"chat_id": GROUP, "text": "1.5", "parse_mode": "MarkdownV2"},
        TOKEN,
        400,
        (
            "Bad Request: can't parse entities: Character '.' is reserved and must be escaped with "
            "the preceding '\\'"
        ),
    ),
    (
        "sendMessage",
        {"chat_id": GROUP, "text": "x", "entities": ["b"]},
        TOKEN,
        400,
        "can't parse MessageEntity",
    ),
    (
        "sendMessage",
        {"chat_id": GROUP, "text": "hi", "entities": [BOLD]},
        TOKEN,
        400,
        "ends after the end of the text",
    ),
    (
        "sendMessage",
        {"chat_id": GROUP, "text": "x", "message_thread_id": 7},
        TOKEN,
        400,
        "message thread not found",
    ),
    (
        "sendMessage",
        {"chat_id": FORUM, "text": "x", "message_thread_id": 9},
        TOKEN,
        400,
        "message thread not found",
    ),
    (
        "sendMessage",
        {"chat_id": FORUM, "text": "x", "message_thread_id": 8},
        TOKEN,
        400,
        "TOPIC_CLOSED",
    ),
    (
        "sendMessage",
        {"chat_id": GROUP, "text": "x", "reply_parameters": {"message_id": 77}},
        TOKEN,
        400,
        "Bad Request: message to be replied not found",
    ),
    (
        "sendMessage",
        {
            "chat_id": GROUP,
            "text": "x",
            "reply_markup": {"inline_keyboard": [[{"text": "P", "url": "http://prom:9090"}]]},
        },
        TOKEN,
        400,
        "Bad Request: inline keyboard button URL 'http://prom:9090' is invalid: Wrong HTTP URL",
    ),
    (
        "sendMessage",
        {
            "chat_id": GROUP,
            "text": "x",
            "reply_markup": {"inline_keyboard": [[{"text": "A", "callback_data": "é" * 32 + "x"}]]},
        },
        TOKEN,
        400,
        "BUTTON_DATA_INVALID",
    ),
    (
        "editMessageText",
        {"chat_id": GROUP, "message_id": 9, "text": "x"},
        TOKEN,
        400,
        "message to edit not found",
    ),
    (
        "deleteMessage",
        {"chat_id": GROUP, "message_id": 9},
        TOKEN,
        400,
        "Bad Request: message to delete not found",
    ),
    (
        "sendDocument",
        {"chat_id": GROUP},
        TOKEN,
        400,
        "Bad Request: there is no document in the request",
    ),
    (
        "sendDocument",
        {"chat_id": GROUP, "document": "x"},
        TOKEN,
        400,
        "wrong file identifier/HTTP URL specified",
    ),
    (
        "setWebhook",
        {"url": "http://example.org"},
        TOKEN,
        400,
        "An HTTPS URL must be provided for webhook",
    ),
    (
        "setWebhook",
        {"url": "https://example.org:8444"},
        TOKEN,
        400,
        "only on ports 80, 88, 443 or 8443",
    ),
    ("answerCallbackQuery", {"callback_query_id": "1"}, TOKEN, 400, "query is too old"),
]


@pytest.mark.parametrize(("method", "parameters", "token", "status", "words"), REFUSALS)
async def test_a_wrong_request_gets_the_answer_of_the_real_server(
    client: Client, method: str, parameters: dict[str, object], token: str, status: int, words: str
) -> None:
    answer = await client.telegram(method, token, **parameters)
    assert (answer.status, answer["ok"], answer["error_code"]) == (status, False, status)
    assert words in str(answer["description"])
    assert client.sandbox.telegram.messages(GROUP) == []


@pytest.mark.parametrize("text", ["x" * 4096, "😀" * 2048, "é" * 4096, "  " + "x" * 4096 + "\n"])
async def test_a_text_of_the_full_length_is_taken(client: Client, text: str) -> None:
    assert (await client.say(text=text)).status == 200


async def test_the_answer_is_the_message_as_it_is_shown(client: Client) -> None:
    sent = await client.say(text=" <b>hello</b> ", parse_mode="html", disable_notification=True)
    assert sent["result"] == {
        "message_id": 1,
        "date": int(client.clock.now),
        "chat": {"id": GROUP, "type": "group", "title": "Team"},
        "from": {"id": 100, "is_bot": True, "first_name": "relay_bot", "username": "relay_bot"},
        "text": "hello",
        "entities": [{"offset": 0, "length": 5, "type": "bold"}],
    }
    assert client.sandbox.telegram.messages(GROUP)[0].silent


@pytest.mark.parametrize("verb", ["GET", "POST"])
async def test_parameters_come_by_query_form_multipart_or_json(client: Client, verb: str) -> None:
    path = f"/bot{TOKEN}/SENDMESSAGE"
    multipart = aiohttp.FormData({"chat_id": str(GROUP), "text": "multipart"})
    multipart.add_field("unused", b"file", filename="f")
    answers = [
        await client.call(verb, f"{path}?chat_id={GROUP}&text=query"),
        await client.call(verb, path, data={"chat_id": str(GROUP), "text": "form"}),
        await client.call(verb, path, data=multipart),
    ]
    client.clock.now += 3
    answers.append(await client.call(verb, path, json={"chat_id": str(GROUP), "text": "json"}))
    assert [answer.status for answer in answers] == [200] * 4
    assert client.sandbox.telegram.transcript(GROUP) == "query\n\nform\n\nmultipart\n\njson"


async def test_bodies_that_are_no_json_object_are_refused(client: Client) -> None:
    for body in (b"{", b"[]", b'"x"'):
        headers = {"Content-Type": "application/json"}
        answer = await client.call("POST", f"/bot{TOKEN}/getMe", data=body, headers=headers)
        assert (answer.status, answer["description"]) == (
            400,
            "Bad Request: can't parse JSON object",
        )


async def test_an_edit_changes_the_message_and_its_history_stays(client: Client) -> None:
    await client.say(text="firing")
    client.clock.now += 60
    edited = await client.telegram("editMessageText", chat_id=GROUP, message_id=1, text="resolved")
    assert isinstance(edited["result"], dict)
    assert edited["result"]["edit_date"] == int(client.clock.now)
    (message,) = client.sandbox.telegram.messages(GROUP)
    assert [version.content.text for version in message.versions] == ["firing", "resolved"]
    began = message.sent_at
    assert [message.text_at(began + s) for s in (-1, 0, 59, 60)] == [
        None,
        "firing",
        "firing",
        "resolved",
    ]


async def test_an_equal_edit_is_refused_and_changes_nothing(client: Client) -> None:
    await client.say(text="<b>same</b>", parse_mode="HTML")
    entities = [{"type": "bold", "offset": 0, "length": 4}]
    answer = await client.telegram(
        "editMessageText", chat_id=GROUP, message_id=1, text="same ", entities=entities
    )
    assert answer.status == 400
    assert str(answer["description"]).startswith("Bad Request: message is not modified: ")
    other = await client.telegram("editMessageText", chat_id=GROUP, message_id=1, text="same")
    assert other.status == 200, "without the style it is another message"


async def test_an_over_long_edit_has_its_own_words(client: Client) -> None:
    await client.say()
    answer = await client.telegram("editMessageText", chat_id=GROUP, message_id=1, text="x" * 4097)
    assert answer["description"] == "Bad Request: MESSAGE_TOO_LONG"


async def test_another_bots_message_cannot_be_edited(client: Client) -> None:
    client.sandbox.telegram.add_bot("200:token", "other_bot")
    await client.say()
    answer = await client.telegram(
        "editMessageText", "200:token", chat_id=GROUP, message_id=1, text="x"
    )
    assert answer["description"] == "Bad Request: message can't be edited"


async def test_a_message_can_be_deleted_for_two_days(client: Client) -> None:
    await client.say()
    await client.say()
    assert (await client.telegram("deleteMessage", chat_id=GROUP, message_id=1)).status == 200
    assert (
        await client.telegram("editMessageText", chat_id=GROUP, message_id=1, text="x")
    ).status == 400
    client.clock.now += 48 * 3600 + 1
    late = await client.telegram("deleteMessage", chat_id=GROUP, message_id=2)
    assert late["description"] == "Bad Request: message can't be deleted"
    assert [m.id for m in client.sandbox.telegram.messages(GROUP)] == [2]


async def test_a_group_that_became_a_supergroup_says_where_it_went(client: Client) -> None:
    client.sandbox.telegram.upgrade(GROUP, -1_000_000_000_777)
    answer = await client.say()
    assert answer.status == 400
    assert answer["description"] == "Bad Request: group chat was upgraded to a supergroup chat"
    assert answer["parameters"] == {"migrate_to_chat_id": -1_000_000_000_777}
    assert (await client.say(-1_000_000_000_777)).status == 200


@pytest.mark.parametrize(
    ("chat", "words"),
    [
        (PRIVATE, "bot was blocked by the user"),
        (GROUP, "bot was kicked from the group chat"),
        (FORUM, "bot was kicked from the supergroup chat"),
        (CHANNEL, "bot was kicked from the channel chat"),
    ],
)
async def test_a_chat_that_threw_the_bot_out_answers_403(
    client: Client, chat: int, words: str
) -> None:
    client.sandbox.telegram.kick(chat)
    answer = await client.say(chat)
    assert (answer.status, answer["description"]) == (403, f"Forbidden: {words}")


async def test_a_revoked_token_answers_401(client: Client) -> None:
    client.sandbox.telegram.bots[TOKEN].revoked = True
    assert (await client.say()).status == 401


async def test_a_topic_and_a_reply_show_in_the_message(client: Client) -> None:
    await client.say(FORUM, message_thread_id=7)
    reply = {"message_id": 1, "allow_sending_without_reply": True}
    result = (await client.say(FORUM, "under it", message_thread_id=7, reply_parameters=reply))[
        "result"
    ]
    assert isinstance(result, dict)
    assert (result["message_thread_id"], result["reply_to_message"]["message_id"]) == (7, 1)
    gone = {"message_id": 99, "allow_sending_without_reply": True}
    assert (await client.say(FORUM, "alone", reply_parameters=gone)).status == 200


async def test_supergroups_number_their_own_messages_and_groups_share_one_sequence(
    client: Client,
) -> None:
    ids = []
    for chat in (FORUM, GROUP, FORUM, PRIVATE):
        result = (await client.say(chat))["result"]
        assert isinstance(result, dict)
        ids.append(result["message_id"])
    assert ids == [1, 1, 2, 2]


async def test_a_document_is_uploaded_with_a_caption(client: Client) -> None:
    form = aiohttp.FormData(
        {"chat_id": str(GROUP), "caption": "<i>all</i> 200 alerts", "parse_mode": "HTML"}
    )
    form.add_field("document", b"a\nb\n", filename="alerts.txt", content_type="text/plain")
    result = (await client.call("POST", f"/bot{TOKEN}/sendDocument", data=form))["result"]
    assert isinstance(result, dict)
    assert (result["document"]["file_name"], result["caption"]) == ("alerts.txt", "all 200 alerts")
    (message,) = client.sandbox.telegram.messages(GROUP)
    assert message.document is not None
    assert message.document.content == b"a\nb\n"


async def test_a_caption_has_its_own_limit(client: Client) -> None:
    form = aiohttp.FormData({"chat_id": str(GROUP), "caption": "x" * 1025})
    form.add_field("document", b"a", filename="alerts.txt")
    answer = await client.call("POST", f"/bot{TOKEN}/sendDocument", data=form)
    assert answer["description"] == "Bad Request: message caption is too long"


async def test_what_a_careful_client_would_not_send_is_noted(client: Client) -> None:
    await client.say(disable_web_page_preview=True)
    await client.say(text="x", parse_mode="HTML", entities=[])
    await client.say(
        text="x",
        entities=[{"type": "text_link", "offset": 0, "length": 1, "url": "http://prom:9090"}],
    )
    assert [remark.what for remark in client.sandbox.telegram.remarks] == [
        "unknown parameter disable_web_page_preview",
        "parse_mode and entities together",
        "link dropped: http://prom:9090",
    ]


async def test_every_call_is_kept_without_its_token(client: Client) -> None:
    await client.say()
    await client.say(12345)
    calls = client.sandbox.telegram.calls
    assert [(c.method, c.target, c.status, c.why) for c in calls] == [
        ("sendMessage", str(GROUP), 200, ""),
        ("sendMessage", "12345", 400, "Bad Request: chat not found"),
    ]
    assert "token" not in repr(calls)


async def test_the_bot_the_chat_and_its_standing_can_be_asked_for(client: Client) -> None:
    me = await client.telegram("getMe")
    chat = await client.telegram("getChat", chat_id=FORUM)
    member = await client.telegram("getChatMember", chat_id=GROUP, user_id=100)
    assert [answer.status for answer in (me, chat, member)] == [200, 200, 200]
    assert json.dumps([me["result"], chat["result"], member["result"]]).count("relay_bot") == 4


async def test_polling_and_a_webhook_exclude_each_other(client: Client) -> None:
    updates = client.sandbox.telegram.bots[TOKEN].updates
    updates.add("message", {"text": "/start"})
    updates.add("message", {"text": "/help"})
    assert (await client.telegram("getUpdates", offset=2))["result"] == [
        {"update_id": 2, "message": {"text": "/help"}}
    ]
    assert (
        await client.telegram("setWebhook", url="https://relay.example.org/telegram")
    ).status == 200
    conflict = await client.telegram("getUpdates")
    assert (conflict.status, str(conflict["description"])[:36]) == (
        409,
        "Conflict: can't use getUpdates metho",
    )
    info = (await client.telegram("getWebhookInfo"))["result"]
    assert isinstance(info, dict)
    assert info["pending_update_count"] == 1
    assert (await client.telegram("deleteWebhook", drop_pending_updates=True)).status == 200
    assert (await client.telegram("getUpdates"))["result"] == []


async def test_commands_are_published(client: Client) -> None:
    commands = [{"command": "help", "description": "Help"}]
    assert (await client.telegram("setMyCommands", commands=commands)).status == 200
    assert client.sandbox.telegram.bots[TOKEN].commands == commands
