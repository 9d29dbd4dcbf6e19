"""A Telegram with the Bot API's limits, errors and rate rules. Time is an argument; nothing is sent
anywhere.

Rules: https://core.telegram.org/bots/api, https://core.telegram.org/bots/faq and the texts of
tdlib/telegram-bot-api.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from relay.sandbox.faults import UPDATES, Faults, late, spoiled
from relay.sandbox.reply import Call, CallNote, JsonObject, Reply, json_reply
from relay.sandbox.telegram_chats import Bot, Message
from relay.sandbox.telegram_ephemerals import EPHEMERAL_METHODS, PARAMETER
from relay.sandbox.telegram_form import ApiError, Form, decode
from relay.sandbox.telegram_methods import METHODS, too_many
from relay.sandbox.telegram_people import PeopleChats
from relay.sandbox.telegram_updates import PendingPoll

PATH = re.compile(r"/bot(?P<token>\d+:[\w-]+)/(?P<method>\w+)")
SENDING = [
    "chat_id",
    "message_thread_id",
    "disable_notification",
    "protect_content",
    "reply_parameters",
    "reply_markup",
]
EPHEMERAL = ["chat_id", "receiver_user_id", "ephemeral_message_id"]
TEXT = ["text", "parse_mode", "entities", "link_preview_options"]
PARAMETERS: dict[str, list[str]] = {
    "getme": [],
    "getchat": ["chat_id"],
    "getchatmember": ["chat_id", "user_id"],
    "sendmessage": [*SENDING, *TEXT, "message_effect_id", "allow_paid_broadcast"],
    "senddocument": [
        *SENDING,
        "document",
        "thumbnail",
        "caption",
        "parse_mode",
        "caption_entities",
    ],
    "editmessagetext": ["chat_id", "message_id", "reply_markup", *TEXT],
    "deletemessage": ["chat_id", "message_id"],
    "getupdates": ["offset", "limit", "timeout", "allowed_updates"],
    "setwebhook": [
        "url",
        "secret_token",
        "allowed_updates",
        "max_connections",
        "drop_pending_updates",
    ],
    "deletewebhook": ["drop_pending_updates"],
    "getwebhookinfo": [],
    "setmycommands": ["commands", "scope", "language_code"],
    "answercallbackquery": ["callback_query_id", "text", "show_alert"],
    "editephemeralmessagetext": [*EPHEMERAL, "reply_markup", *TEXT],
    "deleteephemeralmessage": EPHEMERAL,
}
LISTENING = {
    "getme",
    "getupdates",
    "setwebhook",
    "deletewebhook",
    "getwebhookinfo",
    "setmycommands",
}


@dataclass
class Telegram(PeopleChats):
    """Bots, chats and messages. `calls` is every request."""

    faults: Faults = field(default_factory=Faults)
    calls: list[Call] = field(default_factory=list)

    def add_bot(self, token: str, username: str) -> Bot:
        """A bot; `token` is `ID:SECRET`."""
        bot = Bot(int(token.partition(":")[0]), username)
        self.bots[token] = bot
        return bot

    def messages(self, chat_id: int) -> list[Message]:
        """The present messages of a chat, oldest first."""
        return self.chats[chat_id].shows()

    def transcript(self, chat_id: int) -> str:
        """The messages of a chat as plain text, separated by an empty line."""
        return "\n\n".join(m.text for m in self.messages(chat_id))

    def handle(
        self,
        verb: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
        now: float,
    ) -> Reply:
        """Answers one request at `now` (Unix seconds)."""
        matched = PATH.fullmatch(path)
        if matched is None or verb not in ("GET", "POST"):
            return refusal(ApiError(404, "Not Found"))
        method, target, early = matched["method"], "", False
        try:
            form = decode(query, headers, body)
            target = form.text("chat_id")
            early = self._early(matched["token"], target, now)
            reply = self._answer(matched["token"], method, form, body, now)
            why = ""
        except ApiError as error:
            reply, why = refusal(error), error.description
        self.calls.append(Call(now, method, target, reply.status, why, early))
        return reply

    def pending_poll(
        self, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes
    ) -> PendingPoll | None:
        """The wait that a request asks for, if it is a getUpdates that waits."""
        matched = PATH.fullmatch(path)
        bot = self.bots.get(matched["token"]) if matched else None
        if matched is None or bot is None or matched["method"].lower() != "getupdates":
            return None
        try:
            form = decode(query, headers, body)
        except ApiError:
            return None
        return (
            bot.updates.listen(form)
            if form.number("timeout") > 0 and not bot.updates.webhook
            else None
        )

    def _answer(self, token: str, method: str, form: Form, body: bytes, now: float) -> Reply:
        target = UPDATES if method.lower() in LISTENING else form.text("chat_id") or "*"
        fault = self.faults.take("telegram", target, now, body)
        if fault is not None:
            reply = spoiled(fault)
            if reply is not None:
                return reply
            if fault.kind == "refused":
                raise ApiError(fault.refusal.status, fault.refusal.words)
        bot = self.bots.get(token)
        if bot is None or bot.revoked:
            raise ApiError(401, "Unauthorized")
        if fault is not None and fault.kind == "429":
            chat = self.chats.get(form.number("chat_id"))
            flood = bot.flood if chat is None or fault.target == "*" else chat.flood
            raise too_many(flood.start(fault.seconds, now))
        reply = json_reply(200, {"ok": True, "result": self._result(bot, method, form, now)})
        return reply if fault is None else late(fault, reply)

    def _result(self, bot: Bot, method: str, form: Form, now: float) -> object:
        name = method.lower()
        if name not in METHODS or (name in EPHEMERAL_METHODS and not self.knows_ephemerals):
            raise ApiError(404, "Not Found: method not found")
        self.remarks += [
            CallNote(now, method, f"unknown parameter {p}")
            for p in form.values.keys() - self._known_parameters(name)
        ]
        if "parse_mode" in form.values and "entities" in form.values:
            self.remarks.append(CallNote(now, method, "parse_mode and entities together"))
        return METHODS[name](self, bot, form, now)

    def _known_parameters(self, name: str) -> set[str]:
        also = {PARAMETER} if name == "sendmessage" and self.knows_ephemerals else set()
        return {*PARAMETERS[name], *also}

    def _early(self, token: str, target: str, now: float) -> bool:
        bot = self.bots.get(token)
        chat = self.chats.get(int(target)) if target.lstrip("-").isdigit() else None
        return any(owner is not None and now < owner.flood.until for owner in (bot, chat))


def refusal(error: ApiError) -> Reply:
    """The API's answer to a refused request."""
    value: JsonObject = {"ok": False, "error_code": error.code, "description": error.description}
    if error.parameters is None:
        return json_reply(error.code, value)
    retry_after = error.parameters.get("retry_after")
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return json_reply(error.code, {**value, "parameters": error.parameters}, headers)
