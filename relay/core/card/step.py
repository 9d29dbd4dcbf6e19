"""A step: the next call that brings a chat from what it shows to what it should show."""

from typing import Literal

from msgspec import Struct

ReplyKind = Literal["joined", "raised", "repeated", "resolved", "again", "document"]


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


class Edit(Struct, frozen=True, tag=True):
    """The card's message, changed to what the card is now."""

    message: MessageRef


class Reply(Struct, frozen=True, tag=True):
    """One line under the card's message, for `document` with the whole list as a file. `about` are
    the fingerprints it names (empty: the whole card)."""

    message: MessageRef
    kind: ReplyKind
    silent: bool
    about: tuple[str, ...] = ()


Step = Post | Edit | Reply


class Wait(Struct, frozen=True):
    """Nothing to do before `until` (Unix seconds); None: nothing to do at all."""

    until: float | None
