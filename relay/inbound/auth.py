"""Authentication: a request needs a valid bearer token, or the name and password of a user."""

import asyncio
import binascii
import hashlib
import hmac
import secrets
import ssl
from base64 import b64decode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

from relay.core.event import Event, Noted
from relay.core.secret import Secret
from relay.inbound.web_config import Web, load_certificate, read, server_tls

CheckResult = Literal["in", "out", "busy"]

_REMEMBERED = 1024
_WAITING = 16  # checks of unknown passwords at a time; each costs about 0.1 s of one thread
_LONGEST = 72  # bytes of a password that bcrypt looks at


class Auth:
    """Admits the users and tokens of the web configuration file. The file, and the files that it
    names, are read again when they change.

    A file with faults, or one that would turn authentication off, is not used and is logged once.
    Adding or removing TLS or its client CA takes a restart.
    """

    def __init__(self, path: Path, emit: Callable[[Event], None]) -> None:
        """Raises ValueError, as `webconfig.read` does."""
        self._path = path
        self._emit = emit
        self.web = read(path)
        self._stamp = _stamp(self.web)
        self._refused = ""
        self._bcrypt = ThreadPoolExecutor(1, "bcrypt")
        self._forget()
        self.tls = self._listening()

    @property
    def challenge(self) -> str:
        """The `WWW-Authenticate` that a refused request gets."""
        ways = (self.web.tokens and "Bearer", self.web.users and 'Basic realm="alert-relay"')
        return ", ".join(way for way in ways if way)

    async def admits(self, authorization: str) -> CheckResult:
        """Whether this `Authorization` header (empty: none) lets in; `busy`: too many passwords
        wait for a check.
        """
        self.refresh()
        if not _names_somebody(self.web):
            return "in"
        scheme, _, given = authorization.partition(" ")
        match scheme.lower():
            case "bearer":
                return "in" if self._is_token(given.strip()) else "out"
            case "basic" if self.web.users:
                return await self._known_user(given.strip())
            case _:
                return "out"

    def refresh(self) -> None:
        """Takes what the files say now, if they changed."""
        stamp = _stamp(self.web)
        if stamp == self._stamp:
            return
        try:
            web = read(self._path)
            if self._would_open_access(web):
                raise ValueError(
                    f"{self._path}: it has no user or token any more: restart to turn "
                    "authentication off"
                )
            if self.tls and web.tls:
                load_certificate(self.tls, web.tls)
        except ValueError as error:
            self._refuse(str(error))
            return
        self._stamp = stamp if web.files == self.web.files else _stamp(web)
        self.web = web
        self._refused = ""
        self._forget()

    def close(self) -> None:
        self._bcrypt.shutdown(wait=False, cancel_futures=True)

    def _would_open_access(self, web: Web) -> bool:
        """An editor may empty a file before it writes it; authentication must stay on then."""
        verified = self.tls is not None and self.tls.verify_mode == ssl.CERT_REQUIRED
        return _names_somebody(self.web) and not _names_somebody(web) and not verified

    def _refuse(self, why: str) -> None:
        if why != self._refused:
            self._refused = why
            self._emit(
                Noted(
                    "error",
                    "web configuration rejected, the old one stays in force",
                    (("err", why),),
                )
            )

    def _listening(self) -> ssl.SSLContext | None:
        if self.web.tls is None:
            return None
        context = server_tls(self.web.tls)
        # At a handshake too: with an expired certificate no request would ever come to have it read
        # again.
        context.sni_callback = lambda _socket, _name, _context: self.refresh()
        return context

    def _forget(self) -> None:
        self._salt = secrets.token_bytes(16)
        self._known: dict[bytes, bool] = {}
        self._checks: dict[bytes, asyncio.Future[bool]] = {}

    def _is_token(self, given: str) -> bool:
        digest = hashlib.sha256(given.encode("utf-8", "surrogateescape")).digest()
        # Every token is compared, so that the time tells nothing.
        return sum(hmac.compare_digest(digest, token) for token in self.web.tokens) > 0

    async def _known_user(self, given: str) -> CheckResult:
        """Each pair of name and password pays for bcrypt once: what came of it is kept under a
        salted hash.
        """
        name, password = _credentials(given)
        key = hashlib.sha256(self._salt + name.encode() + b"\0" + password).digest()
        if key in self._known:
            return "in" if self._known[key] else "out"
        if key not in self._checks and len(self._checks) >= _WAITING:
            return "busy"
        if key not in self._checks:
            self._check(key, name, password)
        return "in" if await asyncio.shield(self._checks[key]) else "out"

    def _check(self, key: bytes, name: str, password: bytes) -> None:
        checks, known, users = self._checks, self._known, self.web.users
        # An unknown name costs what a known one does.
        stored = users.get(name) or next(iter(users.values()))
        loop = asyncio.get_running_loop()
        check = loop.run_in_executor(
            self._bcrypt, lambda: _matches(password, stored) and name in users
        )

        def done(check: "asyncio.Future[bool]") -> None:
            del checks[key]
            if not check.cancelled():
                known[key] = check.result()
            if len(known) > _REMEMBERED:
                known.pop(next((each for each in known if not known[each]), key))

        checks[key] = check
        check.add_done_callback(done)


def _names_somebody(web: Web) -> bool:
    return bool(web.users or web.tokens)


def _credentials(given: str) -> tuple[str, bytes]:
    try:
        name, _, password = b64decode(given, validate=True).partition(b":")
        return name.decode(), password[:_LONGEST]
    except (binascii.Error, ValueError):
        return "", b""


def _matches(password: bytes, stored: Secret) -> bool:
    import bcrypt  # noqa: PLC0415 - only who has users pays for it at the start

    return bcrypt.checkpw(password, stored.reveal().encode())


def _stamp(web: Web) -> tuple[tuple[int, int, int] | None, ...]:
    return tuple(_stat(path) for path in web.files)


def _stat(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
