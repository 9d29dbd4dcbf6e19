"""Alertmanager's API v2: a call becomes a request, its answer a value. Pure.

https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Struct

from relay.core.action.reconcile import PeerStatus, SeenAlert, SeenSilence
from relay.core.action.settings import AlertmanagerConfig
from relay.core.action.silence import (
    ApiRefused,
    ApiUnavailable,
    ApiUnknown,
    Expired,
    NewSilence,
    NotFound,
    Written,
)
from relay.core.alert import Labels
from relay.core.routing.matcher import Matcher
from relay.core.secret import Secret, mask
from relay.platforms.answer import object_of, text_of
from relay.platforms.http import NoAnswer, Request, Response

_LONGEST_WHY = 200
_STATES: dict[str, Literal["active", "pending", "expired"]] = {
    "active": "active", "pending": "pending", "expired": "expired",
}  # fmt: skip
_NO_SUCH = "silence not found"  # with status 404 since 0.26, 500 before
ApiError = ApiRefused | ApiUnavailable | ApiUnknown


class _Matcher(Struct, frozen=True, rename="camel"):
    name: str
    value: str
    is_regex: bool
    is_equal: bool


class _PostableSilence(Struct, frozen=True, rename="camel", omit_defaults=True):
    matchers: tuple[_Matcher, ...]
    starts_at: str
    ends_at: str
    created_by: str
    comment: str
    id: str = ""


def status_request(config: AlertmanagerConfig, peer: str) -> Request:
    """Asks how long the peer has been running, and whether its cluster has settled."""
    return _get(config, peer, "status")


def suppressed_request(config: AlertmanagerConfig, peer: str) -> Request:
    """Asks for the alerts that are silenced or inhibited only."""
    return _get(config, peer, "alerts", {"active": "false"})


def alerts_request(config: AlertmanagerConfig, peer: str, matchers: Iterable[Matcher]) -> Request:
    """Asks for the alerts that match, suppressed or not."""
    return _get(config, peer, "alerts", {"filter": [str(each) for each in matchers]})


def silences_request(config: AlertmanagerConfig, peer: str) -> Request:
    """Asks for all silences: the filters of newer versions hide live ones, and older versions have
    none.
    """
    return _get(config, peer, "silences")


def write_request(config: AlertmanagerConfig, peer: str, silence: NewSilence) -> Request:
    """Posts a silence. It is not idempotent: a repetition makes a second silence."""
    matchers = tuple(
        _Matcher(each.name, each.value, each.op in ("=~", "!~"), each.op in ("=", "=~"))
        for each in silence.matchers
    )
    body = _PostableSilence(
        matchers,
        _written(silence.starts_at),
        _written(silence.ends_at),
        silence.created_by,
        silence.comment,
        silence.id,
    )
    return Request(
        "POST",
        _url(peer, "silences"),
        "post_silence",
        msgspec.json.encode(body),
        http=config.http,
        headers=_headers(config),
    )


def expire_request(config: AlertmanagerConfig, peer: str, silence_id: str) -> Request:
    """Deletes a silence."""
    url = _url(peer, f"silence/{quote(silence_id, safe='')}")
    return Request(
        "DELETE", url, "delete_silence", repeatable=True, http=config.http, headers=_headers(config)
    )


def status_of(response: Response | NoAnswer, now: float) -> PeerStatus | ApiError:
    """The answer to `status_request`. An uptime that cannot be read is None."""
    failed = error_of(response, writes=False)
    if failed is not None:
        return failed
    body = object_of(_json(response))
    if not body:
        return ApiUnavailable(_NOT_ITS_ANSWER)
    started = time_of(body.get("uptime"))
    cluster = text_of(object_of(body.get("cluster")).get("status"))
    version = text_of(object_of(body.get("versionInfo")).get("version"))
    clock = clock_of(response) or now
    return PeerStatus(max(0.0, clock - started) if started else None, cluster, version)


def alerts_of(response: Response | NoAnswer) -> tuple[SeenAlert, ...] | ApiError:
    """The answer to a request for alerts; None if it is not a list, or was cut."""
    failed = error_of(response, writes=False)
    if failed is not None:
        return failed
    body = _json(response)
    if not isinstance(body, list):
        return ApiUnavailable(_NOT_ITS_ANSWER)
    return tuple(_alert(object_of(each)) for each in body)


def silences_of(response: Response | NoAnswer) -> tuple[SeenSilence, ...] | ApiError:
    """The answer to `silences_request`. A silence without id or end is skipped."""
    failed = error_of(response, writes=False)
    if failed is not None:
        return failed
    body = _json(response)
    if not isinstance(body, list):
        return ApiUnavailable(_NOT_ITS_ANSWER)
    found = (_silence(object_of(each)) for each in body)
    return tuple(each for each in found if each is not None)


def written_of(response: Response | NoAnswer) -> Written | NotFound | ApiError:
    """The answer to `write_request`. A success without a silence's id is unknown."""
    if _says_no_such(response):
        return NotFound()
    failed = error_of(response, writes=True)
    if failed is not None:
        return failed
    silence_id = text_of(object_of(_json(response)).get("silenceID"))
    return Written(silence_id) if silence_id else ApiUnknown("the answer has no silence ID")


def expired_of(response: Response | NoAnswer) -> Expired | ApiError:
    """The answer to `expire_request`; a silence that does not exist counts as expired. The page of
    a proxy in front says nothing, whatever its status.
    """
    if isinstance(response, Response) and response.body.lstrip().startswith(b"<"):
        return ApiUnavailable(_NOT_ITS_ANSWER)
    if _says_no_such(response) or (isinstance(response, Response) and response.status == 404):
        return Expired()
    return error_of(response, writes=False) or Expired()


def error_of(response: Response | NoAnswer, *, writes: bool) -> ApiError | None:
    """The meaning of a failed answer; None for a success.

    With `writes` the call may have been carried out in spite of any status of 500 and above.
    """
    if isinstance(response, NoAnswer):
        lost = response.sent and writes
        return ApiUnknown(response.why) if lost else ApiUnavailable(response.why)
    if 200 <= response.status < 300:
        return None
    why = f"{response.status}: {_message(response)}".rstrip(": ")[:_LONGEST_WHY]
    if response.status >= 500:
        return ApiUnknown(why) if writes else ApiUnavailable(why)
    return ApiUnavailable(why) if response.status in (408, 425, 429) else ApiRefused(why)


def clock_of(response: Response | NoAnswer) -> float:
    """The clock of the peer, from the header `Date`: Unix seconds, 0.0 unknown."""
    if isinstance(response, NoAnswer):
        return 0.0
    try:
        return parsedate_to_datetime(response.headers.get("date", "")).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def time_of(value: object) -> float:
    """Unix seconds of a time in Go's form; 0.0 if it is not one."""
    try:
        moment = datetime.fromisoformat(text_of(value))
    except ValueError:
        return 0.0
    if moment.tzinfo is None or moment.year < 1971:
        return 0.0
    return moment.timestamp()


_NOT_ITS_ANSWER = "an answer that is not Alertmanager's"


def _get(
    config: AlertmanagerConfig,
    peer: str,
    path: str,
    query: dict[str, str | list[str]] | None = None,
) -> Request:
    written = f"?{urlencode(query, doseq=True, quote_via=quote)}" if query else ""
    url = Secret(_url(peer, path).reveal() + written)
    name = f"get_{path}"
    return Request("GET", url, name, repeatable=True, http=config.http, headers=_headers(config))


def _url(peer: str, path: str) -> Secret:
    return Secret(f"{peer.rstrip('/')}/api/v2/{path}")


def _headers(config: AlertmanagerConfig) -> tuple[tuple[str, str], ...]:
    return tuple((each.name, each.value.reveal()) for each in config.headers)


def _written(at: float) -> str:
    moment = datetime.fromtimestamp(at, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _json(response: Response | NoAnswer) -> object:
    if isinstance(response, NoAnswer):
        return None
    try:
        found: object = msgspec.json.decode(response.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return found


def _message(response: Response) -> str:
    """The text of an error, which may be a JSON text, an object, plain text, or empty."""
    body = _json(response)
    if isinstance(body, str):
        said = body
    elif isinstance(body, dict):
        said = text_of(body.get("message"))
    else:
        said = response.body[:_LONGEST_WHY].decode(errors="replace")
    shown = "".join(char if char.isprintable() else " " for char in said[: 2 * _LONGEST_WHY])
    return mask(" ".join(shown.split()))


def _says_no_such(response: Response | NoAnswer) -> bool:
    if isinstance(response, NoAnswer) or response.status not in (404, 500):
        return False
    return _NO_SUCH in _message(response).lower()


def _alert(body: dict[str, object]) -> SeenAlert:
    status = object_of(body.get("status"))
    return SeenAlert(
        _labels(body.get("labels")),
        text_of(body.get("fingerprint")),
        _texts(status.get("silencedBy")),
        _texts(status.get("inhibitedBy")),
    )


def _silence(body: dict[str, object]) -> SeenSilence | None:
    matchers = body.get("matchers")
    found = [_matcher(object_of(each)) for each in matchers] if isinstance(matchers, list) else []
    ends_at = time_of(body.get("endsAt"))
    state = _STATES.get(text_of(object_of(body.get("status")).get("state")))
    silence_id = text_of(body.get("id"))
    if not silence_id or not ends_at or state is None:
        return None
    return SeenSilence(
        silence_id,
        tuple(found),
        time_of(body.get("startsAt")),
        ends_at,
        text_of(body.get("createdBy")),
        text_of(body.get("comment")),
        state,
    )


def _matcher(body: dict[str, object]) -> Matcher:
    regex, equal = body.get("isRegex") is True, body.get("isEqual") is not False
    name, value = text_of(body.get("name")), text_of(body.get("value"))
    if regex:
        return Matcher(name, "=~" if equal else "!~", value)
    return Matcher(name, "=" if equal else "!=", value)


def _labels(value: object) -> Labels:
    return {name: text_of(each) for name, each in object_of(value).items()}


def _texts(value: object) -> tuple[str, ...]:
    return tuple(text_of(each) for each in value) if isinstance(value, list) else ()
