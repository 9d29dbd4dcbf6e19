"""Authentication: a request needs a valid bearer token, or the name and password of a user."""

import asyncio
import binascii
import hashlib
import hmac
import secrets
import ssl
from base64 import b64decode
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

from relay.core.event import Event, Noted
from relay.core.secret import Secret
from relay.inbound.password_checks import PasswordChecks
from relay.inbound.peers import network
from relay.inbound.web_config import Web, read, server_tls
from relay.own_thread import OwnThread

CheckResult = Literal["in", "out", "busy"]

_Stamp = tuple[tuple[int, int, int] | None, ...]

_REMEMBERED = 1024
_LOOK_SECONDS = 0.5  # seconds that a request waits for a check of the files
_RELOAD_SECONDS = 30.0  # seconds that a reload waits for it
_LONGEST = 72  # bytes of a password that bcrypt uses


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
        self._bcrypt = PasswordChecks()
        self._files = OwnThread("web configuration")
        self._looking: asyncio.Task[None] | None = None
        self._salt = secrets.token_bytes(16)
        self._known: dict[bytes, bool] = {}
        self._checks: dict[bytes, asyncio.Future[bool]] = {}
        self._renewed: ssl.SSLContext | None = None
        self.tls = self._listening()

    @property
    def challenge(self) -> str:
        """The `WWW-Authenticate` header of a refusal."""
        ways = (self.web.tokens and "Bearer", self.web.users and 'Basic realm="alert-relay"')
        return ", ".join(way for way in ways if way)

    async def admits(self, authorization: str, peer: str = "") -> CheckResult:
        """Whether this `Authorization` header (empty: none) from the address `peer` is valid.
        `busy`: too many passwords from that peer wait for a check.
        """
        await self.refresh()
        if not _names_somebody(self.web):
            return "in"
        scheme, _, given = authorization.partition(" ")
        match scheme.lower():
            case "bearer":
                return "in" if self._is_token(given.strip()) else "out"
            case "basic" if self.web.users:
                return await self._known_user(given.strip(), network(peer))
            case _:
                return "out"

    async def refresh(self) -> None:
        """Applies the files if they changed. Nothing waits for files that cannot be read in time:
        the former contents stay in force.
        """
        await asyncio.wait((self._look_soon(),), timeout=_LOOK_SECONDS)

    async def reload(self) -> str:
        """Applies the files; returns why they are not used, empty if they are."""
        if self._looking is not None:  # a check that is running may have begun before the change
            await asyncio.wait((self._looking,), timeout=_RELOAD_SECONDS)
        looked, _ = await asyncio.wait((self._look_soon(),), timeout=_RELOAD_SECONDS)
        return (
            self._refused
            if looked
            else f"{self._path}: reading it, or a file that it names, takes too long"
        )

    async def _look(self) -> None:
        web, stamp = self.web, self._stamp
        found = await self._files.run(partial(self._changed, web, stamp), None)
        if isinstance(found, str):
            self._refuse(found)
            return
        if found is not None:
            self.web, self._stamp, self._renewed = found
        self._refused = ""

    def _changed(
        self, web: Web, stamp: _Stamp
    ) -> tuple[Web, _Stamp, ssl.SSLContext | None] | str | None:
        """The present contents of the files with their stamp, or why they are not used; None if
        they are unchanged.
        """
        now = _stamp(web)
        if now == stamp:
            return None
        try:
            changed = read(self._path)
            if self._would_open_access(changed):
                raise ValueError(
                    f"{self._path}: it has no user or token any more: restart to turn "
                    "authentication off"
                )
            renewed = server_tls(changed.tls) if self.tls and changed.tls else None
        except ValueError as error:
            return str(error)
        stamp = now if changed.files == web.files else _stamp(changed)
        return changed, stamp, renewed

    def close(self) -> None:
        self._bcrypt.close()
        self._files.close()

    def _would_open_access(self, web: Web) -> bool:
        """Whether the file would turn authentication off. It must stay on, since an editor may
        empty a file before it writes it.
        """
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
        # At a handshake too: with an expired certificate no request would ever arrive to have it
        # read again.
        context.sni_callback = self._at_handshake
        return context

    def _at_handshake(
        self, shown: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext
    ) -> None:
        self._look_soon()
        if self._renewed:
            shown.context = self._renewed  # only its certificate counts

    def _look_soon(self) -> "asyncio.Task[None]":
        if self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().create_task(self._look())
        return self._looking

    def _is_token(self, given: str) -> bool:
        digest = hashlib.sha256(given.encode("utf-8", "surrogateescape")).digest()
        # Every token is compared, so that the time does not tell which one matched.
        return sum(hmac.compare_digest(digest, token) for token in self.web.tokens) > 0

    async def _known_user(self, given: str, peer: str) -> CheckResult:
        """The user, if name and password are right. Each pair pays for bcrypt once: the result is
        kept under a salted hash, with the hash that it was checked against.
        """
        name, password = _credentials(given)
        users = self.web.users
        # An unknown name costs the same as a known one.
        stored = users.get(name) or next(iter(users.values()))
        against = stored.reveal().encode() + bytes([name in users])
        key = hashlib.sha256(self._salt + against + name.encode() + b"\0" + password).digest()
        if key in self._known:
            return "in" if self._known[key] else "out"
        if key not in self._checks:
            is_user = name in users
            check = self._bcrypt.begin(peer, lambda: _matches(password, stored) and is_user)
            if check is None:
                return "busy"
            self._checks[key] = check
            check.add_done_callback(partial(self._keep, key))
        return "in" if await asyncio.shield(self._checks[key]) else "out"

    def _keep(self, key: bytes, check: "asyncio.Future[bool]") -> None:
        del self._checks[key]
        known = self._known
        if not check.cancelled():
            known[key] = check.result()
        if len(known) > _REMEMBERED:
            known.pop(next((each for each in known if not known[each]), key))


def _names_somebody(web: Web) -> bool:
    return bool(web.users or web.tokens)


def _credentials(given: str) -> tuple[str, bytes]:
    try:
        name, _, password = b64decode(given, validate=True).partition(b":")
        return name.decode(), password[:_LONGEST]
    except (binascii.Error, ValueError):
        return "", b""


def _matches(password: bytes, stored: Secret) -> bool:
    import bcrypt  # noqa: PLC0415 - only a relay with users pays for it at the start

    return bcrypt.checkpw(password, stored.reveal().encode())


def _stamp(web: Web) -> _Stamp:
    return tuple(_stat(path) for path in web.files)


def _stat(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
