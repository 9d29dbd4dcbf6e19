"""Parse modes: Telegram's own parser (package `tdjson`).

The server calls the same function (telegram-bot-api, Client.cpp), so texts of errors and offsets
are the real ones.
"""

import json

import tdjson

from relay.sandbox.reply import JsonObject
from relay.sandbox.telegram_form import bad

MODES: dict[str, JsonObject] = {
    "html": {"@type": "textParseModeHTML"},
    "markdownv2": {"@type": "textParseModeMarkdown", "version": 2},
    "markdown": {"@type": "textParseModeMarkdown", "version": 1},
}

TYPES = {
    "Bold": "bold",
    "Italic": "italic",
    "Underline": "underline",
    "Strikethrough": "strikethrough",
    "Spoiler": "spoiler",
    "Code": "code",
    "Pre": "pre",
    "PreCode": "pre",
    "BlockQuote": "blockquote",
    "ExpandableBlockQuote": "expandable_blockquote",
    "TextUrl": "text_link",
    "MentionName": "text_mention",
    "CustomEmoji": "custom_emoji",
    "DateTime": "date_time",
    "Mention": "mention",
    "Hashtag": "hashtag",
    "Cashtag": "cashtag",
    "BotCommand": "bot_command",
    "Url": "url",
    "EmailAddress": "email",
    "PhoneNumber": "phone_number",
}


def parse(text: str, mode: str) -> tuple[str, list[JsonObject]]:
    """The text without its markup, and its entities. Raises ApiError for wrong markup or an unknown
    mode.
    """
    if mode not in MODES:
        raise bad("unsupported parse_mode")
    answer = _call("parseTextEntities", text=text, parse_mode=MODES[mode])
    if answer.get("@type") == "error":
        message = str(answer.get("message"))
        raise bad(message[:1].lower() + message[1:])
    return str(answer["text"]), _entities(answer)


def found(text: str) -> list[JsonObject]:
    """What apps make clickable by themselves: commands, mentions, addresses."""
    return _entities(_call("getTextEntities", text=text))


def _call(kind: str, **arguments: object) -> JsonObject:
    answer: JsonObject = json.loads(
        tdjson.td_execute(json.dumps({"@type": kind, **arguments}).encode()) or b"{}"
    )
    return answer


def _entities(answer: JsonObject) -> list[JsonObject]:
    entities = answer["entities"]
    if not isinstance(entities, list):
        raise TypeError("entities")
    return [
        _entity(e["offset"], e["length"], e["type"]) for e in entities if _name(e["type"]) in TYPES
    ]


def _name(kind: JsonObject) -> str:
    return str(kind["@type"]).removeprefix("textEntityType")


def _entity(offset: int, length: int, kind: JsonObject) -> JsonObject:
    entity: JsonObject = {"offset": offset, "length": length, "type": TYPES[_name(kind)]}
    for name in ("url", "language", "unix_time", "custom_emoji_id"):
        if name in kind:
            entity[name] = kind[name]
    if "user_id" in kind:
        entity["user"] = {"id": kind["user_id"], "is_bot": False, "first_name": "user"}
    return entity


_call("setLogVerbosityLevel", new_verbosity_level=0)
