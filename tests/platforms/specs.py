"""The platforms' machine-readable specifications as judges of our requests, with the rules that
they leave out.
"""

import functools
import json
import os
import re
from pathlib import Path

import jsonschema_rs
import msgspec
import pytest

from relay.core.text.richtext import utf16_length
from relay.platforms.http import Request

Schema = dict[str, object]
ROOT = Path(__file__).resolve().parents[2]
_JSON_TYPES = {
    "Integer": "integer",
    "String": "string",
    "Boolean": "boolean",
    "Float": "number",
    "True": "boolean",
}
_WITH_TEXT = ("sendMessage", "editMessageText")
_DISCORD_BODIES = {
    "execute_webhook": "IncomingWebhookRequestPartial",
    "edit_webhook_message": "IncomingWebhookUpdateRequestPartial",
    "create_message": "MessageCreateRequest",
    "edit_message": "MessageEditRequestPartial",
    "start_thread": "CreateForumThreadRequest",
}


class _Field(msgspec.Struct, frozen=True):
    name: str
    types: tuple[str, ...]
    required: bool
    description: str


class _Type(msgspec.Struct, frozen=True):
    fields: tuple[_Field, ...] = ()
    subtypes: tuple[str, ...] = ()


class _Telegram(msgspec.Struct, frozen=True):
    methods: dict[str, _Type]
    types: dict[str, _Type]


def faults(request: Request) -> list[str]:
    """What the specification and the rules beside it find wrong with a request; empty when nothing
    is.
    """
    if request.name in _DISCORD_BODIES:
        return _schema_faults(_discord(request.name), request) or _discord_faults(request)
    return _schema_faults(_telegram(request.name), request) or _telegram_faults(request)


def _schema_faults(validator: jsonschema_rs.Validator, request: Request) -> list[str]:
    return [error.message for error in validator.iter_errors(json.loads(request.body))]


@functools.cache
def _specification(name: str) -> bytes:
    """The file; without it the test is skipped, or fails when every tier is required."""
    path = ROOT / os.environ.get("RELAY_SPECS", "../shared/specs") / name
    if path.is_file():
        return path.read_bytes()
    reason = (
        f"{name} is not there: set RELAY_SPECS to the folder with the platforms' specifications"
    )
    if os.environ.get("RELAY_TEST_REQUIRE") == "all":
        pytest.fail(reason)
    pytest.skip(reason)


@functools.cache
def _telegram(method: str) -> jsonschema_rs.Validator:
    described = msgspec.json.decode(_specification("telegram-bot-api.json"), type=_Telegram)
    types = {name: _telegram_object(kind) for name, kind in described.types.items()}
    return jsonschema_rs.validator_for(
        {**_telegram_object(described.methods[method]), "$defs": types}
    )


def _telegram_object(kind: _Type) -> Schema:
    if kind.subtypes:
        return {"anyOf": [_telegram_type(name) for name in kind.subtypes]}
    return {
        "type": "object",
        "properties": {field.name: _telegram_field(field) for field in kind.fields},
        "required": [field.name for field in kind.fields if field.required],
        "additionalProperties": False,
    }


def _telegram_field(field: _Field) -> Schema:
    schema: Schema = {"anyOf": [_telegram_type(name) for name in field.types]}
    bounds = re.search(r"(\d+)-(\d+) (?:characters|bytes)", field.description)
    if "String" in field.types and bounds:
        schema |= {"minLength": int(bounds[1]), "maxLength": int(bounds[2])}
    return schema


def _telegram_type(name: str) -> Schema:
    if name.startswith("Array of "):
        return {"type": "array", "items": _telegram_type(name.removeprefix("Array of "))}
    return {"type": _JSON_TYPES[name]} if name in _JSON_TYPES else {"$ref": f"#/$defs/{name}"}


def _telegram_faults(request: Request) -> list[str]:
    """What the specification counts otherwise or not at all: UTF-16 units, bytes, entities, their
    places.
    """
    body = json.loads(request.body)
    text, entities = body.get("text", "x"), body.get("entities", [])
    units = text.encode("utf-16-le")
    places = [(e["offset"], e["offset"] + e["length"]) for e in entities]
    split = [
        place
        for pair in places
        for place in pair
        if 0xDC <= (units[2 * place + 1 : 2 * place + 2] or b" ")[0] < 0xE0
    ]
    rules = {
        "nothing to read": text.strip() != "",
        "over 4096 units": utf16_length(text) <= 4096,
        "over 32,768 bytes": len(text.encode()) <= 32_768,
        "over 100 entities": len(entities) <= 100,
        "a parse_mode": "parse_mode" not in body,
        "an entity out of the text": all(
            0 <= start < end <= utf16_length(text) for start, end in places
        ),
        "an entity that ends within a character": not split,
        "a preview": request.name not in _WITH_TEXT
        or body["link_preview_options"] == {"is_disabled": True},
    }
    return [rule for rule, kept in rules.items() if not kept]


@functools.cache
def _discord(request: str) -> jsonschema_rs.Validator:
    components = _strict(json.loads(_specification("discord-openapi.json"))["components"])
    root = {"$ref": f"#/components/schemas/{_DISCORD_BODIES[request]}", "components": components}
    return jsonschema_rs.Draft202012Validator(root, validate_formats=True)


def _strict(schema: object) -> object:
    """The schema with no unknown keys allowed, wherever that cannot reject what `allOf` adds."""
    if isinstance(schema, list):
        return [_strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    strict = {key: _strict(value) for key, value in schema.items()}
    if (
        isinstance(schema.get("properties"), dict)
        and not {"allOf", "additionalProperties"} & schema.keys()
    ):
        strict["additionalProperties"] = False
    return strict


def _discord_faults(request: Request) -> list[str]:
    """What the OpenAPI document leaves out.
    https://docs.discord.com/developers/resources/message#embed-object
    """
    body, url = json.loads(request.body), request.url.reveal()
    body = body["message"] if request.name == "start_thread" else body
    embeds = body.get("embeds", [])
    texts = [text for embed in embeds for text in _embed_texts(embed)]
    every = [*texts, body.get("content", "")]
    rules = {
        "nothing to read": bool(body.get("content") or embeds),
        "over 2000 units of content": utf16_length(body.get("content", "")) <= 2000,
        "over 4096 units of description": all(
            utf16_length(e.get("description", "")) <= 4096 for e in embeds
        ),
        "over 6000 units in all embeds": sum(map(utf16_length, texts)) <= 6000,
        "blank field": all(text.strip() for text in texts),
        "half a character": all(c < "\ud800" or c > "\udfff" for text in every for c in text),
        "a forbidden name": not any(
            word in body.get("username", "").lower() for word in ("clyde", "discord")
        ),
        "a thread's id and its name": not ("thread_name" in body and "thread_id=" in url),
        "no wait": request.name != "execute_webhook" or "wait=true" in url,
        "mentions of the text": body["allowed_mentions"]["parse"] == [],
    }
    return [rule for rule, kept in rules.items() if not kept]


def _embed_texts(embed: dict[str, object]) -> list[str]:
    footer, fields = embed.get("footer"), embed.get("fields", [])
    boxes = (
        [field[key] for field in fields for key in ("name", "value")]
        if isinstance(fields, list)
        else []
    )
    last = [footer["text"]] if isinstance(footer, dict) else []
    return [
        str(text)
        for text in (embed.get("title"), embed.get("description"), *boxes, *last)
        if text is not None
    ]
