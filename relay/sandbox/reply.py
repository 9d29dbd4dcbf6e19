"""The answers of a sandbox platform, and its record of all calls."""

import json
from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

JsonObject = dict[str, object]


class Reply(Struct, frozen=True):
    """An HTTP answer. `ending` is how it ends: `hang` never sends it, `cut` closes the connection
    instead, `short` does so after half of the body, and `endless` goes on after it.

    `delay` is in seconds.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    ending: Literal["answer", "hang", "cut", "short", "endless"] = "answer"
    delay: float = 0.0


class Call(Struct, frozen=True):
    """One request as the platform saw it, without the token. `target` is the chat or webhook id.

    `early`: it came while the platform had told this caller to wait.
    """

    at: float
    method: str
    target: str
    status: int
    why: str = ""
    early: bool = False


class CallNote(Struct, frozen=True):
    """Something that the platform tolerates and a careful client would not do, such as an unknown
    parameter.
    """

    at: float
    method: str
    what: str


def json_reply(status: int, value: object, headers: Mapping[str, str] | None = None) -> Reply:
    """`value` as a JSON answer, with the content type that both platforms use."""
    body = json.dumps(value, ensure_ascii=False).encode()
    return Reply(status, {"Content-Type": "application/json", **(headers or {})}, body)
