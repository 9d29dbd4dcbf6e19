"""Parse modes: Telegram's own parser (package `tdjson`) where it is installed, else a small one for
HTML.

The server calls the same function (telegram-bot-api, Client.cpp), so texts of errors and offsets
are the real ones.
"""

import json
from collections.abc import Callable
from html.parser import HTMLParser

from relay.sandbox.reply import JsonObject
from relay.sandbox.telegram_form import bad

try:
    import tdjson

    TD: Callable[[bytes], bytes | None] | None = tdjson.td_execute
except ImportError:  # a test dependency: the demo runs without it
    TD = None

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
    if TD is None:
        return _parse_html(text) if mode == "html" else (text, [])
    answer = _call(TD, "parseTextEntities", text=text, parse_mode=MODES[mode])
    if answer.get("@type") == "error":
        message = str(answer.get("message"))
        raise bad(message[:1].lower() + message[1:])
    return str(answer["text"]), _entities(answer)


def found(text: str) -> list[JsonObject]:
    """What apps make clickable by themselves: commands, mentions, addresses; none without
    Telegram's parser.
    """
    return [] if TD is None else _entities(_call(TD, "getTextEntities", text=text))


def _call(td: Callable[[bytes], bytes | None], kind: str, **arguments: object) -> JsonObject:
    answer: JsonObject = json.loads(td(json.dumps({"@type": kind, **arguments}).encode()) or b"{}")
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


TAGS = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "code": "code",
    "pre": "pre",
    "a": "text_link",
    "blockquote": "blockquote",
    "tg-spoiler": "spoiler",
    "tg-time": "date_time",
}


class _Html(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self.open: list[tuple[str, int, JsonObject]] = []
        self.entities: list[JsonObject] = []

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in TAGS:
            raise bad(f'can\'t parse entities: Unsupported start tag "{tag}"')
        values = dict(attrs)
        extra: JsonObject = {"url": values.get("href") or ""} if tag == "a" else {}
        if tag == "tg-time":
            extra = {"unix_time": int(values.get("unix") or 0)}
        self.open.append((tag, _utf16(self.text), extra))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open[-1][0] != tag:
            raise bad(f'can\'t parse entities: Unmatched end tag "{tag}"')
        _, start, extra = self.open.pop()
        length = _utf16(self.text) - start
        if length:
            self.entities.append({"type": TAGS[tag], "offset": start, "length": length, **extra})


def _utf16(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _parse_html(text: str) -> tuple[str, list[JsonObject]]:
    parser = _Html()
    parser.feed(text)
    parser.close()
    if parser.open:
        raise bad(
            "can't parse entities: Can't find end tag corresponding to start tag "
            f'"{parser.open[-1][0]}"'
        )
    return parser.text, parser.entities


if TD is not None:
    _call(TD, "setLogVerbosityLevel", new_verbosity_level=0)
