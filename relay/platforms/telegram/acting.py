"""The Bot API for acting from the chat: answers to presses, questions to people, their rights.

https://core.telegram.org/bots/api
"""

from msgspec import Struct
from msgspec.structs import replace

from relay.core.bot.account import Bot
from relay.core.bot.update import CallbackQuery
from relay.core.text.message import Buttons
from relay.platforms.answer import object_of, positive_id, text_of
from relay.platforms.http import Request
from relay.platforms.telegram.bot import Refusal, Result, call

LONGEST_ANSWER = 200  # characters
_LONGEST_PLACEHOLDER = 64
_NO_EPHEMERAL = 2**31 - 1
_ADMINISTRATORS = ("administrator", "creator")


class MemberRights(Struct, frozen=True):
    """A person in a chat: whether an administrator, and whether anonymous."""

    admin: bool
    anonymous: bool


def answer_callback_query(bot: Bot, query: str, text: str, *, alert: bool) -> Request:
    """Answers a press by a passing line, or by an alert that has to be closed. A late answer is
    refused, which does no harm.
    """
    asked: dict[str, object] = {"callback_query_id": query, "text": text[:LONGEST_ANSWER]}
    return call(bot, "answerCallbackQuery", asked | ({"show_alert": True} if alert else {}))


def get_chat_member(bot: Bot, chat: str, user: int) -> Request:
    """Asks for a person's standing. The answer is reliable only if the bot is an administrator."""
    return call(bot, "getChatMember", {"chat_id": int(chat), "user_id": user})


def member_rights(answer: Result | Refusal) -> MemberRights:
    """The answer of getChatMember. Only a definite yes gives a right."""
    body = object_of(answer.value) if isinstance(answer, Result) else {}
    admin = text_of(body.get("status")) in _ADMINISTRATORS
    return MemberRights(admin, admin and body.get("is_anonymous") is True)


def ask(
    bot: Bot, chat: str, topic: str, reply_to: str, text: str, placeholder: str, mention: str
) -> Request:
    """Asks one person, whose id is `mention`, for an answer in writing. The app opens the reply for
    that person alone, also in privacy mode. Without a mention it opens for nobody by itself.
    """
    named = {
        "type": "text_link",
        "offset": len(text.encode("utf-16-le")) // 2 + 1,
        "length": 1,
        "url": f"tg://user?id={mention}",
    }
    asked: dict[str, object] = {
        "chat_id": int(chat),
        "text": f"{text} \u2060" if mention else text,
        "entities": [named] if mention else [],
        "disable_notification": True,
        "link_preview_options": {"is_disabled": True},
        "reply_parameters": {
            "message_id": int(reply_to),
            "allow_sending_without_reply": True,
        },
        "reply_markup": {
            "force_reply": True,
            "selective": True,
            "input_field_placeholder": placeholder[:_LONGEST_PLACEHOLDER],
        },
    }
    if topic.isdecimal():
        asked["message_thread_id"] = int(topic)
    return replace(call(bot, "sendMessage", asked), repeatable=False)


def asked_message(answer: Result | Refusal) -> str:
    """The id of the question; empty if it was not sent."""
    body = object_of(answer.value) if isinstance(answer, Result) else {}
    return positive_id(body.get("message_id"))


def send_ephemeral(bot: Bot, query: CallbackQuery, text: str, buttons: Buttons) -> Request:
    """Answers a press by a message that only the person sees. It has to be sent within 15 s.

    https://core.telegram.org/bots/api#ephemeral-messages-and-commands
    """
    asked: dict[str, object] = {
        "chat_id": int(query.chat.id),
        "text": text,
        "link_preview_options": {"is_disabled": True},
        "ephemeral_message_parameters": {
            "receiver_user_id": query.user,
            "callback_query_id": query.query,
        },
        "reply_markup": {
            "inline_keyboard": [
                [{"text": each.label, "callback_data": each.data} for each in row]
                for row in buttons
            ]
        },
    }
    if query.topic.id.isdecimal():
        asked["message_thread_id"] = int(query.topic.id)
    return replace(call(bot, "sendMessage", asked), repeatable=False)


def ephemeral_probe(bot: Bot, query: CallbackQuery) -> Request:
    """Asks to delete a message that does not exist, to learn whether the server knows ephemeral
    messages.
    """
    return _delete_ephemeral(bot, query.chat.id, query.user, _NO_EPHEMERAL)


def knows_ephemerals(answer: Result | Refusal) -> bool | None:
    """The answer to `ephemeral_probe`; None if it does not tell."""
    if isinstance(answer, Result) or answer.code == 400:
        return True
    return False if answer.code == 404 else None


def delete_ephemeral(bot: Bot, query: CallbackQuery) -> Request:
    """Deletes the pressed message."""
    return _delete_ephemeral(bot, query.chat.id, query.user, query.ephemeral)


def _delete_ephemeral(bot: Bot, chat: str, user: int, message: int) -> Request:
    asked: dict[str, object] = {"chat_id": int(chat), "receiver_user_id": user}
    return call(bot, "deleteEphemeralMessage", asked | {"ephemeral_message_id": message})


def delete_message(bot: Bot, chat: str, message: str) -> Request:
    """Deletes a question."""
    return call(bot, "deleteMessage", {"chat_id": int(chat), "message_id": int(message)})


def place(bot: Bot, chat: str) -> str:
    """Where the data of a button is valid: this bot in this chat."""
    return f"telegram {bot.api} {bot.account} {chat}"
