"""Discord's channels by way of a bot: messages with buttons and real replies.

https://docs.discord.com/developers/resources/message#create-message
"""

from typing import Literal

import msgspec
from msgspec import Struct

from relay import __version__
from relay.core.action.settings import ActingConfig
from relay.core.card.step import Edit, MessageRef, Post, Reply, Step
from relay.core.routing.lane import Endpoint, LaneKey
from relay.core.secret import Secret
from relay.core.text.message import Attachment, Buttons, ButtonsIn
from relay.platforms.answer import json_object, positive_id
from relay.platforms.http import NoAnswer, Request, Response
from relay.platforms.upload import upload

USER_AGENT = (
    "User-Agent",
    f"DiscordBot (https://github.com/alert-relay/alert-relay, {__version__})",
)
_LONGEST_LABEL, _LONGEST_ID, _MOST_ROWS, _MOST_IN_ROW = 80, 100, 5, 5
_ROW, _BUTTON = 1, 2
_SECONDARY, _DANGER = 2, 4
_LONGEST_THREAD_NAME = 100
_NAMED = "name:"


class Component(Struct, frozen=True):
    """A button. https://docs.discord.com/developers/components/reference#button"""

    label: str
    custom_id: str
    style: int
    type: int = _BUTTON


class ActionRow(Struct, frozen=True):
    """A row of buttons. https://docs.discord.com/developers/components/reference#action-row"""

    components: tuple[Component, ...]
    type: int = _ROW


class _Reference(Struct, frozen=True):
    message_id: str
    fail_if_not_exists: bool = False


class BotMessage(Struct, frozen=True, omit_defaults=True):
    """A message of the bot: the same parts as a webhook's."""

    allowed_mentions: Struct
    content: str = ""
    embeds: tuple[Struct, ...] = ()
    components: tuple[ActionRow, ...] = ()
    flags: int = 0
    message_reference: _Reference | None = None


class _EditMessage(Struct, frozen=True):
    """An edit. A missing part would stay as it is, buttons too."""

    allowed_mentions: Struct
    content: str
    embeds: tuple[Struct, ...]
    components: tuple[ActionRow, ...]


class _StartThread(Struct, frozen=True):
    """https://docs.discord.com/developers/resources/channel#start-thread-in-forum-or-media-
    channel
    """

    name: str
    message: BotMessage


def is_bot(lane: LaneKey) -> bool:
    """Whether the lane is a channel of the bot, and not one of a webhook."""
    return bool(lane.chat)


def needs_kind(endpoint: Endpoint) -> bool:
    """Once for each webhook, since messages of a webhook that a person made have no buttons.

    https://docs.discord.com/developers/resources/webhook#execute-webhook
    """
    return not endpoint.kind and not is_bot(endpoint.lane)


def kind_of(response: Response | NoAnswer) -> str:
    """The `application_id` of a webhook; "-" for one that a person made."""
    body = json_object(response.body) if isinstance(response, Response) else None
    return positive_id((body or {}).get("application_id")) or "-"


def buttons_in(lane: LaneKey, kind: str, acting: ActingConfig) -> ButtonsIn:
    """All buttons for messages of the bot, and for those of a webhook of its application, whose id
    mostly equals the bot's.
    """
    discord = acting.discord
    own = () if discord is None else (discord.application, discord.account)
    return "all" if is_bot(lane) or (kind != "" and kind in own) else "none"


def rows(buttons: Buttons) -> tuple[ActionRow, ...]:
    """Buttons as components. One with too much text is left out, since it would be refused."""
    found = []
    for row in buttons:
        for start in range(0, len(row), _MOST_IN_ROW):
            part = row[start : start + _MOST_IN_ROW]
            found.append(
                ActionRow(
                    tuple(
                        Component(
                            each.label[:_LONGEST_LABEL],
                            each.data,
                            _DANGER if each.style == "danger" else _SECONDARY,
                        )
                        for each in part
                        if len(each.data) <= _LONGEST_ID
                    )
                )
            )
    return tuple(row for row in found[:_MOST_ROWS] if row.components)


def request(
    endpoint: Endpoint, step: Step, message: BotMessage, file: Attachment | None
) -> Request:
    """The call for the step. A reply refers to its message."""
    lane = endpoint.lane
    if isinstance(step, Edit):
        at = step.message
        body = _EditMessage(
            message.allowed_mentions, message.content, message.embeds, message.components
        )
        path = f"{at.thread or at.chat}/messages/{at.id}"
        return _call(endpoint, "PATCH", path, "edit_message", body)
    match step:
        case Post(reply_to=ref):
            thread, answers = lane.thread, ref
        case Reply(message=answers):
            thread = answers.thread
    if thread.startswith(_NAMED):
        name = thread.removeprefix(_NAMED)[:_LONGEST_THREAD_NAME]
        start = _StartThread(name, message)
        call = _call(endpoint, "POST", f"{lane.chat}/threads", "start_thread", start)
    else:
        is_here = answers is not None and (answers.chat, answers.thread) == (lane.chat, thread)
        if answers is not None and (is_here or isinstance(step, Reply)):
            reference = _Reference(answers.id)
            message = msgspec.structs.replace(message, message_reference=reference)
        path = f"{thread or lane.chat}/messages"
        call = _call(endpoint, "POST", path, "create_message", message)
    return upload(call, {"payload_json": call.body}, "files[0]", file) if file else call


def probe(endpoint: Endpoint) -> Request:
    """Get the channel: checks the token, the channel, and that the bot may see it."""
    lane = endpoint.lane
    url = Secret(f"{lane.api}/channels/{lane.chat}")
    return Request(
        "GET", url, "get_channel", repeatable=True, http=endpoint.http, headers=headers(endpoint)
    )


def headers(endpoint: Endpoint) -> tuple[tuple[str, str], ...]:
    """https://docs.discord.com/developers/reference#authentication"""
    return (USER_AGENT, ("Authorization", f"Bot {endpoint.secret.reveal()}"))


def delivered(lane: LaneKey, step: Step, number: str, channel: str) -> MessageRef | None:
    """The address of a new message, by the ids of the answer. The first message of a forum post has
    the id of its thread, and the answer is the thread.
    """
    match step:
        case Edit(message=ref):
            return ref if number else None
        case Post() if lane.thread.startswith(_NAMED):
            return MessageRef(lane.chat, number, number) if number else None
        case Post():
            thread = lane.thread
        case Reply(message=ref):
            thread = ref.thread
    return MessageRef(lane.chat, thread, number) if number and channel else None


def _call(
    endpoint: Endpoint, verb: Literal["POST", "PATCH"], path: str, name: str, body: Struct
) -> Request:
    url = Secret(f"{endpoint.lane.api}/channels/{path}")
    return Request(
        verb,
        url,
        name,
        msgspec.json.encode(body),
        repeatable=verb == "PATCH",
        http=endpoint.http,
        headers=headers(endpoint),
    )
