"""A Discord with the webhook API's limits, errors and rate rules. Time is an argument; nothing is
sent anywhere.

Rules: https://discord.com/developers/docs/resources/webhook and /topics/rate-limits, with the
figures reported there.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from relay.sandbox import discord_text, multipart
from relay.sandbox.discord_bot import (
    SandboxBot,
    bot_of,
    call_of,
    channel_json,
    is_bot_call,
    place_of,
    seat,
    started,
)
from relay.sandbox.discord_chats import (
    Channel,
    ChannelKind,
    Message,
    Version,
    Webhook,
    message_json,
    pings,
    snowflake,
)
from relay.sandbox.discord_form import KNOWN, ApiError, checked
from relay.sandbox.discord_places import Request, check_not_empty, message_of, thread_for, too_many
from relay.sandbox.faults import Fault, Faults, late, spoiled
from relay.sandbox.multipart import File
from relay.sandbox.rates import Window
from relay.sandbox.reply import Call, CallNote, JsonObject, Reply, json_reply

PATH = re.compile(
    r"/api(?:/v\d+)?/webhooks/(?P<id>\d+)/(?P<token>[\w-]+)(?P<messages>/messages/(?P<message>\d+))?"
)
VIA = {"Via": "1.1 google"}
HOUR = 3600.0
OLD_EDITS = 30  # unpublished
MAX_REQUEST = 25 * 1024 * 1024
MAX_FILE = 10 * 1024 * 1024


@dataclass
class Discord:
    """Channels and webhooks. All callers share one address.

    `calls` is every request, `remarks` what a careful client would not have sent.
    """

    faults: Faults = field(default_factory=Faults)
    channels: dict[int, Channel] = field(default_factory=dict)
    webhooks: dict[int, Webhook] = field(default_factory=dict)
    bots: dict[str, SandboxBot] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    remarks: list[CallNote] = field(default_factory=list)
    revision: int = 0
    everyone: Window = field(default_factory=lambda: Window(50, 1.0))
    invalid: Window = field(default_factory=lambda: Window(10_000, 600.0))
    _limited_until: float = 0.0
    _number: int = 0

    def add_channel(self, channel_id: int, name: str, kind: ChannelKind = "text") -> Channel:
        self.channels[channel_id] = Channel(channel_id, name, kind)
        self.revision += 1
        return self.channels[channel_id]

    def add_webhook(
        self, webhook_id: int, token: str, channel_id: int, name: str = "Alerts"
    ) -> Webhook:
        """A webhook of a channel; its path is `/api/webhooks/ID/TOKEN`."""
        self.webhooks[webhook_id] = Webhook(webhook_id, token, channel_id, name)
        return self.webhooks[webhook_id]

    def add_bot(self, token: str, user: int, application: int) -> SandboxBot:
        """A bot that is in every server here."""
        self.bots[token] = SandboxBot(token, user, application)
        return self.bots[token]

    def messages(self, channel_id: int) -> list[Message]:
        """The present messages of a channel and its threads, oldest first."""
        return self.channels[channel_id].shows()

    def transcript(self, channel_id: int) -> str:
        """The messages of a channel as plain text, separated by an empty line."""
        return "\n\n".join(
            discord_text.plain(m.shown.content, m.shown.embeds) for m in self.messages(channel_id)
        )

    def handle(
        self,
        verb: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
        now: float,
    ) -> Reply:
        """Answer one request at `now` (Unix seconds)."""
        if is_bot_call(path):
            return self._handle_bot(verb, path, headers, body, now)
        matched = PATH.fullmatch(path)
        if matched is None:
            return _refusal(ApiError(404, 0, "404: Not Found"), {})
        if self.invalid.wait(now) > 0:
            return Reply(
                429, {"Content-Type": "text/plain", "Retry-After": "600"}, b"error code: 1015"
            )
        method = f"{verb} message" if matched["messages"] or verb == "POST" else f"{verb} webhook"
        webhook = self.webhooks.get(int(matched["id"]))
        early = self._early(webhook, now)
        why = ""
        try:
            reply = self._answer(method, webhook, matched, query, headers, body, now)
        except ApiError as error:
            why = f"{error.code} {error.message}"
            reply = _refusal(error, _rate_headers(webhook, now))
            if error.status in (401, 403, 429) and error.scope != "shared":
                self.invalid.take(now)
        self.calls.append(Call(now, method, matched["id"], reply.status, why, early))
        return reply

    def _handle_bot(
        self, verb: str, path: str, headers: Mapping[str, str], body: bytes, now: float
    ) -> Reply:
        """A call of a bot, handled as that of a webhook which its application owns."""
        try:
            bot = bot_of(self.bots, headers)
            channel, thread = place_of(self.channels, path)
        except ApiError as error:
            self.calls.append(Call(now, f"{verb} channel", "bot", error.status, error.message))
            return _refusal(error, dict(VIA))
        own = seat(bot, channel)
        own = self.webhooks.setdefault(own.id, own)
        if verb == "GET" and path.endswith(f"/{channel.id}"):
            return json_reply(200, channel_json(channel), dict(VIA))
        call = call_of(path, own, thread, body)
        reply = self.handle(verb, call.path, call.query, headers, call.body, now)
        return started(reply, channel) if call.starts else reply

    def _answer(
        self,
        method: str,
        webhook: Webhook | None,
        matched: re.Match[str],
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
        now: float,
    ) -> Reply:
        fault = self.faults.take("discord", matched["id"], now, body)
        if fault is not None:
            reply = spoiled(fault)
            if reply is not None:
                return reply
            if fault.kind == "refused":
                raise ApiError(fault.refusal.status, fault.refusal.code, fault.refusal.words)
        if webhook is None or webhook.gone:
            raise ApiError(404, 10015, "Unknown Webhook")
        if webhook.token != matched["token"]:
            raise ApiError(401, 50027, "Invalid Webhook Token")
        channel = self.channels[webhook.channel]
        if channel.gone:
            raise ApiError(404, 10003, "Unknown Channel")
        self._admit(method, webhook, channel, fault, now)
        form, files = self._body(method, headers, body, now)
        request = Request(
            method, webhook, channel, int(matched["message"] or 0), query, form, files, now
        )
        status, value = self._result(request)
        reply = _reply(status, value, _rate_headers(webhook, now))
        return reply if fault is None else late(fault, reply)

    def _early(self, webhook: Webhook | None, now: float) -> bool:
        if webhook is None:
            return now < self._limited_until
        return now < max(
            self._limited_until, webhook.limited_until, self.channels[webhook.channel].limited_until
        )

    def _admit(
        self, method: str, webhook: Webhook, channel: Channel, fault: Fault | None, now: float
    ) -> None:
        """Counts the request, or refuses it with the seconds to wait."""
        if now < webhook.limited_until:
            raise too_many(webhook.limited_until - now, "user")
        if fault is not None and fault.kind == "429":
            webhook.limited_until = now + fault.seconds
            raise too_many(fault.seconds, "user")
        wait = self.everyone.wait(now)
        if wait > 0:
            self._limited_until = now + wait
            raise too_many(wait, "global")
        self.everyone.take(now)
        wait = webhook.bucket.wait(now)
        if wait > 0:
            webhook.limited_until = now + wait
            raise too_many(wait, "user")
        webhook.bucket.take()
        wait = channel.hidden.wait(now)
        if method in ("POST message", "PATCH message"):
            if wait > 0:
                channel.limited_until = now + wait
                raise too_many(wait, "shared")
            channel.hidden.take(now)

    def _body(
        self, method: str, headers: Mapping[str, str], body: bytes, now: float
    ) -> tuple[JsonObject, tuple[File, ...]]:
        """The JSON of a request, and its files. Raises ApiError."""
        if len(body) > MAX_REQUEST:
            raise ApiError(413, 40005, "Request entity too large")
        lower = {name.lower(): value for name, value in headers.items()}
        if not lower.get("user-agent", "").startswith("DiscordBot ("):
            self.remarks.append(
                CallNote(now, method, "User-Agent is not `DiscordBot (URL, VERSION)`")
            )
        if method.split(maxsplit=1)[0] in ("GET", "DELETE"):
            return {}, ()
        content_type = lower.get("content-type", "")
        files: dict[str, File] = {}
        if content_type.startswith("multipart/form-data"):
            fields, files = multipart.read(content_type, body)
            body = fields.get("payload_json", "{}").encode()
        if any(len(file.content) > MAX_FILE for file in files.values()):
            raise ApiError(413, 40005, "Request entity too large")
        try:
            value = json.loads(body)
        except ValueError:
            raise ApiError(400, 50109, "The request body contains invalid JSON.") from None
        if not isinstance(value, dict):
            wrong = {
                "code": "MODEL_TYPE_CONVERT",
                "message": "Only dictionaries may be used in a ModelType",
            }
            raise ApiError(400, 50035, "Invalid Form Body", {"_errors": [wrong]})
        self.remarks += [
            CallNote(now, method, f"unknown key {key}") for key in value.keys() - KNOWN
        ]
        if "allowed_mentions" not in value:
            self.remarks.append(CallNote(now, method, "no allowed_mentions"))
        return value, tuple(files.values())

    def _result(self, request: Request) -> tuple[int, object]:
        match request.method:
            case "GET webhook":
                return 200, request.webhook.json(request.channel)
            case "DELETE webhook":
                request.webhook.gone = True
                return 204, None
            case "POST message":
                return self._execute(request)
            case "GET message":
                return 200, message_json(request.webhook, request.channel, message_of(request))
            case "PATCH message":
                return self._edit(request)
            case "DELETE message":
                message_of(request).deleted_at = request.now
                self.revision += 1
                return 204, None
            case _:
                raise ApiError(405, 0, "405: Method Not Allowed")

    def _execute(self, request: Request) -> tuple[int, object]:
        owned = bool(request.webhook.application)
        clean = checked(request.body, files=bool(request.files), owned=owned)
        if not request.wants("with_components"):
            clean.pop("components", None)
        check_not_empty(clean, request.files)
        self._number += 1
        identity = snowflake(request.now, self._number)
        thread = thread_for(request, clean, identity)
        content = str(clean.get("content") or "")
        version = Version(request.now, clean, pings(content, clean.get("allowed_mentions")))
        name, flags = str(clean.get("username") or request.webhook.name), clean.get("flags")
        number = flags if isinstance(flags, int) else 0
        message = Message(
            identity, request.webhook.id, thread, name, number, [version], request.files
        )
        request.channel.messages[identity] = message
        self.revision += 1
        if not request.wants("wait"):
            return 204, None
        return 200, message_json(request.webhook, request.channel, message)

    def _edit(self, request: Request) -> tuple[int, object]:
        message = message_of(request)
        owned = bool(request.webhook.application)
        clean = checked(request.body, files=bool(request.files), owned=owned)
        if not request.wants("with_components"):
            clean.pop("components", None)
        after = {**message.shown.body, **clean, "allowed_mentions": clean.get("allowed_mentions")}
        check_not_empty(after, message.files + request.files)
        if request.now - message.sent_at > HOUR:
            message.old_edits += 1
            if message.old_edits > OLD_EDITS:
                said = (
                    "Maximum number of edits to messages older than 1 hour reached. Try "
                    "again later."
                )
                raise ApiError(429, 30046, said, retry_after=HOUR, scope="shared")
        content = str(after.get("content") or "")
        message.versions.append(
            Version(request.now, after, pings(content, after["allowed_mentions"]))
        )
        self.revision += 1
        return 200, message_json(request.webhook, request.channel, message)


def _rate_headers(webhook: Webhook | None, now: float) -> dict[str, str]:
    if webhook is None:
        return dict(VIA)
    bucket = webhook.bucket
    bucket.wait(now)
    return {
        **VIA,
        "X-RateLimit-Limit": str(bucket.limit),
        "X-RateLimit-Remaining": str(bucket.remaining),
        "X-RateLimit-Reset": f"{bucket.reset:.3f}",
        "X-RateLimit-Reset-After": f"{math.ceil((bucket.reset - now) * 1000) / 1000}",
        # one name over all webhooks, as there
        "X-RateLimit-Bucket": "5e2a1c8d9b7f40361c5d2e8f9a0b4c6d",
    }


def _reply(status: int, value: object, headers: Mapping[str, str]) -> Reply:
    return Reply(status, headers, b"") if value is None else json_reply(status, value, headers)


def _refusal(error: ApiError, headers: Mapping[str, str]) -> Reply:
    value: JsonObject = {"message": error.message, "code": error.code}
    if error.errors is not None:
        value["errors"] = error.errors
    if error.retry_after is None:
        return json_reply(error.status, value, headers)
    everywhere = error.scope == "global"
    value |= {"retry_after": error.retry_after, "global": everywhere}
    said = {"Retry-After": str(math.ceil(error.retry_after)), "X-RateLimit-Scope": error.scope}
    if everywhere:
        said["X-RateLimit-Global"] = "true"
    return json_reply(error.status, value, {**headers, **said})
