"""Discord's Gateway: the reaction of a connection to each message, and to its end. Pure.

https://docs.discord.com/developers/events/gateway
"""

from typing import Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from relay.core.secret import Secret
from relay.platforms.answer import int_of, object_of, text_of

VERSION_QUERY = "?v=10&encoding=json"
NO_INTENTS = 0  # interactions need none
DAY = 86400.0
MOST_IDENTIFIES = 200  # a day; after 1000 Discord resets the token
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 120.0
_AFTER_READY = 0.2
_DISPATCH, _BEAT, _IDENTIFY, _RESUME, _RECONNECT, _INVALID, _HELLO, _ACK = 0, 1, 2, 6, 7, 9, 10, 11
_NEW_SESSION = (4007, 4009)  # close codes after which the session cannot be resumed
_SHORTEST_BEAT, _LONGEST_BEAT = 1.0, 300.0

FATAL: dict[int, tuple[str, str]] = {
    4004: ("Discord refuses the bot's token", "copy the token to discord_bot_token_file"),
    4010: ("Discord refuses the shard", "this relay uses none: report it"),
    4011: ("the bot is in too many servers for one connection", "use a bot of your own"),
    4012: ("Discord no longer speaks version 10", "update alert-relay"),
    4013: ("Discord refuses the intents", "this relay asks for none: report it"),
    4014: (
        "Discord does not allow the intents",
        "switch privileged intents off in the developer portal, or on for this bot",
    ),
}


class GatewaySession(Struct, frozen=True):
    """The state that a successor continues with: session and sequence, and where to resume.
    `identified` are the times (Unix seconds) within the last day at which a session was begun.
    """

    session: str = ""
    resume_url: str = ""
    seq: int | None = None
    identified: tuple[float, ...] = ()


class GatewayLink(Struct, frozen=True):
    """A connection: its session, the seconds between heartbeats once known, and whether the last
    one was answered. `failures` counts connections that failed.
    """

    session: GatewaySession = GatewaySession()
    interval: float = 0.0
    acked: bool = True
    ready: bool = False
    failures: int = 0


class GatewaySend(Struct, frozen=True):
    """Send this text, which may contain the token."""

    text: Secret
    what: Literal["identify", "resume", "heartbeat"]


class GatewayReceive(Struct, frozen=True):
    """An interaction came."""

    interaction: dict[str, object]


class GatewayReady(Struct, frozen=True):
    """The session is open; `application` is its id, empty if the session was resumed."""

    application: str = ""


class GatewayClose(Struct, frozen=True):
    """Close the connection with this code; any but 1000 and 1001 keeps the session."""

    code: int = 4000


GatewayAct = GatewaySend | GatewayReceive | GatewayReady | GatewayClose


class GatewayReconnect(Struct, frozen=True):
    """Connect again after so many seconds."""

    wait: float


class GatewayEnded(Struct, frozen=True):
    """Do not connect again until somebody acts."""

    why: str
    remedy: str


def heard(
    link: GatewayLink, text: str | bytes, token: Secret, now: float
) -> tuple[GatewayLink, tuple[GatewayAct, ...]]:
    """The reaction to a message of Discord. One that cannot be read is ignored."""
    try:
        body = object_of(msgspec.json.decode(text))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return link, ()
    match int_of(body.get("op")) if "op" in body else -1:
        case 0:
            return _dispatched(link, body)
        case 1:
            return replace(link, acked=False), (beat(link),)
        case 7:
            return link, (GatewayClose(),)
        case 9:
            resumable = body.get("d") is True
            session = link.session if resumable else _begun_anew(link.session)
            return replace(link, session=session), (GatewayClose(),)
        case 10:
            return _greeted(link, body, token, now)
        case 11:
            return replace(link, acked=True), ()
        case _:
            return link, ()


def beat(link: GatewayLink) -> GatewaySend:
    """A heartbeat, with the last sequence."""
    return GatewaySend(Secret(_text(_BEAT, link.session.seq)), "heartbeat")


def timed(link: GatewayLink) -> tuple[GatewayLink, GatewaySend | GatewayClose]:
    """The reaction when a heartbeat is due. If the last one was not answered the connection is
    dead.
    """
    if not link.acked:
        return link, GatewayClose()
    return replace(link, acked=False), beat(link)


def closed(
    link: GatewayLink, code: int | None, now: float, jitter: float
) -> tuple[GatewayLink, GatewayReconnect | GatewayEnded]:
    """The reaction to the end of a connection. `code` is Discord's, None if there was none;
    `jitter` (0 to 1) spreads the next try.
    """
    if code in FATAL:
        return link, GatewayEnded(*FATAL[code])
    session = _begun_anew(link.session) if code in _NEW_SESSION else link.session
    failures = 0 if link.ready else link.failures + 1
    grown = min(_FIRST_PAUSE * 2 ** min(failures, 10), _LONGEST_PAUSE)
    pause = (grown if failures else _AFTER_READY) * (0.5 + jitter / 2)
    again = GatewayLink(session=session, failures=failures)
    return again, GatewayReconnect(max(pause, _budget(session, now)))


def address(link: GatewayLink, url: str) -> str:
    """Where to connect: to the address for resuming if there is a session, else to `url`."""
    base = link.session.resume_url if _is_resumable(link.session) else url
    parts = urlsplit(base)
    return f"{parts.scheme}://{parts.netloc}{parts.path or '/'}{VERSION_QUERY}"


def _is_resumable(session: GatewaySession) -> bool:
    return bool(session.session and session.resume_url) and session.seq is not None


def _begun_anew(session: GatewaySession) -> GatewaySession:
    return GatewaySession(identified=session.identified)


def _budget(session: GatewaySession, now: float) -> float:
    """Seconds until a session may be begun, if the next connection needs a new one."""
    recent = [at for at in session.identified if at > now - DAY]
    if _is_resumable(session) or len(recent) < MOST_IDENTIFIES:
        return 0.0
    return recent[0] + DAY - now


def _greeted(
    link: GatewayLink, body: dict[str, object], token: Secret, now: float
) -> tuple[GatewayLink, tuple[GatewayAct, ...]]:
    milliseconds = int_of(object_of(body.get("d")).get("heartbeat_interval"))
    interval = min(max(milliseconds / 1000, _SHORTEST_BEAT), _LONGEST_BEAT)
    link = replace(link, interval=interval, acked=True)
    session = link.session
    if _is_resumable(session):
        resume = {"token": token.reveal(), "session_id": session.session, "seq": session.seq}
        return link, (GatewaySend(Secret(_text(_RESUME, resume)), "resume"),)
    identify = {
        "token": token.reveal(),
        "intents": NO_INTENTS,
        "properties": {"os": "linux", "browser": "alert-relay", "device": "alert-relay"},
    }
    recent = tuple(at for at in session.identified if at > now - DAY)
    link = replace(link, session=GatewaySession(identified=(*recent, now)[-MOST_IDENTIFIES:]))
    return link, (GatewaySend(Secret(_text(_IDENTIFY, identify)), "identify"),)


def _dispatched(
    link: GatewayLink, body: dict[str, object]
) -> tuple[GatewayLink, tuple[GatewayAct, ...]]:
    number = body.get("s")
    if isinstance(number, int) and not isinstance(number, bool):
        link = replace(link, session=replace(link.session, seq=number))
    told = object_of(body.get("d"))
    match body.get("t"):
        case "READY":
            session = replace(
                link.session,
                session=text_of(told.get("session_id")),
                resume_url=_resume_url(told.get("resume_gateway_url")),
            )
            application = text_of(object_of(told.get("application")).get("id"))
            link = replace(link, session=session, ready=True, failures=0)
            return link, (GatewayReady(application),)
        case "RESUMED":
            return replace(link, ready=True, failures=0), (GatewayReady(),)
        case "INTERACTION_CREATE":
            return link, (GatewayReceive(told),)
        case _:
            return link, ()


def _resume_url(value: object) -> str:
    """An address for a WebSocket, encrypted unless it is this machine: it is shown the token."""
    url = text_of(value)
    return url if url.startswith(("wss://", "ws://127.0.0.1:", "ws://localhost:")) else ""


def _text(op: int, data: object) -> str:
    return msgspec.json.encode({"op": op, "d": data}).decode()
