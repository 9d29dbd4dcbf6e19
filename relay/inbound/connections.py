"""The listening socket: the number of connections, their time limits, and their end."""

import asyncio
import json
import math
import os
import socket
import ssl
from asyncio import sslproto
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import lru_cache
from typing import cast

from aiohttp import http_parser, web
from msgspec import Struct

Handle = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
MAX_ANSWER = 200
_TLS_SECONDS = 5  # seconds for the handshake, and for closing
_BACKLOG = 1024
_AT_ONCE = (
    1  # asyncio accepts as many at once, and logs each that fails while there are no file handles
)
_LAST_SECONDS = 0.5  # for an answer to be sent, then for a request to notice its end


class ConnectionLimits(Struct, frozen=True):
    """How many connections there may be, and how many seconds one may take until its first request,
    stay idle after one, have the rest of a refused body read so that it gets the answer, and go on
    working when the relay stops.
    """

    connections: int = 512
    first_seconds: float = 10.0
    idle_seconds: float = 75.0
    linger_seconds: float = 2.0
    drain_seconds: float = 4.0


def answer(status: int, text: str, retry_after: float | None = None) -> web.Response:
    """A JSON answer of at most 200 bytes. `retry_after` seconds are rounded up to whole ones."""
    headers = {"Content-Type": "application/json; charset=utf-8"}
    if retry_after is not None:
        headers["Retry-After"] = str(max(1, math.ceil(retry_after)))
    return web.Response(
        status=status, body=_answer_body(status, text[:MAX_ANSWER]), headers=headers
    )


@lru_cache(maxsize=64)
def _answer_body(status: int, text: str) -> bytes:
    word = "status" if status < 400 else "error"
    while len(body := json.dumps({word: text})) > MAX_ANSWER:
        text = text[:-1]
    return body.encode()


def _signed(response: web.StreamResponse) -> web.StreamResponse:
    """The response, which names only us: aiohttp would name Python's version and its own."""
    response.headers["Server"] = "alert-relay"
    return response


class Listener:
    """An open listening socket and its connections."""

    def __init__(self, handle: Handle, limits: ConnectionLimits) -> None:
        """Opens nothing yet. Needs a running loop."""
        self._handle = handle
        self._connections = _Connections(limits)
        self._limits = limits
        self._server = web.Server(self._one)
        self._socket: asyncio.Server | None = None

    async def open(self, host: str, port: int, tls: ssl.SSLContext | None) -> str:
        """Listens on `host` (empty: every address) and `port` (0: a free one). Returns `HOST:PORT`.

        Raises OSError if the address cannot be used, RuntimeError if aiohttp was built without its
        C parser.
        """
        if http_parser.HttpRequestParser is http_parser.HttpRequestParserPy:
            raise RuntimeError(
                "aiohttp has no C parser here: install its wheel, and unset AIOHTTP_NO_EXTENSIONS"
            )

        def arrives() -> asyncio.BaseProtocol:
            connection = _Connection(self._server, self._connections, self._limits)
            return _Tls(connection, tls) if tls else connection

        loop = asyncio.get_running_loop()
        self._socket = await loop.create_server(arrives, host or None, port, backlog=_AT_ONCE)
        for listening in self._socket.sockets:
            with socket.socket(fileno=os.dup(listening.fileno())) as same:
                same.listen(_BACKLOG)
        bound, number = self._socket.sockets[0].getsockname()[:2]
        return f"[{bound}]:{number}" if ":" in bound else f"{bound}:{number}"

    async def close(self) -> None:
        """Accepts no more connections. Requests that have begun are read and answered if they end
        within `drain_seconds`.
        """
        if self._socket is not None:
            self._socket.close()
        await asyncio.sleep(0)  # requests that have arrived already begin
        await self._connections.drain(self._limits.drain_seconds)
        await self._server.shutdown(_LAST_SECONDS)

    async def _one(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        self._connections.begin(connection)
        try:
            response = _signed(await self._handle(request))
        finally:
            self._connections.end(connection)
        if self._connections.leaving:
            response.force_close()
        return response


class _Connections:
    """The open connections, each with its transport. If there is no room for one more, the longest
    idle one is closed. A connection during its handshake is idle.
    """

    def __init__(self, limits: ConnectionLimits) -> None:
        self._most = limits.connections
        self._idle: dict[web.RequestHandler, asyncio.WriteTransport] = {}
        self._busy: dict[web.RequestHandler, asyncio.WriteTransport] = {}
        self._rested = asyncio.Event()
        self.leaving = False

    async def drain(self, within: float) -> None:
        """Closes the idle connections, and those at work when they have answered; returns when all
        are closed, at the latest after `within`.
        """
        self.leaving = True
        self._rested.clear()
        for connection, wire in self._idle.items():
            connection.close()
            if connection.transport is None:
                wire.abort()
        if self._busy:
            with suppress(TimeoutError):
                async with asyncio.timeout(within):
                    await self._rested.wait()

    def enter(self, connection: web.RequestHandler, wire: asyncio.WriteTransport) -> None:
        """Makes room for the connection, or ends it at once if all others are at work."""
        if connection in self._idle:
            return
        if len(self._idle) + len(self._busy) >= self._most:
            leaving, its_wire = next(iter(self._idle.items()), (connection, wire))
            self._idle.pop(leaving, None)
            leaving.force_close()
            its_wire.abort()  # frees its file handle at once, whatever the other side does
            if leaving is connection:
                return
        self._idle[connection] = wire

    def begin(self, connection: web.RequestHandler) -> None:
        if connection in self._idle:
            self._busy[connection] = self._idle.pop(connection)

    def end(self, connection: web.RequestHandler) -> None:
        if connection in self._busy:
            self._idle[connection] = self._busy.pop(connection)
            self._rest()

    def leave(self, connection: web.RequestHandler) -> None:
        self._idle.pop(connection, None)
        self._busy.pop(connection, None)
        self._rest()

    def _rest(self) -> None:
        if not self._busy:
            self._rested.set()


class _Connection(web.RequestHandler):
    """aiohttp's connection, without decompression or access log, and with our own answers to bad
    HTTP.
    """

    def __init__(
        self, server: web.Server, connections: _Connections, limits: ConnectionLimits
    ) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(
            server,
            loop=loop,
            keepalive_timeout=limits.idle_seconds,
            lingering_time=limits.linger_seconds,
            auto_decompress=False,
            access_log=None,  # type: ignore[arg-type]  # aiohttp's way to say that there is none
        )
        self._connections = connections
        self._first = loop.call_later(limits.first_seconds, self._give_up)

    def arrive(self, wire: asyncio.BaseTransport) -> None:
        """Counts the connection once, if there is room."""
        self._connections.enter(self, cast(asyncio.Transport, wire))

    def depart(self) -> None:
        self._first.cancel()
        self._connections.leave(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.arrive(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        self.depart()
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,  # noqa: ARG002 - aiohttp's signature; its text repeats the request
        message: str | None = None,  # noqa: ARG002 - likewise
    ) -> web.StreamResponse:
        """The answer to bytes that are not an HTTP request."""
        if request.writer.output_size > 0:
            raise ConnectionError("part of an answer is sent already")
        response = (
            answer(400, "not an HTTP request")
            if status == 400
            else answer(503, "internal error", 1)
        )
        response.force_close()
        return _signed(response)

    def _give_up(self) -> None:
        if self._request_count == 0:
            self.force_close()


class _Tls(sslproto.SSLProtocol):
    """TLS below a connection, counted from its first moment. `create_server(ssl=...)` would report
    only connections whose handshake succeeded.
    """

    def __init__(self, connection: _Connection, tls: ssl.SSLContext) -> None:
        super().__init__(
            asyncio.get_running_loop(),
            connection,
            tls,
            None,  # type: ignore[arg-type]  # nothing waits for the end of the handshake
            server_side=True,
            ssl_handshake_timeout=_TLS_SECONDS,
            ssl_shutdown_timeout=_TLS_SECONDS,
        )
        self._connection = connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._connection.arrive(transport)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self._connection.depart()
