"""The place of a webhook's message, and the message that a call means: threads, forum posts, own
messages.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from relay.sandbox.discord_chats import Channel, Message, Thread, Webhook
from relay.sandbox.discord_form import ApiError
from relay.sandbox.multipart import File
from relay.sandbox.reply import JsonObject


@dataclass(frozen=True)
class Request:
    """A request with its path, query and body parsed."""

    method: str
    webhook: Webhook
    channel: Channel
    message: int
    query: Mapping[str, str]
    body: JsonObject
    files: tuple[File, ...]
    now: float

    def wants(self, name: str) -> bool:
        """A boolean of the query: `true` or `1`."""
        return self.query.get(name, "").lower() in ("true", "1")


def message_of(request: Request) -> Message:
    """The webhook's own message. One in a thread is found only with its `thread_id`."""
    thread = _known_thread(request)
    message = request.channel.messages.get(request.message)
    if message is None or message.deleted_at is not None or message.webhook != request.webhook.id:
        raise ApiError(404, 10008, "Unknown Message")
    if message.thread != (thread.id if thread else 0):
        raise ApiError(404, 10008, "Unknown Message")
    return message


def _known_thread(request: Request) -> Thread | None:
    text = request.query.get("thread_id", "")
    if not text:
        return None
    thread = request.channel.threads.get(int(text)) if text.isdigit() else None
    if thread is None:
        raise ApiError(404, 10003, "Unknown Channel")
    if thread.locked:
        raise ApiError(400, 160005, "Thread is locked")
    thread.archived = False
    return thread


def thread_for(request: Request, clean: JsonObject, identity: int) -> int:
    """The thread for a new message, 0 for the channel itself. In a forum a named message makes a
    new post.
    """
    channel = request.channel
    name = str(clean.get("thread_name") or "")
    thread = _known_thread(request)
    if channel.kind != "forum":
        if name:
            raise ApiError(400, 220003, "Webhooks can only create threads in forum channels")
        return thread.id if thread else 0
    if thread and name:
        raise ApiError(
            400,
            220002,
            "Webhooks posted to forum channels cannot have both a thread_name and thread_id",
        )
    if thread:
        return thread.id
    if not name:
        raise ApiError(
            400, 220001, "Webhooks posted to forum channels must have a thread_name or thread_id"
        )
    wait = channel.new_threads.wait(request.now)
    if wait > 0:
        raise too_many(wait, "shared")
    channel.new_threads.take(request.now)
    channel.threads[identity] = Thread(identity, name)
    return identity


def check_not_empty(body: JsonObject, files: tuple[File, ...]) -> None:
    """Raises ApiError 50006 for a message with nothing to see."""
    embeds = body.get("embeds")
    visible = (
        [e for e in embeds if e.keys() - {"type", "color"}] if isinstance(embeds, list) else []
    )
    if not (body.get("content") or visible or files or body.get("poll") or body.get("components")):
        raise ApiError(400, 50006, "Cannot send an empty message")


def too_many(wait: float, scope: str) -> ApiError:
    """A 429 that asks to wait; `scope` is Discord's: user, global or shared."""
    return ApiError(
        429,
        0,
        "You are being rate limited.",
        retry_after=math.ceil(wait * 1000) / 1000,
        scope=scope,
    )
