"""A Bot API request's parameters, in any of the four ways of sending them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from msgspec import Struct

from relay.sandbox import multipart
from relay.sandbox.multipart import File
from relay.sandbox.reply import JsonObject


@dataclass
class ApiError(Exception):
    """The API's refusal: HTTP status (equal to `error_code`), description, and the `parameters` of
    the answer.
    """

    code: int
    description: str
    parameters: JsonObject | None = None


def bad(description: str) -> ApiError:
    return ApiError(400, f"Bad Request: {description}")


class Form(Struct, frozen=True):
    """Parameters as text (JSON becomes JSON text again, as in the server) and uploaded files."""

    values: dict[str, str]
    files: dict[str, File]

    def text(self, name: str) -> str:
        """A parameter's text; empty if it is missing."""
        return self.values.get(name, "")

    def flag(self, name: str) -> bool:
        """A boolean parameter; false if it is missing."""
        return self.text(name).lower() in ("true", "1", "yes", "y")

    def number(self, name: str) -> int:
        """An integer parameter; 0 if it is missing or not a number."""
        try:
            return int(self.text(name))
        except ValueError:
            return 0

    def json(self, name: str) -> object:
        """A parameter in JSON; None if it is missing. Raises ApiError if it does not parse."""
        text = self.text(name)
        if not text:
            return None
        try:
            value: object = json.loads(text)
        except ValueError:
            raise bad(f"can't parse {name} JSON object") from None
        return value


def decode(query: Mapping[str, str], headers: Mapping[str, str], body: bytes) -> Form:
    """Reads query, JSON, urlencoded or multipart parameters. Raises ApiError for a body that does
    not have the form it names.
    """
    content_type = next((v for k, v in headers.items() if k.lower() == "content-type"), "")
    kind = content_type.partition(";")[0].strip().lower()
    values = dict(query)
    files: dict[str, File] = {}
    if not body:
        return Form(values, files)
    match kind:
        case "application/json":
            values |= _from_json(body)
        case "application/x-www-form-urlencoded":
            values |= dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
        case "multipart/form-data":
            fields, files = multipart.read(content_type, body)
            values |= fields
        case _:
            pass  # the server reads no parameters from other bodies
    for value in values.values():
        _check_unicode(value)
    return Form(values, files)


def _from_json(body: bytes) -> dict[str, str]:
    try:
        value = json.loads(body)
    except ValueError:
        raise bad("can't parse JSON object") from None
    if not isinstance(value, dict):
        raise bad("can't parse JSON object")
    return {
        name: v if isinstance(v, str) else json.dumps(v)
        for name, v in value.items()
        if v is not None
    }


def _check_unicode(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise bad("strings must be encoded in UTF-8") from None
