"""A step: the next call that brings a chat from the state that it shows to the state that it should
show.
"""

from enum import IntEnum
from typing import Literal

from msgspec import Struct

from relay.core.action.escalation import ActingReply

ReplyKind = Literal[
    "joined", "raised", "repeated", "resolved", "again", "document", "escalated", "unsilenced"
]


class Rank(IntEnum):
    """How urgent a step is, by what it tells. The lowest goes first, in a lane and among lanes that
    share a budget. Storages hold the numbers.
    """

    LOOK = 0  # unknown: the card is rechecked, without a call
    URGENT = 1  # urgent, and not told in any message yet
    REQUIRED = 2  # a reply that is due whatever the budget, such as an escalation
    JOINED = 3  # urgent, newly firing in a card that the chat knows
    FIRST = 4  # another first message
    FOLLOW = 5  # the first message of a card that a digest has told already
    RESOLVE = 6
    EDIT = 7
    REPLY = 8  # an optional reply


class MessageRef(Struct, frozen=True):
    """The address of a message. Ids are the platform's numbers as text; `thread` is empty outside
    threads and topics.
    """

    chat: str
    thread: str
    id: str


class Post(Struct, frozen=True, tag=True):
    """A new message that shows the card."""

    silent: bool
    reply_to: MessageRef | None = None


class Edit(Struct, frozen=True, tag=True, omit_defaults=True):
    """An edit of the card's message to its present state. `goes_on`: the message to edit is one
    that the chat's former webhook wrote, and the edit says where the card goes on.
    """

    message: MessageRef
    goes_on: MessageRef | None = None


class Reply(Struct, frozen=True, tag=True):
    """One line under the card's message; for `document` with the whole list as a file. `about` are
    the fingerprints that it names (empty: the whole card), `said` is the text of an escalation or
    of a silence that is over.
    """

    message: MessageRef
    kind: ReplyKind
    silent: bool
    about: tuple[str, ...] = ()
    said: ActingReply | None = None


Step = Post | Edit | Reply


class Wait(Struct, frozen=True):
    """Nothing to do before `until` (Unix seconds); None: nothing to do at all."""

    until: float | None
