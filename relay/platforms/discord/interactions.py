"""Discord's interactions: presses, message commands and forms as values, and their answers.

https://docs.discord.com/developers/interactions/receiving-and-responding
"""

import re
from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import Struct

from relay.core.action.rights import Presser
from relay.core.action.settings import DiscordBot
from relay.core.secret import Secret
from relay.core.text.message import Buttons
from relay.core.text.richtext import RichText
from relay.platforms.answer import int_of, object_of, positive_id, text_of
from relay.platforms.discord.bot import USER_AGENT, rows
from relay.platforms.discord.ed25519 import verifies
from relay.platforms.discord.text import write
from relay.platforms.http import Request

ANSWER_WITHIN = 3.0  # seconds
REPLAY = 300.0  # seconds by which a signed timestamp may differ from the relay's clock
TAKE_COMMAND = "Take"
_PING, _COMMAND, _COMPONENT, _FORM = 1, 2, 3, 5
_MESSAGE_COMMAND = 3
_ONLY_YOU = 64
_LONGEST = 2000
_LONGEST_NAME = 64
_SNOWFLAKE = re.compile(r"[1-9][0-9]{4,19}")
_INPUTS = ("duration", "reason", "scope")


class Ping(Struct, frozen=True, tag=True):
    """Discord checks whether the endpoint is there."""


class Interaction(Struct, frozen=True, tag=True):
    """A person pressed a button, chose a message command, or sent a form.

    `id` and `token` are needed for an answer. `message` is the id of the message concerned,
    `channel` its channel, `author` its author. `data` is that of the button or form; for a command
    it is its name. `values` are the inputs of a form. `locale` is the person's language.
    """

    id: str
    token: Secret
    application: str
    kind: Literal["press", "command", "form"]
    presser: Presser
    channel: str
    message: str
    author: str
    data: str
    values: dict[str, str]
    locale: str


class IgnoredInteraction(Struct, frozen=True, tag=True):
    """An interaction that the relay does not use."""

    why: str


Interactions = Ping | Interaction | IgnoredInteraction


def interaction(value: object) -> Interactions:
    """An interaction. Ids and roles are those that Discord signed. Never raises."""
    body = object_of(value)
    kind = int_of(body.get("type"))
    if kind == _PING:
        return Ping()
    number, token = _id(body.get("id")), text_of(body.get("token"))
    member = object_of(body.get("member"))
    user = object_of(member.get("user")) or object_of(body.get("user"))
    user_id = _id(user.get("id"))
    if not number or not token or not user_id:
        return IgnoredInteraction("without an id, a token or a user")
    said = object_of(body.get("data"))
    what = _what(kind, body, said)
    if isinstance(what, str):
        return IgnoredInteraction(what)
    name, message, data, values = what
    roles = member.get("roles")
    held = [_id(each) for each in roles] if isinstance(roles, list) else []
    shown = next(
        (
            found
            for found in (member.get("nick"), user.get("global_name"), user.get("username"))
            if text_of(found)
        ),
        "",
    )
    return Interaction(
        id=number,
        token=Secret(token),
        application=_id(body.get("application_id")),
        kind=name,
        presser=Presser(
            "discord", user_id, text_of(shown)[:_LONGEST_NAME], frozenset(filter(None, held))
        ),
        channel=_id(body.get("channel_id")),
        message=_id(message.get("id")),
        author=_id(message.get("webhook_id")) or _id(object_of(message.get("author")).get("id")),
        data=data,
        values=values,
        locale=text_of(body.get("locale"))[:2],
    )


_What = tuple[Literal["press", "command", "form"], dict[str, object], str, dict[str, str]]


def _what(kind: int, body: dict[str, object], said: dict[str, object]) -> _What | str:
    if kind == _COMPONENT:
        return "press", object_of(body.get("message")), text_of(said.get("custom_id")), {}
    if kind == _FORM:
        values = dict(_inputs(said.get("components"), 0))
        return "form", object_of(body.get("message")), text_of(said.get("custom_id")), values
    if kind == _COMMAND and int_of(said.get("type")) == _MESSAGE_COMMAND:
        messages = object_of(object_of(said.get("resolved")).get("messages"))
        message = object_of(messages.get(text_of(said.get("target_id"))))
        return "command", message, text_of(said.get("name")), {}
    return "of another kind"


def _inputs(components: object, depth: int) -> list[tuple[str, str]]:
    """The inputs of a form: in rows (deprecated), or each in a label."""
    found: list[tuple[str, str]] = []
    for each in components if isinstance(components, list) and depth < 3 else ():
        body = object_of(each)
        name = text_of(body.get("custom_id"))
        if name in _INPUTS:
            chosen = body.get("values")
            value = chosen[0] if isinstance(chosen, list) and chosen else body.get("value")
            found.append((name, text_of(value)[:_LONGEST]))
        inner = body.get("components") or ([body["component"]] if "component" in body else [])
        found += _inputs(inner, depth + 1)
    return found


def _id(value: object) -> str:
    text = text_of(value) or positive_id(value)
    return text if _SNOWFLAKE.fullmatch(text) else ""


def pong() -> dict[str, object]:
    """The answer to a ping."""
    return {"type": 1}


def told(text: RichText, buttons: Buttons = ()) -> dict[str, object]:
    """An answer that only the person sees."""
    data: dict[str, object] = {
        "content": write(text)[:_LONGEST],
        "flags": _ONLY_YOU,
        "allowed_mentions": {"parse": []},
    }
    if buttons:
        data["components"] = msgspec.to_builtins(rows(buttons))
    return {"type": 4, "data": data}


def noted() -> dict[str, object]:
    """An answer that shows nothing."""
    return {"type": 6}


class FormChoice(Struct, frozen=True):
    """An option of a form: its value, and its text."""

    value: str
    label: str


def form(
    title: str,
    data: str,
    scope: str,
    choices: Sequence[FormChoice],
    duration: str,
    reason: str,
) -> dict[str, object]:
    """A form that asks for a duration and a reason, and, if there are several `choices`, for one of
    them. It has to be the first answer to a press. A single choice is named beside the duration.

    https://docs.discord.com/developers/components/reference#label
    """
    about = choices[0].label if len(choices) == 1 else ""
    components = [
        _label(duration, _text_input("duration", 40, needed=True), about),
        _label(reason, _text_input("reason", 200, needed=False)),
    ]
    if len(choices) > 1:
        options = [
            {"label": each.label[:100], "value": each.value, "default": at == 0}
            for at, each in enumerate(choices)
        ]
        select: dict[str, object] = {"type": 3, "custom_id": "scope", "options": options}
        components.insert(0, _label(scope, select))
    return {
        "type": 9,
        "data": {"custom_id": data, "title": title[:45], "components": components},
    }


def _label(label: str, component: dict[str, object], about: str = "") -> dict[str, object]:
    described = {"description": about[:100]} if about else {}
    return {"type": 18, "label": label[:45], **described, "component": component}


def _text_input(name: str, most: int, *, needed: bool) -> dict[str, object]:
    return {
        "type": 4,
        "custom_id": name,
        "style": 1,
        "min_length": 1 if needed else 0,
        "max_length": most,
        "required": needed,
    }


def answer(bot: DiscordBot, to: Interaction, body: dict[str, object]) -> Request:
    """The first answer, if it is not that of an HTTP request."""
    url = Secret(f"{bot.api}/interactions/{to.id}/{to.token.reveal()}/callback")
    return Request(
        "POST", url, "interaction_callback", msgspec.json.encode(body), http=bot.http,
        headers=(USER_AGENT,),
    )  # fmt: skip


def register_commands(bot: DiscordBot, application: str) -> Request:
    """Registers the message command, which works on messages of webhooks as well. The whole list is
    replaced: 200 new commands a day are allowed.
    """
    command = {"name": TAKE_COMMAND, "type": _MESSAGE_COMMAND, "contexts": [0]}
    return Request(
        "PUT",
        Secret(f"{bot.api}/applications/{application}/commands"),
        "put_commands",
        msgspec.json.encode([command]),
        repeatable=True,
        http=bot.http,
        headers=(USER_AGENT, ("Authorization", f"Bot {bot.token.reveal()}")),
    )


def is_signed(public_key: str, timestamp: str, signature: str, body: bytes, now: float) -> bool:
    """Whether a request to the endpoint is Discord's, and not an old one sent again.

    https://docs.discord.com/developers/interactions/overview#setting-up-an-endpoint
    """
    if not re.fullmatch(r"[0-9]{1,12}", timestamp) or abs(int(timestamp) - now) > REPLAY:
        return False
    if not re.fullmatch(r"[0-9a-fA-F]{128}", signature):
        return False
    return verifies(bytes.fromhex(public_key), timestamp.encode() + body, bytes.fromhex(signature))
