"""The web configuration file: its keys, each fault at its place, and addresses that would be open
to anybody.
"""

import hashlib
import ssl
from pathlib import Path

import bcrypt
import pytest
import trustme
from cryptography.hazmat.primitives import serialization as pem

from relay.inbound.web_config import open_access, read, server_tls

HASH = bcrypt.hashpw(b"canary-password", b"$2b$04$abcdefghijklmnopqrstuu").decode()


def written(folder: Path, text: str, **files: str) -> Path:
    for name, content in files.items():
        (folder / name).write_text(content)
    path = folder / "web.yml"
    path.write_text(text)
    return path


def fault(folder: Path, text: str, **files: str) -> str:
    with pytest.raises(ValueError, match=r".") as caught:
        read(written(folder, text, **files))
    return str(caught.value).replace(f"{folder}/", "")


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    issued = authority.issue_cert("localhost")
    issued.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    issued.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    return tmp_path


def test_an_empty_file_guards_nothing(tmp_path: Path) -> None:
    web = read(written(tmp_path, ""))
    assert (web.users, web.tokens, web.tls, web.protect_all, web.guarded) == (
        {},
        (),
        None,
        False,
        False,
    )


def test_users_and_tokens_are_read_and_tokens_are_kept_as_hashes_alone(tmp_path: Path) -> None:
    text = f"basic_auth_users:\n  am: {HASH}\nbearer_token_files: [one, two]\nprotect_all: true\n"
    web = read(written(tmp_path, text, one="canary-token\n", two="other"))
    assert web.users["am"].reveal() == HASH
    assert web.tokens == tuple(
        hashlib.sha256(token).digest() for token in (b"canary-token", b"other")
    )
    assert web.protect_all
    assert web.guarded
    assert web.files == (tmp_path / "web.yml", tmp_path / "one", tmp_path / "two")
    assert "canary" not in repr(web)
    assert HASH not in repr(web)


@pytest.mark.parametrize("auth", ["VerifyClientCertIfGiven", "RequireAndVerifyClientCert"])
def test_a_client_certificate_guards_only_when_it_is_required(
    certificates: Path, auth: str
) -> None:
    text = TLS + f", client_ca_file: ca.pem, client_auth_type: {auth}}}"
    web = read(written(certificates, text))
    assert web.guarded == (auth == "RequireAndVerifyClientCert")
    assert web.files[1:] == tuple(certificates / name for name in ("cert.pem", "key.pem", "ca.pem"))


TLS = "tls_server_config: {cert_file: cert.pem, key_file: key.pem"
FAULTS = {
    "users: {}": (
        'web.yml:1:1: unknown key "users", write one of basic_auth_users, bearer_token_files,'
        " protect_all, tls_server_config"
    ),
    "bearer_token_file: [one]": (
        'web.yml:1:1: unknown key "bearer_token_file", did you mean "bearer_token_files"?'
    ),
    "rate_limit: {burst: 1}": ('web.yml:1:1: unknown key "rate_limit": not supported, remove it'),
    "protect_all: 1": "web.yml:1:14: Input should be a valid boolean",
    "basic_auth_users: {am: canary-plain}": (
        "web.yml:1:24: expected a bcrypt hash: make one with htpasswd -nBC 10 NAME"
    ),
    "basic_auth_users: {am: 1}": (
        "web.yml:1:24: expected a bcrypt hash: make one with htpasswd -nBC 10 NAME"
    ),
    f"basic_auth_users: {{am: {HASH.replace('$04$', '$18$')}}}": (
        "web.yml:1:24: this bcrypt cost takes seconds per check: make the hash with a cost of 10 "
        "to 12"
    ),
    "bearer_token_files: [none]": "none: cannot be read (No such file or directory)",
    "bearer_token_files: [empty]": (
        "empty: expected one bearer token and nothing else: write it on one line"
    ),
    "bearer_token_files: [two]": (
        "two: expected one bearer token and nothing else: write it on one line"
    ),
    "tls_server_config: {cert_file: cert.pem}": 'web.yml:1:20: missing key "key_file"',
    TLS + ", cert: x}": (
        'web.yml:1:61: unknown key "cert": inline PEM is not supported, name a file'
    ),
    TLS
    + ", min_version: TLS9}": "web.yml:1:74: Input should be 'TLS10', 'TLS11', 'TLS12' or 'TLS13'",
    TLS
    + ", min_version: TLS13, max_version: TLS12}": "web.yml:1:20: min_version is above max_version",
    TLS + ", client_ca_file: ca.pem}": (
        "web.yml:1:20: client_ca_file without a client_auth_type: write RequireAndVerifyClientCert "
        "to require certificates"
    ),
    TLS + ", client_auth_type: RequireAndVerifyClientCert}": (
        "web.yml:1:20: client_auth_type without a client_ca_file: no certificate could be verified"
    ),
    "- a": "web.yml:1:1: Input should be a valid dictionary or instance of WebFile",
    "protect_all: yes": (
        'web.yml:1:14: YAML 1.1 reads "yes" as a boolean: write true or false, or put it in quotes'
    ),
    "protect_all: true\nprotect_all: false": (
        'web.yml:2:1: duplicate key "protect_all", the first one is on line 1'
    ),
}


@pytest.mark.parametrize("text", FAULTS)
def test_each_fault_names_its_place_and_the_remedy_and_no_secret(
    certificates: Path, text: str
) -> None:
    assert fault(certificates, text, empty=" \n", two="canary one") == FAULTS[text]


def test_all_faults_of_the_file_are_told_at_once(tmp_path: Path) -> None:
    assert len(fault(tmp_path, "a: 1\nb: 2\n").splitlines()) == 2


@pytest.mark.parametrize("broken", ["cert.pem", "key.pem", "ca.pem"])
def test_a_certificate_that_cannot_be_used_is_a_fault_with_its_file(
    certificates: Path, broken: str
) -> None:
    text = TLS + ", client_ca_file: ca.pem, client_auth_type: RequireAndVerifyClientCert}"
    read(written(certificates, text))
    (certificates / broken).write_text("not PEM")
    assert broken in fault(certificates, text)
    (certificates / broken).unlink()
    assert "No such file or directory" in fault(certificates, text)


def test_a_key_with_a_password_is_a_fault_and_asks_nobody(certificates: Path) -> None:
    path = certificates / "key.pem"
    key = pem.load_pem_private_key(path.read_bytes(), None)
    locked = pem.BestAvailableEncryption(b"canary")
    path.write_bytes(key.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, locked))
    assert "the private key is encrypted: use one without a password" in fault(
        certificates, TLS + "}"
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_a_loopback_listener_needs_no_guard(host: str) -> None:
    assert open_access(host, None) == ""


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::", "192.0.2.1", "relay.example"])
def test_any_other_listener_is_refused_until_something_guards_it(host: str, tmp_path: Path) -> None:
    refusal = open_access(host, None)
    assert "--web.config.file" in refusal
    assert "--web.allow-unauthenticated" in refusal
    assert "\n" not in refusal
    assert open_access(host, read(written(tmp_path, ""))) == refusal
    assert open_access(host, read(written(tmp_path, "bearer_token_files: [one]", one="t"))) == ""


def test_old_tls_versions_are_off_unless_asked_for(certificates: Path) -> None:
    tls = read(written(certificates, TLS + "}")).tls
    assert tls is not None
    assert server_tls(tls).minimum_version == ssl.TLSVersion.TLSv1_2
    newest = read(written(certificates, TLS + ", min_version: TLS13}")).tls
    assert newest is not None
    assert server_tls(newest).minimum_version == ssl.TLSVersion.TLSv1_3
