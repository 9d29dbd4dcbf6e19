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

    LOOK = 0  # none is known: the card is looked at, which costs no call
    URGENT = 1  # urgent, and named nowhere yet
    REQUIRED = 2  # a reply that is owed whatever the budget, such as an escalation
    JOINED = 3  # urgent, newly firing in a card that the chat knows
    FIRST = 4  # another first message
    FOLLOW = 5  # the first message of what a digest has told already
    RESOLVE = 6
    EDIT = 7
    REPLY = 8  # a reply that may be left out


class MessageRef(Struct, frozen=True):
    """Where a message stands. Ids are the platform's numbers as text; `thread` is empty outside
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
    """The card's message, changed to the present state of the card. `goes_on`: a message that the
    former webhook of the chat wrote, changed to say where the card goes on.
    """

    message: MessageRef
    goes_on: MessageRef | None = None


class Reply(Struct, frozen=True, tag=True):
    """One line under the card's message, for `document` with the whole list as a file. `about` are
    the fingerprints it names (empty: the whole card), `said` is what an escalation says, or a
    silence that is over."""

    message: MessageRef
    kind: ReplyKind
    silent: bool
    about: tuple[str, ...] = ()
    said: ActingReply | None = None


Step = Post | Edit | Reply


class Wait(Struct, frozen=True):
    """Nothing to do before `until` (Unix seconds); None: nothing to do at all."""

    until: float | None
