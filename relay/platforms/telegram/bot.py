"""The Bot API for the bot itself: its identity, its updates, its commands. Pure, as telegram.py."""

import hmac
from collections.abc import Sequence
from hashlib import sha256
from typing import Literal

import msgspec
from msgspec import Struct

from relay.core.bot.account import Bot
from relay.core.secret import Secret, mask
from relay.core.text.texts import LANGUAGES
from relay.core.text.texts_people import emit
from relay.platforms.answer import int_of, json_object, object_of, text_of, wait_of
from relay.platforms.http import NoAnswer, Request, Response
from relay.platforms.telegram.updates import ALLOWED

SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - the name of a header
_LONGEST = 300
Scope = Literal["all_private_chats", "all_group_chats"]


class Result(Struct, frozen=True):
    """The API did what was asked; `result` is its answer."""

    value: object


class Refusal(Struct, frozen=True):
    """The API refused, or gave no answer (`code` 0). `wait`: the seconds that it asks for, 0.0 if
    none.
    """

    code: int
    why: str
    wait: float = 0.0


class Me(Struct, frozen=True):
    """The bot's own names. `reads_all`: privacy mode is off."""

    username: str
    name: str
    reads_all: bool


class WebhookInfo(Struct, frozen=True):
    """How updates are sent: to `url`, or to whoever asks if it is empty. `error` is that of the
    last delivery.
    """

    url: str
    pending: int
    error: str
    error_at: int


def get_me(bot: Bot) -> Request:
    """Checks the token and asks for the bot's names."""
    return call(bot, "getMe", {})


def get_updates(bot: Bot, offset: int, seconds: int) -> Request:
    """Asks for updates from `offset` on, and confirms those before it. The answer comes within
    `seconds`.
    """
    asked = {"offset": offset, "timeout": seconds, "allowed_updates": ALLOWED}
    return call(bot, "getUpdates", asked)


def set_webhook(bot: Bot, url: str) -> Request:
    """Has updates sent to `url`, one at a time, with the bot's secret."""
    asked = {
        "url": url,
        "secret_token": webhook_secret(bot.token),
        "allowed_updates": ALLOWED,
        "max_connections": 1,
    }
    return call(bot, "setWebhook", asked)


def delete_webhook(bot: Bot) -> Request:
    """Ends the webhook, so that updates are polled. Waiting updates are kept."""
    return call(bot, "deleteWebhook", {"drop_pending_updates": False})


def get_webhook_info(bot: Bot) -> Request:
    """Asks how updates are sent."""
    return call(bot, "getWebhookInfo", {})


def set_my_commands(bot: Bot, scope: Scope, commands: Sequence[str], language: str) -> Request:
    """Publishes the commands that the app offers after a slash."""
    described = [
        {"command": name, "description": emit(language, f"do_{name}").text} for name in commands
    ]
    asked: dict[str, object] = {"commands": described, "scope": {"type": scope}}
    return call(
        bot,
        "setMyCommands",
        asked if language == LANGUAGES[0] else asked | {"language_code": language},
    )


def call(bot: Bot, method: str, asked: dict[str, object]) -> Request:
    """A call of the Bot API that may be repeated."""
    url = Secret(f"{bot.api.rstrip('/')}/bot{bot.token.reveal()}/{method}")
    return Request("POST", url, method, msgspec.json.encode(asked), repeatable=True, http=bot.http)


def webhook_url(bot: Bot) -> str:
    """The address to which the bot's updates are posted."""
    return f"{bot.webhook_url.rstrip('/')}/telegram/{bot.account}"


def webhook_secret(token: Secret) -> str:
    """The secret that Telegram sends with each update: derived from the token, and not
    reversible.
    """
    return hmac.new(token.reveal().encode(), b"alert-relay webhook", sha256).hexdigest()


def result_of(response: Response | NoAnswer) -> Result | Refusal:
    """The meaning of an answer. Never raises."""
    if isinstance(response, NoAnswer):
        return Refusal(0, response.why)
    body = json_object(response.body)
    if body.get("ok") is True:
        return Result(body.get("result"))
    named = int_of(body.get("error_code"))
    code = named or (response.status if response.status >= 400 else 500)
    said = text_of(body.get("description")) or "no answer of the Bot API"
    asked = object_of(body.get("parameters")).get("retry_after")
    wait = wait_of(asked, response, own=bool(named)) if code == 429 else 0.0
    return Refusal(code, mask(said)[:_LONGEST], wait)


def me(result: Result) -> Me:
    """The answer of getMe."""
    body = object_of(result.value)
    reads_all = body.get("can_read_all_group_messages") is True
    return Me(text_of(body.get("username")), text_of(body.get("first_name")), reads_all)


def webhook_info(result: Result) -> WebhookInfo:
    """The answer of getWebhookInfo."""
    body = object_of(result.value)
    error, at = (
        text_of(body.get("last_error_message"))[:_LONGEST],
        int_of(body.get("last_error_date")),
    )
    return WebhookInfo(
        text_of(body.get("url")), int_of(body.get("pending_update_count")), error, at
    )


def remedy(refusal: Refusal) -> str:
    """The remedy for a bot that receives no updates."""
    words = refusal.why.lower()
    if "webhook is active" in words:
        return (
            "a webhook of another program takes this bot's updates: delete it with"
            " `alert-relay setup telegram --delete-webhook`, or write telegram_updates: none"
        )
    if refusal.code == 409:
        return "another program polls this bot: stop it, or give each its own bot"
    if refusal.code in (401, 403, 404):
        return "copy the bot's token from BotFather, and check telegram_api_url"
    if "webhook" in words:
        return "telegram_webhook_url needs a public https address on port 443, 80, 88 or 8443"
    return "check api_url, http_config, DNS and firewall; it is tried again"
