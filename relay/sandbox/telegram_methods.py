"""The Bot API's methods: each checks its parameters as the server does, then changes the state."""

from collections.abc import Callable

from relay.sandbox import telegram_ephemerals as ephemerals
from relay.sandbox.reply import CallNote
from relay.sandbox.telegram_buttons import keyboard
from relay.sandbox.telegram_chats import Bot, Chat, Message, State, Version, message_json
from relay.sandbox.telegram_form import ApiError, Form, bad
from relay.sandbox.telegram_text import MAX_CAPTION, MAX_TEXT, Formatted, formatted

NOT_MODIFIED = (
    "message is not modified: specified new message content and reply markup are exactly the same "
    "as a current content and reply markup of the message"
)
TWO_DAYS = 48 * 3600.0


def admit(bot: Bot, chat: Chat, now: float) -> None:
    """Counts a message or edit, or refuses it with the seconds to wait."""
    for flood in (bot.flood, chat.flood):
        if now < flood.until:
            raise too_many(flood.again(now))
    windows = [(bot.pace, bot.flood), (chat.pace, chat.flood)]
    if chat.kind != "private":
        windows.append((chat.minute, chat.flood))
    for window, flood in windows:
        wait = window.wait(now)
        if wait > 0:
            raise too_many(flood.start(wait, now))
    for window, _ in windows:
        window.take(now)


def _formatted(state: State, form: Form, method: str, limit: int, now: float) -> Formatted:
    name = "caption" if method == "sendDocument" else "text"
    content = formatted(form, name, limit, state.parser)
    state.remarks += [CallNote(now, method, lost) for lost in content.lost]
    if not content.text and name == "text":
        raise bad("message text is empty")
    return content


def _get_me(_state: State, bot: Bot, _form: Form, _now: float) -> object:
    abilities = {
        "can_join_groups": True,
        "can_read_all_group_messages": False,
        "supports_inline_queries": False,
    }
    return {**bot.json(), **abilities}


def _get_chat(state: State, _bot: Bot, form: Form, _now: float) -> object:
    gifts = dict.fromkeys(
        (
            "unlimited_gifts",
            "limited_gifts",
            "unique_gifts",
            "premium_subscription",
            "gifts_from_channels",
        ),
        False,
    )
    return {
        **state.chat(form).json(),
        "accent_color_id": 0,
        "max_reaction_count": 11,
        "accepted_gift_types": gifts,
    }


def _get_chat_member(state: State, bot: Bot, form: Form, _now: float) -> object:
    chat, user = state.chat(form), form.number("user_id")
    if user == bot.id:
        return {"user": bot.json(), "status": "administrator" if chat.tells_members else "member"}
    if not chat.tells_members:
        raise bad("member list is inaccessible")
    person = {"id": user, "is_bot": False, "first_name": f"Person {user}"}
    if user not in chat.administrators:
        return {"user": person, "status": "member"}
    anonymous = chat.administrators[user]
    return {"user": person, "status": "administrator", "is_anonymous": anonymous}


def _send_message(state: State, bot: Bot, form: Form, now: float) -> object:
    chat = state.chat(form)
    content = _formatted(state, form, "sendMessage", MAX_TEXT, now)
    told = ephemerals.parameters(form) if state.knows_ephemerals else None
    if told is not None:
        return ephemerals.send(state, bot, chat, form, told, now)
    return _sent(state, bot, chat, form, Version(now, content, keyboard(form)))


def _send_document(state: State, bot: Bot, form: Form, now: float) -> object:
    chat = state.chat(form)
    name = form.text("document").removeprefix("attach://") or "document"
    if name not in form.files:
        missing = "there is no document in the request"
        raise bad("wrong file identifier/HTTP URL specified" if form.text("document") else missing)
    if not form.files[name].content:
        raise bad("file must be non-empty")
    content = _formatted(state, form, "sendDocument", MAX_CAPTION, now)
    return _sent(state, bot, chat, form, Version(now, content, keyboard(form)), name)


def _sent(
    state: State, bot: Bot, chat: Chat, form: Form, version: Version, file: str = ""
) -> object:
    topic = _topic_of(chat, form)
    reply_to = _reply_to_of(chat, form)
    admit(bot, chat, version.at)
    number = state.new_id(chat)
    silent = form.flag("disable_notification")
    message = Message(number, bot.id, topic, reply_to, silent, [version], form.files.get(file))
    chat.messages[number] = message
    state.revision += 1
    return message_json(bot, chat, message)


def _edit_message_text(state: State, bot: Bot, form: Form, now: float) -> object:
    chat = state.chat(form)
    message = chat.messages.get(form.number("message_id"))
    if message is None or message.deleted_at is not None:
        raise bad("message to edit not found")
    if message.bot != bot.id:
        raise bad("message can't be edited")
    if message.document is not None:
        raise bad("there is no text in the message to edit")
    try:
        content = _formatted(state, form, "editMessageText", MAX_TEXT, now)
    except ApiError as error:
        raise (
            bad("MESSAGE_TOO_LONG") if error.description.endswith("message is too long") else error
        ) from None
    version = Version(now, content, keyboard(form))
    admit(bot, chat, now)
    old = message.shown
    if (old.content.text, old.content.entities, old.markup) == (
        content.text,
        content.entities,
        version.markup,
    ):
        raise bad(NOT_MODIFIED)
    message.versions.append(version)
    state.revision += 1
    return message_json(bot, chat, message)


def _delete_message(state: State, _bot: Bot, form: Form, now: float) -> object:
    message = state.chat(form).messages.get(form.number("message_id"))
    if message is None or message.deleted_at is not None:
        raise bad("message to delete not found")
    if now - message.sent_at > TWO_DAYS:
        raise bad("message can't be deleted")
    message.deleted_at = now
    state.revision += 1
    return True


def _get_updates(_state: State, bot: Bot, form: Form, now: float) -> object:
    bot.updates.forget_presses(now)
    return bot.updates.get(form)


def _set_webhook(_state: State, bot: Bot, form: Form, _now: float) -> object:
    bot.updates.set_webhook(form)
    return True


def _delete_webhook(_state: State, bot: Bot, form: Form, _now: float) -> object:
    bot.updates.delete_webhook(form)
    return True


def _get_webhook_info(_state: State, bot: Bot, _form: Form, _now: float) -> object:
    return bot.updates.webhook_info()


def _set_my_commands(_state: State, bot: Bot, form: Form, _now: float) -> object:
    commands = form.json("commands")
    if not isinstance(commands, list) or len(commands) > 100:
        raise bad(
            "BOT_COMMANDS_TOO_MUCH"
            if isinstance(commands, list)
            else "expected an Array of BotCommand"
        )
    scope = form.json("scope")
    kind = str(scope.get("type")) if isinstance(scope, dict) else "default"
    bot.commands = bot.menus[kind, form.text("language_code")] = commands
    return True


def _answer_callback_query(_state: State, bot: Bot, form: Form, now: float) -> object:
    bot.updates.answer(form, now)
    return True


def _topic_of(chat: Chat, form: Form) -> int:
    topic = form.number("message_thread_id")
    if not topic:
        return 0
    if chat.topics is None or topic not in chat.topics:
        raise bad("message thread not found")
    if topic in chat.closed_topics:
        raise bad("TOPIC_CLOSED")
    return topic


def _reply_to_of(chat: Chat, form: Form) -> int:
    value = form.json("reply_parameters")
    if not isinstance(value, dict):
        return 0
    number = value.get("message_id")
    message = chat.messages.get(number) if isinstance(number, int) else None
    if message is not None and message.deleted_at is None:
        return message.id
    if value.get("allow_sending_without_reply") is True:
        return 0
    raise bad("message to be replied not found")


def too_many(seconds: int) -> ApiError:
    return ApiError(429, f"Too Many Requests: retry after {seconds}", {"retry_after": seconds})


METHODS: dict[str, Callable[[State, Bot, Form, float], object]] = {
    "getme": _get_me,
    "getchat": _get_chat,
    "getchatmember": _get_chat_member,
    "sendmessage": _send_message,
    "senddocument": _send_document,
    "editmessagetext": _edit_message_text,
    "deletemessage": _delete_message,
    "getupdates": _get_updates,
    "setwebhook": _set_webhook,
    "deletewebhook": _delete_webhook,
    "getwebhookinfo": _get_webhook_info,
    "setmycommands": _set_my_commands,
    "answercallbackquery": _answer_callback_query,
    **ephemerals.EPHEMERAL_METHODS,
}
