"""The local Discord's error tree, field by field, and its agreement with Discord's own
specification.
"""

import copy
import json
import os
from pathlib import Path

import jsonschema_rs
import pytest

from relay.sandbox.discord_form import ApiError, checked
from relay.sandbox.reply import JsonObject

EMBED = {
    "title": "t" * 256,
    "description": "d" * 1500,
    "url": "https://example.org",
    "color": 0xFFFFFF,
    "timestamp": "2026-11-22T03:00:00+00:00",
    "fields": [{"name": "n" * 256, "value": "v" * 100}] + [{"name": "n", "value": "v"}] * 24,
    "footer": {"text": "f" * 2048},
    "author": {"name": "a" * 256},
}
FULL: JsonObject = {
    "content": "c" * 2000,
    "username": "u" * 80,
    "embeds": [EMBED],
    "flags": 4 | 4096,
    "allowed_mentions": {
        "parse": ["everyone"],
        "users": [str(n) for n in range(100)],
        "roles": ["2"],
    },
}
WRONG: list[tuple[str, object, str, str]] = [
    ("content", "c" * 2001, "content", "BASE_TYPE_MAX_LENGTH"),
    ("content", "😀" * 1001, "content", "BASE_TYPE_MAX_LENGTH"),
    ("content", 5, "content", "STRING_TYPE_CONVERT"),
    ("username", "", "username", "BASE_TYPE_BAD_LENGTH"),
    ("username", "u" * 81, "username", "BASE_TYPE_MAX_LENGTH"),
    ("username", "My Discord", "username", "USERNAME_INVALID_CONTAINS"),
    ("username", "clydesdale", "username", "USERNAME_INVALID_CONTAINS"),
    ("avatar_url", "javascript:alert(1)", "avatar_url", "URL_TYPE_INVALID_SCHEME"),
    ("thread_name", "x" * 101, "thread_name", "BASE_TYPE_MAX_LENGTH"),
    ("flags", 64, "flags", "BASE_TYPE_CHOICES"),
    ("flags", 32768, "flags", "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2"),
    ("embeds", {}, "embeds", "LIST_TYPE_CONVERT"),
    ("embeds", ["x"], "embeds.0", "MODEL_TYPE_CONVERT"),
    ("embeds", [{"title": "x"}] * 11, "embeds", "BASE_TYPE_MAX_LENGTH"),
    (
        "embeds",
        [{"description": "x" * 4000}, {"footer": {"text": "x" * 2001}}],
        "embeds",
        "MAX_EMBED_SIZE_EXCEEDED",
    ),
    ("embeds.0.title", "t" * 257, "embeds.0.title", "BASE_TYPE_MAX_LENGTH"),
    ("embeds.0.description", "d" * 4097, "embeds.0.description", "BASE_TYPE_MAX_LENGTH"),
    ("embeds.0.url", "http://", "embeds.0.url", "URL_TYPE_INVALID_URL"),
    ("embeds.0.color", 0x1000000, "embeds.0.color", "NUMBER_TYPE_MAX"),
    ("embeds.0.color", "#ff0000", "embeds.0.color", "NUMBER_TYPE_COERCE"),
    ("embeds.0.timestamp", "yesterday", "embeds.0.timestamp", "DATE_TIME_TYPE_PARSE"),
    (
        "embeds.0.fields",
        [{"name": "n", "value": "v"}] * 26,
        "embeds.0.fields",
        "BASE_TYPE_MAX_LENGTH",
    ),
    ("embeds.0.fields.0.name", "n" * 257, "embeds.0.fields.0.name", "BASE_TYPE_MAX_LENGTH"),
    ("embeds.0.fields.0.value", "v" * 1025, "embeds.0.fields.0.value", "BASE_TYPE_MAX_LENGTH"),
    ("embeds.0.fields.0.value", " ", "embeds.0.fields.0.value", "BASE_TYPE_REQUIRED"),
    ("embeds.0.fields.0", {"name": "n"}, "embeds.0.fields.0.value", "BASE_TYPE_REQUIRED"),
    ("embeds.0.footer.text", "f" * 2049, "embeds.0.footer.text", "BASE_TYPE_MAX_LENGTH"),
    ("embeds.0.author.name", "a" * 257, "embeds.0.author.name", "BASE_TYPE_MAX_LENGTH"),
    ("allowed_mentions.parse", ["all"], "allowed_mentions.parse.0", "BASE_TYPE_CHOICES"),
    (
        "allowed_mentions.parse",
        ["users"],
        "allowed_mentions",
        "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE",
    ),
    (
        "allowed_mentions.users",
        [str(n) for n in range(101)],
        "allowed_mentions.users",
        "BASE_TYPE_MAX_LENGTH",
    ),
    ("allowed_mentions.users", ["@ada"], "allowed_mentions.users.0", "NUMBER_TYPE_COERCE"),
    ("components", [{"components": []}] * 6, "components", "BASE_TYPE_MAX_LENGTH"),
    (
        "components",
        [
            {
                "type": 1,
                "components": [
                    {"type": 2, "style": 1, "custom_id": "x", "url": "https://example.org"}
                ],
            }
        ],
        "components.0.components.0.type",
        "BASE_TYPE_CHOICES",
    ),
    (
        "components",
        [{"type": 1, "components": [{"type": 2, "style": 5, "label": "x"}]}],
        "components.0.components.0.url",
        "BASE_TYPE_REQUIRED",
    ),
]
SPECIFICATION = Path(os.environ.get("RELAY_SPECS", "../shared/specs")) / "discord-openapi.json"
BEYOND = [  # what the documents say and the specification does not: (path, code)
    (
        "content",
        "BASE_TYPE_MAX_LENGTH",
    ),  # of the two over-long contents, the one counted in UTF-16 units
    ("username", "USERNAME_INVALID_CONTAINS"),
    ("username", "USERNAME_INVALID_CONTAINS"),
    ("avatar_url", "URL_TYPE_INVALID_SCHEME"),
    ("flags", "BASE_TYPE_CHOICES"),
    ("flags", "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2"),
    ("embeds", "MAX_EMBED_SIZE_EXCEEDED"),
    ("embeds.0.url", "URL_TYPE_INVALID_URL"),
    ("embeds.0.fields.0.value", "BASE_TYPE_REQUIRED"),
    ("allowed_mentions.parse", "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE"),
    ("components", "BASE_TYPE_CHOICES"),
    ("components", "BASE_TYPE_REQUIRED"),
]


def changed(path: str, value: object) -> JsonObject:
    """The full message with one thing changed."""
    body = copy.deepcopy(FULL)
    *way, last = path.split(".")
    node: object = body
    for part in way:
        node = (
            node[int(part)]
            if isinstance(node, list)
            else node[part]
            if isinstance(node, dict)
            else None
        )
    if isinstance(node, list):
        node[int(last)] = value
    elif isinstance(node, dict):
        node[last] = value
    return body


def test_a_message_at_every_limit_is_taken() -> None:
    assert checked(FULL, files=False)["content"] == "c" * 2000


@pytest.mark.parametrize(("path", "value", "at", "code"), WRONG)
def test_each_fault_is_named_at_its_place(path: str, value: object, at: str, code: str) -> None:
    with pytest.raises(ApiError) as refused:
        checked(changed(path, value), files=False)
    assert (refused.value.status, refused.value.code) == (400, 50035)
    node: object = refused.value.errors
    for part in at.split("."):
        assert isinstance(node, dict)
        node = node[part]
    assert isinstance(node, dict)
    assert code in [error["code"] for error in node["_errors"]]


def test_all_faults_come_at_once() -> None:
    body: JsonObject = {"content": "x" * 2001, "embeds": [{"title": "x" * 257}]}
    with pytest.raises(ApiError) as refused:
        checked(body, files=False)
    assert refused.value.errors is not None
    assert refused.value.errors.keys() == {"content", "embeds"}


def test_white_space_at_both_ends_does_not_count() -> None:
    assert checked({"content": f"  {'x' * 2000}\n"}, files=False) == {"content": "x" * 2000}


def test_of_embeds_with_one_address_only_the_first_is_shown() -> None:
    same = [{"title": title, "url": "https://example.org"} for title in ("a", "b")]
    embeds = checked({"embeds": [*same, {"title": "c"}]}, files=False)["embeds"]
    assert isinstance(embeds, list)
    assert [embed["title"] for embed in embeds] == ["a", "c"]


def specification() -> jsonschema_rs.Draft202012Validator:
    document = json.loads(SPECIFICATION.read_text())
    schema = {
        "$ref": "#/components/schemas/IncomingWebhookRequestPartial",
        "components": document["components"],
    }
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True)


@pytest.mark.specs
@pytest.mark.skipif(not SPECIFICATION.exists(), reason="no specifications: set RELAY_SPECS")
def test_discords_specification_refuses_the_same_messages_but_for_what_it_does_not_say() -> None:
    judge = specification()
    assert judge.is_valid(FULL)
    taken = [(path, code) for path, value, _, code in WRONG if judge.is_valid(changed(path, value))]
    assert taken == BEYOND
