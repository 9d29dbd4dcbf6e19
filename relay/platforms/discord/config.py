"""Discord in relay.yml: its keys, their meaning, and the names of its channels for people."""

import re
from collections.abc import Iterator, Mapping
from typing import Literal

from msgspec.structs import replace

from relay.core.budget import Rate
from relay.core.card.outcome import BotDown, ChatDown, ThreadGone
from relay.core.routing.lane import Endpoint, HttpOptions, LaneKey, Policy
from relay.core.secret import Secret
from relay.core.text.message import Message
from relay.core.text.richtext import RichText, concat
from relay.platforms.discord.bot_config import DiscordGlobals, bot_of
from relay.platforms.discord.webhook import Webhook, parse_webhook
from relay.platforms.entry import (
    Chats,
    Entry,
    EntryReader,
    FileName,
    Imported,
    Loc,
    When,
    Writing,
    expand,
    file_names,
)
from relay.platforms.scalar import Address, Model, RateText, SecretText, Text

TITLE = "Discord"
CHATS = "channels"
SECRET_KEYS = frozenset({"webhook_url", "discord_bot_token"})

# https://discord.com/developers/docs/topics/rate-limits (address); the others are a little below
# the figures reported for webhooks and channels (discord/discord-api-docs issue 367)
RATES: Mapping[str, Rate] = {
    "webhook": Rate(5, 2.2),
    "channel": Rate(27, 60.0),
    "address": Rate(45, 1.0),
}
WRITINGS: Mapping[str, Writing] = {
    "Markdown": Writing("discord", "discord.md.j2"),
    "HTML": Writing("html", "telegram.html.j2"),
    "none": Writing("none", "plain.txt.j2"),
    "": Writing("none", "plain.txt.j2"),
}
IMPORTED = Imported(("webhook_url", "webhook_url_file", "username", "avatar_url"))
_USERNAME_TRAP = re.compile("clyde|discord", re.IGNORECASE)
_LONGEST_THREAD_NAME, _LONGEST_USERNAME = 100, 80


class DiscordConfig(Entry):
    """A channel, by way of the bot or of one webhook."""

    channel_id: Text = ""
    """The channel in which the bot posts. A webhook beside it only edits the messages that it once
    wrote.
    """
    webhook_url: SecretText | None = None
    """The webhook; better in a file, since whoever has the URL can post."""
    webhook_url_file: FileName | None = None
    """File that holds the webhook URL."""
    parse_mode: Literal["Markdown", "HTML", "none", ""] = "Markdown"
    """What the template is written in; `Markdown` is Discord's."""
    username: str = ""
    """Name that the messages show as their author."""
    avatar_url: Address = ""
    """Picture beside the name."""
    thread_id: Text = ""
    """Id of a thread of the channel."""
    thread_name: str = ""
    """Title of the post that is made in a forum channel."""


class DiscordLimits(Model):
    """Calls per webhook, per channel, and per address from which the relay calls."""

    webhook: RateText | None = None
    """Calls of one webhook (5/2200ms)."""
    channel: RateText | None = None
    """Messages to one channel (27/60s)."""
    address: RateText | None = None
    """Calls from this machine's address (45/1s)."""


ENTRY = DiscordConfig
GLOBALS = DiscordGlobals
LIMITS: type[Model] = DiscordLimits
SUBSCRIBERS: Entry | None = None


def parse_mode(entry: DiscordConfig) -> str:
    """The key of `WRITINGS` for the entry's template."""
    return entry.parse_mode


def secret_files(entry: DiscordConfig) -> Iterator[str]:
    """The files with webhook URLs."""
    yield from file_names(entry.webhook_url_file)


def global_secret_files(common: DiscordGlobals) -> Iterator[str]:
    """The file with the token of the bot."""
    yield from filter(None, (common.discord_bot_token_file,))


def refined(policy: Policy, entry: DiscordConfig) -> Policy:
    """The policy with the name and the picture of the messages' author."""
    return replace(policy, username=entry.username, avatar_url=entry.avatar_url)


def chats(
    entry: DiscordConfig,
    common: DiscordGlobals,
    policy: Policy,  # noqa: ARG001 - the contract's signature
    loc: Loc,
    reader: EntryReader,
) -> Chats:
    """The channels of an entry. Faults are reported at their keys."""
    _check(entry, loc, reader)
    http = reader.http(entry.http_config, loc)
    thread = entry.thread_id or (f"name:{entry.thread_name}" if entry.thread_name else "")
    if entry.channel_id:
        return Chats(tuple(_of_bot(entry, common, thread, http, loc, reader)))
    return Chats(
        tuple(
            (when, _reached(found, thread, http)) for when, found in _webhooks(entry, loc, reader)
        )
    )


def _reached(webhook: Webhook, thread: str, http: HttpOptions) -> Endpoint:
    lane = LaneKey("discord", webhook.api, webhook.id, "", thread)
    return Endpoint(lane, webhook.url, http)


def _of_bot(
    entry: DiscordConfig,
    common: DiscordGlobals,
    thread: str,
    http: HttpOptions,
    loc: Loc,
    reader: EntryReader,
) -> Iterator[tuple[When, Endpoint]]:
    """The channel by way of the bot. The webhook beside it must be a single one, not chosen by a
    label.
    """
    if not re.fullmatch("[1-9][0-9]{4,19}", entry.channel_id):
        reader.fault((*loc, "channel_id"), "a channel is named by its number")
    bot = bot_of(common, reader)
    if bot is None:
        advice = 'write "discord_bot_token_file" under "global"'
        reader.lack(loc, f"this channel has no bot: {advice}")
        return
    named = entry.webhook_url is not None or entry.webhook_url_file is not None
    webhooks = list(_webhooks(entry, loc, reader)) if named else []
    if any(when for when, _ in webhooks):
        reader.fault((*loc, "webhook_url_file"), "beside channel_id no label chooses a webhook")
    former = _reached(webhooks[0][1], thread, http) if webhooks else None
    lane = LaneKey("discord", bot.api, bot.account, entry.channel_id, thread)
    yield (), Endpoint(lane, bot.token, http, former=former)


def _check(entry: DiscordConfig, loc: Loc, reader: EntryReader) -> None:
    """Reports values beyond limits of https://discord.com/developers/docs/resources/webhook with
    which every message would fail.
    """
    if entry.thread_id and entry.thread_name:
        reader.fault((*loc, "thread_name"), 'write one of "thread_id" and "thread_name"')
    if entry.thread_id and not entry.thread_id.isdecimal():
        reader.fault((*loc, "thread_id"), "a thread is named by its number")
    if len(entry.thread_name) > _LONGEST_THREAD_NAME:
        reader.fault((*loc, "thread_name"), "Discord takes at most 100 characters here")
    if len(entry.username) > _LONGEST_USERNAME or _USERNAME_TRAP.search(entry.username):
        reader.fault(
            (*loc, "username"),
            'Discord takes at most 80 characters, without "discord" or "clyde"',
        )


def _webhooks(
    entry: DiscordConfig, loc: Loc, reader: EntryReader
) -> Iterator[tuple[When, Webhook]]:
    if entry.webhook_url is not None and entry.webhook_url_file is not None:
        reader.fault((*loc, "webhook_url"), 'write one of "webhook_url" and "webhook_url_file"')
    elif entry.webhook_url is not None:
        yield from _webhook((), entry.webhook_url, (*loc, "webhook_url"), reader)
    elif entry.webhook_url_file is not None:
        for when, path, at in expand(entry.webhook_url_file, (*loc, "webhook_url_file")):
            url = reader.secret_file(path, at)
            if url is None:
                yield when, Webhook("", f"file:{path}", Secret(""))
            else:
                yield from _webhook(when, url, at, reader)
    else:
        reader.lack(loc, 'a channel needs "webhook_url_file", "webhook_url" or "channel_id"')


def _webhook(
    when: When, url: Secret, loc: Loc, reader: EntryReader
) -> Iterator[tuple[When, Webhook]]:
    try:
        yield when, parse_webhook(url.reveal())
    except ValueError as error:
        reader.fault(loc, str(error))


def spell(lane: LaneKey) -> str:
    """`discord webhook 222 thread 5`: one line, in words of the configuration."""
    thread = lane.thread.removeprefix("name:")
    where = f"channel {lane.chat}" if lane.chat else f"webhook {lane.account}"
    return f"discord {where}" + (f" thread {thread}" if thread else "")


def remedy(outcome: ThreadGone | ChatDown | BotDown, place: str) -> str:
    """What the operator can do; `place` is FILE:LINE of the entry."""
    settings = "the channel's settings (Integrations)"
    match outcome:
        case ChatDown():
            return (
                f"make a webhook in {settings} and put its URL where {place} takes"
                " it from; a forum channel needs thread_name or thread_id as well"
            )
        case BotDown():
            return (
                f"copy the webhook's URL from {settings} to where {place} takes it"
                " from, and check proxy_url"
            )
        case ThreadGone():
            return f"correct the thread_id at {place}, or leave it out"


def with_banner(message: Message, banner: RichText) -> Message:
    """The message with `banner` as the first line of its content."""
    rest = message.content
    return replace(message, content=concat([banner, "\n", rest]) if rest.text else banner)
