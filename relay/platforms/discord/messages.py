"""Discord's channel webhooks: a step becomes a call, its answer an outcome.

https://docs.discord.com/developers/resources/webhook
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Literal
from urllib.parse import urlencode, urlsplit

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from relay.core.budget import Limit, Limits
from relay.core.card.outcome import Outcome, RateLimited
from relay.core.card.step import Edit, MessageRef, Post, Reply, Step
from relay.core.routing.lane import Endpoint, LaneKey, Policy
from relay.core.secret import Secret
from relay.core.text.message import EMPTY, Message
from relay.core.text.richtext import RichText, join, styled
from relay.platforms.answer import (
    LONGEST_WAIT,
    ParsedResponse,
    int_of,
    json_object,
    no_answer,
    object_of,
    outcome_of,
    placed,
    positive_id,
    row_of,
    seconds_of,
    text_of,
    wait_of,
)
from relay.platforms.discord import bot
from relay.platforms.discord.config import RATES
from relay.platforms.discord.errors import ERRORS
from relay.platforms.discord.fit import MOST_MENTIONS, arranged, content_of, fits, squeeze
from relay.platforms.discord.text import write, write_line, write_plain
from relay.platforms.http import NoAnswer, Request, Response
from relay.platforms.link import public, spelled
from relay.platforms.upload import upload

_HEADERS = (bot.USER_AGENT,)
_MOST_PLACES = 5
_LONGEST_ADDRESS = 2048
_LONGEST_USERNAME = 80
_LONGEST_THREAD_NAME = 100
_SILENT = 4096
_LAST_YEAR = 253_402_300_800.0
_BLANK = "\u200b"
_NAMED = "name:"
_CHANNEL_LIMITS = (20016, 20028, 20029)
_FIRST_CODE = 10_000


class _EmbedField(Struct, frozen=True):
    name: str
    value: str
    inline: bool


class _Footer(Struct, frozen=True):
    text: str


class _Embed(Struct, frozen=True, omit_defaults=True):
    """https://docs.discord.com/developers/resources/message#embed-object"""

    title: str = ""
    url: str = ""
    description: str = ""
    fields: tuple[_EmbedField, ...] = ()
    footer: _Footer | None = None
    color: int | None = None
    timestamp: str = ""


class _AllowedMentions(Struct, frozen=True):
    """Whom a message may notify: nobody that the text itself names, only the configuration's
    mentions.
    """

    users: tuple[str, ...]
    roles: tuple[str, ...]
    parse: tuple[str, ...] = ()


class _ExecuteWebhook(Struct, frozen=True, omit_defaults=True):
    """https://docs.discord.com/developers/resources/webhook#execute-webhook"""

    allowed_mentions: _AllowedMentions
    content: str = ""
    embeds: tuple[_Embed, ...] = ()
    username: str = ""
    avatar_url: str = ""
    flags: int = 0
    thread_name: str = ""
    components: tuple[bot.ActionRow, ...] = ()


class _EditWebhookMessage(Struct, frozen=True):
    """https://docs.discord.com/developers/resources/webhook#edit-webhook-message: missing parts
    stay as they are.
    """

    allowed_mentions: _AllowedMentions
    content: str
    embeds: tuple[_Embed, ...]


class _EditWithButtons(_EditWebhookMessage, frozen=True):
    """The edit of a message that has buttons, or had some."""

    components: tuple[bot.ActionRow, ...]


def request(
    endpoint: Endpoint, policy: Policy, step: Step, message: Message, *, plain: bool = False
) -> Request:
    """Executes the webhook, or edits its message. A reply is a line of content, since webhooks
    cannot refer to a message.
    """
    if isinstance(step, Edit) and step.goes_on is not None and endpoint.former is not None:
        link = message_link(step.goes_on, endpoint.guild)
        told = join(" ", [message.content, *([styled("link", "↑", link)] if link else [])])
        pointing = Edit(step.message)
        message = replace(message, content=told)
        return request(endpoint.former, policy, pointing, message, plain=plain)
    file = message.file
    if plain or isinstance(step, Reply):
        message = _as_content(message, plain=plain)
    buttons = bot.rows(message.buttons)
    if isinstance(step, Reply) and not plain and not bot.is_bot(endpoint.lane):
        message = _linked(message, endpoint, step.message)
    message = arranged(squeeze(message))
    content, embeds, allowed = write(content_of(message)), _embeds(message), _allowed(message)
    if not content and not embeds:
        content = "…"
    if bot.is_bot(endpoint.lane):
        flags = _SILENT if not isinstance(step, Edit) and (step.silent or policy.silent) else 0
        shown = bot.BotMessage(allowed, content, embeds, buttons, flags)
        return bot.request(endpoint, step, shown, file)
    has_buttons = bool(buttons) or endpoint.kind not in ("", "-")
    components = {"with_components": "true"} if has_buttons else {}
    if isinstance(step, Edit):
        at = step.message
        body = (
            _EditWithButtons(allowed, content, embeds, buttons)
            if has_buttons
            else _EditWebhookMessage(allowed, content, embeds)
        )
        return _call(
            endpoint,
            "PATCH",
            f"/messages/{at.id}",
            {**_in_thread(at.thread), **components},
            "edit_webhook_message",
            body,
        )
    thread = endpoint.lane.thread if isinstance(step, Post) else step.message.thread
    post = _ExecuteWebhook(
        allowed,
        content,
        embeds,
        username=_username(policy.username),
        avatar_url=_address(policy.avatar_url),
        flags=_SILENT if step.silent or policy.silent else 0,
        thread_name=thread.removeprefix(_NAMED)[:_LONGEST_THREAD_NAME]
        if thread.startswith(_NAMED)
        else "",
        components=buttons,
    )
    query = {"wait": "true", **_in_thread(thread), **components}
    call = _call(endpoint, "POST", "", query, "execute_webhook", post)
    return upload(call, {"payload_json": call.body}, "files[0]", file) if file else call


def probe(endpoint: Endpoint) -> Request:
    """Gets the webhook, which changes nothing and needs no authorisation; for the bot it gets the
    channel.
    """
    if bot.is_bot(endpoint.lane):
        return bot.probe(endpoint)
    url = Secret(_webhook(endpoint))
    return Request("GET", url, "get_webhook", repeatable=True, http=endpoint.http, headers=_HEADERS)


def needs_guild(endpoint: Endpoint, step: Step) -> bool:
    """Once for each webhook: the line in place of a reply links to its card by the server's id, and
    so does a message that says where its card goes on.
    """
    if isinstance(step, Edit):
        return step.goes_on is not None and not endpoint.guild
    return isinstance(step, Reply) and not endpoint.guild and not bot.is_bot(endpoint.lane)


def guild_of(response: Response | NoAnswer) -> str:
    """The `guild_id` of a webhook.
    https://docs.discord.com/developers/resources/webhook#webhook-object
    """
    body = json_object(response.body) if isinstance(response, Response) else None
    return positive_id((body or {}).get("guild_id")) or "-"


def _linked(message: Message, endpoint: Endpoint, ref: MessageRef) -> Message:
    """The line with a link to the message that it is about, if the server is known."""
    if endpoint.guild in ("", "-"):
        return message
    url = message_link(ref, endpoint.guild)
    return replace(message, body=join(" ", [message.body, styled("link", "↑", url)]))


def message_link(ref: MessageRef, guild: str) -> str:
    """The link, if the server is known; else empty."""
    if guild in ("", "-"):
        return ""
    return f"https://discord.com/channels/{guild}/{ref.thread or ref.chat}/{ref.id}"


def outcome(lane: LaneKey, step: Step | None, response: Response | NoAnswer) -> Outcome:
    """The outcome of the answer by `ERRORS`. The code of the body decides before the status."""
    if isinstance(response, NoAnswer):
        return no_answer(response)
    body = json_object(response.body)
    answer = answer_of(response.status, body)
    limited = RateLimited(
        wait_of(body.get("retry_after"), response, own=answer.own),
        _limited_keys(lane, step, answer, response, body),
    )
    came = outcome_of(row_of(ERRORS, answer), answer, _delivered(lane, step, body), limited, "")
    return placed(came, lane, step)


def budgets(endpoint: Endpoint, limits: Limits, channel: str = "") -> tuple[Limit, ...]:
    """Per webhook, per channel over all its webhooks (per webhook until the channel is known), and
    per address of ours.
    """
    lane = endpoint.lane
    rates = {**RATES, **limits.of("discord")}
    webhook, shared, address = rates["webhook"], rates["channel"], rates["address"]
    return (
        Limit(_key(lane, "webhook", _caller(lane)), webhook.count, webhook.window),
        Limit(
            _key(lane, "channel", lane.chat or channel or lane.account), shared.count, shared.window
        ),
        Limit(_key(lane, "address"), address.count, address.window),
    )


def pace(lane: LaneKey, response: Response) -> tuple[tuple[str, float], ...]:
    """Blocks the webhook if the headers say that no call remains.

    https://docs.discord.com/developers/topics/rate-limits#header-format
    """
    after = seconds_of(response.headers.get("x-ratelimit-reset-after"))
    if response.headers.get("x-ratelimit-remaining") != "0" or after is None or after <= 0:
        return ()
    return ((_key(lane, "webhook", _caller(lane)), min(after, LONGEST_WAIT)),)


def _allowed(message: Message) -> _AllowedMentions:
    told = message.mentions[:MOST_MENTIONS]
    users = dict.fromkeys(mention.id for mention in told if mention.kind == "user")
    roles = dict.fromkeys(mention.id for mention in told if mention.kind == "role")
    return _AllowedMentions(tuple(users), tuple(roles))


def _embeds(message: Message) -> tuple[_Embed, ...]:
    boxes = tuple(
        _EmbedField(write_line(f.name) or _BLANK, write(f.value) or _BLANK, f.inline)
        for f in message.fields
    )
    title, description, footer = (
        write_line(message.title),
        write(message.body),
        write_plain(message.footer),
    )
    if not (title or description or boxes or footer):
        return ()
    moment = message.timestamp
    embed = _Embed(
        title,
        _address(message.title_url) if title else "",
        description,
        boxes,
        _Footer(footer) if footer else None,
        message.color if message.color is not None and 0 <= message.color <= 0xFFFFFF else None,
        datetime.fromtimestamp(moment, UTC).isoformat()
        if moment is not None and 0 <= moment < _LAST_YEAR
        else "",
    )
    return (embed,)


def _as_content(message: Message, *, plain: bool) -> Message:
    """All of the message as content, if that has room or has to do; else unchanged."""
    named = (join("\n", [field.name, field.value]) for field in message.fields)
    parts = [
        part
        for part in (message.content, message.title, message.body, *named, message.footer)
        if part.text.strip()
    ]
    text = join("\n", parts)
    content = Message(
        EMPTY, content=RichText(text.text) if plain else text, mentions=message.mentions
    )
    return content if plain or fits(content) else message


def _username(name: str) -> str:
    """The name; empty if Discord forbids it.
    https://docs.discord.com/developers/resources/webhook#create-webhook
    """
    refused = any(word in name.lower() for word in ("clyde", "discord"))
    return "" if refused else name.strip()[:_LONGEST_USERNAME]


def _address(address: str) -> str:
    """An address for an embed or avatar; empty if Discord would refuse the message because
    of it.
    """
    written = spelled(address)
    return written if public(written) and len(written) <= _LONGEST_ADDRESS else ""


def _in_thread(thread: str) -> dict[str, str]:
    return {"thread_id": thread} if thread.isdecimal() else {}


def _webhook(endpoint: Endpoint) -> str:
    parts = urlsplit(endpoint.secret.reveal())
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def _call(
    endpoint: Endpoint,
    verb: Literal["POST", "PATCH"],
    path: str,
    query: dict[str, str],
    name: str,
    body: Struct,
) -> Request:
    url = Secret(_webhook(endpoint) + path + ("?" + urlencode(query) if query else ""))
    raw, repeatable = msgspec.json.encode(body), verb == "PATCH"
    return Request(
        verb, url, name, raw, repeatable=repeatable, http=endpoint.http, headers=_HEADERS
    )


def _key(lane: LaneKey, scope: str, number: str = "") -> str:
    key = f"discord:{lane.api}:{scope}"
    return f"{key}:{number}" if number else key


def _caller(lane: LaneKey) -> str:
    """The caller to which a bucket belongs: the webhook, or the bot in one channel."""
    return f"{lane.account}:{lane.chat}" if bot.is_bot(lane) else lane.account


def answer_of(status: int, body: dict[str, object]) -> ParsedResponse:
    """The API's own answer: an error has a message with one of Discord's codes, which are 0 or have
    five digits or more, or with a time to wait; what succeeded is an object with an id.
    """
    code = body.get("code")
    coded = type(code) is int and (code == 0 or code >= _FIRST_CODE)
    limited = code is None and "retry_after" in body
    error = isinstance(body.get("message"), str) and (coded or limited)
    if not error and (status >= 400 or not positive_id(body.get("id"))):
        return ParsedResponse(status, own=False, code=0, description="")
    places = "; ".join(islice(_places(body.get("errors"), ""), _MOST_PLACES))
    said = ": ".join(filter(None, (text_of(body.get("message")), places)))
    return ParsedResponse(status, own=True, code=int_of(body.get("code")), description=said)


def _places(errors: object, path: str, depth: int = 0) -> Iterator[str]:
    """The fields of the body that are refused, and why.
    https://docs.discord.com/developers/reference#error-messages
    """
    for key, inner in object_of(errors).items():
        if key == "_errors" and isinstance(inner, list):
            yield from (
                f"{path or 'body'} {text_of(object_of(fault).get('code'))}" for fault in inner
            )
        elif depth < _MOST_PLACES:
            yield from _places(inner, f"{path}.{key}".lstrip("."), depth + 1)


def _limited_keys(
    lane: LaneKey,
    step: Step | None,
    answer: ParsedResponse,
    response: Response,
    body: dict[str, object],
) -> tuple[str, ...]:
    """The budgets to block: the scope names them, and a limit that is hit while calls remain is the
    channel's hidden one. What is not the API's answer comes from Discord's edge, which limits an
    address.

    https://docs.discord.com/developers/topics/rate-limits; discord/discord-api-docs issue 1454
    """
    scope = response.headers.get("x-ratelimit-scope", "")
    if not answer.own or body.get("global") is True or scope == "global":
        return (_key(lane, "address"),)
    webhook = _key(lane, "webhook", _caller(lane))
    remain = response.headers.get("x-ratelimit-remaining", "0") != "0"
    if scope != "shared" and answer.code not in _CHANNEL_LIMITS and not remain:
        return (webhook,)
    seen = step.message.chat if isinstance(step, Edit | Reply) else ""
    channels = dict.fromkeys(filter(None, (lane.chat or lane.account, seen)))
    return (webhook, *(_key(lane, "channel", channel) for channel in channels))


def _delivered(lane: LaneKey, step: Step | None, body: dict[str, object]) -> MessageRef | None:
    """The address of the message. The channel of a forum post is the thread that was made
    for it.
    """
    number, channel = positive_id(body.get("id")), positive_id(body.get("channel_id"))
    if bot.is_bot(lane):
        at = MessageRef(lane.chat, lane.thread, "")
        return at if step is None else bot.delivered(lane, step, number, channel)
    match step:
        case None:
            return MessageRef(channel, lane.thread, "")
        case Edit(message=ref):
            return ref if number else None
        case Post():
            thread = channel if lane.thread.startswith(_NAMED) else lane.thread
        case Reply(message=ref):
            thread = ref.thread
    return MessageRef(channel, thread, number) if number and channel else None
