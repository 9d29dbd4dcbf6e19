"""The one place that makes calls: a request goes out over HTTP and a response comes back, or the
reason why none did. No exception and no URL leaves it.
"""

import asyncio
import math
import select
import ssl
from contextlib import suppress
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakSet

import aiohttp
from aiohttp import client_exceptions as fault
from aiohttp.client_proto import ResponseHandler

from relay import __version__
from relay.core.routing.lane import HttpOptions
from relay.delivery.resolver import Resolver
from relay.own_thread import OwnThread
from relay.platforms.http import NoAnswer, Request, Response

if TYPE_CHECKING:
    from aiohttp.connector import Connection

MAX_BODY = 1024 * 1024
USER_AGENT = f"alert-relay/{__version__}"
# A lane makes one call at a time, and the budgets allow a bot 27 calls a second and an address 45:
# with 15 s for each no more than this can hang at a time, so that none waits for a connection.
_POOL, _IDLE_SECONDS = 1024, 20.0
_MOST_INTERIM = 100  # answers such as "100 Continue" before the answer itself
_LATE = 0.1  # seconds by which a late deadline shows that the process stood still
_CATCH_UP_SECONDS = 2.0  # seconds to read what arrived meanwhile


class _Progress:
    """Whether any byte of the request may have been sent. `used` are the connections that answered
    an earlier request.
    """

    def __init__(self, used: WeakSet[asyncio.BaseTransport]) -> None:
        self.sent = False
        self.used = used


class _Spoken(aiohttp.ClientConnectionError):
    """On the idle connection something arrived, or it was closed at the other end. Nothing was
    sent on it.
    """


_PROGRESS: ContextVar[_Progress] = ContextVar("progress")


class _Marked(aiohttp.ClientRequest):
    """A request that records when it has a connection and is sent. (aiohttp's tracing could tell
    that too, but takes longer than the rest of a request.) An answer that is there before the
    request, such as a proxy's 408 for an idle connection, would be taken for the answer to it.
    """

    async def send(self, conn: "Connection") -> aiohttp.ClientResponse:
        progress = _PROGRESS.get()
        if conn.transport is not None and conn.transport in progress.used:
            if conn.protocol is None or conn.protocol.should_close or _has_input(conn.transport):
                raise _Spoken
        elif conn.transport is not None:
            progress.used.add(conn.transport)
        progress.sent = True
        return await super().send(conn)


def _has_input(transport: asyncio.BaseTransport) -> bool:
    """Whether bytes, or the end, lie in the socket that the event loop has not read yet."""
    poll = select.poll()
    poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
    return bool(poll.poll(0))


class _FewInterim(ResponseHandler):
    """A connection that is closed when interim answers do not end: each is a message to read, and
    a series of them keeps a processor busy until the deadline.
    """

    _interim = 0

    def feed_data(self, data: Any, size: int = 0) -> None:
        message, _ = data
        self._interim = self._interim + 1 if message.code < 200 else 0
        if self._interim > _MOST_INTERIM and self.transport is not None:
            self.transport.abort()
        super().feed_data(data, size)


class _Connector(aiohttp.TCPConnector):
    """Opens connections of that class. (aiohttp has no public name for that; a test would see it
    change.)
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        kind: type[ResponseHandler] = _FewInterim
        self._factory = partial(kind, loop=asyncio.get_running_loop())


class _Deadline:
    """Cancels its task after so many seconds. If the process or its machine stood still beyond
    that, the bytes that arrived meanwhile are read first.
    """

    def __init__(self, seconds: float) -> None:
        self._passed = False
        self._task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        self._due = loop.time() + seconds
        self._timer = loop.call_at(self._due, self._is_due)

    def _is_due(self) -> None:
        loop = asyncio.get_running_loop()
        if loop.time() - self._due > _LATE:
            self._timer = loop.call_later(_CATCH_UP_SECONDS, self._end_it)
        else:
            self._end_it()

    def _end_it(self) -> None:
        self._passed = True
        if self._task:
            self._task.cancel()

    def is_why(self) -> bool:
        """Whether only this deadline cancelled the task, which then goes on."""
        return self._passed and self._task is not None and self._task.uncancel() == 0

    def end(self) -> None:
        """Withdraws the deadline."""
        self._timer.cancel()


class Transport:
    """Sends requests, over one pool of connections for each bot and each distinct `HttpOptions`.

    Certificate files are read when an `HttpOptions` is first used; a new transport reads them
    again.
    """

    def __init__(
        self, connect: float = 5.0, total: float = 15.0, most_read: int = MAX_BODY
    ) -> None:
        """Seconds: `connect` for a connection (name, TCP, TLS), `total` until the last byte of the
        answer. `most_read`: how many bytes of an answer are read.
        """
        self._most_read = most_read
        self._connect = connect
        self._total = total
        self._sessions: dict[tuple[str, HttpOptions], aiohttp.ClientSession] = {}
        self._used: WeakSet[asyncio.BaseTransport] = WeakSet()
        self._resolver = Resolver()
        self._files = OwnThread("certificates")

    async def send(self, request: Request, within: float = math.inf) -> Response | NoAnswer:
        """The answer, whatever its status (redirects are not followed), or why there is none and
        whether bytes had been sent. `within`: seconds, if they are fewer than `total`.
        """
        seconds = min(self._total, within)
        progress = _Progress(self._used)
        _PROGRESS.set(progress)
        deadline = _Deadline(seconds)
        try:
            while True:
                with suppress(_Spoken):  # the next connection is a fresh one, at the latest
                    return await self._exchange(request)
        except asyncio.CancelledError:
            if not deadline.is_why():
                raise
            return NoAnswer(progress.sent, f"timed out after {seconds:g} s")
        except TimeoutError:
            return NoAnswer(progress.sent, f"no connection within {self._connect:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return NoAnswer(progress.sent, _why(error))
        finally:
            deadline.end()

    async def close(self) -> None:
        """Closes every connection; requests under way end as `NoAnswer`."""
        sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            await session.close()
        self._files.close()

    async def _exchange(self, request: Request) -> Response:
        headers = {"User-Agent": USER_AGENT}
        if request.body:
            headers["Content-Type"] = request.content_type
        session = await self._session(request.pool, request.http)
        async with session.request(
            request.verb,
            request.url.reveal(),
            data=request.body or None,
            headers=headers | dict(request.headers),
            allow_redirects=False,
            proxy=request.http.proxy_url.reveal() if request.http.proxy_url else None,
            server_hostname=request.http.server_name or None,
        ) as response:
            body = await _read(response.content, self._most_read)
            return Response(
                response.status,
                {name.lower(): text for name, text in response.headers.items()},
                body,
            )

    async def _session(self, pool: str, options: HttpOptions) -> aiohttp.ClientSession:
        if (pool, options) not in self._sessions:
            tls = (
                await self._files.run(partial(_tls, options), self._connect)
                if _has_files(options)
                else _tls(options)
            )
            self._sessions.setdefault((pool, options), self._open(tls))
        return self._sessions[pool, options]

    def _open(self, tls: ssl.SSLContext | Literal[True]) -> aiohttp.ClientSession:
        connector = _Connector(
            limit=_POOL, keepalive_timeout=_IDLE_SECONDS, ssl=tls, resolver=self._resolver
        )
        return aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=None, connect=self._connect),
            request_class=_Marked,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )


async def _read(content: aiohttp.StreamReader, most: int) -> bytes:
    body = bytearray()
    while len(body) < most and (chunk := await content.read(most - len(body))):
        body += chunk
    return bytes(body)


def _has_files(options: HttpOptions) -> bool:
    return bool(options.ca_file or options.cert_file)


def _tls(options: HttpOptions) -> ssl.SSLContext | Literal[True]:
    if not (options.ca_file or options.cert_file or options.insecure_skip_verify):
        # aiohttp keeps one context with the system's trusted certificates; making another takes 20
        # ms.
        return True
    context = ssl.create_default_context(cafile=options.ca_file or None)
    if options.cert_file:
        context.load_cert_chain(options.cert_file, options.key_file or None)
    if options.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


_CLASSES: tuple[
    tuple[type[Exception], str], ...
] = (  # the first that matches: special classes stand before general ones
    (fault.ClientConnectorDNSError, "name not resolved"),
    (fault.ClientConnectorCertificateError, "certificate not trusted"),
    (fault.ClientSSLError, "TLS handshake failed"),
    (fault.ClientProxyConnectionError, "proxy not reached"),
    (fault.ClientHttpProxyError, "proxy refused"),
    (fault.ClientConnectorError, "no connection"),
    (fault.ServerDisconnectedError, "connection closed"),
    (fault.ClientPayloadError, "answer cut off"),
    (fault.ClientResponseError, "not an HTTP answer"),
    (fault.InvalidURL, "unusable address"),
    (ConnectionError, "connection reset"),
    (fault.ClientConnectionError, "connection closed"),
    (ssl.SSLError, "unusable certificate file"),
    (FileNotFoundError, "missing certificate file"),
)


def _why(error: Exception) -> str:
    """The class of a failure in a few fixed words: aiohttp's own texts contain the URL, which
    contains the token.
    """
    if type(error) is fault.ClientConnectorError and isinstance(
        error.os_error, ConnectionRefusedError
    ):
        return "connection refused"
    return next((words for kind, words in _CLASSES if isinstance(error, kind)), "not sent")
