"""Telegram's updates as values: read leniently, every id checked, nothing raises.
https://core.telegram.org/bots/api#update
"""

import re
from typing import get_args

import msgspec

from relay.core.bot.update import (
    CallbackQuery,
    ChatInfo,
    ChatKind,
    Command,
    Ignored,
    Membership,
    Migrated,
    Seen,
    Standing,
    Topic,
    Update,
    Written,
)
from relay.platforms.answer import int_of, object_of, positive_id, text_of

ALLOWED = ("message", "channel_post", "my_chat_member", "callback_query")
_COMMAND = re.compile(r"/([A-Za-z0-9_]{1,32})(?:@([A-Za-z0-9_]{1,64}))?(?:\s+(.*))?\s*", re.DOTALL)
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9-]{1,10})?")
_LARGEST = 2**52  # ids fit in 52 bits: https://core.telegram.org/bots/api#chat
_LONGEST_TITLE = 128
_LONGEST_ARGUMENT = 4096
_LONGEST_DATA = 256
_KINDS: dict[str, ChatKind] = {kind: kind for kind in get_args(ChatKind)}
_STANDINGS: dict[str, Standing] = {each: each for each in get_args(Standing)} | {
    "creator": "administrator"
}


def updates(result: object, username: str) -> tuple[Update, ...]:
    """The updates in the answer of `getUpdates`, in order. `username` is the bot's own, by which
    commands to it are recognised.
    """
    return tuple(update(each, username) for each in result) if isinstance(result, list) else ()


def decode(body: bytes, username: str) -> Update:
    """The update in the body of a webhook call."""
    try:
        return update(msgspec.json.decode(body), username)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Ignored(0, "not JSON")


def update(value: object, username: str) -> Update:
    """One update. Never raises."""
    body = object_of(value)
    number = int_of(body.get("update_id"))
    if not 0 < number < _LARGEST:
        return Ignored(0, "without a number")
    kind = next((kind for kind in ALLOWED if kind in body), "")
    told = object_of(body.get(kind))
    if kind == "callback_query":
        return _pressed(number, told)
    chat = _chat(told.get("chat"))
    if not kind:
        return Ignored(number, "of another kind")
    if chat is None:
        return Ignored(number, "without a chat")
    return (
        _membership(number, chat, told)
        if kind == "my_chat_member"
        else _message(number, chat, told, username)
    )


def _chat(value: object) -> ChatInfo | None:
    body = object_of(value)
    number, kind = int_of(body.get("id")), _KINDS.get(text_of(body.get("type")))
    if kind is None or not 0 < abs(number) < _LARGEST or (number > 0) != (kind == "private"):
        return None
    name = " ".join(filter(None, (text_of(body.get("first_name")), text_of(body.get("last_name")))))
    return ChatInfo(
        str(number), kind, _title(body.get("title")) or _title(name), body.get("is_forum") is True
    )


def _title(value: object) -> str:
    shown = "".join(char if char.isprintable() else " " for char in text_of(value)[:_LONGEST_TITLE])
    return " ".join(shown.split())


def _membership(number: int, chat: ChatInfo, told: dict[str, object]) -> Update:
    member = object_of(told.get("new_chat_member"))
    standing = _STANDINGS.get(text_of(member.get("status")))
    if standing is None:
        return Ignored(number, "of an unknown standing")
    writes = standing in ("administrator", "member")
    if standing == "restricted":
        writes = member.get("can_send_messages") is True
        standing = standing if member.get("is_member") is not False else "left"
    if chat.kind == "channel" and member.get("status") != "creator":
        writes = member.get("can_post_messages") is True
    return Membership(number, chat, standing, writes)


def _message(number: int, chat: ChatInfo, told: dict[str, object], username: str) -> Update:
    moved = _moved(number, chat, told)
    if moved:
        return moved
    topic = _topic(told)
    found = _COMMAND.fullmatch(text_of(told.get("text"))[:_LONGEST_ARGUMENT])
    sender = object_of(told.get("from"))
    if found is None:
        return _written(number, chat, topic, told, sender)
    if found[2] and found[2].casefold() != username.casefold():
        return Seen(number, chat, topic)
    return Command(
        id=number,
        chat=chat,
        topic=topic,
        user=_user(told, sender),
        language=_language(sender),
        message=positive_id(told.get("message_id")),
        at=float(max(0, min(int_of(told.get("date")), _LARGEST))),
        name=found[1].lower(),
        argument=(found[3] or "").strip(),
    )


def _written(
    number: int,
    chat: ChatInfo,
    topic: Topic,
    told: dict[str, object],
    sender: dict[str, object],
) -> Update:
    """A text in answer to a bot, or the fact that something was written."""
    answered = object_of(told.get("reply_to_message"))
    text = text_of(told.get("text"))[:_LONGEST_ARGUMENT]
    reply_to = positive_id(answered.get("message_id"))
    if not text or not reply_to or object_of(answered.get("from")).get("is_bot") is not True:
        return Seen(number, chat, topic)
    return Written(
        id=number,
        chat=chat,
        topic=topic,
        user=_user(told, sender),
        name=_name(sender),
        language=_language(sender),
        message=positive_id(told.get("message_id")),
        reply_to=reply_to,
        text=text,
    )


def _pressed(number: int, told: dict[str, object]) -> Update:
    """A press. For a message that is too old only its chat and id are sent; a press in an inline
    message has neither.

    https://core.telegram.org/bots/api#callbackquery
    """
    message = object_of(told.get("message"))
    chat, sender = _chat(message.get("chat")), object_of(told.get("from"))
    user, query = int_of(sender.get("id")), text_of(told.get("id"))
    message_id = positive_id(message.get("message_id"))
    ephemeral = int_of(message.get("ephemeral_message_id"))
    if chat is None or not (message_id or 0 < ephemeral < _LARGEST):
        return Ignored(number, "without a chat")
    if not query or not 0 < user < _LARGEST:
        return Ignored(number, "without a person")
    return CallbackQuery(
        id=number,
        query=query[:_LONGEST_TITLE],
        chat=chat,
        topic=_topic(message),
        message=message_id,
        user=user,
        name=_name(sender),
        language=_language(sender),
        data=text_of(told.get("data"))[:_LONGEST_DATA],
        ephemeral=0 if message_id else ephemeral,
    )


def _name(sender: dict[str, object]) -> str:
    parts = (text_of(sender.get("first_name")), text_of(sender.get("last_name")))
    return _title(" ".join(filter(None, parts)))


def _language(sender: dict[str, object]) -> str:
    code = text_of(sender.get("language_code"))
    return code if _LANGUAGE.fullmatch(code) else ""


def _user(told: dict[str, object], sender: dict[str, object]) -> int:
    """The author; 0 for somebody who writes in the name of a chat: an anonymous administrator's
    `from` is a bot.

    https://core.telegram.org/bots/api#message
    """
    number = int_of(sender.get("id"))
    named = sender.get("is_bot") is False and "sender_chat" not in told
    return number if named and 0 < number < _LARGEST else 0


def _moved(number: int, chat: ChatInfo, told: dict[str, object]) -> Update | None:
    """An upgrade: both groups get an update, each with the other's id."""
    to, old = int_of(told.get("migrate_to_chat_id")), int_of(told.get("migrate_from_chat_id"))
    if to and chat.kind == "group":
        return (
            Migrated(number, chat.id, ChatInfo(str(to), "supergroup", chat.title))
            if _is_supergroup(to)
            else None
        )
    if old and chat.kind == "supergroup":
        return (
            Migrated(number, str(old), chat)
            if -_LARGEST < old < 0 and not _is_supergroup(old)
            else None
        )
    return None


def _is_supergroup(chat: int) -> bool:
    return -_LARGEST < chat < -1_000_000_000_000


def _topic(told: dict[str, object]) -> Topic:
    """The topic of the message. Its title is in the message that made or renamed it, which the app
    adds.
    """
    if told.get("is_topic_message") is not True:
        return Topic()
    places = (told, object_of(told.get("reply_to_message")))
    titles = (_title(object_of(at.get(key)).get("name")) for at in places for key in _TITLED)
    return Topic(positive_id(told.get("message_thread_id")), next(filter(None, titles), ""))


_TITLED = ("forum_topic_edited", "forum_topic_created")
