"""Telegram in relay.yml: its keys, their meaning, and the names of its chats for people."""

import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from msgspec.structs import replace
from pydantic import Discriminator, Tag

from relay.core.bot.account import Bot, Updates
from relay.core.budget import Rate
from relay.core.card.outcome import BotDown, ChatDown, ThreadGone
from relay.core.routing.lane import Endpoint, LaneKey, Policy
from relay.core.secret import Secret
from relay.core.text.message import EMPTY, Message
from relay.core.text.richtext import RichText, concat
from relay.platforms.entry import (
    ByLabel,
    Chats,
    Entry,
    EntryReader,
    Imported,
    Loc,
    When,
    Writing,
    expand,
    shape,
)
from relay.platforms.scalar import Address, ChatId, Model, RateText, SecretText

TITLE = "Telegram"
CHATS = "chats"
SECRET_KEYS = frozenset({"telegram_bot_token", "bot_token"})
BOT_TOKEN = re.compile(r"([0-9]{1,20}):[A-Za-z0-9_-]{1,200}")

# A little below what Telegram states: https://core.telegram.org/bots/faq
RATES: Mapping[str, Rate] = {
    "bot": Rate(27, 1.0),
    "chat": Rate(1, 1.1),
    "group": Rate(18, 60.0),
}
WRITINGS: Mapping[str, Writing] = {
    "HTML": Writing("html", "telegram.html.j2"),
    "MarkdownV2": Writing("markdownv2", "telegram.md2.j2"),
    "Markdown": Writing("markdown", "telegram.md.j2"),
    "none": Writing("none", "plain.txt.j2"),
    "": Writing("none", "plain.txt.j2"),
}
IMPORTED = Imported(
    (
        "chat_id",
        "chat_id_file",
        "bot_token",
        "bot_token_file",
        "api_url",
        "message_thread_id",
        "parse_mode",
        "disable_notifications",
    ),
    ("telegram_api_url", "telegram_bot_token", "telegram_bot_token_file"),
)


class ChatByLabel(ByLabel[ChatId]):
    """A chat that a label of the alert chooses."""


Chat = Annotated[
    Annotated[ChatId, Tag("fixed")] | Annotated[ChatByLabel, Tag("chosen")], Discriminator(shape)
]


class TelegramConfig(Entry):
    """A chat, by way of one bot."""

    chat_id: Chat | None = None
    """Id of the chat; groups and channels have negative ids."""
    chat_id_file: str | None = None
    """File that holds the chat id."""
    message_thread_id: int | None = None
    """Id of a topic in a group with topics."""
    parse_mode: Literal["HTML", "MarkdownV2", "Markdown", "none", ""] = "HTML"
    """What the template is written in."""
    bot_token: SecretText | None = None
    """Token of the bot; better in a file."""
    bot_token_file: str | None = None
    """File that holds the token of the bot."""
    api_url: Address | None = None
    """Address of the Bot API server."""
    updates: Updates | None = None
    """How this bot receives updates."""
    webhook_url: Address | None = None
    """Public address of this relay, if `updates` is webhook."""


class TelegramGlobals(Model):
    """Settings of all Telegram chats."""

    telegram_api_url: Address = "https://api.telegram.org"
    """Address of the Bot API server."""
    telegram_bot_token: SecretText | None = None
    """Token of the bot; better in a file."""
    telegram_bot_token_file: str | None = None
    """File that holds the token of the bot."""
    telegram_updates: Updates = "polling"
    """How the bots receive updates."""
    telegram_webhook_url: Address | None = None
    """Public address of this relay, if updates come by webhook."""


class TelegramLimits(Model):
    """Calls per bot, per chat, and per group chat."""

    bot: RateText | None = None
    """Calls of one bot (27/1s)."""
    chat: RateText | None = None
    """Messages to one chat (1/1100ms)."""
    group: RateText | None = None
    """Messages to one group (18/60s)."""


ENTRY = TelegramConfig
GLOBALS = TelegramGlobals
LIMITS: type[Model] = TelegramLimits
SUBSCRIBERS: Entry | None = TelegramConfig()


def parse_mode(entry: TelegramConfig) -> str:
    """The key of `WRITINGS` for the entry's template."""
    return entry.parse_mode


def secret_files(entry: TelegramConfig) -> Iterator[str]:
    """The files with the token and the chat id."""
    yield from filter(None, (entry.bot_token_file, entry.chat_id_file))


def global_secret_files(common: TelegramGlobals) -> Iterator[str]:
    """The file with the token of the bot for all entries that name no other."""
    yield from filter(None, (common.telegram_bot_token_file,))


def refined(policy: Policy, entry: TelegramConfig) -> Policy:  # noqa: ARG001 - as the contract has it
    """The policy unchanged: no key of a Telegram entry alone concerns messages."""
    return policy


def chats(
    entry: TelegramConfig, common: TelegramGlobals, policy: Policy, loc: Loc, reader: EntryReader
) -> Chats:
    """The chats of an entry, and its bot. Faults are reported at their keys."""
    if any(rule.mention.kind == "role" for rule in policy.mentions):
        reader.fault((*loc, "mentions"), "Telegram has no roles: mention users")
    account, token = _bot_token(entry, common, loc, reader)
    api = entry.api_url or common.telegram_api_url
    http = reader.http(entry.http_config, loc)
    updates, url = _updates(entry, common, loc, reader)
    # The General topic has the number 1, but no message can be sent to that number.
    thread = str(entry.message_thread_id or "") if entry.message_thread_id != 1 else ""
    if entry.message_thread_id is not None and entry.message_thread_id <= 0:
        reader.fault((*loc, "message_thread_id"), "a topic has a positive number")
    endpoints = tuple(
        (when, Endpoint(LaneKey("telegram", api, account, chat, thread), token, http))
        for when, chat in _chat_ids(entry, loc, reader)
    )
    return Chats(endpoints, Bot(api, account, token, http, updates, url))


def _bot_token(
    entry: TelegramConfig, common: TelegramGlobals, loc: Loc, reader: EntryReader
) -> tuple[str, Secret]:
    own = entry.bot_token is not None or entry.bot_token_file is not None
    where: Loc = loc if own else ("global",)
    key = "bot_token" if own else "telegram_bot_token"
    inline = entry.bot_token if own else common.telegram_bot_token
    path = entry.bot_token_file if own else common.telegram_bot_token_file
    if inline is None and path is None:
        advice = 'write "bot_token_file" here or "telegram_bot_token_file" under "global"'
        reader.lack(loc, f"this chat has no bot: {advice}")
        return "", Secret("")
    token, at = reader.secret(inline, path, (*where, key))
    if token is None:
        return f"file:{path}", Secret("")
    found = BOT_TOKEN.fullmatch(token.reveal())
    if found is None:
        reader.fault(at, f"not a bot token: {_token_advice(token.reveal())}")
    return found[1] if found else "", token


def _token_advice(text: str) -> str:
    """The fault of a text that should be a token, without any part of it."""
    bare = text.strip("\"'")
    if bare != text and BOT_TOKEN.fullmatch(bare):
        return "remove the quotes around it"
    if BOT_TOKEN.fullmatch(text.removeprefix("bot")):
        return 'remove "bot" before its digits'
    try:
        decoded = b64decode(text, validate=True).decode().strip()
    except ValueError:
        decoded = ""
    if BOT_TOKEN.fullmatch(decoded):
        return "it is base64, as in a Secret's data: decode it"
    return "BotFather's tokens begin with digits and a colon"


def _updates(
    entry: TelegramConfig, common: TelegramGlobals, loc: Loc, reader: EntryReader
) -> tuple[Updates, str]:
    updates = entry.updates or common.telegram_updates
    url = entry.webhook_url or common.telegram_webhook_url or ""
    if updates == "webhook" and not url:
        where: Loc = (*loc, "updates") if entry.updates else ("global", "telegram_updates")
        key = "webhook_url" if entry.updates else "telegram_webhook_url"
        reader.fault(where, f'updates by webhook need "{key}", the public address of this relay')
    return updates, url


def _chat_ids(entry: TelegramConfig, loc: Loc, reader: EntryReader) -> Iterator[tuple[When, str]]:
    if (entry.chat_id is None) == (entry.chat_id_file is None):
        reader.lack(loc, 'a chat needs one of "chat_id" and "chat_id_file"')
    elif entry.chat_id_file is not None:
        yield (), _chat_of_file(entry.chat_id_file, (*loc, "chat_id_file"), reader)
    else:
        for when, chat, at in expand(entry.chat_id, (*loc, "chat_id")):
            yield when, _chat(chat, at, reader)


def _chat_of_file(path: str, loc: Loc, reader: EntryReader) -> str:
    text = reader.secret_file(path, loc)
    if text is None:
        return f"file:{path}"
    if not re.fullmatch("-?[1-9][0-9]{0,15}", text.reveal()):
        reader.fault(loc, "this file holds no chat id: a number, negative for groups and channels")
        return ""
    return _chat(int(text.reveal()), loc, reader)


def _chat(chat: int, loc: Loc, reader: EntryReader) -> str:
    if chat >= 1 << 31:
        reader.warn(loc, "groups and channels have negative ids: is the minus missing?")
    return str(chat)


def spell(lane: LaneKey) -> str:
    """`telegram chat -1001 topic 7`: one line, in words of the configuration."""
    return f"telegram chat {lane.chat}" + (f" topic {lane.thread}" if lane.thread else "")


def remedy(outcome: ThreadGone | ChatDown | BotDown, place: str) -> str:
    """What the operator can do; `place` is FILE:LINE of the entry."""
    match outcome:
        case ChatDown():
            return (
                f"add the bot to the chat and let it write there, or correct the chat_id at {place}"
            )
        case BotDown():
            return (
                f"copy the bot's token from BotFather to where {place} takes it from, "
                "and check api_url"
            )
        case ThreadGone():
            return f"correct the message_thread_id at {place}, or leave it out"


def with_banner(message: Message, banner: RichText) -> Message:
    """The message with `banner` as the first line of its text."""
    parts = (message.body, message.title, message.content)
    rest = next((part for part in parts if part.text.strip()), EMPTY)
    return replace(message, body=concat([banner, "\n", rest]) if rest.text else banner)
