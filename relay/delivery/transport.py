"""The one place that calls out: a request goes over HTTP and a response, or none, comes back; no
exception, no URL.
"""

import ssl
from types import SimpleNamespace

import aiohttp
from aiohttp import client_exceptions as fault

from relay import __version__
from relay.core.routing.lane import HttpOptions
from relay.platforms.http import NoAnswer, Request, Response

MAX_BODY = 1024 * 1024
USER_AGENT = f"alert-relay/{__version__}"
_POOL, _POOL_PER_HOST, _IDLE_SECONDS = 256, 128, 20.0


class _Progress:
    """Whether any byte of the request may have left; aiohttp's tracing tells it."""

    def __init__(self) -> None:
        self.sent = False


class Transport:
    """Sends requests, over one pool of connections for each distinct `HttpOptions`.

    Certificate files are read when an `HttpOptions` is first used: a new transport reads them
    again.
    """

    def __init__(
        self, connect: float = 5.0, total: float = 15.0, most_read: int = MAX_BODY
    ) -> None:
        """Seconds: `connect` for a connection (name, TCP, TLS), `total` until the last byte of the
        answer. `most_read`: bytes of an answer that are read.
        """
        self._most_read = most_read
        self._connect = connect
        self._total = total
        self._sessions: dict[HttpOptions, aiohttp.ClientSession] = {}

    async def send(self, request: Request) -> Response | NoAnswer:
        """The answer whatever its status (a redirect is one), or why there is none and whether
        bytes had left.
        """
        progress = _Progress()
        try:
            return await self._exchange(request, progress)
        except TimeoutError as error:
            return NoAnswer(progress.sent, self._timed_out(error))
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return NoAnswer(progress.sent, _why(error))

    async def close(self) -> None:
        """Closes every connection; requests under way end as `NoAnswer`."""
        sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            await session.close()

    async def _exchange(self, request: Request, progress: _Progress) -> Response:
        headers = {"User-Agent": USER_AGENT}
        if request.body:
            headers["Content-Type"] = request.content_type
        async with self._session(request.http).request(
            request.verb,
            request.url.reveal(),
            data=request.body or None,
            headers=headers | dict(request.headers),
            allow_redirects=False,
            proxy=request.http.proxy_url.reveal() if request.http.proxy_url else None,
            server_hostname=request.http.server_name or None,
            trace_request_ctx=progress,
        ) as response:
            body = await _read(response.content, self._most_read)
            return Response(
                response.status,
                {name.lower(): text for name, text in response.headers.items()},
                body,
            )

    def _session(self, options: HttpOptions) -> aiohttp.ClientSession:
        session = self._sessions.get(options)
        if session is None:
            session = self._sessions[options] = self._open(options)
        return session

    def _open(self, options: HttpOptions) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=_POOL,
            limit_per_host=_POOL_PER_HOST,
            keepalive_timeout=_IDLE_SECONDS,
            ssl=_tls(options),
        )
        tracing = aiohttp.TraceConfig()
        tracing.on_request_headers_sent.append(_headers_leave)
        return aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=self._total, connect=self._connect),
            trace_configs=[tracing],
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )

    def _timed_out(self, error: TimeoutError) -> str:
        if isinstance(error, fault.ConnectionTimeoutError):
            return f"no connection within {self._connect:g} s"
        return f"timed out after {self._total:g} s"


async def _headers_leave(
    _session: aiohttp.ClientSession,
    context: SimpleNamespace,
    _params: aiohttp.TraceRequestHeadersSentParams,
) -> None:
    context.trace_request_ctx.sent = True


async def _read(content: aiohttp.StreamReader, most: int) -> bytes:
    body = bytearray()
    while len(body) < most and (chunk := await content.read(most - len(body))):
        body += chunk
    return bytes(body)


def _tls(options: HttpOptions) -> ssl.SSLContext | bool:
    if not (options.ca_file or options.cert_file or options.insecure_skip_verify):
        # aiohttp keeps one context that trusts what the system trusts; to make another takes 20 ms
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
] = (  # the first that fits: special ones stand before general ones
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
    """A class of failure in a few fixed words: aiohttp's own texts hold the URL, which holds the
    token.
    """
    if type(error) is fault.ClientConnectorError and isinstance(
        error.os_error, ConnectionRefusedError
    ):
        return "connection refused"
    return next((words for kind, words in _CLASSES if isinstance(error, kind)), "not sent")
