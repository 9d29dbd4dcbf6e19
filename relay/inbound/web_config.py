"""The web configuration file: TLS and who may post. The format is exporter-toolkit's, plus bearer
tokens.

https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md
"""

import hashlib
import re
import ssl
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from msgspec import Struct
from pydantic import PlainValidator, ValidationError, model_validator
from pydantic_core import ErrorDetails

from relay.config.config import secret_keys
from relay.config.source import Source, plain
from relay.config.yaml_tree import read as read_yaml
from relay.core.secret import Secret
from relay.inbound.peers import is_loopback
from relay.platforms import PLATFORMS
from relay.platforms.scalar import Many, Model, Unknown
from relay.regular_file import read_regular

ClientAuth = Literal["NoClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert"]
Version = Literal["TLS10", "TLS11", "TLS12", "TLS13"]

_HASH = re.compile(r"\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}")
_COSTS = range(4, 15)
_VERSIONS = {
    "TLS10": ssl.TLSVersion.TLSv1,
    "TLS11": ssl.TLSVersion.TLSv1_1,
    "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}
_VERIFY = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
_MOST = 1 << 20  # bytes of a file
_INLINE = ": inline PEM is not supported, name a file"
_FIXED = ": not supported, OpenSSL's default is used"


def _bcrypt(value: object) -> Secret:
    text = value if isinstance(value, str) else ""
    found = _HASH.fullmatch(text)
    if found is None:
        raise ValueError("expected a bcrypt hash: make one with htpasswd -nBC 10 NAME")
    if int(found[1]) not in _COSTS:
        raise ValueError(
            "this bcrypt cost takes seconds per check: make the hash with a cost of 10 to 12"
        )
    return Secret(text)


class TlsServer(Model):
    """`tls_server_config`, with file names as they are written in the file."""

    advice: ClassVar[dict[str, str]] = {
        "cert": _INLINE,
        "key": _INLINE,
        "client_ca": _INLINE,
        "cipher_suites": _FIXED,
        "prefer_server_cipher_suites": _FIXED,
        "curve_preferences": _FIXED,
    }

    cert_file: str
    key_file: str
    client_ca_file: str = ""
    client_auth_type: ClientAuth = "NoClientCert"
    min_version: Version = "TLS12"
    max_version: Version = "TLS13"

    @model_validator(mode="after")
    def _agree(self) -> "TlsServer":
        if self.client_ca_file and self.client_auth_type == "NoClientCert":
            raise ValueError(
                "client_ca_file without a client_auth_type: write RequireAndVerifyClientCert to "
                "require certificates"
            )
        if not self.client_ca_file and self.client_auth_type != "NoClientCert":
            raise ValueError(
                "client_auth_type without a client_ca_file: no certificate could be verified"
            )
        if self.min_version > self.max_version:
            raise ValueError("min_version is above max_version")
        return self


class WebFile(Model):
    """The file as it is written."""

    advice: ClassVar[dict[str, str]] = dict.fromkeys(
        ("http_server_config", "rate_limit"), ": not supported, remove it"
    )

    tls_server_config: TlsServer | None = None
    basic_auth_users: dict[str, Annotated[Secret, PlainValidator(_bcrypt)]] = {}  # noqa: RUF012 - pydantic copies it
    bearer_token_files: Many[str] = ()
    protect_all: bool = False


class Web(Struct, frozen=True):
    """The file as it applies: file names are resolved, and of bearer tokens only the SHA-256 is
    kept.

    `files` are all files that were read, this one first. When one of them changes, it does not
    apply any longer.
    """

    users: dict[str, Secret]
    tokens: tuple[bytes, ...]
    protect_all: bool
    tls: TlsServer | None
    files: tuple[Path, ...]

    @property
    def guarded(self) -> bool:
        """Whether posting needs a token, a password or a client certificate."""
        shown = self.tls is not None and self.tls.client_auth_type == "RequireAndVerifyClientCert"
        return bool(self.users or self.tokens or shown)


def read(path: Path) -> Web:
    """Reads the file and all files that it names. Raises ValueError with `FILE:LINE:COL: what is
    wrong`, one line for each fault.
    """
    file = _parse(path)
    tokens = tuple(path.parent / name for name in file.bearer_token_files)
    tls = _resolved(file.tls_server_config, path.parent) if file.tls_server_config else None
    certificates = (
        [Path(name) for name in (tls.cert_file, tls.key_file, tls.client_ca_file) if name]
        if tls
        else []
    )
    web = Web(
        users=file.basic_auth_users,
        tokens=tuple(_token(token) for token in tokens),
        protect_all=file.protect_all,
        tls=tls,
        files=(path, *tokens, *certificates),
    )
    if tls:
        server_tls(tls)
    return web


def server_tls(tls: TlsServer) -> ssl.SSLContext:
    """The TLS context to listen with. Raises ValueError if one of its files cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[tls.min_version]
    context.maximum_version = _VERSIONS[tls.max_version]
    _load_certificate(context, tls)
    if tls.client_ca_file:
        try:
            context.load_verify_locations(tls.client_ca_file)
        except OSError as error:
            raise ValueError(
                f"{tls.client_ca_file}: no usable CA certificate ({_reason(error)})"
            ) from None
    context.verify_mode = _VERIFY[tls.client_auth_type]
    return context


def _load_certificate(context: ssl.SSLContext, tls: TlsServer) -> None:
    try:
        context.load_cert_chain(tls.cert_file, tls.key_file, password=_no_password)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{tls.cert_file}: no usable certificate with key {tls.key_file} ({_reason(error)})"
        ) from None


def open_access(host: str, web: Web | None) -> str:
    """Why listening on `host` would admit anybody, and what to do; empty if it would not."""
    if (web is not None and web.guarded) or is_loopback(host):
        return ""
    return (
        f"{host or 'every address'} can be reached by others without authentication: set "
        "bearer_token_files or "
        "basic_auth_users in --web.config.file, or pass --web.allow-unauthenticated"
    )


def _parse(path: Path) -> WebFile:
    source, faults = read_yaml(str(path), _bytes(path), secret_keys(PLATFORMS))
    if faults:
        raise ValueError(
            "\n".join(
                f"{fault.file}:{fault.line}:{fault.column}: {fault.message}" for fault in faults
            )
        )
    try:
        return WebFile.model_validate({} if source.root is None else plain(source.root))
    except ValidationError as error:
        lines = [_fault(source, each) for each in error.errors(include_url=False)]
        raise ValueError("\n".join(lines)) from None


def _fault(source: Source, error: ErrorDetails) -> str:
    """The place and the words only: the line itself may contain a hash."""
    kind, key = error["type"], str(error["loc"][-1]) if error["loc"] else ""
    if kind == "extra_forbidden":
        advice = error["input"].advice if isinstance(error["input"], Unknown) else ""
        position, message = source.key_position(error["loc"]), f'unknown key "{key}"{advice}'
    elif kind == "missing":
        position, message = source.position(error["loc"]), f'missing key "{key}"'
    else:
        position, message = (
            source.position(error["loc"]),
            str(error.get("ctx", {}).get("error", error["msg"])),
        )
    return f"{source.name}:{position.line + 1}:{position.column + 1}: {message}"


def _resolved(tls: TlsServer, folder: Path) -> TlsServer:
    names = {name: getattr(tls, name) for name in ("cert_file", "key_file", "client_ca_file")}
    return tls.model_copy(update={name: str(folder / text) for name, text in names.items() if text})


def _token(path: Path) -> bytes:
    token = _bytes(path).strip()
    if not token or len(token.split()) > 1:
        raise ValueError(
            f"{path}: expected one bearer token and nothing else: write it on one line"
        )
    return hashlib.sha256(token).digest()


def _bytes(path: Path) -> bytes:
    try:
        return read_regular(path, _MOST)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: cannot be read ({_reason(error)})") from None


def _reason(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error) or "not PEM"


def _no_password() -> str:
    raise ValueError("the private key is encrypted: use one without a password")
