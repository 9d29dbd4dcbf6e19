"""Discord's checks of a webhook message, and the error tree of a refusal.

Limits: https://discord.com/developers/docs/resources/webhook and /resources/message. "Characters"
has no defined unit there; UTF-16 code units are counted here, the stricter reading, after white
space at both ends is trimmed.
"""

from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

from relay.sandbox.reply import JsonObject

KNOWN = {
    *(
        "content",
        "username",
        "avatar_url",
        "tts",
        "embeds",
        "allowed_mentions",
        "components",
        "attachments",
        "flags",
    ),
    *("thread_name", "applied_tags", "poll", "message_reference"),
}
FLAGS = 4 | 4096 | 32768
COMPONENTS_V2 = 32768
MENTIONS = ("users", "roles", "everyone")
REQUIRED = ("BASE_TYPE_REQUIRED", "This field is required")


@dataclass
class ApiError(Exception):
    """Discord's refusal: HTTP status, its own code and message, the error tree, and the extra
    fields of a 429.
    """

    status: int
    code: int
    message: str
    errors: JsonObject | None = None
    retry_after: float | None = None
    scope: str = "user"


@dataclass
class Check:
    """Collects the faults of a form into Discord's tree: `{"embeds": {"0": {"title": {"_errors":
    [...]}}}}`.
    """

    tree: JsonObject = field(default_factory=dict)

    def fault(self, path: str, code: str, message: str) -> None:
        """Notes a fault at `path`, whose parts are joined by dots."""
        node = self.tree
        for part in path.split("."):
            child = node.setdefault(part, {})
            if not isinstance(child, dict):
                raise TypeError(path)
            node = child
        errors = node.setdefault("_errors", [])
        if isinstance(errors, list):
            errors.append({"code": code, "message": message})

    def text(self, path: str, value: object, limit: int, *, required: bool = False) -> str:
        """A text of at most `limit` characters, trimmed."""
        if value is not None and not isinstance(value, str):
            self.fault(path, "STRING_TYPE_CONVERT", f"Could not interpret {value!r} as string.")
            return ""
        text = (value or "").strip()
        if required and not text:
            self.fault(path, *REQUIRED)
        if length(text) > limit:
            self.fault(path, "BASE_TYPE_MAX_LENGTH", f"Must be {limit} or fewer in length.")
        return text

    def items(self, path: str, value: object, limit: int) -> list[object]:
        """A list of at most `limit` items; empty if it is missing."""
        if value is None:
            return []
        if not isinstance(value, list):
            self.fault(path, "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType")
            return []
        if len(value) > limit:
            self.fault(path, "BASE_TYPE_MAX_LENGTH", f"Must be {limit} or fewer in length.")
            return []
        return value

    def model(self, path: str, value: object) -> JsonObject:
        """An object; empty if it is missing."""
        if value is not None and not isinstance(value, dict):
            self.fault(path, "MODEL_TYPE_CONVERT", "Only dictionaries may be used in a ModelType")
        return value if isinstance(value, dict) else {}

    def whole(self, path: str, value: object, highest: int) -> int | None:
        """A whole number from 0 to `highest`; None if it is missing."""
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            self.fault(path, "NUMBER_TYPE_COERCE", f"Value {value!r} is not int.")
            return None
        if not 0 <= value <= highest:
            self.fault(
                path, "NUMBER_TYPE_MAX", f"int value should be less than or equal to {highest}."
            )
        return value

    def url(self, path: str, value: object) -> str:
        """An http or https address of at most 2048 characters; empty if it is missing."""
        text = self.text(path, value, 2048)
        if not text:
            return ""
        try:
            parts = urlsplit(text)
        except ValueError:
            parts = urlsplit("")
        if parts.scheme not in ("http", "https", "attachment"):
            scheme = f"Scheme \"{parts.scheme}\" must be one of ('http', 'https')."
            self.fault(path, "URL_TYPE_INVALID_SCHEME", scheme)
        elif not parts.netloc or any(c.isspace() for c in text):
            self.fault(path, "URL_TYPE_INVALID_URL", "Not a well formed URL.")
        return text


def length(text: str) -> int:
    return len(text) + sum(c > "\uffff" for c in text)


def checked(body: JsonObject, *, files: bool, owned: bool = False) -> JsonObject:
    """The message as Discord stores it: trimmed, with the known keys that were given. Raises
    ApiError 50035 with the tree. `owned`: an application owns the webhook, so that buttons can be
    pressed.
    """
    check = Check()
    clean: JsonObject = {"content": check.text("content", body.get("content"), 2000)}
    clean["embeds"] = _embeds(check, body.get("embeds"))
    _check_name(check, body)
    check.url("avatar_url", body.get("avatar_url"))
    if "thread_name" in body:
        check.text("thread_name", body["thread_name"], 100, required=True)
    check.items("applied_tags", body.get("applied_tags"), 5)
    check.items("attachments", body.get("attachments"), 10)
    _check_mentions(check, body.get("allowed_mentions"))
    flags = check.whole("flags", body.get("flags"), 2**31) or 0
    if flags & ~FLAGS:
        check.fault(
            "flags",
            "BASE_TYPE_CHOICES",
            "Only SUPPRESS_EMBEDS, SUPPRESS_NOTIFICATIONS, IS_COMPONENTS_V2.",
        )
    if flags & COMPONENTS_V2 and (clean["content"] or clean["embeds"] or files):
        check.fault(
            "flags",
            "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2",
            "No content, embeds or files.",
        )
    clean["components"] = _components(check, body.get("components"), owned=owned)
    if check.tree:
        raise ApiError(400, 50035, "Invalid Form Body", check.tree)
    return {
        name: value for name, value in {**body, **clean}.items() if name in body and name in KNOWN
    }


def _check_name(check: Check, body: JsonObject) -> None:
    if body.get("username") is None:
        return
    name = check.text("username", body["username"], 80)
    if not name:
        check.fault("username", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 80 in length.")
    for word in ("clyde", "discord"):
        if word in name.lower():
            check.fault(
                "username", "USERNAME_INVALID_CONTAINS", f'Username cannot contain "{word}"'
            )


def _embeds(check: Check, value: object) -> list[JsonObject]:
    embeds = [
        _embed(check, f"embeds.{n}", item)
        for n, item in enumerate(check.items("embeds", value, 10))
    ]
    if sum(map(_size, embeds)) > 6000:
        check.fault("embeds", "MAX_EMBED_SIZE_EXCEEDED", "Embed size exceeds maximum size of 6000")
    shown: dict[object, JsonObject] = {}
    for number, embed in enumerate(embeds):
        shown.setdefault(embed.get("url") or number, embed)
    return list(shown.values())


def _embed(check: Check, path: str, value: object) -> JsonObject:
    given = check.model(path, value)
    embed: JsonObject = {
        "type": "rich",
        "title": check.text(f"{path}.title", given.get("title"), 256),
        "description": check.text(f"{path}.description", given.get("description"), 4096),
        "url": check.url(f"{path}.url", given.get("url")),
        "color": check.whole(f"{path}.color", given.get("color"), 0xFFFFFF),
        "timestamp": _moment(check, f"{path}.timestamp", given.get("timestamp")),
        "fields": [
            _field(check, f"{path}.fields.{n}", item)
            for n, item in enumerate(check.items(f"{path}.fields", given.get("fields"), 25))
        ],
    }
    for name, key, limit in (("footer", "text", 2048), ("author", "name", 256)):
        if given.get(name) is not None:
            part = check.model(f"{path}.{name}", given[name])
            embed[name] = {
                **part,
                key: check.text(f"{path}.{name}.{key}", part.get(key), limit, required=True),
            }
    return {name: part for name, part in embed.items() if part not in ("", None, [])}


def _field(check: Check, path: str, value: object) -> JsonObject:
    given = check.model(path, value)
    name = check.text(f"{path}.name", given.get("name"), 256, required=True)
    text = check.text(f"{path}.value", given.get("value"), 1024, required=True)
    return {"name": name, "value": text, "inline": given.get("inline") is True}


def _moment(check: Check, path: str, value: object) -> object:
    if value is None:
        return None
    try:
        datetime.fromisoformat(str(value))
    except ValueError:
        check.fault(path, "DATE_TIME_TYPE_PARSE", f"Could not parse {value}. Should be ISO8601.")
    return value


def _size(embed: JsonObject) -> int:
    """The characters of an embed that count towards the sum over all embeds."""
    fields = embed.get("fields")
    parts = [
        embed,
        embed.get("footer"),
        embed.get("author"),
        *(fields if isinstance(fields, list) else []),
    ]
    texts = [
        part.get(key)
        for part in parts
        if isinstance(part, dict)
        for key in ("title", "description", "value")
    ]
    texts += [
        part.get(key) for part in parts[1:] if isinstance(part, dict) for key in ("name", "text")
    ]
    return sum(length(text) for text in texts if isinstance(text, str))


def _check_mentions(check: Check, value: object) -> None:
    given = check.model("allowed_mentions", value)
    parse = check.items("allowed_mentions.parse", given.get("parse"), 3)
    for number, kind in enumerate(parse):
        if kind not in MENTIONS:
            message = f"Value must be one of {MENTIONS}."
            check.fault(f"allowed_mentions.parse.{number}", "BASE_TYPE_CHOICES", message)
    for kind in ("users", "roles"):
        ids = check.items(f"allowed_mentions.{kind}", given.get(kind), 100)
        for number, item in enumerate(ids):
            if not str(item).isdigit():
                path = f"allowed_mentions.{kind}.{number}"
                check.fault(path, "NUMBER_TYPE_COERCE", f'Value "{item}" is not snowflake.')
        if ids and kind in parse:
            exclusive = f'parse:["{kind}"] and {kind}: [ids...] are mutually exclusive.'
            check.fault("allowed_mentions", "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE", exclusive)


def _components(check: Check, value: object, *, owned: bool) -> list[object]:
    """Rows of buttons. A webhook made by a person may only have links (docs: resources/webhook)."""
    rows = check.items("components", value, 5)
    for r, row in enumerate(rows):
        buttons = check.items(
            f"components.{r}.components", check.model(f"components.{r}", row).get("components"), 5
        )
        for b, button in enumerate(buttons):
            path = f"components.{r}.components.{b}"
            (_check_pressed if owned and _is_pressed(button) else _check_button)(
                check, path, button
            )
    return rows


def _is_pressed(button: object) -> bool:
    return isinstance(button, dict) and button.get("style") in (1, 2, 3, 4)


def _check_pressed(check: Check, path: str, value: object) -> None:
    """https://discord.com/developers/docs/components/reference#button"""
    button = check.model(path, value)
    check.text(f"{path}.label", button.get("label"), 80)
    check.text(f"{path}.custom_id", button.get("custom_id"), 100, required=True)
    if button.get("type") != 2 or "url" in button:
        check.fault(f"{path}.type", "BASE_TYPE_CHOICES", "A button is pressed or is a link.")


def _check_button(check: Check, path: str, value: object) -> None:
    button = check.model(path, value)
    check.text(f"{path}.label", button.get("label"), 80)
    if button.get("type") != 2 or button.get("style") != 5 or "custom_id" in button:
        check.fault(
            f"{path}.type", "BASE_TYPE_CHOICES", "Only link buttons may be used by this webhook."
        )
    if length(check.url(f"{path}.url", button.get("url"))) > 512:
        check.fault(f"{path}.url", "BASE_TYPE_MAX_LENGTH", "Must be 512 or fewer in length.")
    if not button.get("url"):
        check.fault(f"{path}.url", *REQUIRED)
