"""Telegram's treatment of a message's text: parse modes, entities, lengths, automatic links. Rules:
https://core.telegram.org/bots/api#formatting-options and td/telegram/MessageEntity.cpp of tdlib/td.
"""

from collections.abc import Sequence
from typing import Protocol
from urllib.parse import urlsplit

from msgspec import Struct

from relay.sandbox.reply import JsonObject
from relay.sandbox.styled_text import Kind, Style, Styled
from relay.sandbox.telegram_form import ApiError, Form, bad

MAX_TEXT = 4096
MAX_CAPTION = 1024
MAX_BYTES = 32_768
MAX_ENTITIES = 100

Entity = JsonObject

STYLES: dict[str, Kind] = {
    "bold": "bold",
    "italic": "italic",
    "underline": "underline",
    "strikethrough": "strikethrough",
    "spoiler": "spoiler",
    "blockquote": "quote",
    "expandable_blockquote": "fold",
    "code": "code",
    "pre": "pre",
    "text_link": "link",
    "text_mention": "mention",
    "date_time": "time",
}
FOUND_BY_THE_SERVER = {
    "mention",
    "hashtag",
    "cashtag",
    "bot_command",
    "url",
    "email",
    "phone_number",
}
OTHERS = {"custom_emoji"}


class Formatted(Struct, frozen=True):
    """A text after parsing: entities in UTF-16 code units as the API gives them, and what was
    dropped.
    """

    text: str
    entities: tuple[Entity, ...] = ()
    lost: tuple[str, ...] = ()


class Parser(Protocol):
    """Reads markup and finds links in texts as Telegram's own parser does."""

    def parse(self, text: str, mode: str) -> tuple[str, list[Entity]]:
        """The text without its markup, and its entities. Raises ApiError for wrong markup or an
        unknown mode.
        """

    def found(self, text: str) -> list[Entity]:
        """The parts that apps make clickable: commands, mentions, addresses."""


class NoParser:
    """Refuses markup and finds nothing: the relay sends entities and no `parse_mode`."""

    def parse(self, text: str, mode: str) -> tuple[str, list[Entity]]:  # noqa: ARG002 - as Parser has it
        """Raises ApiError."""
        raise bad("unsupported parse_mode")

    def found(self, text: str) -> list[Entity]:  # noqa: ARG002 - the signature of Parser
        """Nothing."""
        return []


def formatted(form: Form, name: str, limit: int, parser: Parser) -> Formatted:
    """The parameter `name` (`text` or `caption`) as Telegram stores it. Raises ApiError as the
    server does.

    Lengths count UTF-16 code units: what the remote server counts is not documented, and this is
    the stricter reading.
    """
    source = form.text(name)
    if len(source.encode()) > MAX_BYTES:
        raise bad(f"{name} is too long")
    mode = form.text("parse_mode").lower()
    if mode in ("", "none"):
        given = _given(form, "entities" if name == "text" else "caption_entities")
        checked = _checked(source, given)
    else:
        checked = parser.parse(source, mode)
    text, entities = _trimmed(*checked)
    if utf16_length(text) > limit:
        raise bad("message caption is too long" if name == "caption" else "message is too long")
    kept, lost = _kept(entities)
    return Formatted(text, (*kept, *_automatic(text, kept, parser)), tuple(lost))


def utf16_length(text: str) -> int:
    """The length of `text` in UTF-16 code units."""
    return len(text) + sum(c > "\uffff" for c in text)


def styled(text: str, entities: Sequence[Entity]) -> Styled:
    """The text as a reader sees it, with its styles in code points."""
    points = _points(text)
    styles = []
    for entity in entities:
        offset, length = number(entity, "offset"), number(entity, "length")
        start, end = points.get(offset), points.get(offset + length)
        if start is None or end is None:
            continue
        name = str(entity.get("type"))
        if name in FOUND_BY_THE_SERVER:
            styles.append(Style("auto", start, end, name))
        elif name in STYLES:
            styles.append(Style(STYLES[name], start, end, _value(entity)))
    return Styled(text, tuple(styles))


def number(entity: Entity, name: str) -> int:
    """An integer of an entity that was checked."""
    value = entity.get(name)
    return value if isinstance(value, int) else 0


def _value(entity: Entity) -> str:
    moment = ":".join(
        str(entity[key]) for key in ("unix_time", "date_time_format") if key in entity
    )
    return moment or str(entity.get("url", entity.get("language", "")))


def _points(text: str) -> dict[int, int]:
    """The code point index for each UTF-16 offset between two characters."""
    points, offset = {0: 0}, 0
    for index, character in enumerate(text, 1):
        offset += 2 if character > "\uffff" else 1
        points[offset] = index
    return points


def _given(form: Form, name: str) -> list[Entity]:
    """The elements of `entities`. A value that is not a list is ignored, as in the server."""
    value = form.json(name)
    if not isinstance(value, list):
        return []
    return [_entity(element) for element in value]


def _entity(element: object) -> Entity:
    def wrong(what: str) -> ApiError:
        return bad(f"can't parse MessageEntity: {what}")

    if not isinstance(element, dict):
        raise wrong("expected an Object")
    kind = element.get("type")
    if not isinstance(kind, str):
        raise wrong('Can\'t find field "type"')
    if kind not in STYLES and kind not in FOUND_BY_THE_SERVER | OTHERS:
        raise wrong("Unsupported type specified")
    for field in ("offset", "length"):
        value = element.get(field)
        if isinstance(value, bool) or not isinstance(value, int):
            raise wrong(f'Field "{field}" must be of type Number')
    required = {
        "text_link": "url",
        "text_mention": "user",
        "custom_emoji": "custom_emoji_id",
        "date_time": "unix_time",
    }
    needed = required.get(kind)
    if needed is not None and needed not in element:
        raise wrong(f'Can\'t find field "{needed}"')
    return element


def _checked(text: str, entities: list[Entity]) -> tuple[str, list[Entity]]:
    """The entities. Offsets must lie between characters and inside the text (td: fix_entities)."""
    points = _points(text)
    end_of_text = utf16_length(text)
    for entity in entities:
        start, end = number(entity, "offset"), number(entity, "offset") + number(entity, "length")
        if start < 0 or end < start:
            raise bad("received an entity with incorrect offset or length")
        if start == end:
            continue
        if start > end_of_text:
            raise bad(f"entity begins after the end of the text at UTF-16 offset {start}")
        if end > end_of_text:
            raise bad(
                f"entity beginning at UTF-16 offset {start} ends after the end of the text at "
                f"UTF-16 offset {end}"
            )
        if start not in points:
            raise bad(f"entity begins in a middle of a UTF-16 symbol at UTF-16 offset {start}")
        if end not in points:
            raise bad(
                f"entity beginning at UTF-16 offset {start} ends in a middle of a UTF-16 symbol"
            )
    return text, [
        e for e in entities if number(e, "length") and e["type"] not in FOUND_BY_THE_SERVER
    ]


def _trimmed(text: str, entities: list[Entity]) -> tuple[str, list[Entity]]:
    """The text without white space at its ends, and the entities without that part."""
    body = text.rstrip()
    short = body.lstrip()
    cut, end = utf16_length(body) - utf16_length(short), utf16_length(body)
    moved = []
    for entity in entities:
        start = max(number(entity, "offset"), cut)
        stop = min(number(entity, "offset") + number(entity, "length"), end)
        if start < stop:
            moved.append({**entity, "offset": start - cut, "length": stop - start})
    return short, moved


def _kept(entities: list[Entity]) -> tuple[list[Entity], list[str]]:
    """The entities that remain: links with a usable address, then at most 100, bold and italic
    counted last.
    """
    lost = [
        f"link dropped: {e['url']}"
        for e in entities
        if e["type"] == "text_link" and not _link_works(e)
    ]
    usable = [e for e in entities if e["type"] != "text_link" or _link_works(e)]
    ranked = sorted(range(len(usable)), key=lambda i: (usable[i]["type"] in ("bold", "italic"), i))
    kept = [usable[i] for i in sorted(ranked[:MAX_ENTITIES])]
    if len(usable) > MAX_ENTITIES:
        lost.append(f"{len(usable) - MAX_ENTITIES} entities dropped")
    return kept, lost


def link_works(url: str) -> bool:
    """Whether Telegram keeps a link to `url`: http or https to a host with a dot, or an IPv6 one
    (LinkManager.cpp).
    """
    try:
        parts = urlsplit(url if "://" in url or url.startswith("tg:") else f"http://{url}")
        host = parts.hostname or ""
    except ValueError:
        return False
    if parts.scheme in ("tg", "ton", "tonsite"):
        return True
    return (
        parts.scheme in ("http", "https")
        and ("." in host.strip(".") or ":" in host)
        and " " not in url
    )


def _link_works(entity: Entity) -> bool:
    return link_works(str(entity["url"]))


SOLID = {"code", "pre", "text_link", "text_mention", "date_time"}


def _automatic(text: str, entities: Sequence[Entity], parser: Parser) -> list[Entity]:
    """What the app makes clickable outside code and links."""
    solid = [
        (number(e, "offset"), number(e, "offset") + number(e, "length"))
        for e in entities
        if e["type"] in SOLID
    ]
    return [
        e
        for e in parser.found(text)
        if not any(
            start < number(e, "offset") + number(e, "length") and number(e, "offset") < end
            for start, end in solid
        )
    ]
