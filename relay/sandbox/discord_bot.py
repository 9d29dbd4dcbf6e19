"""Bots in the local Discord: their calls to channels are handled as those of a webhook that may
have buttons.

https://discord.com/developers/docs/resources/message#create-message
"""

import json
import re
from collections.abc import Mapping

from msgspec import Struct

from relay.sandbox.discord_chats import Channel, Webhook
from relay.sandbox.discord_form import ApiError
from relay.sandbox.reply import JsonObject, Reply, json_reply

PATH = re.compile(
    r"/api/v\d+/channels/(?P<channel>\d+)(?P<rest>/threads|/messages(?:/(?P<message>\d+))?)?"
)


class SandboxBot(Struct, frozen=True):
    """A bot: its user, and the application that it belongs to."""

    token: str
    user: int
    application: int


class BotCall(Struct, frozen=True):
    """A call of a bot as its webhook would make it. `starts` a thread: the answer is the thread."""

    path: str
    query: dict[str, str]
    body: bytes
    starts: bool = False


def is_bot_call(path: str) -> bool:
    return PATH.fullmatch(path) is not None


def seat(bot: SandboxBot, channel: Channel) -> Webhook:
    """The bot's webhook in a channel: one of the bot's application."""
    found = Webhook(bot.user + channel.id, "bot", channel.id, "relay-bot")
    found.application = str(bot.application)
    return found


def bot_of(bots: Mapping[str, SandboxBot], headers: Mapping[str, str]) -> SandboxBot:
    """The bot whose token the call has. Raises ApiError."""
    given = next((value for name, value in headers.items() if name.lower() == "authorization"), "")
    bot = bots.get(given.removeprefix("Bot ")) if given.startswith("Bot ") else None
    if bot is None:
        raise ApiError(401, 0, "401: Unauthorized")
    return bot


def place_of(channels: Mapping[int, Channel], path: str) -> tuple[Channel, int]:
    """The channel of a call, and the thread if the call names one. Raises ApiError."""
    matched = PATH.fullmatch(path)
    number = int(matched["channel"]) if matched else 0
    if number in channels:
        channel, thread = channels[number], 0
    else:
        holders = [each for each in channels.values() if number in each.threads]
        if not holders:
            raise ApiError(404, 10003, "Unknown Channel")
        channel, thread = holders[0], number
    if channel.gone:
        raise ApiError(404, 10003, "Unknown Channel")
    if channel.hidden_from_bots:
        raise ApiError(403, 50001, "Missing Access")
    return channel, thread


def call_of(path: str, own: Webhook, thread: int, body: bytes) -> BotCall:
    """The call in the form of the webhook `own`. For a forum post the message is inside."""
    matched = PATH.fullmatch(path)
    rest = (matched["rest"] or "") if matched else ""
    query = {"wait": "true", "with_components": "true"}
    if thread:
        query["thread_id"] = str(thread)
    base = f"/api/webhooks/{own.id}/{own.token}"
    if rest == "/threads":
        told = json.loads(body or b"{}")
        inner = {**told.get("message", {}), "thread_name": told.get("name", "")}
        return BotCall(base, query, json.dumps(inner).encode(), starts=True)
    message = f"/messages/{matched['message']}" if matched and matched["message"] else ""
    return BotCall(base + message, query, body)


def started(reply: Reply, channel: Channel) -> Reply:
    """The answer to the start of a thread: the thread, which has the id of its first message."""
    if reply.status != 200:
        return reply
    message: JsonObject = json.loads(reply.body)
    number = str(message["channel_id"])
    thread: JsonObject = {
        "id": number, "type": 11, "parent_id": str(channel.id), "guild_id": str(channel.guild),
        "message": message,
    }  # fmt: skip
    return json_reply(201, thread, reply.headers)


def channel_json(channel: Channel) -> JsonObject:
    return {
        "id": str(channel.id), "type": 15 if channel.kind == "forum" else 0,
        "guild_id": str(channel.guild), "name": channel.name,
    }  # fmt: skip
