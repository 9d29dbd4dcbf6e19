"""Authentication: who is admitted, at what cost, and that a changed file applies at once."""

import asyncio
import base64
import hashlib
import hmac
import os
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest
import trustme

from relay.core.event import Event, Noted
from relay.inbound import auth as door_module
from relay.inbound.auth import Auth

PASSWORD = "canary-pass:wörd"
HASH = bcrypt.hashpw(PASSWORD.encode(), b"$2b$04$abcdefghijklmnopqrstuu").decode()
OTHER = bcrypt.hashpw(b"other", b"$2b$04$abcdefghijklmnopqrstuu").decode()


class House:
    """A folder with a web configuration file, its authentication, and the events of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.events: list[Event] = []

    def write(self, name: str, text: str) -> None:
        self.folder.joinpath(name).write_text(text)
        # Two writes within one tick of the file system's clock would look alike.
        moment = len(list(self.folder.iterdir())) + len(self.events) + len(text)
        os.utime(self.folder / name, (moment, moment))

    def auth(self, text: str) -> Auth:
        self.write("web.yml", text)
        self.opened = Auth(self.folder / "web.yml", self.events.append)
        return self.opened


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.opened.close()


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The passwords that bcrypt was paid for."""
    paid: list[bytes] = []
    check = bcrypt.checkpw

    def counting(password: bytes, stored: bytes) -> bool:
        paid.append(password)
        return check(password, stored)

    monkeypatch.setattr(bcrypt, "checkpw", counting)
    return paid


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


USERS = f"basic_auth_users: {{am: {HASH}, other: {OTHER}}}"


async def test_a_file_that_names_nobody_lets_everybody_in(house: House) -> None:
    assert await house.auth("").admits("") == "in"


async def test_each_of_several_tokens_lets_in(house: House) -> None:
    house.write("one", "first\n")
    house.write("two", "second")
    auth = house.auth("bearer_token_files: [one, two]")
    check_results = [
        await auth.admits(f"{scheme} {token}")
        for scheme in ("Bearer", "bearer")
        for token in ("first", "second")
    ]
    assert check_results == ["in"] * 4
    assert auth.challenge == "Bearer"


async def test_every_token_is_compared_in_constant_time_whichever_is_shown(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.write("one", "first")
    house.write("two", "second")
    auth = house.auth("bearer_token_files: [one, two]")
    compared: list[bytes] = []
    compare = hmac.compare_digest

    def watched(shown: bytes, token: bytes) -> bool:
        compared.append(token)
        return compare(shown, token)

    monkeypatch.setattr(hmac, "compare_digest", watched)
    for token in ("first", "second", "neither"):
        await auth.admits(f"Bearer {token}")
    assert compared == [hashlib.sha256(token).digest() for token in (b"first", b"second")] * 3


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Bearer firs", "Bearer first2", "Bearer first second", "first",
     "Token first",
     "Bearer \udcff", basic("am", "first")],
)  # fmt: skip
async def test_nothing_else_passes_for_a_token(house: House, header: str) -> None:
    house.write("one", "first")
    assert await house.auth("bearer_token_files: [one]").admits(header) == "out"


async def test_a_user_with_the_password_is_let_in(house: House) -> None:
    auth = house.auth(USERS)
    assert await auth.admits(basic("am", PASSWORD)) == "in"
    assert await auth.admits(basic("other", "other")) == "in"
    assert auth.challenge == 'Basic realm="alert-relay"'


@pytest.mark.parametrize(
    "header",
    [
        "",
        basic("am", "wrong"),
        basic("am", ""),
        basic("other", PASSWORD),
        basic("nobody", PASSWORD),
        basic("nobody", "other"),
        basic("am", "\0"),
        basic("am", "x" * 500),
        "Basic am",
        "Basic !!!",
        "Basic /////w==",
        f"Bearer {HASH}",
    ],
)
async def test_nobody_else_is_let_in(house: House, header: str) -> None:
    assert await house.auth(USERS).admits(header) == "out"


async def test_bcrypt_is_paid_once_for_each_pair_even_at_the_same_time(
    house: House, hashed: list[bytes]
) -> None:
    auth = house.auth(USERS)
    check_results = await asyncio.gather(*(auth.admits(basic("am", PASSWORD)) for _ in range(50)))
    check_results += [
        await auth.admits(basic("am", PASSWORD)),
        await auth.admits(basic("am", "wrong")),
    ]
    check_results += [await auth.admits(basic("am", "wrong"))]
    assert check_results == ["in"] * 51 + ["out"] * 2
    assert hashed == [PASSWORD.encode(), b"wrong"]


async def test_an_unknown_name_costs_what_a_known_one_does(
    house: House, hashed: list[bytes]
) -> None:
    await house.auth(USERS).admits(basic("nobody", "guess"))
    assert hashed == [b"guess"]


async def test_a_flood_of_guesses_is_bounded_and_shuts_out_nobody_who_is_known(
    house: House, monkeypatch: pytest.MonkeyPatch, hashed: list[bytes]
) -> None:
    monkeypatch.setattr(door_module, "_REMEMBERED", 32)
    auth = house.auth(USERS)
    assert await auth.admits(basic("am", PASSWORD)) == "in"
    flood = [
        asyncio.ensure_future(auth.admits(basic("am", f"guess {number}"))) for number in range(2000)
    ]
    await asyncio.sleep(0)
    assert await auth.admits(basic("am", PASSWORD)) == "in"
    check_results = await asyncio.gather(*flood)
    assert check_results.count("out") == 17  # those that waited, and the one at hand
    assert check_results.count("busy") == 1983
    for number in range(64):
        await auth.admits(basic("am", f"slow guess {number}"))
    assert await auth.admits(basic("am", PASSWORD)) == "in"
    assert len(auth._known) <= 32
    assert hashed.count(PASSWORD.encode()) == 1


async def test_guesses_of_one_peer_do_not_keep_the_right_password_of_another_out(
    house: House, hashed: list[bytes]
) -> None:
    """After a start no password is remembered yet, and a flood may be there first."""
    auth = house.auth(USERS)
    flood = [
        asyncio.ensure_future(auth.admits(basic("am", f"guess {number}"), f"203.0.113.{peer}"))
        for number in range(100)
        for peer in range(8)
    ]
    await asyncio.sleep(0)
    assert await auth.admits(basic("am", PASSWORD), "10.0.0.7") == "in"
    assert len(hashed) <= 10  # each of the others had a turn
    assert set(await asyncio.gather(*flood)) == {"out", "busy"}


async def test_a_right_password_stays_known_when_another_user_changes(
    house: House, hashed: list[bytes]
) -> None:
    auth = house.auth(USERS)
    assert await auth.admits(basic("am", PASSWORD)) == "in"
    house.write("web.yml", f"basic_auth_users: {{am: {HASH}}}")
    assert await auth.admits(basic("am", PASSWORD)) == "in"
    assert await auth.admits(basic("other", "other")) == "out"
    assert hashed.count(PASSWORD.encode()) == 1


async def test_a_token_file_that_hangs_is_waited_for_by_nobody(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.write("one", "first")
    auth = house.auth("bearer_token_files: [one]")
    (house.folder / "one").unlink()
    os.mkfifo(house.folder / "one")
    assert await auth.admits("Bearer first") == "in"
    assert "not a regular file" in str(house.events)
    release = threading.Event()
    monkeypatch.setattr(door_module, "_stamp", lambda _: release.wait())  # a dead mount
    monkeypatch.setattr(door_module, "_LOOK_SECONDS", 0.01)
    assert await auth.admits("Bearer first") == "in"
    assert await auth.admits("Bearer second") == "out"
    release.set()


async def test_a_rotated_token_counts_at_once(house: House) -> None:
    house.write("one", "first")
    auth = house.auth("bearer_token_files: [one]")
    assert await auth.admits("Bearer first") == "in"
    house.write("one", "another")
    assert [await auth.admits(f"Bearer {token}") for token in ("first", "another")] == ["out", "in"]


async def test_a_changed_file_counts_at_once_for_users_too(house: House) -> None:
    auth = house.auth(USERS)
    assert await auth.admits(basic("am", PASSWORD)) == "in"
    house.write("web.yml", f"basic_auth_users: {{am: {OTHER}}}")
    assert [await auth.admits(basic("am", password)) for password in (PASSWORD, "other")] == [
        "out",
        "in",
    ]


async def test_a_file_that_turned_bad_changes_nothing_is_told_once_and_counts_when_it_is_mended(
    house: House,
) -> None:
    house.write("one", "first")
    auth = house.auth("bearer_token_files: [one]")
    house.write("web.yml", "bearer_token_files: [one, missing]")
    assert [await auth.admits("Bearer first") for _ in range(3)] == ["in"] * 3
    [events] = house.events
    assert isinstance(events, Noted)
    assert events.level == "error"
    assert "missing: cannot be read" in str(dict(events.values)["err"])
    house.write("missing", "second")
    assert await auth.admits("Bearer second") == "in"


@pytest.mark.parametrize("text", ["", "protect_all: true", "basic_auth_users: {}"])
async def test_a_file_that_names_nobody_any_more_opens_no_door(house: House, text: str) -> None:
    house.write("one", "first")
    auth = house.auth("bearer_token_files: [one]")
    house.write("web.yml", text)
    assert [await auth.admits(header) for header in ("", "Bearer first", "Bearer x")] == [
        "out",
        "in",
        "out",
    ]
    [events] = house.events
    assert isinstance(events, Noted)
    assert "it has no user or token any more: restart to turn authentication off" in str(
        dict(events.values)["err"]
    )
    house.write("web.yml", USERS)
    assert await auth.admits(basic("am", PASSWORD)) == "in"


async def test_certificates_that_nobody_asks_for_yet_open_no_door(house: House) -> None:
    certified(house, "relay.example").cert_pem.write_to_path(str(house.folder / "ca.pem"))
    tls = "tls_server_config: {cert_file: tls.pem, key_file: tls.pem"
    auth = house.auth(f"{USERS}\n{tls}}}")
    house.write(
        "web.yml", f"{tls}, client_ca_file: ca.pem, client_auth_type: RequireAndVerifyClientCert}}"
    )
    assert await auth.admits("") == "out"


async def test_a_token_file_that_vanished_is_not_forgotten(house: House) -> None:
    house.write("one", "first")
    auth = house.auth("bearer_token_files: [one]")
    (house.folder / "one").unlink()
    assert await auth.admits("Bearer first") == "in"
    assert len(house.events) == 1


def certified(house: House, name: str) -> trustme.CA:
    authority = trustme.CA()
    authority.issue_cert(name).private_key_and_cert_chain_pem.write_to_path(
        str(house.folder / "tls.pem")
    )
    os.utime(house.folder / "tls.pem", (len(name), len(name)))
    return authority


@pytest.mark.parametrize("name", ["relay.example", "127.0.0.1"])
async def test_a_renewed_certificate_is_shown_without_a_restart(house: House, name: str) -> None:
    certified(house, "old.example")
    auth = house.auth("tls_server_config: {cert_file: tls.pem, key_file: tls.pem}")
    server = await asyncio.start_server(
        lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=auth.tls
    )
    port = server.sockets[0].getsockname()[1]
    trust = ssl.create_default_context()
    certified(house, name).configure_trust(trust)
    with pytest.raises(ssl.SSLError):
        await asyncio.open_connection("127.0.0.1", port, ssl=trust, server_hostname=name)
    await auth.refresh()  # that handshake has begun to look at the files
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust, server_hostname=name)
    writer.close()
    await writer.wait_closed()
    server.close()


@pytest.mark.parametrize(
    ("auth", "welcome"),
    [
        ("VerifyClientCertIfGiven", {"none": True, "ours": True, "theirs": False}),
        ("RequireAndVerifyClientCert", {"none": False, "ours": True, "theirs": False}),
    ],
)
async def test_a_clients_certificate_is_asked_for_and_verified(
    house: House, auth: str, welcome: dict[str, bool]
) -> None:
    authority = certified(house, "127.0.0.1")
    authority.cert_pem.write_to_path(str(house.folder / "ca.pem"))
    files = "cert_file: tls.pem, key_file: tls.pem, client_ca_file: ca.pem"
    guard = house.auth(f"tls_server_config: {{{files}, client_auth_type: {auth}}}")
    server = await asyncio.start_server(greet, "127.0.0.1", 0, ssl=guard.tls)
    port = server.sockets[0].getsockname()[1]
    issuers = {"none": None, "ours": authority, "theirs": trustme.CA()}
    assert {
        name: await greeted(port, authority, issuer) for name, issuer in issuers.items()
    } == welcome
    server.close()


async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"welcome")
    writer.close()


async def greeted(port: int, authority: trustme.CA, issuer: trustme.CA | None) -> bool:
    """Whether a client is let in that shows a certificate of that issuer, or none."""
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    if issuer:
        issuer.issue_cert("client").configure_cert(trust)
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust)
        said = await reader.read()
    except (ssl.SSLError, ConnectionError):
        return False
    writer.close()
    return said == b"welcome"


async def test_no_secret_shows(house: House) -> None:
    house.write("one", "canary-token")
    auth = house.auth(f"{USERS}\nbearer_token_files: [one]")
    await auth.admits(basic("am", PASSWORD))
    house.write("web.yml", f"basic_auth_users: {{am: {PASSWORD}}}")
    await auth.admits("")
    assert len(house.events) == 1
    shown = repr(vars(auth)) + repr(house.events)
    assert "canary" not in shown
    assert HASH not in shown
