"""Telegram's state: bots, chats, and messages with all their versions."""

import math
from dataclasses import dataclass, field
from typing import Literal

from relay.sandbox.multipart import File
from relay.sandbox.rates import Flood, Window
from relay.sandbox.reply import CallNote, JsonObject
from relay.sandbox.styled_text import Styled
from relay.sandbox.telegram_form import ApiError, Form, bad
from relay.sandbox.telegram_text import Formatted, NoParser, Parser, styled
from relay.sandbox.telegram_updates import Updates

ChatKind = Literal["private", "group", "supergroup", "channel"]

KICKED = {
    "private": "bot was blocked by the user",
    "group": "bot was kicked from the group chat",
    "supergroup": "bot was kicked from the supergroup chat",
    "channel": "bot was kicked from the channel chat",
}


@dataclass
class Version:
    """The contents of a message from `at` on. `markup` is its inline keyboard, or None."""

    at: float
    content: Formatted
    markup: JsonObject | None

    @property
    def styled(self) -> Styled:
        return styled(self.content.text, self.content.entities)


@dataclass
class Message:
    """A message with its history. `topic` and `reply_to` are 0 if there is none."""

    id: int
    bot: int
    topic: int
    reply_to: int
    silent: bool
    versions: list[Version]
    document: File | None = None
    deleted_at: float | None = None

    @property
    def shown(self) -> Version:
        return self.versions[-1]

    @property
    def text(self) -> str:
        """Its text, or the caption of its document."""
        return self.shown.content.text

    @property
    def sent_at(self) -> float:
        return self.versions[0].at

    def text_at(self, moment: float) -> str | None:
        """Its text at `moment`; None before it was sent and after it was deleted."""
        if self.deleted_at is not None and self.deleted_at <= moment:
            return None
        texts = [v.content.text for v in self.versions if v.at <= moment]
        return texts[-1] if texts else None


@dataclass
class Ephemeral:
    """A message that only `user` sees. `deleted`: it is gone."""

    id: int
    bot: int
    user: int
    version: Version
    deleted: bool = False

    @property
    def text(self) -> str:
        return self.version.content.text

    @property
    def buttons(self) -> dict[str, str]:
        """The data of its buttons by their labels."""
        rows = (self.version.markup or {}).get("inline_keyboard")
        lists = [row for row in rows if isinstance(row, list)] if isinstance(rows, list) else []
        cells = [cell for row in lists for cell in row]
        return {str(cell["text"]): str(cell["callback_data"]) for cell in cells}


@dataclass
class Chat:
    """A private chat, group, supergroup or channel. A forum has `topics`: thread id to title.

    `refusal` is the description of the 403 while the bot may not write; `migrated_to` is the
    supergroup that a group became. `administrators` are people, and whether they are anonymous;
    `tells_members`: the bot is one as well, and may ask for members. Rates: one message a second in
    short bursts of three, twenty a minute in groups (core.telegram.org/bots/faq).
    """

    id: int
    kind: ChatKind
    title: str
    topics: dict[int, str] | None = None
    closed_topics: set[int] = field(default_factory=set)
    refusal: str = ""
    migrated_to: int = 0
    administrators: dict[int, bool] = field(default_factory=dict)
    tells_members: bool = False
    messages: dict[int, Message] = field(default_factory=dict)
    ephemerals: dict[int, Ephemeral] = field(default_factory=dict)
    flood: Flood = field(default_factory=Flood)
    pace: Window = field(default_factory=lambda: Window(3, 3.0))
    minute: Window = field(default_factory=lambda: Window(20, 60.0))

    def json(self) -> JsonObject:
        value: JsonObject = {"id": self.id, "type": self.kind}
        value["first_name" if self.kind == "private" else "title"] = self.title
        if self.topics is not None:
            value["is_forum"] = True
        return value

    def shows(self) -> list[Message]:
        """The present messages of the chat, oldest first."""
        return [m for m in self.messages.values() if m.deleted_at is None]


@dataclass
class Bot:
    """A bot: thirty messages a second over all its chats (core.telegram.org/bots/faq). `commands`
    were published last, `menus` are those for each scope and language.
    """

    id: int
    username: str
    revoked: bool = False
    commands: list[JsonObject] = field(default_factory=list)
    menus: dict[tuple[str, str], list[JsonObject]] = field(default_factory=dict)
    updates: Updates = field(default_factory=Updates)
    flood: Flood = field(default_factory=Flood)
    pace: Window = field(default_factory=lambda: Window(30, 1.0))

    def json(self) -> JsonObject:
        return {
            "id": self.id,
            "is_bot": True,
            "first_name": self.username,
            "username": self.username,
        }


def message_json(bot: Bot, chat: Chat, message: Message) -> JsonObject:
    shown = message.shown
    value: JsonObject = {
        "message_id": message.id,
        "date": math.floor(message.sent_at),
        "chat": chat.json(),
    }
    if chat.kind == "channel":
        value["sender_chat"] = chat.json()
    else:
        value["from"] = bot.json()
    if message.topic:
        value |= {"message_thread_id": message.topic, "is_topic_message": True}
    if len(message.versions) > 1:
        value["edit_date"] = math.floor(shown.at)
    if message.document:
        identity = f"file-{chat.id}-{message.id}"
        file = {"file_id": identity, "file_unique_id": identity, "file_name": message.document.name}
        value["document"] = {**file, "file_size": len(message.document.content)}
    text, entities = ("caption", "caption_entities") if message.document else ("text", "entities")
    if shown.content.text:
        value[text] = shown.content.text
    if shown.content.entities:
        value[entities] = list(shown.content.entities)
    if shown.markup:
        value["reply_markup"] = shown.markup
    if message.reply_to in chat.messages:
        value["reply_to_message"] = message_json(bot, chat, chat.messages[message.reply_to])
    return value


@dataclass
class State:
    """The chats of this Telegram. `remarks` is what a careful client would not have sent;
    `revision` counts changes. `knows_ephemerals`: the Bot API server has version 10.2 or newer.
    """

    chats: dict[int, Chat] = field(default_factory=dict)
    remarks: list[CallNote] = field(default_factory=list)
    revision: int = 0
    last_id: int = 0
    parser: Parser = field(default_factory=NoParser)
    knows_ephemerals: bool = True

    def chat(self, form: Form) -> Chat:
        """The chat that `chat_id` names, if the bot may write there. Raises ApiError otherwise."""
        if not form.text("chat_id").strip():
            raise bad("chat_id is empty")
        chat = self.chats.get(form.number("chat_id"))
        if chat is None:
            raise bad("chat not found")
        if chat.migrated_to:
            moved: JsonObject = {"migrate_to_chat_id": chat.migrated_to}
            raise ApiError(400, "Bad Request: group chat was upgraded to a supergroup chat", moved)
        if chat.refusal:
            raise ApiError(403, f"Forbidden: {chat.refusal}")
        return chat

    def new_id(self, chat: Chat) -> int:
        """Supergroups and channels number their own messages; all other chats share one
        sequence.
        """
        if chat.kind in ("supergroup", "channel"):
            return max(chat.messages, default=0) + 1
        self.last_id += 1
        return self.last_id
