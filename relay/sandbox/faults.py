"""Scripted faults: the kind of failure, for which chat or webhook, when and how often."""

import math
import zlib
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

from msgspec import Struct

from relay.sandbox.reply import Reply, json_reply

PlatformName = Literal["telegram", "discord"]
FaultKind = Literal[
    "500",
    "502",
    "429",
    "hang",
    "cut before",
    "cut after",
    "not json",
    "too large",
    "blocked",
    "other json",
    "throttled",
    "ok false",
    "slow",
    "refused",
    "empty",
    "half",
    "short",
    "endless",
    "redirect",
    "bomb",
]

UPDATES = "updates"
BAD_GATEWAY = (
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><h1>502 Bad "
    b"Gateway</h1></body>\r\n</html>"
)

ELSEWHERE = "http://127.0.0.1:9/elsewhere"
_JSON = {"Content-Type": "application/json"}
# A gateway's own error, in words that both platforms use as well.
_OTHER_JSON = b'{"ok": false, "id": "7", "code": 403, "message": "Blocked by policy", "error": "7"}'
TOO_LARGE = b"<html><head><title>413 Request Entity Too Large</title></head></html>"


class Refusal(Struct, frozen=True):
    """The platform's own error: HTTP status and words, and Discord's code."""

    status: int
    words: str
    code: int = 0


BAD_REQUEST = Refusal(400, "Bad Request")


@dataclass
class Fault:
    """A fault for calls to `target` from `since` to `until`: a chat or webhook id, `*` for all of
    them, or UPDATES for the calls by which a bot receives updates.

    It applies only to calls that contain `text`, of those to each `every`-th after the first
    `after`, and, if `beside` names a chat or webhook, only within `within` seconds after a call to
    that one. It applies to at most `count` calls (None: no limit). `seconds`: what a 429 asks to
    wait, or how late a slow answer comes. `refusal` is the answer to a refused call. Only with
    `slow` and `cut after` the platform carries out the call.
    """

    platform: PlatformName
    target: str
    kind: FaultKind
    count: int | None
    since: float
    until: float
    seconds: float
    refusal: Refusal
    text: str = ""
    after: int = 0
    every: int = 1
    beside: str = ""
    within: float = 5.0
    calls: int = 0

    def concerns(self, platform: PlatformName, target: str, now: float, body: bytes = b"") -> bool:
        """Whether it applies to a call to `target` at `now`, apart from its number."""
        here = self.platform == platform and (
            self.target == target or (self.target == "*" and target != UPDATES)
        )
        is_time = self.count != 0 and self.since <= now < self.until
        return here and is_time and self.text.encode() in body


@dataclass
class Faults:
    """The script; when, where and how each fault applied; and when each chat or webhook was last
    called.
    """

    script: list[Fault] = field(default_factory=list)
    struck: list[tuple[float, PlatformName, FaultKind, str]] = field(default_factory=list)
    called: dict[str, float] = field(default_factory=dict)

    def add(
        self,
        platform: PlatformName,
        target: str,
        kind: FaultKind,
        *,
        count: int | None = None,
        since: float = 0.0,
        until: float = math.inf,
        seconds: float = 1.0,
        refusal: Refusal = BAD_REQUEST,
        text: str = "",
        after: int = 0,
        every: int = 1,
        beside: str = "",
        within: float = 5.0,
    ) -> Fault:
        """Adds a fault to the script. Without `count` and `until` it lasts until `clear`."""
        fault = Fault(
            platform, target, kind, count, since, until, seconds, refusal, text, after, every,
            beside, within,
        )  # fmt: skip
        self.script.append(fault)
        return fault

    def clear(self) -> None:
        self.script.clear()

    def take(
        self, platform: PlatformName, target: str, now: float, body: bytes = b""
    ) -> Fault | None:
        """The first fault that applies to this call, which is counted; None if there is none."""
        fault = self._first(platform, target, now, body)
        self.called[target] = now
        if fault is not None:
            self.struck.append((now, platform, fault.kind, target))
        return fault

    def _first(self, platform: PlatformName, target: str, now: float, body: bytes) -> Fault | None:
        for fault in self.script:
            if not fault.concerns(platform, target, now, body):
                continue
            if fault.beside and now - self.called.get(fault.beside, -math.inf) > fault.within:
                continue
            fault.calls += 1
            if fault.calls <= fault.after or (fault.calls - fault.after) % fault.every:
                continue
            if fault.count is not None:
                fault.count -= 1
            return fault
        return None


def spoiled(fault: Fault) -> Reply | None:
    """The answer in place of the platform's if the call is not carried out; None if it is."""
    match fault.kind:
        case "500":
            return json_reply(500, _failure(fault.platform, 500, "Internal Server Error"))
        case "502":
            return Reply(502, {"Content-Type": "text/html"}, BAD_GATEWAY)
        case "too large":  # from a proxy, which is not the platform
            return Reply(413, {"Content-Type": "text/html"}, TOO_LARGE)
        case "hang":
            return Reply(504, {}, b"", ending="hang")
        case "cut before":
            return Reply(502, {}, b"", ending="cut")
        case "not json":
            return Reply(
                200,
                {"Content-Type": "text/html"},
                b"<html><body>Please log in to the network.</body></html>",
            )
        case "blocked":  # from a firewall, which is not the platform
            return Reply(
                403,
                {"Content-Type": "text/html"},
                b"<html><body>Blocked by policy. Event 7.</body></html>",
            )
        case "other json":
            return Reply(403, _JSON, _OTHER_JSON)
        case "throttled":  # by a proxy, which is not the platform
            said = {"Content-Type": "text/html", "Retry-After": f"{fault.seconds:.0f}"}
            return Reply(429, said, b"<html><body>Too many requests.</body></html>")
        case "ok false":
            return json_reply(200, _failure(fault.platform, 500, "Internal Server Error"))
        case "empty":
            return Reply(200, _JSON, b"")
        case "redirect":
            return Reply(307, {"Location": ELSEWHERE}, b"")
        case "bomb":
            return Reply(200, {**_JSON, "Content-Encoding": "gzip"}, _bomb())
        case "429" | "refused" | "cut after" | "slow" | "half" | "short" | "endless":
            return None


def late(fault: Fault, reply: Reply) -> Reply:
    """The platform's own answer, as it arrives after a fault of a call that was carried out."""
    match fault.kind:
        case "cut after":
            return Reply(reply.status, reply.headers, reply.body, ending="cut")
        case "slow":
            return Reply(reply.status, reply.headers, reply.body, delay=fault.seconds)
        case "half":
            return Reply(reply.status, reply.headers, reply.body[: len(reply.body) // 2])
        case "short":
            return Reply(reply.status, reply.headers, reply.body, ending="short")
        case "endless":
            return Reply(reply.status, reply.headers, reply.body, ending="endless")
        case _:
            return reply


@cache
def _bomb() -> bytes:
    """256 MiB of spaces, compressed."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join((*(packer.compress(b" " * (1 << 20)) for _ in range(256)), packer.flush()))


def _failure(platform: PlatformName, code: int, words: str) -> dict[str, object]:
    if platform == "telegram":
        return {"ok": False, "error_code": code, "description": words}
    return {"message": f"{code}: {words}", "code": 0}
