"""The outcomes of an attempt at a platform. Every answer is one of these values; none is an
exception.
"""

from msgspec import Struct

from relay.core.card.step import MessageRef


class Delivered(Struct, frozen=True, tag=True):
    """The platform has the message; `message` is its address. An edit answered with `not modified`
    is delivered as well.
    """

    message: MessageRef


class RateLimited(Struct, frozen=True, tag=True):
    """The platform accepted nothing. No request to `budgets` (keys as the platform names them)
    before `retry_after` seconds; `whole` is the budget that contains them, as in `Block`.
    """

    retry_after: float
    budgets: tuple[str, ...]
    whole: str = ""


class Unavailable(Struct, frozen=True, tag=True):
    """The platform, or the connection to it, is down and did not accept the message: try again
    later.
    """

    why: str


class Unknown(Struct, frozen=True, tag=True):
    """No answer came after bytes were sent. The chat may have the message, so a repetition says so.
    `stopped`: the relay itself stopped during the call, which does not count against the platform.
    """

    why: str
    stopped: bool = False


class Moved(Struct, frozen=True, tag=True):
    """The group became a supergroup: everything goes to chat `chat` from now on."""

    chat: str


class Rejected(Struct, frozen=True, tag=True):
    """The message is at fault (markup, length, empty): a plainer one may pass."""

    why: str


class MessageGone(Struct, frozen=True, tag=True):
    """The message to edit or to reply to does not exist any more, or cannot be edited any more: a
    new one is due.
    """

    why: str


class ThreadGone(Struct, frozen=True, tag=True):
    """The thread or topic does not exist any more: its messages go to the main chat."""

    why: str


class ChatDown(Struct, frozen=True, tag=True):
    """The chat accepts no messages (kicked, deleted, never known): fallback, rare probes.
    `forever`: no probe. `left`: the person blocked the bot, or the group removed it or was deleted,
    so that a subscription ends.
    """

    why: str
    forever: bool = False
    left: bool = False


class BotDown(Struct, frozen=True, tag=True):
    """The bot or webhook is refused (token revoked): everything of this account waits. `forever`:
    no probe.
    """

    why: str
    forever: bool = False


Outcome = (
    Delivered
    | RateLimited
    | Unavailable
    | Unknown
    | Moved
    | Rejected
    | MessageGone
    | ThreadGone
    | ChatDown
    | BotDown
)
