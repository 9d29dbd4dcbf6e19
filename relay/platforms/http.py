"""The values between a platform and the transport: a request, and a response or none."""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from relay.core.routing.lane import HttpOptions
from relay.core.secret import Secret


class Request(Struct, frozen=True):
    """One HTTP request. `url` contains the token, so it is a secret; `name` is the API method, for
    metrics and logs.

    `body` is encoded as `content_type` says, or empty. `repeatable`: sending it twice changes
    nothing more (an edit). `headers` are added to, or replace, those that the transport sets itself
    (Discord prescribes a `User-Agent`). `pool` names the connections that it may use: a bot's.
    """

    verb: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    url: Secret
    name: str
    body: bytes = b""
    content_type: str = "application/json"
    repeatable: bool = False
    http: HttpOptions = HttpOptions()
    headers: tuple[tuple[str, str], ...] = ()
    pool: str = ""


class Response(Struct, frozen=True):
    """An answer: header names in lower case, the first 1 MiB of the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class NoAnswer(Struct, frozen=True):
    """No answer came. `sent`: bytes were sent, so that the result is unknown. `why` never contains
    an address.
    """

    sent: bool
    why: str
