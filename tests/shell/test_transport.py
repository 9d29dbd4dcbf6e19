"""Outbound HTTP over real loopback sockets: what is an answer, what is none, and whether bytes had
been sent.
"""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import trustme
from aiohttp import web
from msgspec.structs import replace
from pytest_aiohttp import AiohttpServer

from relay.core.routing.lane import HttpOptions
from relay.core.secret import Secret
from relay.delivery.transport import MAX_BODY, USER_AGENT, Transport
from relay.platforms.http import NoAnswer, Request, Response

CANARY = "123456789:AAcanaryCanaryCanaryCanaryCanary_-x"
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def listening(talk: Talk, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    talks: list[tuple[asyncio.StreamWriter, asyncio.Task[None]]] = []

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await talk(reader, writer)
            writer.close()
            await writer.wait_closed()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.append((writer, asyncio.create_task(once(reader, writer))))

    server = await asyncio.start_server(begin, "127.0.0.1", 0, ssl=tls, backlog=1024)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer, task in talks:
            writer.transport.abort()
            await task


@contextlib.asynccontextmanager
async def transport(connect: float = 2.0, total: float = 2.0) -> AsyncIterator[Transport]:
    made = Transport(connect, total)
    try:
        yield made
    finally:
        await made.close()


def request(
    port: int, path: str = "sendMessage", scheme: str = "http", http: HttpOptions | None = None
) -> Request:
    url = Secret(f"{scheme}://127.0.0.1:{port}/bot{CANARY}/{path}")
    return Request("POST", url, "sendMessage", b'{"text": "x"}', http=http or HttpOptions())


def bot_reply(answer: bytes, heard: list[bytes] | None = None) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if heard is not None:
            heard.append(head)
        if b"content-length: 13" in head.lower():
            await reader.readexactly(13)
        writer.write(answer)
        await writer.drain()

    return talk


def chat_api(heard: list[web.BaseRequest]) -> web.Application:
    """An API that answers every POST with a cookie, and keeps the requests."""

    async def answered(asked: web.Request) -> web.Response:
        heard.append(asked)
        return web.json_response({}, headers={"Set-Cookie": "a=b"})

    app = web.Application()
    app.router.add_post("/{path:.*}", answered)
    return app


async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read(65536)
    await reader.read()


def ok(body: bytes = b"{}", extra: bytes = b"") -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s\r\n%s" % (len(body), extra, body)


async def test_an_answer_has_its_status_lower_case_headers_and_body() -> None:
    answer = b"HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nwait"
    async with listening(bot_reply(answer)) as port, transport() as out:
        got = await out.send(request(port))
    assert got == Response(429, {"retry-after": "7", "content-length": "4"}, b"wait")


async def test_the_request_carries_our_name_its_type_and_no_cookie_of_an_earlier_answer(
    aiohttp_server: AiohttpServer,
) -> None:
    heard: list[web.BaseRequest] = []
    server = await aiohttp_server(chat_api(heard))
    async with transport() as out:
        named = replace(
            request(server.port or 0),
            url=Secret(f"http://localhost:{server.port}/bot{CANARY}/sendMessage"),
        )
        await out.send(named)  # by name: no jar takes cookies of a bare address
        await out.send(named)
    last = heard[1]
    assert (last.method, last.raw_path) == ("POST", f"/bot{CANARY}/sendMessage")
    assert last.headers["User-Agent"] == USER_AGENT
    assert last.headers["Content-Type"] == "application/json"
    assert "Cookie" not in last.headers


async def test_a_request_may_bring_its_own_user_agent(aiohttp_server: AiohttpServer) -> None:
    heard: list[web.BaseRequest] = []
    server = await aiohttp_server(chat_api(heard))
    async with transport() as out:
        named = replace(request(server.port or 0), headers=(("User-Agent", "DiscordBot (x, 1)"),))
        await out.send(named)
    assert heard[0].headers.getall("User-Agent") == ["DiscordBot (x, 1)"]


async def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    heard: list[bytes] = []
    answer = b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"
    async with listening(bot_reply(answer, heard)) as port, transport() as out:
        got = await out.send(request(port))
    assert isinstance(got, Response)
    assert got.status == 302
    assert len(heard) == 1


async def test_of_an_endless_body_one_mebibyte_is_read() -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    async with listening(endless) as port, transport(total=5.0) as out:
        got = await out.send(request(port))
    assert isinstance(got, Response)
    assert got.body == b"x" * MAX_BODY


async def test_the_environment_names_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    async with listening(bot_reply(ok())) as port, transport() as out:
        assert isinstance(await out.send(request(port)), Response)


def through(proxy: int) -> HttpOptions:
    return HttpOptions(proxy_url=Secret(f"http://user:{CANARY}@127.0.0.1:{proxy}"))


async def test_a_configured_proxy_carries_the_request() -> None:
    heard: list[bytes] = []
    async with listening(bot_reply(ok(), heard)) as proxy, transport() as out:
        url = Secret("http://chat.invalid/api")
        got = await out.send(Request("GET", url, "get", http=through(proxy)))
    assert isinstance(got, Response)
    assert heard[0].startswith(b"GET http://chat.invalid/api HTTP/1.1\r\n")


async def closed_port() -> int:
    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port


async def test_before_a_byte_left_nothing_is_in_doubt() -> None:
    port = await closed_port()
    proxied = through(port)
    async with transport() as out:
        assert await out.send(request(port)) == NoAnswer(sent=False, why="connection refused")
        assert await out.send(request(port, http=proxied)) == NoAnswer(
            sent=False, why="proxy not reached"
        )
        nowhere = Request("GET", Secret(f"http://chat.invalid/{CANARY}"), "get")
        assert await out.send(nowhere) == NoAnswer(sent=False, why="name not resolved")
        assert await out.send(Request("GET", Secret("http://"), "get")) == NoAnswer(
            sent=False, why="unusable address"
        )
        missing = HttpOptions(ca_file="/no/such/file")
        assert await out.send(request(port, http=missing)) == NoAnswer(
            sent=False, why="missing certificate file"
        )


async def test_a_proxy_that_refuses_the_tunnel_leaves_nothing_in_doubt() -> None:
    refusal = b"HTTP/1.1 407 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    async with listening(bot_reply(refusal)) as proxy, transport() as out:
        got = await out.send(request(1, scheme="https", http=through(proxy)))
    assert got == NoAnswer(sent=False, why="proxy refused")


async def test_a_handshake_that_never_ends_leaves_nothing_in_doubt() -> None:
    async with listening(silent) as port, transport(connect=0.1) as out:
        assert await out.send(request(port, scheme="https")) == NoAnswer(
            sent=False, why="no connection within 0.1 s"
        )


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"", "connection closed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", "answer cut off"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "not an HTTP answer"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", "not an HTTP answer"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
            "answer cut off",
        ),
    ],
)
async def test_once_the_request_left_a_broken_answer_is_in_doubt(answer: bytes, why: str) -> None:
    async with listening(bot_reply(answer)) as port, transport() as out:
        assert await out.send(request(port)) == NoAnswer(sent=True, why=why)


async def test_once_the_request_left_silence_and_dripping_are_in_doubt() -> None:
    async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    timed_out = NoAnswer(sent=True, why="timed out after 1 s")
    async with listening(silent) as port, listening(dripping) as drip, transport(total=1.0) as out:
        assert await out.send(request(port)) == timed_out
        assert await out.send(request(drip)) == timed_out


async def test_interim_answers_without_end_are_given_up_and_a_few_are_passed_over() -> None:
    """Reading them took a third of a processor until the deadline."""
    wait = b"HTTP/1.1 100 Continue\r\n\r\n"

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        while True:
            writer.write(wait * 50)
            await writer.drain()
            await asyncio.sleep(0)

    closed = NoAnswer(sent=True, why="connection closed")
    async with listening(endless) as port, transport(total=60.0) as out:
        assert await asyncio.wait_for(out.send(request(port)), 10) == closed
    async with listening(bot_reply(wait * 3 + ok())) as port, transport() as out:
        assert await out.send(request(port)) == Response(200, {"content-length": "2"}, b"{}")


async def test_a_request_may_have_less_time() -> None:
    timed_out = NoAnswer(sent=True, why="timed out after 0.5 s")
    async with listening(silent) as port, transport(total=60.0) as out:
        assert await out.send(request(port), within=0.5) == timed_out


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("chat.example").configure_cert(context)
    return context


async def test_a_certificate_is_trusted_by_ca_and_name_or_when_told_so(
    authority: trustme.CA, server_tls: ssl.SSLContext, tmp_path: Path
) -> None:
    ca = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca))
    distrusted = NoAnswer(sent=False, why="certificate not trusted")
    async with listening(bot_reply(ok()), server_tls) as port, transport() as out:

        async def ask(options: HttpOptions) -> Response | NoAnswer:
            return await out.send(request(port, scheme="https", http=options))

        assert await ask(HttpOptions()) == distrusted
        assert await ask(HttpOptions(ca_file=str(ca))) == distrusted
        assert isinstance(
            await ask(HttpOptions(ca_file=str(ca), server_name="chat.example")), Response
        )
        assert isinstance(await ask(HttpOptions(insecure_skip_verify=True)), Response)


async def test_a_client_certificate_is_shown_when_configured(
    authority: trustme.CA, tmp_path: Path
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    ca, cert = tmp_path / "ca.pem", tmp_path / "client.pem"
    authority.cert_pem.write_to_path(str(ca))
    authority.issue_cert("relay").private_key_and_cert_chain_pem.write_to_path(str(cert))
    async with listening(bot_reply(ok()), context) as port, transport() as out:
        with_one = HttpOptions(ca_file=str(ca), cert_file=str(cert))
        assert isinstance(await out.send(request(port, scheme="https", http=with_one)), Response)
        without = await out.send(request(port, scheme="https", http=HttpOptions(ca_file=str(ca))))
    assert isinstance(without, NoAnswer)


async def test_one_pool_serves_each_set_of_options_and_keeps_its_connection() -> None:
    connections = 0

    async def twice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        for _ in range(2):
            await bot_reply(ok())(reader, writer)

    async with listening(twice) as port, transport() as out:
        await out.send(request(port))
        await out.send(request(port))
        assert connections == 1
        await out.send(request(port, http=HttpOptions(server_name="other")))
        assert connections == 2


async def test_no_answer_names_no_address() -> None:
    port = await closed_port()
    async with listening(bot_reply(b"junk\r\n\r\n")) as open_port, transport() as out:
        for target in (request(port), request(open_port), request(port, scheme="https")):
            text = repr(await out.send(target)) + repr(target)
            assert CANARY not in text
            assert "127.0.0.1" not in text


@pytest.mark.medium
async def test_hundreds_of_chats_that_hang_hold_up_no_other_chat_of_the_bot() -> None:
    """As many as the budgets let a bot call while the first of them has not timed out."""
    hanging = asyncio.Semaphore(0)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if b"/hang " in await reader.readuntil(b"\r\n\r\n"):
            hanging.release()
            await reader.read()
            await reader.read()
        await reader.readexactly(13)
        writer.write(ok())

    async with listening(talk) as port, transport(connect=60.0, total=60.0) as out:
        hung = [asyncio.ensure_future(out.send(request(port, "hang"))) for _ in range(400)]
        for _ in hung:
            await hanging.acquire()
        assert await out.send(request(port)) == Response(200, {"content-length": "2"}, b"{}")
        assert not any(each.done() for each in hung)
        for each in hung:
            each.cancel()
        await asyncio.gather(*hung, return_exceptions=True)


async def test_bots_have_their_own_connections() -> None:
    heard: list[bytes] = []
    async with listening(bot_reply(ok(), heard)) as port, transport() as out:
        for pool in ("1", "2", "1"):
            await out.send(replace(request(port), pool=pool))
        assert len(out._sessions) == 2


async def test_after_a_standstill_the_answer_that_lies_in_the_socket_counts() -> None:
    """As after SIGSTOP, or when the machine was paused: the deadline has passed, the answer came in
    time."""
    arrived, standing, answered = (threading.Event() for _ in range(3))
    listener = socket.create_server(("127.0.0.1", 0))

    def platform() -> None:
        there, _ = listener.accept()
        there.recv(65536)
        arrived.set()
        standing.wait(10)
        for piece in (ok(b"x" * 300_000)[:-200_000], b"x" * 200_000):  # more than one read
            there.sendall(piece)
        answered.set()
        there.recv(1)
        there.close()

    threading.Thread(target=platform, daemon=True).start()
    async with transport(total=0.3) as out:
        sending = asyncio.ensure_future(out.send(request(listener.getsockname()[1])))
        assert await asyncio.to_thread(arrived.wait, 10)
        standing.set()
        assert answered.wait(10)
        threading.Event().wait(0.5)  # nothing of us runs meanwhile
        got = await sending
    assert isinstance(got, Response), got
    assert got.body == b"x" * 300_000
    listener.close()


LATE = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate"
GAVE_UP = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize("is_read", [True, False])
@pytest.mark.parametrize("said", [LATE, GAVE_UP, b""], ids=["an answer", "a 408", "its end"])
async def test_what_comes_on_an_idle_connection_is_no_answer_to_the_next_request(
    said: bytes, is_read: bool
) -> None:
    """Whether the event loop has read it, or it still lies in the socket. The request goes over
    another connection, so that nothing of it is in doubt.
    """
    answered, says, idle = 0, threading.Event(), threading.Event()

    def serve() -> None:
        nonlocal answered
        for number in (1, 2):
            connection, _ = server.accept()
            with connection:
                while b"text" not in connection.recv(65536):
                    pass
                answered += 1
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % number)
                assert says.wait(10)
                if number == 1:
                    connection.sendall(said)
                if said:
                    idle.set()
                    assert done.wait(10)
            idle.set()

    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)
        serving = threading.Thread(target=serve, daemon=True)
        serving.start()
        async with transport() as made:
            port = server.getsockname()[1]
            first = await made.send(request(port))
            says.set()
            assert idle.wait(10)  # the event loop stands still meanwhile
            for _ in range(3 if is_read else 0):
                await asyncio.sleep(0)
            done.set()
            second = await made.send(request(port))
        serving.join(10)
    assert [each.body for each in (first, second) if isinstance(each, Response)] == [b"1", b"2"]
    assert answered == 2


async def test_a_dead_name_server_holds_up_only_calls_to_that_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    release, asked = threading.Event(), list[str]()
    real = socket.getaddrinfo

    def lookup(host: str, *args: object, **kwargs: object) -> object:
        asked.append(host)
        if host.endswith(".invalid"):
            release.wait(30)
            raise socket.gaierror(socket.EAI_AGAIN, "no answer")
        return real("127.0.0.1", *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    async with listening(bot_reply(ok())) as port, transport(connect=2.0, total=30.0) as out:
        dead = [
            asyncio.ensure_future(
                out.send(Request("GET", Secret(f"http://chat{number % 40}.invalid/x"), "get"))
            )
            for number in range(80)
        ]
        await asyncio.sleep(0)  # all of them ask
        good = replace(request(port), url=Secret(f"http://chat.example:{port}/x"))
        assert isinstance(await out.send(good), Response)
        assert await asyncio.to_thread(lambda: 7) == 7  # the threads of intake are free
        assert set(await asyncio.gather(*dead)) == {
            NoAnswer(sent=False, why="no connection within 2 s")
        }
        assert len(asked) == 41  # once for each name
    release.set()
