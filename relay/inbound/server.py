"""The HTTP interface: paths, methods, statuses and limits of bodies. It does not parse payloads."""

import asyncio
import io
import json
import logging
import re
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import assert_never

from aiohttp import web
from msgspec import Struct

from relay.core.event import Answered, Event, Noted, RequestRefused
from relay.core.intake_result import Committed, IntakeResult, InvalidPayload, RetryLater
from relay.inbound.auth import Auth
from relay.inbound.connections import answer
from relay.inbound.peers import Peers, is_own_host
from relay.platforms.telegram.bot import SECRET_HEADER

_log = logging.getLogger("relay")
_ALERTS = re.compile(r"/alerts(?:/([A-Za-z0-9_.-]{1,64}))?/?")
_USUAL = "/alerts"
_JSON = "application/json"
_SLOW = RetryLater("storage is slow", 1)
_LONG_WORD = re.compile(r"[^/]{13,}")
_UPDATES = re.compile(r"/telegram/([0-9]{1,20})/?")
_INTERACTIONS = re.compile(r"/discord/([0-9]{1,20})/?")
_READ, _WRITE = ("GET", "HEAD"), ("POST",)
_METHODS = {"/-/healthy": _READ, "/-/ready": _READ, "/metrics": _READ, "/-/reload": _WRITE}
_PROMETHEUS = re.compile(r".*/api/v[12]/alerts/?")
_HINT = ": Alertmanager's webhook posts to /alerts"
_FOR_ALERTMANAGER = (
    "alert-relay is not an Alertmanager: point Prometheus at Alertmanager, and its webhook at "
    "/alerts here"
)
_WITH_SOURCE = re.compile(r"/alerts/[^/]+/?")
_BAD_SOURCE = (
    "unknown path: the source in /alerts/SOURCE has at most 64 letters, digits, dots, hyphens and"
    " underscores"
)
_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_MOST_FAULTS = 64 * 1024
MEBIBYTE = 1024 * 1024
_MOST_UPDATE = MEBIBYTE  # bytes of one update; Telegram's have a few thousand


class RequestLimits(Struct, frozen=True):
    """Bytes of one body and of all bodies in memory; seconds for a body to arrive, and from then to
    its answer.
    """

    max_body: int = 128 * MEBIBYTE
    all_bodies: int = 256 * MEBIBYTE
    body_seconds: float = 15.0
    answer_seconds: float = 4.5


async def _no_update(_account: str, _body: bytes) -> int:
    return 503


async def _no_interaction(
    _application: str, _timestamp: str, _signature: str, _body: bytes
) -> tuple[int, dict[str, object]]:
    return 401, {"error": "no valid signature"}


class Handlers(Struct, frozen=True):
    """The functions behind the paths.

    `console` answers the paths for which `is_of_console` is true, with an authentication of its
    own. `ready` returns why the relay is not ready, or nothing; `reload` returns the new file's
    faults. `expects` checks a bot's id and the secret sent with it; `update` takes that id and a
    body and returns the status. `interaction` takes an application's id, the timestamp and
    signature of a request and its body, and returns the status and the answer.
    """

    accept: Callable[[str, bytes], Awaitable[IntakeResult]]
    ready: Callable[[], str]
    reload: Callable[[], Awaitable[tuple[str, ...]]]
    metrics: Callable[[], Awaitable[bytes]]
    emit: Callable[[Event], None]
    auth: Auth | None = None
    expects: Callable[[str, str], bool] = lambda _account, _secret: False
    update: Callable[[str, bytes], Awaitable[int]] = _no_update
    interaction: Callable[[str, str, str, bytes], Awaitable[tuple[int, dict[str, object]]]] = (
        _no_interaction
    )
    console: Callable[[web.BaseRequest, str], Awaitable[web.Response]] | None = None
    is_of_console: Callable[[str], bool] = lambda _path: False


class Server:
    """Answers requests. A request that fails because of the relay gets 503, so that it is sent
    again.
    """

    def __init__(
        self,
        handlers: Handlers,
        limits: RequestLimits,
        prefix: str = "",
        external_host: str = "",
        *,
        on_loopback: bool = False,
    ) -> None:
        """Serves nothing by itself; `handle` is for a Listener. `prefix`, such as `/relay`, may
        stand before each path. `on_loopback`: without authentication only requests that name
        loopback or `external_host` are answered.
        """
        self._external_host = external_host
        self._on_loopback = on_loopback
        self._peers = Peers()
        self._handlers = handlers
        self._prefix = prefix
        self._limits = limits
        self._memory = _BodyMemory(limits.all_bodies)
        self._waiting = _Waiting(limits.answer_seconds)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """The answer. Requests for /alerts are emitted as `Answered`; other refused requests are
        noted.
        """
        began = time.monotonic()
        path = request.path.removeprefix(self._prefix)
        try:
            response = await self._answer(request, path)
        except ConnectionError:
            raise  # the client is gone
        except Exception:  # noqa: BLE001 - logged with its place, and the sender tries again
            _log.exception("a request failed")
            response = answer(503, "internal error", 1)
        self._tell(request, response, path, time.monotonic() - began)
        return response

    def _tell(
        self, request: web.BaseRequest, response: web.Response, path: str, seconds: float
    ) -> None:
        status, peer = response.status, request.remote or ""
        if path == "/alerts" or path.startswith("/alerts/"):
            if status == 200:
                self._peers.accepted(peer)
            stranger = self._peers.is_stranger(peer)
            fields = _request_fields(request, response)
            size = request.content_length or 0
            self._handlers.emit(Answered(status, seconds, *fields, stranger, size))
        elif status in (403, 404, 405):
            stranger = self._peers.is_stranger(peer)
            fields = _request_fields(request, response)
            size = request.content_length or 0
            self._handlers.emit(RequestRefused(status, *fields, stranger, size))
        elif path == "/-/reload" and status in (401, 503):
            why, method, asked, _ = _request_fields(request, response)
            values = (("code", str(status)), ("why", why), ("method", method), ("path", asked))
            self._handlers.emit(Noted("warning", "reload refused", (*values, ("from", peer))))

    async def _answer(self, request: web.BaseRequest, path: str) -> web.Response:
        if path == _USUAL:
            source: str | None = ""
        else:
            found = _ALERTS.fullmatch(path)
            source = (found[1] or "") if found else None
        updates = _UPDATES.fullmatch(path) if source is None else None
        posted = _INTERACTIONS.fullmatch(path) if source is None and updates is None else None
        if (
            not updates and not posted and self._is_foreign(request)
        ):  # those paths have a secret of their own
            return answer(403, "this Host is not known here: name it in --web.external-url")
        by_post = source is not None or updates or posted
        methods = _WRITE if by_post else _METHODS.get(path)
        posts = request.method == "POST"
        if methods is None and self._handlers.console and self._handlers.is_of_console(path):
            return await self._handlers.console(request, path)
        if methods is None:
            if _PROMETHEUS.fullmatch(path):
                return answer(404, _FOR_ALERTMANAGER)
            if posts and _WITH_SOURCE.fullmatch(path):
                return answer(404, _BAD_SOURCE)
            return answer(404, f"unknown path{_HINT if posts else ''}")
        if request.method not in methods:
            allowed = " or ".join(methods)
            refused = answer(405, f"method not allowed: use {allowed}{_HINT if posts else ''}")
            refused.headers["Allow"] = ", ".join(methods)
            return refused
        if updates:
            return await self._update(request, updates[1])
        if posted:
            return await self._interaction(request, posted[1])
        refusal = await self._refusal(request, guarded=methods is _WRITE)
        if refusal is not None:
            return refusal
        return await (self._manage(path) if source is None else self._alerts(request, source))

    def _is_foreign(self, request: web.BaseRequest) -> bool:
        """Whether a page in a browser may be asking: on loopback, without authentication."""
        auth = self._handlers.auth
        if not self._on_loopback or (auth is not None and auth.web.guarded):
            return False
        return not is_own_host(request.headers.get("Host", ""), self._external_host)

    async def _refusal(self, request: web.BaseRequest, *, guarded: bool) -> web.Response | None:
        auth = self._handlers.auth
        if auth is None:
            return None
        if not guarded:
            await auth.refresh()
            if not auth.web.protect_all:
                return None
        authorization = request.headers.get("Authorization", "")
        match await auth.admits(authorization, request.remote or ""):
            case "in":
                return None
            case "out":
                refused = answer(401, "no valid authentication")
                refused.headers["WWW-Authenticate"] = auth.challenge
                return refused
            case "busy":
                return answer(503, "too many passwords to check", 1)

    async def _manage(self, path: str) -> web.Response:
        match path:
            case "/metrics":
                return web.Response(
                    body=await self._handlers.metrics(), headers={"Content-Type": _METRICS_TYPE}
                )
            case "/-/reload":
                faults = await self._handlers.reload()
                return (
                    _text(500, "failed to reload config: " + "\n".join(faults))
                    if faults
                    else _text(200, "OK")
                )
            case "/-/ready":
                why = self._handlers.ready()
                return _text(503, why) if why else _text(200, "OK")
            case _:
                return _text(200, "OK")

    async def _update(self, request: web.BaseRequest, account: str) -> web.Response:
        """An update of a Telegram bot. Its secret authenticates it, whatever authenticates the
        rest; without it no byte is read.
        """
        if not self._handlers.expects(account, request.headers.get(SECRET_HEADER, "")):
            return answer(401, "no valid secret")
        share = _BodyReservation(self._memory)
        try:
            body = await self._body(request, share, _MOST_UPDATE)
            if isinstance(body, web.Response):
                return body
            status = await self._handlers.update(account, body)
        finally:
            share.release()
        return answer(200, "accepted") if status == 200 else answer(503, "try again later", 5)

    async def _interaction(self, request: web.BaseRequest, application: str) -> web.Response:
        """An interaction of Discord. Its signature authenticates it, whatever authenticates the
        rest.
        """
        share = _BodyReservation(self._memory)
        try:
            body = await self._body(request, share, _MOST_UPDATE)
            if isinstance(body, web.Response):
                return body
            timestamp = request.headers.get("X-Signature-Timestamp", "")
            signature = request.headers.get("X-Signature-Ed25519", "")
            status, answered = await self._handlers.interaction(
                application, timestamp, signature, body
            )
        finally:
            share.release()
        return web.json_response(answered, status=status)

    async def _alerts(self, request: web.BaseRequest, source: str) -> web.Response:
        fault = self._header_fault(request)
        if fault is not None:
            return fault
        share = _BodyReservation(self._memory)
        try:
            body = await self._body(request, share, self._limits.max_body)
            if isinstance(body, web.Response):
                share.release()
                return body
            accepting = asyncio.ensure_future(self._handlers.accept(source, body))
        except BaseException:
            share.release()
            raise
        return _answered(await self._waiting.result(accepting, share))

    def _header_fault(self, request: web.BaseRequest) -> web.Response | None:
        """The fault of the request that is known before a byte of its body is read."""
        headers = request.headers
        if (
            headers.get("Content-Type") == _JSON
            and "Content-Encoding" not in headers
            and "Transfer-Encoding" not in headers
        ):
            if (request.content_length or 0) > self._limits.max_body:
                return _too_large(self._limits.max_body)
            return None
        codings = [
            *headers.getall("Content-Encoding", ()),
            *headers.getall("Transfer-Encoding", ()),
        ]
        if any(coding.strip().lower() not in ("", "identity", "chunked") for coding in codings):
            return answer(415, "the body must not be encoded or compressed")
        kind = request.content_type
        if kind != "application/json" and not kind.endswith("+json"):
            return answer(415, "the content type must be application/json")
        if (request.content_length or 0) > self._limits.max_body:
            return _too_large(self._limits.max_body)
        return None

    async def _body(
        self, request: web.BaseRequest, share: "_BodyReservation", most: int
    ) -> bytes | web.Response:
        if request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        try:
            if request.content.is_eof():  # it came with the headers
                return await self._received(request, share, most)
            async with asyncio.timeout(self._limits.body_seconds):
                return await self._received(request, share, most)
        except TimeoutError:
            return _closing(answer(503, "the body did not arrive in time", 1))
        except web.RequestPayloadError:
            return _closing(answer(400, "the body is incomplete"))

    async def _received(
        self, request: web.BaseRequest, share: "_BodyReservation", most: int
    ) -> bytes | web.Response:
        content = request.content
        if content.is_eof():  # all of it is here
            whole = content.read_nowait()
            if len(whole) > most:
                return _too_large(most)
            if not share.take(len(whole)):
                return _closing(answer(503, "too many large bodies at once", 1))
            return whole
        # The whole value of a BytesIO is available without a copy, which matters at 128 MiB.
        body = io.BytesIO()
        async for chunk in request.content.iter_any():
            if body.tell() + len(chunk) > most:
                return _too_large(most)
            if not share.take(len(chunk)):
                return _closing(answer(503, "too many large bodies at once", 1))
            body.write(chunk)
        return body.getvalue()


def _answered(result: IntakeResult) -> web.Response:
    match result:
        case Committed():
            return answer(200, "accepted")
        case InvalidPayload(text):
            return answer(400, text)
        case RetryLater(why, retry_after):
            return answer(503, why, retry_after)
        case _:
            assert_never(result)


class _Waiting:
    """The requests that wait for their result, each for a limited number of seconds. One timer
    serves them all.

    A commit that takes longer goes on; the sender tries again, and the copy is a duplicate.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._by_deadline: deque[tuple[float, asyncio.Future[IntakeResult]]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    async def result(
        self, accepting: "asyncio.Future[IntakeResult]", share: "_BodyReservation"
    ) -> IntakeResult:
        """The result, if it comes in time. `share` is held until the work is done, however long
        that takes.
        """
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[IntakeResult] = loop.create_future()

        def ended(done: "asyncio.Future[IntakeResult]") -> None:
            share.release()
            if waiter.done():
                done.cancelled() or done.exception()
            elif done.cancelled():
                waiter.cancel()
            elif (error := done.exception()) is not None:
                waiter.set_exception(error)
            else:
                waiter.set_result(done.result())

        accepting.add_done_callback(ended)
        while self._by_deadline and self._by_deadline[0][1].done():
            self._by_deadline.popleft()
        self._by_deadline.append((loop.time() + self._seconds, waiter))
        if self._timer is None:
            self._timer = loop.call_later(self._seconds, self._expire)
        return await waiter

    def _expire(self) -> None:
        loop, waiting = asyncio.get_running_loop(), self._by_deadline
        while waiting and (waiting[0][1].done() or waiting[0][0] <= loop.time()):
            _, waiter = waiting.popleft()
            if not waiter.done():
                waiter.set_result(_SLOW)
        self._timer = loop.call_at(waiting[0][0], self._expire) if waiting else None


class _BodyMemory:
    """The bytes that bodies may still use, over all requests."""

    def __init__(self, free: int) -> None:
        self.free = free


class _BodyReservation:
    """The bytes that the body of one request uses."""

    def __init__(self, memory: _BodyMemory) -> None:
        self._memory = memory
        self._bytes = 0

    def take(self, count: int) -> bool:
        """Reserves that many more bytes, if they are free."""
        if count > self._memory.free:
            return False
        self._memory.free -= count
        self._bytes += count
        return True

    def release(self) -> None:
        self._memory.free += self._bytes
        self._bytes = 0


def _request_fields(request: web.BaseRequest, response: web.Response) -> tuple[str, str, str, str]:
    """Why the request was refused (empty: it was not), its method, its path and the sender's
    address.
    """
    refused = response.status >= 400 and response.content_type == "application/json"
    why = json.loads(response.text or "{}").get("error", "") if refused else ""
    path = request.path
    if response.status in (
        401,
        403,
        404,
        405,
    ):  # nobody was admitted, so it may be a token in the wrong place
        path = _LONG_WORD.sub("...", path)
    return why, request.method, path, request.remote or ""


def _too_large(most: int) -> web.Response:
    return _closing(answer(413, f"the body is larger than {most} bytes"))


def _closing(response: web.Response) -> web.Response:
    response.force_close()
    return response


def _text(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=text[:_MOST_FAULTS] + "\n")
