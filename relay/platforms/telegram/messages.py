"""Telegram's Bot API: a step becomes a call, its answer an outcome.
https://core.telegram.org/bots/api
"""

import msgspec
from msgspec import Struct

from relay.core.action.settings import ActingConfig
from relay.core.budget import Limit, Limits
from relay.core.card.outcome import Outcome, RateLimited
from relay.core.card.step import Edit, MessageRef, Post, Reply, Step
from relay.core.routing.lane import Endpoint, LaneKey, Policy
from relay.core.secret import Secret
from relay.core.text.message import EMPTY, Buttons, ButtonsIn, Form, Message
from relay.core.text.richtext import RichText, concat, join, shorten, styled, utf16_length
from relay.platforms.answer import (
    ParsedResponse,
    int_of,
    json_object,
    no_answer,
    object_of,
    outcome_of,
    placed,
    positive_id,
    row_of,
    text_of,
    wait_of,
)
from relay.platforms.http import NoAnswer, Request, Response
from relay.platforms.telegram.config import RATES
from relay.platforms.telegram.errors import ERRORS
from relay.platforms.telegram.text import Entity, kept, write, write_plain
from relay.platforms.upload import upload

MOST_UNITS = 4096
_MOST_MENTIONS = 50
_LONGEST_NAME = 40
_LONGEST_DATA = 64  # bytes
_NOTHING = RichText("…")


class _LinkPreviewOptions(Struct, frozen=True):
    is_disabled: bool


class _ReplyParameters(Struct, frozen=True):
    message_id: int
    allow_sending_without_reply: bool


class _InlineButton(Struct, frozen=True, omit_defaults=True):
    """https://core.telegram.org/bots/api#inlinekeyboardbutton"""

    text: str
    callback_data: str
    style: str = ""


class _InlineKeyboard(Struct, frozen=True):
    inline_keyboard: tuple[tuple[_InlineButton, ...], ...]


class _SendMessage(Struct, frozen=True, omit_defaults=True):
    """The body of sendMessage. https://core.telegram.org/bots/api#sendmessage"""

    chat_id: int | str
    text: str
    link_preview_options: _LinkPreviewOptions
    entities: tuple[Entity, ...] = ()
    disable_notification: bool = False
    message_thread_id: int | None = None
    reply_parameters: _ReplyParameters | None = None
    reply_markup: _InlineKeyboard | None = None


class _SendDocument(Struct, frozen=True, omit_defaults=True):
    """The fields of sendDocument except the file.
    https://core.telegram.org/bots/api#senddocument
    """

    chat_id: int | str
    caption: str
    disable_notification: bool = False
    message_thread_id: int | None = None
    reply_parameters: _ReplyParameters | None = None


class _EditMessageText(Struct, frozen=True, omit_defaults=True):
    """The body of editMessageText. Without a keyboard it removes the present one.
    https://core.telegram.org/bots/api#editmessagetext
    """

    chat_id: int | str
    message_id: int
    text: str
    link_preview_options: _LinkPreviewOptions
    entities: tuple[Entity, ...] = ()
    reply_markup: _InlineKeyboard | None = None


class _GetChat(Struct, frozen=True):
    chat_id: int | str


def request(
    endpoint: Endpoint, policy: Policy, step: Step, message: Message, *, plain: bool = False
) -> Request:
    """sendMessage or editMessageText, without `parse_mode`, so that no alert can break the
    markup.
    """
    text, entities = _written(message, plain=plain)
    preview = _LinkPreviewOptions(is_disabled=True)
    if isinstance(step, Edit):
        at = step.message
        keyboard = _keyboard(message.buttons)
        change = _EditMessageText(_chat_id(at.chat), int(at.id), text, preview, entities, keyboard)
        return _call(endpoint, "editMessageText", change, repeatable=True)
    lane = endpoint.lane
    match step:
        case Post(reply_to=ref):
            chat, thread = lane.chat, lane.thread
            answers = ref if ref and (ref.chat, ref.thread) == (chat, thread) else None
        case Reply(message=ref):
            chat, thread, answers = ref.chat, ref.thread, ref
    reply = _ReplyParameters(int(answers.id), allow_sending_without_reply=True) if answers else None
    topic = int(thread) if thread.isdecimal() else None
    silent = step.silent or policy.silent
    if message.file:
        caption = _SendDocument(_chat_id(chat), text, silent, topic, reply)
        fields = {name: _field(value) for name, value in msgspec.to_builtins(caption).items()}
        return upload(_call(endpoint, "sendDocument", caption), fields, "document", message.file)
    return _call(
        endpoint,
        "sendMessage",
        _SendMessage(
            _chat_id(chat),
            text,
            preview,
            entities,
            silent,
            topic,
            reply,
            _keyboard(message.buttons),
        ),
    )


def probe(endpoint: Endpoint) -> Request:
    """getChat: checks the token, the chat, and that the bot knows it."""
    return _call(endpoint, "getChat", _GetChat(_chat_id(endpoint.lane.chat)), repeatable=True)


_SUPERGROUPS = -(10**12)  # their ids, and those of channels, count down from here


def message_link(ref: MessageRef, guild: str) -> str:  # noqa: ARG001 - the contract's signature
    """The link. Only supergroups and channels have links to their messages, which work for their
    members. https://core.telegram.org/api/links#message-links
    """
    number = int(ref.chat) if ref.chat.removeprefix("-").isdecimal() else 0
    if number > _SUPERGROUPS:
        return ""
    thread = f"{ref.thread}/" if ref.thread else ""
    return f"https://t.me/c/{_SUPERGROUPS - number}/{thread}{ref.id}"


def needs_kind(endpoint: Endpoint) -> bool:
    """Once for each chat that may be a channel, judged by its id."""
    return not endpoint.kind and _may_be_channel(endpoint.lane)


def kind_of(response: Response | NoAnswer) -> str:
    """The type of the chat."""
    body = json_object(response.body) if isinstance(response, Response) else {}
    return text_of(object_of(body.get("result")).get("type")) or "-"


def buttons_in(lane: LaneKey, kind: str, acting: ActingConfig) -> ButtonsIn:  # noqa: ARG001 - as the Protocol has it
    """Without those that ask for text in a channel, since people do not write there."""
    unknown = not kind and _may_be_channel(lane)
    return "fixed" if unknown or kind == "channel" else "all"


def _may_be_channel(lane: LaneKey) -> bool:
    """Whether the chat may be a channel: supergroups share their range of ids, and public ones
    their names.
    """
    number = int(lane.chat) if lane.chat.removeprefix("-").isdecimal() else None
    return number is None or number <= _SUPERGROUPS


def needs_guild(endpoint: Endpoint, step: Step) -> bool:  # noqa: ARG001 - the contract's signature
    """Never: replies refer to their message themselves."""
    return False


def guild_of(response: Response | NoAnswer) -> str:  # noqa: ARG001 - the contract's signature
    """Nothing: Telegram has no guilds."""
    return "-"


def outcome(lane: LaneKey, step: Step | None, response: Response | NoAnswer) -> Outcome:
    """The outcome of the answer by `ERRORS`. The documented body decides before the status."""
    if isinstance(response, NoAnswer):
        return no_answer(response)
    body = json_object(response.body)
    parameters = object_of(body.get("parameters"))
    answer = _answer(response.status, body)
    chats = _chats(lane, step)
    keys = tuple(_key(lane, "chat", chat) for chat in chats)
    wait = wait_of(parameters.get("retry_after"), response, own=answer.own)
    limited = RateLimited(wait, keys, _key(lane, "bot"))
    moved = _supergroup(parameters.get("migrate_to_chat_id"), chats[-1])
    came = outcome_of(row_of(ERRORS, answer), answer, _delivered(lane, step, body), limited, moved)
    return placed(came, lane, step)


def budgets(endpoint: Endpoint, limits: Limits, channel: str = "") -> tuple[Limit, ...]:
    """Per bot, per chat and, for a group (all its topics together), per minute. `channel`: the chat
    to which it moved.
    """
    lane, chat = endpoint.lane, channel or endpoint.lane.chat
    rates = {**RATES, **limits.of("telegram")}
    bot, single, group = rates["bot"], rates["chat"], rates["group"]
    taken = (
        Limit(_key(lane, "bot"), bot.count, bot.window),
        Limit(_key(lane, "chat", chat), single.count, single.window),
        Limit(_key(lane, "group", chat), group.count, group.window),
    )
    return taken if chat.startswith(("-", "@")) else taken[:2]


def pace(lane: LaneKey, response: Response) -> tuple[tuple[str, float], ...]:  # noqa: ARG001 -- as the Protocol has it
    """Nothing: Telegram's answers do not mention budgets before they are used up."""
    return ()


def excess(message: Message) -> int:
    """How many UTF-16 code units the text has over 4096. (Its bytes, at most three a unit, then
    keep their limit too.)
    """
    return max(0, _units(_shown(message)) - MOST_UNITS)


def fits(message: Message) -> bool:
    """Whether the text is short enough."""
    return excess(message) == 0


FORM = Form(excess, frozenset({"card", "reply", "digest", "title", "content"}))


def squeeze(message: Message) -> Message:
    """The message with its body shortened to the room beside the mentions."""
    if fits(message):
        return message
    mentions = _mentions(message)
    body = shorten(_body(message), MOST_UNITS, lambda rich: _units(concat([rich, mentions])))
    return msgspec.structs.replace(message, body=body)


def _units(rich: RichText) -> int:
    """The written size; for a text that is too large only its length, since writing it would be
    wasted, and would only add to it.
    """
    if 2 * len(rich.text) > MOST_UNITS:
        size = utf16_length(kept(rich.text).strip())
        if size > MOST_UNITS:
            return size
    return utf16_length(write(rich)[0])


def _plain_units(rich: RichText) -> int:
    return len(rich.text) if len(rich.text) > 2 * MOST_UNITS else utf16_length(write_plain(rich))


def _written(message: Message, *, plain: bool) -> tuple[str, tuple[Entity, ...]]:
    if plain:
        return write_plain(shorten(_shown(message), MOST_UNITS, _plain_units)), ()
    shown = _shown(message)
    return write(shown if _units(shown) <= MOST_UNITS else _shown(squeeze(message)))


def _shown(message: Message) -> RichText:
    body = _body(message)
    return concat([body, _mentions(message)]) if message.mentions else body


def _body(message: Message) -> RichText:
    """The body, or the first other part with something to read, since Telegram refuses
    empty text.
    """
    parts = (message.body, message.title, message.content)
    return next(
        (part for part in parts if any(c.isprintable() and not c.isspace() for c in part.text)),
        _NOTHING,
    )


def _mentions(message: Message) -> RichText:
    """A last line with the users to notify whom the body does not mention. Telegram has no
    roles.
    """
    there = {span.value for span in message.body.spans if span.kind == "mention"}
    users = {
        f"user:{m.id}": m.name or m.id
        for m in message.mentions[:_MOST_MENTIONS]
        if m.kind == "user"
    }
    names = [
        styled("mention", name[:_LONGEST_NAME], user)
        for user, name in users.items()
        if user not in there
    ]
    return concat(["\n", join(" ", names)]) if names else EMPTY


def _keyboard(buttons: Buttons) -> _InlineKeyboard | None:
    """The rows as an inline keyboard, without buttons whose data is too long, which would be
    refused.
    """
    rows = tuple(
        tuple(
            _InlineButton(each.label, each.data, "danger" if each.style == "danger" else "")
            for each in row
            if len(each.data.encode()) <= _LONGEST_DATA
        )
        for row in buttons
    )
    kept = tuple(row for row in rows if row)
    return _InlineKeyboard(kept) if kept else None


def _call(endpoint: Endpoint, method: str, body: Struct, *, repeatable: bool = False) -> Request:
    url = Secret(f"{endpoint.lane.api.rstrip('/')}/bot{endpoint.secret.reveal()}/{method}")
    return Request(
        "POST",
        url,
        method,
        msgspec.json.encode(body),
        repeatable=repeatable,
        http=endpoint.http,
        pool=endpoint.lane.account,
    )


def _field(value: object) -> bytes:
    """A parameter in a form: text unchanged, anything else as JSON."""
    return value.encode() if isinstance(value, str) else msgspec.json.encode(value)


def _chat_id(chat: str) -> int | str:
    return int(chat) if chat.removeprefix("-").isdecimal() else chat


def _key(lane: LaneKey, scope: str, chat: str = "") -> str:
    key = f"telegram:{lane.api}:{scope}:{lane.account}"
    return f"{key}:{chat}" if chat else key


def _chats(lane: LaneKey, step: Step | None) -> tuple[str, ...]:
    """The lane's chat, and the called one if the group has moved since."""
    called = step.message.chat if isinstance(step, Edit | Reply) else lane.chat
    return (lane.chat,) if called == lane.chat else (lane.chat, called)


def _answer(status: int, body: dict[str, object]) -> ParsedResponse:
    """The meaning of `ok` decides. The API's own error has a code and a description, as
    https://core.telegram.org/bots/api#making-requests says; under a status of success it counts as
    the error it names. Another error that says `ok: false` is a gateway's.
    """
    ok = body.get("ok")
    if not isinstance(ok, bool):
        return ParsedResponse(status, own=False, code=0, description="")
    if ok:
        return ParsedResponse(status, own=True, code=0, description="")
    named, description = int_of(body.get("error_code")), body.get("description")
    code = next((number for number in (named, status) if 400 <= number <= 599), 500)
    if not named or not isinstance(description, str):
        return ParsedResponse(code, own=False, code=0, description="")
    return ParsedResponse(code, own=True, code=code, description=description)


def _supergroup(value: object, asked: str) -> str:
    """The new id of the group that was asked; empty unless that is a group and this is a valid
    supergroup's id.
    """
    chat = int_of(value)
    # Ids fit in 52 bits; those of supergroups begin with -100.
    # https://core.telegram.org/bots/api#chat
    proper = -(2**52) < chat < -1_000_000_000_000
    return str(chat) if proper and asked.startswith("-") and str(chat) != asked else ""


def _delivered(lane: LaneKey, step: Step | None, body: dict[str, object]) -> MessageRef | None:
    match step:
        case None:
            return MessageRef(lane.chat, lane.thread, "")
        case Edit(message=ref):
            return ref
        case Post():
            chat, thread = lane.chat, lane.thread
        case Reply(message=ref):
            chat, thread = ref.chat, ref.thread
    message_id = positive_id(object_of(body.get("result")).get("message_id"))
    return MessageRef(chat, thread, message_id) if message_id else None
