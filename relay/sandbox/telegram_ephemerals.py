"""Messages in the sandbox's Telegram that only one member of a group sees.

https://core.telegram.org/bots/api#ephemeral-messages-and-commands
"""

from collections.abc import Callable

from relay.sandbox.reply import JsonObject
from relay.sandbox.telegram_buttons import keyboard
from relay.sandbox.telegram_chats import Bot, Chat, Ephemeral, State, Version
from relay.sandbox.telegram_form import Form, bad
from relay.sandbox.telegram_text import MAX_TEXT, formatted

PARAMETER = "ephemeral_message_parameters"
ANSWER_WITHIN = 15.0  # seconds


def parameters(form: Form) -> JsonObject | None:
    """The person for whom a new message is, if it is for one alone."""
    value = form.json(PARAMETER)
    return value if isinstance(value, dict) else None


def send(state: State, bot: Bot, chat: Chat, form: Form, told: JsonObject, now: float) -> object:
    """Sends a message for one person. The answer to a press has to come in time."""
    if chat.kind not in ("group", "supergroup"):
        raise bad("ephemeral messages can be sent only to groups and supergroups")
    user, query = told.get("receiver_user_id"), told.get("callback_query_id")
    if not isinstance(user, int) or user <= 0:
        raise bad("receiver_user_id is invalid")
    if query is not None:
        pressed = bot.updates.queries.get(str(query))
        if pressed is None or now - pressed.at > ANSWER_WITHIN:
            raise bad("query is too old and response timeout expired or query ID is invalid")
    content = formatted(form, "text", MAX_TEXT, state.parser)
    number = len(chat.ephemerals) + 1
    chat.ephemerals[number] = Ephemeral(number, bot.id, user, Version(now, content, keyboard(form)))
    state.revision += 1
    return {
        "message_id": 0,
        "ephemeral_message_id": number,
        "date": int(now),
        "chat": chat.json(),
        "from": bot.json(),
        "receiver_user": {"id": user, "is_bot": False, "first_name": f"Person {user}"},
        "text": content.text,
    }


def _found(state: State, bot: Bot, form: Form) -> Ephemeral:
    chat = state.chat(form)
    message = chat.ephemerals.get(form.number("ephemeral_message_id"))
    if (
        message is None
        or message.deleted
        or (message.bot, message.user) != (bot.id, form.number("receiver_user_id"))
    ):
        raise bad("message not found")
    return message


def _edit(state: State, bot: Bot, form: Form, now: float) -> object:
    message = _found(state, bot, form)
    message.version = Version(now, formatted(form, "text", MAX_TEXT, state.parser), keyboard(form))
    return True


def _delete(state: State, bot: Bot, form: Form, _now: float) -> object:
    _found(state, bot, form).deleted = True
    return True


EPHEMERAL_METHODS: dict[str, Callable[[State, Bot, Form, float], object]] = {
    "editephemeralmessagetext": _edit,
    "deleteephemeralmessage": _delete,
}
