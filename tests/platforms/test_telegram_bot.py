"""A bot's own calls: what is asked stands in Telegram's specification, and whatever is answered is
read.
"""

import json

import pytest

from relay.core.bot.account import Bot
from relay.core.bot.conversation import GROUP_COMMANDS, PRIVATE_COMMANDS
from relay.core.routing.lane import HttpOptions
from relay.core.secret import Secret
from relay.platforms.http import NoAnswer, Request, Response
from relay.platforms.telegram import bot as telegram_bot
from relay.platforms.telegram.bot import Me, Refusal, Result, WebhookInfo, result_of
from tests.platforms.specs import faults

TOKEN = "111:secretSecret"
BOT = Bot(
    "https://api.telegram.org/",
    "111",
    Secret(TOKEN),
    HttpOptions(),
    "webhook",
    "https://relay.example.org/",
)
URL = "https://relay.example.org/telegram/111"
REQUESTS = [
    telegram_bot.get_me(BOT),
    telegram_bot.get_updates(BOT, 7, 10),
    telegram_bot.set_webhook(BOT, URL),
    telegram_bot.delete_webhook(BOT),
    telegram_bot.get_webhook_info(BOT),
    *(
        telegram_bot.set_my_commands(BOT, "all_group_chats", names, language)
        for names in (PRIVATE_COMMANDS, GROUP_COMMANDS)
        for language in ("en", "fr")
    ),
]


@pytest.mark.specs
@pytest.mark.parametrize("request_", REQUESTS, ids=lambda each: each.name)
def test_what_is_asked_stands_in_the_specification(request_: Request) -> None:
    assert faults(request_) == []


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda each: each.name)
def test_the_token_is_in_the_address_alone(request_: Request) -> None:
    assert request_.url.reveal() == f"https://api.telegram.org/bot{TOKEN}/{request_.name}"
    assert TOKEN not in repr(request_)
    assert TOKEN.encode() not in request_.body


def test_the_secret_of_a_webhook_is_the_bot_s_own_and_tells_nothing_of_its_token() -> None:
    asked = json.loads(telegram_bot.set_webhook(BOT, URL).body)
    assert (asked["url"], asked["secret_token"]) == (URL, telegram_bot.webhook_secret(BOT.token))
    assert telegram_bot.webhook_secret(Secret("111:other")) != asked["secret_token"]
    assert telegram_bot.webhook_url(BOT) == URL
    assert 1 <= len(asked["secret_token"]) <= 256
    assert asked["secret_token"].isalnum()


def answer(status: int, body: object, headers: dict[str, str] | None = None) -> Response:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status, headers or {}, text)


@pytest.mark.parametrize(
    ("response", "read"),
    [
        (answer(200, {"ok": True, "result": [1]}), Result([1])),
        (answer(200, {"ok": True}), Result(None)),
        (
            answer(401, {"ok": False, "error_code": 401, "description": "Unauthorized"}),
            Refusal(401, "Unauthorized"),
        ),
        (
            answer(
                429,
                {
                    "ok": False,
                    "error_code": 429,
                    "description": "x",
                    "parameters": {"retry_after": 7},
                },
            ),
            Refusal(429, "x", 7.0),
        ),
        (
            answer(429, {"ok": False, "error_code": 429}, {"retry-after": "9"}),
            Refusal(429, "no answer of the Bot API", 9),
        ),
        (answer(502, b"<html>"), Refusal(502, "no answer of the Bot API")),
        (answer(200, b"<html>"), Refusal(500, "no answer of the Bot API")),
        (answer(200, {"ok": "yes"}), Refusal(500, "no answer of the Bot API")),
        (answer(200, []), Refusal(500, "no answer of the Bot API")),
        (NoAnswer(sent=True, why="timed out after 15 s"), Refusal(0, "timed out after 15 s")),
        (
            answer(400, {"ok": False, "error_code": 400, "description": "x" * 1000}),
            Refusal(400, "x" * 300),
        ),
    ],
)
def test_an_answer_is_a_result_or_a_refusal(
    response: Response | NoAnswer, read: Result | Refusal
) -> None:
    assert result_of(response) == read


@pytest.mark.parametrize(
    "value", [None, [], "x", 7, {"username": 7, "url": None, "pending_update_count": "many"}]
)
def test_a_result_of_another_shape_is_empty(value: object) -> None:
    assert telegram_bot.me(Result(value)) == Me("", "", reads_all=False)
    assert telegram_bot.webhook_info(Result(value)) == WebhookInfo("", 0, "", 0)


@pytest.mark.parametrize(
    ("code", "why", "words"),
    [
        (
            409,
            "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook",
            "--delete-webhook",
        ),
        (
            409,
            "Conflict: terminated by other getUpdates request; make sure that",
            "another program polls this bot",
        ),
        (401, "Unauthorized", "copy the bot's token"),
        (404, "Not Found", "copy the bot's token"),
        (
            400,
            "Bad Request: bad webhook: An HTTPS URL must be provided for webhook",
            "port 443, 80, 88 or 8443",
        ),
        (0, "connection refused", "DNS and firewall"),
        (502, "no answer of the Bot API", "it is tried again"),
    ],
)
def test_each_refusal_has_its_remedy(code: int, why: str, words: str) -> None:
    assert words in telegram_bot.remedy(Refusal(code, why))
