"""A rendered message before its platform writes it."""

from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from relay.core.text.richtext import RichText

EMPTY = RichText("")
BLOCKS = ("card", "reply", "digest", "title", "fields", "footer", "color", "content")
"""The blocks of a template, each a part of a message."""


class Field(Struct, frozen=True):
    """A named box of a Discord embed."""

    name: RichText
    value: RichText
    inline: bool = True


class Mention(Struct, frozen=True):
    """A mention by the configuration: a numeric user or role id, with the name to show if one is
    needed.
    """

    kind: str  # "user" | "role"
    id: str
    name: str


class Attachment(Struct, frozen=True):
    """A text file beside a message. The name is plain ASCII."""

    name: str
    text: str


class Button(Struct, frozen=True):
    """A button under a message: `data` comes back when somebody presses it (Telegram: at most 64
    bytes, Discord: 100 characters)."""

    label: str
    data: str
    style: Literal["plain", "danger"] = "plain"


Buttons = tuple[tuple[Button, ...], ...]
"""Rows of buttons."""
ButtonsIn = Literal["none", "fixed", "all"]
"""The buttons that a chat can have. `fixed`: only those that ask for no text."""


class Message(Struct, frozen=True):
    """The contents of a message. Telegram shows only `body`; Discord shows `content` above an embed
    of the others.

    An empty RichText means that the part is left out. `color` is 0 to 0xFFFFFF. `timestamp` is Unix
    seconds. `buttons` are rows below the message.
    """

    body: RichText
    title: RichText = EMPTY
    title_url: str = ""
    fields: tuple[Field, ...] = ()
    footer: RichText = EMPTY
    content: RichText = EMPTY
    color: int | None = None
    timestamp: float | None = None
    mentions: tuple[Mention, ...] = ()
    file: Attachment | None = None
    buttons: Buttons = ()


class Form(Struct, frozen=True):
    """How a platform measures messages: `excess` tells by how much one is too large (0: it fits),
    and `shows` which blocks of a template it has.
    """

    excess: Callable[[Message], int]
    shows: frozenset[str] = frozenset(BLOCKS)

    def fits(self, message: Message) -> bool:
        """Whether the message is within the platform's limits."""
        return self.excess(message) == 0
