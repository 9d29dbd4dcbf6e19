"""The HTTP interface over real sockets, also with malicious clients."""

import asyncio
import base64
import contextlib
import gzip
import json
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import bcrypt
import pytest
import trustme
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from relay.core.event import Answered, Event, Noted, RequestRefused
from relay.core.intake_result import Committed, IntakeResult, InvalidPayload, RetryLater
from relay.inbound.auth import Auth
from relay.inbound.connections import ConnectionLimits, Listener
from relay.inbound.peers import Peers
from relay.inbound.server import Handlers, RequestLimits, Server
from relay.operate import log

CANARY = "canaryCanary"
QUICK = RequestLimits(max_body=1000, all_bodies=2000, body_seconds=0.15, answer_seconds=0.15)
Headers = dict[str, str]
EMPTY: Headers = {}
CHUNKED = {"Transfer-Encoding": "chunked"}
SLOW = RequestLimits(max_body=1000, all_bodies=9000, body_seconds=2.0, answer_seconds=2.0)
ROOMY = ConnectionLimits(
    connections=64, first_seconds=5, idle_seconds=5, linger_seconds=0.05, drain_seconds=1
)


class Relay:
    """A server on a loopback port, and what it did."""

    def __init__(
        self,
        limits: RequestLimits = QUICK,
        room: ConnectionLimits = ROOMY,
        auth: Auth | None = None,
        prefix: str = "",
        external_host: str = "",
        *,
        on_loopback: bool = False,
    ) -> None:
        self.taken: list[tuple[str, bytes]] = []
        self.events: list[Event] = []
        self.answer: IntakeResult | Exception = Committed()
        self.gate = asyncio.Event()
        self.gate.set()
        self.arrived = asyncio.Semaphore(0)
        self.why_not_ready = ""
        self.faults: tuple[str, ...] = ()
        self.updates: list[tuple[str, bytes]] = []
        handlers = Handlers(
            self._accept, lambda: self.why_not_ready, self._reload, self._metrics,
            self.events.append, auth,
            lambda account, secret: (account, secret) == ("111", CANARY), self._update,
        )  # fmt: skip
        server = Server(handlers, limits, prefix, external_host, on_loopback=on_loopback)
        self.listener = Listener(server.handle, room)

    async def _accept(self, source: str, body: bytes) -> IntakeResult:
        self.arrived.release()
        await self.gate.wait()
        self.taken.append((source, body))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def _reload(self) -> tuple[str, ...]:
        return self.faults

    async def _update(self, account: str, body: bytes) -> int:
        self.updates.append((account, body))
        return 200

    async def _metrics(self) -> bytes:
        return b"up 1\n"

    async def open(self, tls: ssl.SSLContext | None = None) -> None:
        self.address = await self.listener.open("127.0.0.1", 0, tls)
        self.port = int(self.address.rpartition(":")[2])

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def send(self, *parts: bytes) -> "Got":
        """Sends all of the parts at once and reads until the relay closes."""
        reader, writer = await self.connect()
        writer.write(b"".join(parts))
        with contextlib.suppress(ConnectionError):
            return Got(await asyncio.wait_for(reader.read(), 30), writer)
        return Got(b"", writer)

    async def post(
        self, path: str = "/alerts", body: bytes = b"{}", headers: Headers = EMPTY
    ) -> "Got":
        return await self.send(
            head("POST", path, {"Content-Length": str(len(body))} | headers), body
        )

    async def get(self, path: str, method: str = "GET", headers: Headers = EMPTY) -> "Got":
        return await self.send(head(method, path, headers))

    def codes(self) -> list[int]:
        return [event.code for event in self.events if isinstance(event, Answered)]


class Got:
    """One HTTP answer, taken apart; status 0: the connection was closed without one."""

    def __init__(self, raw: bytes, writer: asyncio.StreamWriter) -> None:
        writer.close()
        self.raw = raw
        top, _, self.body = raw.partition(b"\r\n\r\n")
        self.status = int(top.split()[1]) if top else 0
        lines = (line.partition(":") for line in top.decode().split("\r\n")[1:])
        self.headers = {name.lower(): value.strip() for name, _, value in lines}


def head(method: str, path: str, headers: Headers = EMPTY) -> bytes:
    given = {"Host": "relay", "Content-Type": "application/json", "Connection": "close"} | headers
    lines = [f"{name}: {value}" for name, value in given.items() if value]
    return "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]).encode()


@contextlib.asynccontextmanager
async def serving(relay: Relay, tls: ssl.SSLContext | None = None) -> AsyncIterator[Relay]:
    await relay.open(tls)
    try:
        yield relay
    finally:
        relay.gate.set()
        await relay.listener.close()


@pytest.fixture
async def relay() -> AsyncIterator[Relay]:
    async with serving(Relay()) as served:
        yield served


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("/alerts", ""),
        ("/alerts/", ""),
        ("/alerts/eu-1.a_b", "eu-1.a_b"),
        ("/alerts/eu/", "eu"),
        ("/alerts/%65u?x=y", "eu"),
        ("/alerts/" + "x" * 64, "x" * 64),
    ],
)
async def test_a_payload_is_taken_with_the_source_of_its_path(
    relay: Relay, path: str, source: str
) -> None:
    got = await relay.post(path, b'{"a": 1}')
    assert (got.status, json.loads(got.body)) == (200, {"status": "accepted"})
    assert relay.taken == [(source, b'{"a": 1}')]
    assert relay.codes() == [200]


async def test_the_path_of_the_external_address_may_stand_before_each_path() -> None:
    async with serving(Relay(prefix="/relay")) as relay:
        for path in ("/relay/alerts/eu", "/alerts/eu"):
            assert (await relay.post(path, b"{}")).status == 200
        assert [source for source, _ in relay.taken] == ["eu", "eu"]
        assert (await relay.get("/relay/-/ready")).status == 200
        assert (await relay.get("/relay/relay/-/ready")).status == 404
        assert (await relay.get("/relayed/-/ready")).status == 404
        assert relay.codes() == [200, 200]


async def test_a_payload_in_chunks_is_taken_whole(relay: Relay) -> None:
    top = head("POST", "/alerts", CHUNKED)
    assert (await relay.send(top, b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n")).status == 200
    assert relay.taken == [("", b"{}")]


async def test_any_json_type_will_do(relay: Relay) -> None:
    for kind in ("application/json; charset=utf-8", "application/vnd.x+json", "Application/JSON"):
        assert (await relay.post(headers={"Content-Type": kind})).status == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", f"/alerts/{CANARY}%20", 404),
        ("POST", f"/alerts/{CANARY}%2Fb", 404),
        ("POST", f"/alerts/{CANARY}/b", 404),
        ("POST", "/alerts//", 404),
        ("POST", f"/alerts/{CANARY}{'x' * 64}", 404),
        ("POST", f"/alerts/%ff{CANARY}", 404),
        ("POST", f"/{CANARY}", 404),
        ("POST", "//alerts", 404),
        ("OPTIONS", "*", 404),
        ("GET", "/", 404),
        ("GET", f"/alerts?{CANARY}", 405),
        ("PUT", "/alerts/eu", 405),
        ("HEAD", "/alerts", 405),
        ("POST", "/metrics", 405),
        ("POST", "/-/healthy", 405),
        ("DELETE", "/-/ready", 405),
        ("GET", "/-/reload", 405),
    ],
)
async def test_another_path_or_method_is_refused(
    relay: Relay, method: str, path: str, status: int
) -> None:
    got = await relay.get(path, method)
    assert got.status == status
    assert CANARY.encode() not in got.raw
    assert (got.headers.get("allow") is not None) == (status == 405)
    assert relay.taken == []


@pytest.mark.parametrize(
    ("method", "path", "headers", "code", "why"),
    [
        ("POST", "/alerts/eu", EMPTY, 400, "alerts: expected a list"),
        (
            "POST",
            "/alerts/a/b",
            EMPTY,
            404,
            "unknown path: Alertmanager's webhook posts to /alerts",
        ),
        ("GET", "/alerts", EMPTY, 405, "method not allowed: use POST"),
        (
            "POST",
            "/alerts/",
            {"Content-Type": "text/plain"},
            415,
            "the content type must be application/json",
        ),
    ],
)
async def test_a_refusal_is_told_with_its_reason_and_whence_it_came(
    relay: Relay, method: str, path: str, headers: Headers, code: int, why: str
) -> None:
    relay.answer = InvalidPayload("alerts: expected a list")
    got = await relay.send(head(method, path, {"Content-Length": "2"} | headers), b"{}")
    assert json.loads(got.body) == {"error": why}
    assert [replace(event, seconds=0) for event in relay.events if isinstance(event, Answered)] == [
        Answered(code, 0, why, method, path, "127.0.0.1", size=2)
    ]


@pytest.mark.parametrize("path", ["/alerts/eu%20west", f"/alerts/{'x' * 65}/"])
async def test_a_name_that_no_source_can_have_is_refused_with_those_that_it_can(
    relay: Relay, path: str
) -> None:
    got = await relay.send(head("POST", path, {"Content-Length": "2"} | EMPTY), b"{}")
    assert got.status == 404
    assert b"the source in /alerts/SOURCE has at most 64 letters" in got.body
    assert len(got.body) <= 200


@pytest.mark.parametrize(
    ("method", "path", "level"),
    [("GET", "/", "debug"), ("GET", "/favicon.ico", "debug"), ("POST", "/alert", "info")],
)
async def test_what_is_not_meant_for_alerts_is_noted_but_does_not_count(
    relay: Relay, method: str, path: str, level: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert (await relay.get(path, method)).status == 404
    [event] = relay.events
    assert isinstance(event, RequestRefused)
    assert (event.code, event.method, event.path, event.peer, event.stranger) == (
        404,
        method,
        path,
        "127.0.0.1",
        False,
    )
    assert ("/alerts" in event.why) == (method == "POST")
    with caplog.at_level("DEBUG", "relay"):
        log.on_event(event)
    assert [record.levelname.lower() for record in caplog.records] == [level]


@pytest.mark.parametrize(
    "path", ["/api/v2/alerts", "/api/v1/alerts", "/alerts/api/v2/alerts", "/prefix/api/v2/alerts/"]
)
async def test_what_prometheus_posts_to_alertmanager_is_recognised_by_its_path(
    relay: Relay, path: str
) -> None:
    got = await relay.post(path, b'[{"labels": {"alertname": "Up"}}]')
    assert got.status == 404
    assert "point Prometheus at Alertmanager" in json.loads(got.body)["error"]
    assert len(got.body) <= 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:9087", 200),
        ("LOCALHOST", 200),
        ("127.0.0.1", 200),
        ("127.1.2.3:80", 200),
        ("[::1]:9087", 200),
        ("relay.example.org", 200),
        ("Relay.Example.org:443", 200),
        ("", 200),
        ("evil.example.org", 403),
        ("localhost.example.org", 403),
        ("127.0.0.1.example.org", 403),
        ("192.168.1.1", 403),
        ("::1", 403),
    ],
)
async def test_on_loopback_without_authentication_only_own_names_are_answered(
    host: str, status: int
) -> None:
    relay = Relay(external_host="relay.example.org", on_loopback=True)
    async with serving(relay):
        for path in ("/alerts", "/-/reload"):
            body = b"{}" if host else b""
            line = f"POST {path} HTTP/{'1.1' if host else '1.0'}\r\n"
            headers = f"Host: {host}\r\n" if host else ""
            kind = "Content-Type: application/json\r\nConnection: close\r\n"
            length = f"Content-Length: {len(body)}\r\n\r\n"
            got = await relay.send((line + headers + kind + length).encode(), body)
            assert got.status == status, got.raw
    assert (relay.taken == []) == (status == 403)


async def test_with_authentication_or_beyond_loopback_any_host_is_answered(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(CANARY)
    (tmp_path / "web.yml").write_text("bearer_token_files: [token]")
    auth = Auth(tmp_path / "web.yml", lambda _: None)
    for relay in (Relay(auth=auth, on_loopback=True), Relay()):
        async with serving(relay):
            assert (await relay.post(headers={"Host": "x.example.org"} | RIGHT)).status == 200
    auth.close()


async def test_a_refused_reload_is_told(tmp_path: Path) -> None:
    async with guarded(tmp_path) as relay:
        assert (await relay.post("/-/reload")).status == 401
        [event] = relay.events
        assert isinstance(event, Noted)
        assert (event.level, event.message) == ("warning", "reload refused")
        assert dict(event.values)["from"] == "127.0.0.1"


@pytest.mark.parametrize(
    ("peer", "stranger"),
    [
        ("127.0.0.1", False),
        ("::1", False),
        ("10.1.2.3", False),
        ("100.64.0.1", False),
        ("fd00::1", False),
        ("fe80::1%eth0", False),
        ("::ffff:192.168.0.1", False),
        ("", False),
        ("8.8.8.8", True),
        ("2606:4700::1", True),
        ("::ffff:8.8.8.8", True),
    ],
)
def test_a_stranger_is_a_public_address_that_posted_nothing_good(peer: str, stranger: bool) -> None:
    peers = Peers()
    assert peers.is_stranger(peer) == stranger
    peers.accepted(peer)
    assert not peers.is_stranger(peer)
    for number in range(2000):
        peers.accepted(f"9.9.{number // 256}.{number % 256}")
    assert peers.is_stranger(peer) == stranger  # what is kept is bounded


async def test_a_path_is_never_redirected(relay: Relay) -> None:
    assert {
        (await relay.post(path)).status
        for path in ("/alerts", "/alerts/", "/alerts/x", "/alerts/x/")
    } == {200}


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", CANARY, "identity, gzip"])
async def test_an_encoded_body_is_refused_and_never_inflated(relay: Relay, coding: str) -> None:
    got = await relay.post(body=gzip.compress(b" " * 900_000), headers={"Content-Encoding": coding})
    assert got.status == 415
    assert CANARY.encode() not in got.raw
    assert relay.taken == []


async def test_identity_is_no_encoding(relay: Relay) -> None:
    assert (await relay.post(headers={"Content-Encoding": "identity"})).status == 200


@pytest.mark.parametrize(
    "kind", ["text/plain", "", "application/x-www-form-urlencoded", f"{CANARY}/x", "json"]
)
async def test_a_type_that_is_not_json_is_refused(relay: Relay, kind: str) -> None:
    got = await relay.post(headers={"Content-Type": kind})
    assert got.status == 415
    assert CANARY.encode() not in got.raw


async def test_a_body_over_the_limit_is_refused_before_it_is_read(relay: Relay) -> None:
    got = await relay.send(head("POST", "/alerts", {"Content-Length": "1001"}))
    assert (got.status, got.headers["connection"]) == (413, "close")


async def test_chunks_over_the_limit_are_refused_when_they_pass_it(relay: Relay) -> None:
    chunk = b"1f4\r\n" + b"x" * 500 + b"\r\n"
    got = await relay.send(head("POST", "/alerts", CHUNKED), chunk * 3)
    assert got.status == 413
    fits = await relay.send(head("POST", "/alerts", CHUNKED), chunk * 2, b"0\r\n\r\n")
    assert fits.status == 200


@pytest.mark.parametrize("sent", [b"", b"{", b'{"alerts": ['])
async def test_a_body_that_does_not_end_gets_503_and_a_closed_connection(
    relay: Relay, sent: bytes
) -> None:
    got = await relay.send(
        head("POST", "/alerts", {"Content-Length": "500", "Connection": "keep-alive"}), sent
    )
    assert (got.status, got.headers["retry-after"], got.headers["connection"]) == (
        503,
        "1",
        "close",
    )
    assert relay.taken == []


async def test_a_sender_that_hangs_up_within_its_body_leaves_nothing(relay: Relay) -> None:
    _, writer = await relay.connect()
    writer.write(head("POST", "/alerts", {"Content-Length": "500"}) + b"{")
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert (await relay.post()).status == 200
    assert relay.taken == [("", b"{}")]
    assert relay.codes() == [200]


async def test_a_bad_chunk_is_a_bad_request(relay: Relay) -> None:
    got = await relay.send(head("POST", "/alerts", CHUNKED), f"zz{CANARY}\r\n".encode())
    assert got.status == 400
    assert CANARY.encode() not in got.raw


async def test_a_slow_commit_gets_503_in_time_and_goes_on(relay: Relay) -> None:
    relay.gate.clear()
    got = await relay.post()
    assert (got.status, got.headers["retry-after"]) == (503, "1")
    assert relay.taken == []
    relay.gate.set()
    assert (await relay.post()).status == 200
    assert len(relay.taken) == 2


@pytest.mark.parametrize(
    ("answer", "status", "retry_after", "text"),
    [
        (
            InvalidPayload("alerts[3].labels: expected an object"),
            400,
            None,
            "alerts[3].labels: expected an object",
        ),
        (RetryLater("storage failed", 5), 503, "5", "storage failed"),
        (RetryLater("overloaded", 0.2), 503, "1", "overloaded"),
        (RuntimeError(CANARY), 503, "1", "internal error"),
        (TimeoutError(CANARY), 503, "1", "internal error"),
    ],
)
async def test_what_became_of_the_payload_is_told_in_http(
    relay: Relay, answer: IntakeResult | Exception, status: int, retry_after: str | None, text: str
) -> None:
    relay.answer = answer
    got = await relay.post()
    assert (got.status, got.headers.get("retry-after"), json.loads(got.body)) == (
        status,
        retry_after,
        {"error": text},
    )
    assert relay.codes() == [status]


@pytest.mark.parametrize("text", ["x" * 5000, "\x00" * 100, "é" * 150, "\ud800" * 50, '"' * 300])
async def test_an_answer_is_json_of_at_most_200_bytes(relay: Relay, text: str) -> None:
    relay.answer = InvalidPayload(text)
    got = await relay.post()
    assert text.startswith(json.loads(got.body)["error"])
    assert 150 < len(got.body) <= 200
    assert got.headers["content-type"].startswith("application/json")


async def test_all_bodies_together_have_a_limit_and_their_room_comes_back() -> None:
    async with serving(Relay(RequestLimits(1000, 1500, 2.0, 2.0))) as relay:
        relay.gate.clear()
        first = asyncio.ensure_future(relay.post(body=b"x" * 1000))
        await relay.arrived.acquire()
        refused = await relay.post(body=b"x" * 501)
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        relay.gate.set()
        assert (await first).status == 200
        assert (await relay.post(body=b"x" * 1000)).status == 200
        endless = head("POST", "/alerts", CHUNKED) + b"3e8\r\n" + b"x" * 1000 + b"\r\n1\r\nx\r\n"
        assert [(await relay.send(endless)).status for _ in range(3)] == [413] * 3
        assert [(await relay.post(body=b"x" * 1000)).status for _ in range(3)] == [200] * 3


async def test_probes_answer_as_prometheus_programs_do(relay: Relay) -> None:
    assert (await relay.get("/-/healthy")).body == b"OK\n"
    assert (await relay.get("/-/ready")).body == b"OK\n"
    assert (await relay.get("/-/ready", "HEAD")).raw.endswith(b"\r\n\r\n")
    relay.why_not_ready = "shutting down"
    got = await relay.get("/-/ready")
    assert (got.status, got.body) == (503, b"shutting down\n")
    assert (await relay.get("/-/healthy", "HEAD")).status == 200
    assert relay.events == []


async def test_a_reload_tells_the_faults_of_the_new_file(relay: Relay) -> None:
    assert (await relay.post("/-/reload", b"", {"Content-Type": ""})).status == 200
    relay.faults = ("relay.yml:1:1: unknown key", "relay.yml:2:1: x")
    got = await relay.post("/-/reload", b"")
    assert got.status == 500
    assert got.body == b"failed to reload config: relay.yml:1:1: unknown key\nrelay.yml:2:1: x\n"


async def test_metrics_come_in_prometheus_text_format(relay: Relay) -> None:
    got = await relay.get("/metrics")
    assert (got.status, got.body, got.headers["server"]) == (200, b"up 1\n", "alert-relay")
    assert got.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"


WRONG = {
    "": {},
    "wrong": {"Authorization": f"Bearer {CANARY}x"},
    "basic": {"Authorization": f"Basic {CANARY}"},
}
RIGHT = {"Authorization": f"Bearer {CANARY}"}


@contextlib.asynccontextmanager
async def guarded(folder: Path, text: str = "") -> AsyncIterator[Relay]:
    (folder / "token").write_text(CANARY)
    (folder / "web.yml").write_text(f"bearer_token_files: [token]\n{text}")
    auth = Auth(folder / "web.yml", lambda _: None)
    async with serving(Relay(auth=auth)) as relay:
        yield relay
    auth.close()


async def test_a_long_word_in_the_path_of_a_stranger_is_not_told_for_it_may_be_a_token(
    tmp_path: Path,
) -> None:
    token = CANARY * 2
    async with guarded(tmp_path) as relay:
        assert (await relay.post("/alerts/eu")).status == 401
        assert (await relay.post(f"/alerts/{token}")).status == 401
        assert (await relay.post(f"/alerts/{token}/x")).status == 404
        assert (await relay.get(f"/alerts/{token}")).status == 405
        assert [event.path for event in relay.events if isinstance(event, Answered)] == [
            "/alerts/eu", "/alerts/...", "/alerts/.../x", "/alerts/...",
        ]  # fmt: skip
        assert (await relay.get(f"/{token}")).status == 404
        assert token not in str(relay.events)


@pytest.mark.parametrize("how", WRONG)
async def test_alerts_and_reload_are_guarded_and_probes_are_not(tmp_path: Path, how: str) -> None:
    async with guarded(tmp_path) as relay:
        for path in ("/alerts", "/alerts/eu/", "/-/reload"):
            got = await relay.post(path, headers=WRONG[how])
            assert (got.status, got.headers["www-authenticate"]) == (401, "Bearer")
            assert CANARY.encode() not in got.raw
            assert (await relay.post(path, headers=RIGHT)).status == 200
        for path in ("/-/healthy", "/-/ready", "/metrics"):
            assert (await relay.get(path, headers=WRONG[how])).status == 200


async def test_protect_all_guards_the_probes_too(tmp_path: Path) -> None:
    async with guarded(tmp_path, "protect_all: true") as relay:
        for path in ("/-/healthy", "/-/ready", "/metrics"):
            assert (await relay.get(path)).status == 401
            assert (await relay.get(path, headers=RIGHT)).status == 200


async def test_without_authentication_no_byte_of_the_body_is_asked_for(tmp_path: Path) -> None:
    async with guarded(tmp_path) as relay:
        asking = head(
            "POST",
            "/alerts",
            {"Content-Length": "900", "Expect": "100-continue", "Connection": "keep-alive"},
        )
        reader, writer = await relay.connect()
        writer.write(asking)
        assert (await reader.readline()).startswith(b"HTTP/1.1 401 ")
        writer.close()


@pytest.mark.parametrize("path", ["/telegram/111", "/telegram/222/"])
@pytest.mark.parametrize("secret", ["", f"{CANARY}x"])
async def test_without_a_bots_secret_no_byte_of_an_update_is_asked_for(
    relay: Relay, path: str, secret: str
) -> None:
    reader, writer = await relay.connect()
    asking = {
        "Content-Length": "900",
        "Expect": "100-continue",
        "X-Telegram-Bot-Api-Secret-Token": secret,
    }
    writer.write(head("POST", path, asking))
    assert (await reader.readline()).startswith(b"HTTP/1.1 401 ")
    writer.close()
    right = {"X-Telegram-Bot-Api-Secret-Token": CANARY}
    assert (await relay.post("/telegram/111", headers=right)).status == 200
    assert relay.updates == [("111", b"{}")]


async def test_a_sender_that_asks_first_is_told_to_go_on(relay: Relay) -> None:
    reader, writer = await relay.connect()
    writer.write(head("POST", "/alerts", {"Content-Length": "2", "Expect": "100-continue"}))
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"{}")
    assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
    writer.close()
    assert (await relay.post(headers={"Expect": CANARY})).status == 200


async def test_a_crowd_of_guesses_gets_503_not_401(tmp_path: Path) -> None:
    hashed = bcrypt.hashpw(b"x", bcrypt.gensalt(6)).decode()
    (tmp_path / "web.yml").write_text(f"basic_auth_users: {{am: {hashed}}}")
    auth = Auth(tmp_path / "web.yml", lambda _: None)
    async with serving(Relay(auth=auth)) as relay:

        def guess(number: int) -> dict[str, str]:
            return {"Authorization": "Basic " + base64.b64encode(f"am:{number}".encode()).decode()}

        codes = [
            got.status
            for got in await asyncio.gather(
                *(relay.post(headers=guess(number)) for number in range(50))
            )
        ]
    auth.close()
    assert set(codes) == {401, 503}


SMUGGLED = [
    (
        b"POST /alerts HTTP/1.1\r\nHost: r\r\nContent-Length: 4\r\nTransfer-Encoding: "
        b"chunked\r\n\r\n0\r\n\r\n"
    ),
    b"POST /alerts HTTP/1.1\r\nHost: r\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
    b"POST /alerts HTTP/1.1\r\nHost: r\r\nContent-Length: +2\r\n\r\n{}",
    b"POST /alerts HTTP/1.1\r\nHost: r\r\nContent-Length : 2\r\n\r\n{}",
    b"POST /alerts HTTP/1.1\r\nHost: r\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    head("POST", "/alerts", {"Transfer-Encoding": "gzip, chunked"}) + b"0\r\n\r\n",
    (
        b"POST /alerts HTTP/1.1\r\nHost: r\r\nX: canaryCanary\r\n folded\r\nContent-Length: "
        b"2\r\n\r\n{}"
    ),
    b"POST /alerts HTTP/1.1\r\nX: canaryCanary\x00\r\nHost: r\r\n\r\n",
    b"POST /alerts HTTP/1.1\r\nHost: r\r\nX: canaryCanary" + b"x" * 20_000 + b"\r\n\r\n",
    b"POST /canaryCanary" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: r\r\n\r\n",
    b"POST /alerts HTTP/1.1\r\nHost: r\r\n" + b"X: canaryCanary\r\n" * 1000 + b"\r\n",
    b"canaryCanary\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01canaryCanary",
]


@pytest.mark.parametrize("raw", SMUGGLED, ids=range(len(SMUGGLED)))
async def test_bad_http_gets_one_json_400_that_repeats_nothing(relay: Relay, raw: bytes) -> None:
    got = await relay.send(raw)
    assert got.status in (400, 415)
    assert len(got.body) <= 200
    assert "error" in json.loads(got.body)
    assert CANARY.encode() not in got.raw
    assert got.raw.count(b"HTTP/1.") == 1
    assert got.headers["server"] == "alert-relay"
    assert relay.taken == []


@pytest.mark.medium
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    raw=st.binary(max_size=300),
    method=st.sampled_from([b"", b"POST /alerts HTTP/1.1\r\n", b"GET "]),
)
async def test_no_bytes_at_all_stop_it_from_serving(
    relay: Relay, method: bytes, raw: bytes
) -> None:
    reader, writer = await relay.connect()
    writer.write(method + raw)
    writer.write_eof()
    writer.close()
    assert (await relay.post()).status == 200
    assert reader is not None


@pytest.mark.medium
async def test_beside_thousands_of_idle_connections_a_good_request_is_answered_at_once() -> None:
    async with serving(Relay(room=ConnectionLimits(16, 60, 60, 0.05, 1))) as relay:
        idle = [await relay.connect() for _ in range(300)]
        assert (await asyncio.wait_for(relay.post(), 30)).status == 200
        assert len(relay.listener._connections._idle) <= 16
        assert await asyncio.wait_for(idle[0][0].read(), 30) == b""
        for _, writer in idle:
            writer.close()


async def test_a_connection_at_work_is_not_closed_for_a_new_one() -> None:
    async with serving(Relay(SLOW, ConnectionLimits(3, 5, 5, 0.05, 1))) as relay:
        relay.gate.clear()
        working = [asyncio.ensure_future(relay.post()) for _ in range(3)]
        for _ in range(3):
            await relay.arrived.acquire()
        assert (await relay.post()).status == 0
        relay.gate.set()
        assert [(await each).status for each in working] == [200] * 3
        assert (await relay.post()).status == 200


@pytest.mark.parametrize("sent", [b"", b"POST /alerts HTTP/1.1\r\nHost: r\r\nX: "])
async def test_a_connection_that_brings_no_request_is_closed(sent: bytes) -> None:
    async with serving(Relay(room=ConnectionLimits(16, 0.1, 60, 0.05, 1))) as relay:
        reader, writer = await relay.connect()
        writer.write(sent)
        assert await asyncio.wait_for(reader.read(), 30) == b""
        writer.close()


async def test_a_connection_that_brought_one_may_idle_and_bring_another() -> None:
    async with serving(Relay(room=ConnectionLimits(16, 0.05, 60, 0.05, 1))) as relay:
        reader, writer = await relay.connect()
        for _ in range(2):
            writer.write(
                head("POST", "/alerts", {"Content-Length": "2", "Connection": "keep-alive"}) + b"{}"
            )
            assert b'"accepted"' in await reader.readuntil(b"}")
            await asyncio.sleep(0.1)
        writer.close()


async def test_an_idle_connection_is_closed_in_the_end() -> None:
    async with serving(Relay(room=ConnectionLimits(16, 60, 0.1, 0.05, 1))) as relay:
        reader, writer = await relay.connect()
        writer.write(
            head("POST", "/alerts", {"Content-Length": "2", "Connection": "keep-alive"}) + b"{}"
        )
        assert b'"accepted"' in await asyncio.wait_for(reader.read(), 30)
        writer.close()


async def test_at_the_end_what_was_begun_is_answered_and_nothing_new_begins() -> None:
    relay = Relay(SLOW, ConnectionLimits(16, 60, 60, 0.05, 60))
    await relay.open()
    relay.gate.clear()
    working = asyncio.ensure_future(relay.post())
    _, idle = await relay.connect()
    await relay.arrived.acquire()
    closing = asyncio.ensure_future(relay.listener.close())
    await asyncio.sleep(0.05)
    with pytest.raises(ConnectionRefusedError):
        await relay.connect()
    relay.gate.set()
    assert (await working).status == 200
    await asyncio.wait_for(closing, 30)
    idle.close()


async def test_a_body_that_is_still_coming_at_the_end_is_read_and_answered() -> None:
    relay = Relay(SLOW, ConnectionLimits(16, 60, 60, 0.05, 60))
    await relay.open()
    reader, writer = await relay.connect()
    writer.write(
        head("POST", "/alerts", {"Content-Length": "2", "Expect": "100-continue", "Connection": ""})
    )
    await reader.readuntil(b"100 Continue\r\n\r\n")
    closing = asyncio.ensure_future(relay.listener.close())
    await asyncio.sleep(0)
    writer.write(b"{}")
    got = Got(await reader.read(), writer)
    assert (got.status, got.headers["connection"]) == (200, "close")
    await asyncio.wait_for(closing, 30)


@pytest.mark.medium
async def test_a_request_that_will_not_end_does_not_hold_up_the_end() -> None:
    relay = Relay(RequestLimits(1000, 9000, 90.0, 90.0), ConnectionLimits(16, 60, 60, 0.05, 0.1))
    await relay.open()
    relay.gate.clear()
    working = asyncio.ensure_future(relay.post())
    await relay.arrived.acquire()
    await asyncio.wait_for(relay.listener.close(), 30)
    relay.gate.set()
    assert (await working).status in (0, 503)


@pytest.fixture(scope="module")
def certified() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The TLS of a server on loopback, and of a client that trusts it."""
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(client)
    return server, client


async def post_by_tls(relay: Relay, client: ssl.SSLContext) -> bytes:
    """The first line of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port, ssl=client)
    writer.write(head("POST", "/alerts", {"Content-Length": "2"}) + b"{}")
    events = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    return events.partition(b"\r\n")[0]


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01\x02"])
async def test_beside_hundreds_of_unfinished_handshakes_a_good_request_is_answered_at_once(
    certified: tuple[ssl.SSLContext, ssl.SSLContext], sent: bytes
) -> None:
    server, client = certified
    async with serving(Relay(room=ConnectionLimits(16, 60, 60, 0.05, 1)), server) as relay:
        silent = [await relay.connect() for _ in range(300)]
        for _, writer in silent:
            writer.write(sent)
        assert await post_by_tls(relay, client) == b"HTTP/1.1 200 OK"
        closed = await asyncio.wait_for(
            asyncio.gather(*(ended(reader) for reader, _ in silent[:285])), 30
        )
        assert len(closed) == 285
        assert not any(reader.at_eof() for reader, _ in silent[285:])
    await asyncio.wait_for(asyncio.gather(*(ended(reader) for reader, _ in silent)), 30)
    for _, writer in silent:
        writer.close()


async def ended(reader: asyncio.StreamReader) -> None:
    """Returns when the relay has closed the connection."""
    with contextlib.suppress(ConnectionError):
        await reader.read()


async def test_a_handshake_that_fails_leaves_its_room(
    certified: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    server, client = certified
    async with serving(Relay(room=ConnectionLimits(16, 5, 5, 0.05, 1)), server) as relay:
        assert {(await relay.get("/-/healthy")).status for _ in range(20)} == {0}
        assert relay.listener._connections._idle == {}
        assert await post_by_tls(relay, client) == b"HTTP/1.1 200 OK"


async def test_who_makes_room_is_put_out_at_once_also_where_tls_would_take_leave(
    certified: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    def shakes_hands() -> socket.socket:
        with client.wrap_socket(
            socket.create_connection(("127.0.0.1", relay.port)), server_hostname="127.0.0.1"
        ) as tls:
            return socket.socket(fileno=os.dup(tls.fileno()))

    def is_closed(there: socket.socket) -> bool:
        there.settimeout(2)
        with there:
            while there.recv(9000):  # what the relay says, and which is never answered
                pass
        return True

    server, client = certified
    async with serving(Relay(room=ConnectionLimits(1, 5, 5, 0.05, 1)), server) as relay:
        there = await asyncio.to_thread(shakes_hands)
        assert await post_by_tls(relay, client) == b"HTTP/1.1 200 OK"
        assert await asyncio.to_thread(is_closed, there)


async def test_the_address_says_host_and_port(relay: Relay) -> None:
    assert relay.address == f"127.0.0.1:{relay.port}"


@pytest.mark.medium
def test_a_parser_in_pure_python_is_refused() -> None:
    program = (
        "import asyncio; from relay.inbound.connections import *\n"
        "async def main():\n    await Listener(None, ConnectionLimits()).open('127.0.0.1', 0, "
        "None)\nasyncio.run(main())"
    )
    environment = os.environ | {"AIOHTTP_NO_EXTENSIONS": "1"}
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert "no C parser" in ended.stderr
