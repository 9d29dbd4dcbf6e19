"""Discord's state: channels with their threads, webhooks, and messages with all their versions."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from relay.sandbox.multipart import File
from relay.sandbox.rates import Bucket, Window
from relay.sandbox.reply import JsonObject

EPOCH_MS = 1_420_070_400_000  # https://discord.com/developers/docs/reference#snowflakes
SILENT = 4096
ChannelKind = Literal["text", "forum"]


@dataclass
class Thread:
    """A thread, or a post of a forum."""

    id: int
    name: str
    archived: bool = False
    locked: bool = False


@dataclass
class Version:
    """The contents of a message from `at` on: the stored body, and whom it notified (`user:ID`,
    `role:ID`, `everyone`).
    """

    at: float
    body: JsonObject
    pings: tuple[str, ...]

    @property
    def content(self) -> str:
        return str(self.body.get("content") or "")

    @property
    def embeds(self) -> list[JsonObject]:
        value = self.body.get("embeds")
        return value if isinstance(value, list) else []

    @property
    def components(self) -> list[JsonObject]:
        value = self.body.get("components")
        return value if isinstance(value, list) else []


@dataclass
class Message:
    """A webhook's message with its history. `thread` is 0 in the channel itself."""

    id: int
    webhook: int
    thread: int
    username: str
    flags: int
    versions: list[Version]
    files: tuple[File, ...] = ()
    deleted_at: float | None = None
    old_edits: int = 0

    @property
    def shown(self) -> Version:
        return self.versions[-1]

    @property
    def sent_at(self) -> float:
        return self.versions[0].at

    @property
    def silent(self) -> bool:
        return bool(self.flags & SILENT)


@dataclass
class Channel:
    """A text or forum channel, shared by its webhooks: 30 messages and edits a minute, a limit that
    no header mentions.

    Reports: discord-api-docs issues 367 and 1454; threads are counted apart, a few in some minutes
    (7816).
    """

    id: int
    name: str
    kind: ChannelKind = "text"
    guild: int = 700_000_000_000_000_000
    gone: bool = False
    hidden_from_bots: bool = False
    threads: dict[int, Thread] = field(default_factory=dict)
    messages: dict[int, Message] = field(default_factory=dict)
    hidden: Window = field(default_factory=lambda: Window(30, 60.0))
    new_threads: Window = field(default_factory=lambda: Window(5, 300.0))
    limited_until: float = 0.0

    def shows(self) -> list[Message]:
        """The present messages of the channel and its threads, oldest first."""
        return [m for m in self.messages.values() if m.deleted_at is None]


@dataclass
class Webhook:
    """A webhook made by a person: five requests in two seconds (discord-api-docs issue 367). With
    an `application` its messages may have buttons that can be pressed.
    """

    id: int
    token: str
    channel: int
    name: str
    gone: bool = False
    bucket: Bucket = field(default_factory=lambda: Bucket(5, 2.0))
    limited_until: float = 0.0
    application: str = ""

    def json(self, channel: Channel) -> JsonObject:
        places = {
            "channel_id": str(channel.id),
            "guild_id": str(channel.guild),
            "application_id": self.application or None,
        }
        return {
            "id": str(self.id),
            "type": 1,
            "name": self.name,
            "avatar": None,
            "token": self.token,
            **places,
        }


def snowflake(now: float, number: int) -> int:
    """An id that sorts by time; `number` distinguishes ids of one millisecond."""
    return (int(now * 1000) - EPOCH_MS) << 22 | number & 0xFFF


def pings(content: str, allowed: object) -> tuple[str, ...]:
    """Whom `content` notifies under `allowed_mentions`; without it a webhook notifies users.

    https://discord.com/developers/docs/resources/message#allowed-mentions-object. Mentions inside
    code count too, since nothing that looks like one may be left to chance. Embeds never notify.
    """
    rules = allowed if isinstance(allowed, dict) else {"parse": ["users"]}
    found = dict.fromkeys(_mentions(content))
    return tuple(mention for mention in found if _pings(mention, rules))


def _mentions(content: str) -> Iterator[str]:
    for match in re.finditer(r"<@!?(\d+)>|<@&(\d+)>|@(everyone|here)", content):
        user, role, everyone = match.groups()
        yield f"user:{user}" if user else f"role:{role}" if role else str(everyone)


def _pings(mention: str, rules: JsonObject) -> bool:
    kind, _, identity = mention.partition(":")
    parse = rules.get("parse")
    listed = rules.get(f"{kind}s")
    wanted = f"{kind}s" if identity else "everyone"
    in_parse = isinstance(parse, list) and wanted in parse
    return in_parse or (isinstance(listed, list) and identity in map(str, listed))


def message_json(webhook: Webhook, channel: Channel, message: Message) -> JsonObject:
    shown = message.shown
    author = {**_user(str(webhook.id), message.username), "bot": True}
    edited = len(message.versions) > 1
    return {
        "id": str(message.id),
        "type": 0,
        "channel_id": str(message.thread or channel.id),
        "webhook_id": str(webhook.id),
        "author": author,
        "content": shown.content,
        "embeds": shown.embeds,
        "components": shown.body.get("components") or [],
        "attachments": [_attachment(number, file) for number, file in enumerate(message.files)],
        "mentions": [_user(ping[5:], ping[5:]) for ping in shown.pings if ping.startswith("user:")],
        "mention_roles": [p[5:] for p in shown.pings if p.startswith("role:")],
        "mention_everyone": any(":" not in p for p in shown.pings),
        "flags": message.flags,
        "pinned": False,
        "tts": False,
        "timestamp": iso(message.sent_at),
        "edited_timestamp": iso(shown.at) if edited else None,
    }


def iso(moment: float) -> str:
    """Unix seconds in Discord's form."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="microseconds")


def _user(identity: str, name: str) -> JsonObject:
    return {"id": identity, "username": name, "avatar": None, "discriminator": "0000"}


def _attachment(number: int, file: File) -> JsonObject:
    address = f"https://cdn.example.org/{number}/{file.name}"
    place = {"url": address, "proxy_url": address}
    return {"id": str(number), "filename": file.name, "size": len(file.content), **place}
