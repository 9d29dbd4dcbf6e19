"""Addresses of links: which ones a platform accepts, and in which spelling."""

import re
from functools import lru_cache
from urllib.parse import SplitResult, quote, urlsplit, urlunsplit

_HOST = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?|\[[0-9a-f:.]+\]", re.IGNORECASE)
_DOTTED = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+|\[[0-9a-f:.]+\]", re.IGNORECASE)
# An address that RFC 3986 spells as it is, but for its percent signs. Its host has a dot.
_PLAIN = re.compile(
    r"https?://([a-z0-9-]+(?:\.[a-z0-9-]+)+)"
    r"(?:/[A-Za-z0-9/:@!$&'()*+,;=._~%-]*)?"
    r"(?:\?[A-Za-z0-9/:@!$&'()*+,;=._~?%-]+)?"
    r"(?:#[A-Za-z0-9/:@!$&'()*+,;=._~?%-]+)?"
)
_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_PATH = "/:@!$&'()*+,;=%-._~"
_MAX_HOST = 253


@lru_cache(maxsize=1024)
def spelled(address: str) -> str:
    """`address` as RFC 3986 spells it, or empty if it is not an http or https address of a host.

    An address with a user name is refused: it hides where it leads, and may contain a password.
    """
    if _is_plain(address):
        return address
    try:
        parts = urlsplit(address)
        host = _host(parts)
        if parts.scheme not in {"http", "https"} or not host:
            return ""
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError:
        return ""
    path, query, fragment = (
        quote(_PERCENT.sub("%25", part), safe=safe, errors="replace")
        for part, safe in (
            (parts.path, _PATH),
            (parts.query, _PATH + "?"),
            (parts.fragment, _PATH + "?"),
        )
    )
    return urlunsplit((parts.scheme, host + port, path, query, fragment))


@lru_cache(maxsize=1024)
def public(address: str) -> bool:
    """Whether a chat app links to the host of a `spelled` address: it has a dot, or is an IPv6
    address.

    Telegram drops other links silently (td/telegram/LinkManager.cpp of tdlib/td).
    """
    return _is_plain(address) or bool(address and _DOTTED.fullmatch(_host(urlsplit(address))))


def _is_plain(address: str) -> bool:
    """Whether it is spelled as RFC 3986 has it and public, by a test that is fast."""
    found = _PLAIN.fullmatch(address)
    return found is not None and len(found[1]) <= _MAX_HOST and not _PERCENT.search(address)


def _host(parts: SplitResult) -> str:
    """The host in ASCII, IPv6 in brackets; empty if there is none."""
    name = parts.hostname or ""
    if "@" in parts.netloc or len(name) > _MAX_HOST:
        return ""
    if ":" in name:
        name = f"[{name}]"
    elif not name.isascii():
        name = name.encode("idna").decode()
    return name if _HOST.fullmatch(name) else ""
