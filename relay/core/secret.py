"""A value that never prints itself."""

import re
from hashlib import sha256


class Secret:
    """A bot token or webhook URL. `reveal()` is the only way to its text; str, repr and format give
    `<secret>`.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, for building a request; never for a message, log or error."""
        return self._text

    @property
    def mark(self) -> str:
        """A hash that tells two secrets apart. Tokens are too long to be guessed from it."""
        return sha256(self._text.encode()).hexdigest()[:16]

    def __repr__(self) -> str:
        return "<secret>"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> str:
        raise TypeError("a secret is not serialised")


# What gives a secret away wherever it stands: a bot token, a webhook's token, a password in an
# address.
_SECRET_SHAPES = re.compile(
    r"""(?:(?<![0-9])[0-9]{6,}:[A-Za-z0-9_-]{16,})
      | (?:(?<=/webhooks/)[^\s"'<>]+)
      | (?:(?<=://)[^\s/@"'<>]+(?=@))""",
    re.VERBOSE,
)


def mask(text: str) -> str:
    """The text with stars in place of everything that looks like a secret."""
    return _SECRET_SHAPES.sub(lambda found: stars(found[0]), text)


def stars(text: str) -> str:
    """As many stars as the text has characters."""
    return "*" * len(text)
