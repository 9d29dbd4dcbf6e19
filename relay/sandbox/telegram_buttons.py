"""Inline keyboards as Telegram accepts them (td/telegram/ReplyMarkup.cpp)."""

from relay.sandbox.reply import JsonObject
from relay.sandbox.telegram_form import ApiError, Form, bad
from relay.sandbox.telegram_text import link_works

ACTIONS = {
    "url",
    "callback_data",
    "copy_text",
    "switch_inline_query",
    "web_app",
    "login_url",
    "pay",
    "callback_game",
}


def keyboard(form: Form) -> JsonObject | None:
    """The `reply_markup` parameter if it is an inline keyboard with a button. Raises ApiError for a
    wrong button.
    """
    value = form.json("reply_markup")
    if value is None:
        return None
    if not isinstance(value, dict):
        raise bad("object expected as reply markup")
    rows = value.get("inline_keyboard")
    if rows is None:
        return None
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise bad('field "inline_keyboard" must be of type Array')
    for row in rows:
        for button in row:
            _check(button)
    return {"inline_keyboard": rows} if any(rows) else None


def _check(button: object) -> None:
    if not isinstance(button, dict):
        raise bad("can't parse inline keyboard button: InlineKeyboardButton must be an Object")
    if not str(button.get("text", "")).strip():
        raise bad(
            "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard"
        )
    if len(ACTIONS & button.keys()) != 1:
        raise bad(
            "can't parse inline keyboard button: exactly one of the optional fields must be used"
        )
    if "url" in button and not link_works(str(button["url"])):
        raise bad(f"inline keyboard button URL '{button['url']}' is invalid: Wrong HTTP URL")
    if "callback_data" in button and not 1 <= len(str(button["callback_data"]).encode()) <= 64:
        raise bad("BUTTON_DATA_INVALID")
    if "copy_text" in button:
        _check_copy(button["copy_text"])


def _check_copy(value: object) -> None:
    text = value.get("text") if isinstance(value, dict) else None
    if not isinstance(text, str) or not 1 <= len(text) <= 256:
        raise ApiError(400, "Bad Request: BUTTON_COPY_TEXT_INVALID")
