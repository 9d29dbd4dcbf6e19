"""An Alertmanager webhook body becomes notifications: the envelope is checked at once, alerts are
read part by part.
"""

import re
from codecs import getincrementaldecoder
from collections.abc import Iterator
from datetime import datetime
from hashlib import blake2b
from itertools import accumulate
from typing import Annotated

from msgspec import DecodeError, Meta, Raw, Struct, ValidationError, field
from msgspec.json import Decoder
from msgspec.structs import replace

from relay.core.alert import Alert, AlertStatus, Labels, Notification
from relay.core.routing.matcher import Matcher

PART = 256
DEEPEST = 32
MOST_ALERTS = 1_000_000  # of 128 bytes each, in the largest body
_DESCRIPTION = 500
_SLICE = 1 << 20
_LONGEST_TEXT = 8 << 20
_ABSENT = Raw(b"null")

Moment = Annotated[datetime, Meta(tz=True)]


class PayloadError(ValueError):
    """A body that is no webhook payload. The message names the field or offset and repeats nothing
    of the body.
    """


class _Envelope(Struct, rename="camel"):
    """The body with its values unread: only `alerts` has to be right, all else is taken as far as
    it goes.
    """

    alerts: list[Raw]
    receiver: Raw = _ABSENT
    status: Raw = _ABSENT
    group_key: Raw = _ABSENT
    group_labels: Raw = _ABSENT
    common_labels: Raw = _ABSENT
    common_annotations: Raw = _ABSENT
    route_labels: Raw = _ABSENT
    external_url: Raw = field(default=_ABSENT, name="externalURL")
    reason: Raw = field(default=_ABSENT, name="notification_reason")
    truncated_alerts: Raw = _ABSENT


class _Alert(Struct, rename="camel", tag_field="status"):
    """An alert as Alertmanager writes it."""

    labels: Labels | None = None
    annotations: Labels | None = None
    starts_at: Moment | None = None
    generator_url: str | None = field(default=None, name="generatorURL")
    fingerprint: str | None = None
    silence_url: Raw = field(default=_ABSENT, name="silenceURL")
    dashboard_url: Raw = field(default=_ABSENT, name="dashboardURL")
    panel_url: Raw = field(default=_ABSENT, name="panelURL")
    values: Raw = _ABSENT


class _Firing(_Alert, tag="firing"):
    """Whatever its `endsAt` says, it has not ended."""


class _Resolved(_Alert, tag="resolved"):
    ends_at: Moment | None = None


class _Malformed(Struct):
    """What is looked for in an alert that cannot be read as one."""

    status: Raw = _ABSENT
    labels: Raw = _ABSENT
    fingerprint: Raw = _ABSENT


_ENVELOPE = Decoder(_Envelope)
_ALERT: Decoder[_Firing | _Resolved] = Decoder(_Firing | _Resolved)
_MALFORMED = Decoder(_Malformed)
_VALUES: Decoder[dict[str, float] | None] = Decoder(dict[str, float] | None)
_TEXT: Decoder[str | None] = Decoder(str | None)
_COUNT: Decoder[int] = Decoder(Annotated[int, Meta(ge=0, lt=2**31)])
_STATUS: Decoder[AlertStatus] = Decoder(AlertStatus)
_LABELS = Decoder(Labels | None)
_MIXED_LABELS = Decoder(dict[str, Raw])

_NO_STRUCTURE = bytes(set(range(256)).difference(b'"[]{},'))
_NO_NESTING = _NO_STRUCTURE + b","
_STEPS = [(code in b"[{") - (code in b"]}") for code in range(256)]
_IS_COMMA = bytes(code == ord(",") for code in range(256))
_IS_IN_ALERTS = bytes(depth == 2 for depth in range(256))
# Half of a surrogate pair: a high one that no low one follows, or a low one that follows no high
# one.
_LONE_SURROGATE = re.compile(
    rb"(?<!\\)((?:\\\\)*+)\\u(?:[dD][89abAB]..(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..\\u)[dD][c-fC-F]..)"
)
_NO_BACKSLASH = re.compile(rb"[^\\]")
_META = re.compile(r"\\([\\.+*?()|\[\]{}^$])")
_FAULTY_FIELD = re.compile(r"(?:field `|at `\$\.)([a-zA-Z]+)[^`]*`$")


def parse(body: bytes, source: str) -> Iterator[Notification]:
    """The notifications of a body: one, or one for each `PART` alerts of a larger one, read as they
    are asked for.

    Raises PayloadError at the call and never later: an alert that cannot be read becomes a fallback
    alert. https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
    """
    _check_encoding(body)
    _check_shape(body)
    return _notifications(_envelope(body), source)


def _check_encoding(body: bytes) -> None:
    if body.isascii():
        return
    decoder = getincrementaldecoder("utf-8")()
    view = memoryview(body)
    for start in range(0, len(body), _SLICE):
        try:
            decoder.decode(view[start : start + _SLICE], start + _SLICE >= len(body))
        except UnicodeDecodeError as error:
            raise PayloadError(f"the body is not UTF-8 near byte {start + error.start}") from None


def _envelope(body: bytes | bytearray) -> _Envelope:
    try:
        envelope = _ENVELOPE.decode(body)
    except ValidationError:
        what = (
            "alerts: expected a list"
            if body.lstrip()[:1] == b"{"
            else "the body is not a JSON object"
        )
        raise PayloadError(what) from None
    except DecodeError as error:
        mended = _mended(body)
        if mended == body:
            raise PayloadError(f"the body is not JSON: {error}") from None
        return _envelope(mended)
    return envelope


def _mended(body: bytes | bytearray) -> bytes | bytearray:
    """The body with a replacement character for each half of a surrogate pair.

    Cut at quotes, where no escape goes on: one search through all of it would hold up every other
    request.
    """
    mended = bytearray()
    start = 0
    while start < len(body):
        end = body.find(b'"', start + _SLICE, start + _LONGEST_TEXT) + 1 or len(body)
        if end - start > _LONGEST_TEXT:
            return body
        mended += _LONE_SURROGATE.sub(rb"\1\\ufffd", body[start:end])
        start = end
    return mended


def _check_shape(body: bytes) -> None:
    """Depth and number of alerts, before anything is made of them. Slice by slice, so that no
    second copy of a large body is made; of what is no JSON the decoder will tell. Only a body with
    room for too many alerts has its commas looked at, which are most of the work."""
    needless = _NO_NESTING if len(body) < 2 * MOST_ALERTS else _NO_STRUCTURE
    start = depth = listed = 0
    within = 0  # 1 where the slice begins inside a string
    while start < len(body):
        last = _NO_BACKSLASH.search(body, start + _SLICE)
        end = last.end() if last else len(body)
        bare = body[start:end].replace(b"\\\\", b"").replace(b'\\"', b"").translate(None, needless)
        pieces = bare.replace(b'""', b"").split(b'"')
        marks = b"".join(pieces[within::2])
        depths = tuple(accumulate(map(_STEPS.__getitem__, marks), initial=depth))
        if max(depths) > DEEPEST:
            raise PayloadError(f"the body nests deeper than {DEEPEST}")
        if min(depths) < 0:
            return
        listed += _count_both(
            marks.translate(_IS_COMMA), bytes(depths[1:]).translate(_IS_IN_ALERTS)
        )
        if listed >= MOST_ALERTS:
            raise PayloadError(f"alerts: more than {MOST_ALERTS}")
        depth = depths[-1]
        within ^= len(pieces) % 2 == 0
        start = end


def _count_both(one: bytes, other: bytes) -> int:
    """At how many places both have a 1 and not a 0."""
    return (int.from_bytes(one, "big") & int.from_bytes(other, "big")).bit_count()


def _notifications(envelope: _Envelope, source: str) -> Iterator[Notification]:
    raws = envelope.alerts
    parts = max(1, -(-len(raws) // PART))
    alerts = tuple(map(_alert, raws)) if parts == 1 else ()
    state = 0
    firing = False
    for alert in alerts or map(_alert, raws):
        if alert.status == "firing":
            state += _digest(alert.fingerprint.encode())
            firing = True
    whole = _whole(envelope, source, state % 2**63, "firing" if firing else "resolved")
    if parts == 1:
        yield replace(whole, alerts=alerts)
        return
    for part in range(parts):
        page = tuple(map(_alert, raws[part * PART : (part + 1) * PART]))
        yield replace(whole, alerts=page, part=part, parts=parts)


def _whole(envelope: _Envelope, source: str, state: int, status: AlertStatus) -> Notification:
    group_labels = _labels(envelope.group_labels)
    return Notification(
        source=source,
        receiver=_META.sub(r"\1", _text(envelope.receiver)),
        group_key=_text(envelope.group_key) or _group_key(group_labels),
        status=_status(envelope.status) or status,
        alerts=(),
        group_labels=group_labels,
        common_labels=_labels(envelope.common_labels),
        common_annotations=_labels(envelope.common_annotations),
        route_labels=_labels(envelope.route_labels),
        external_url=_text(envelope.external_url),
        reason=_text(envelope.reason),
        truncated=_count(envelope.truncated_alerts),
        state=state,
    )


def _group_key(labels: Labels) -> str:
    """A key in Alertmanager's form for a sender that gave none."""
    return (
        "{}:{"
        + ", ".join(str(Matcher(name, "=", value)) for name, value in sorted(labels.items()))
        + "}"
    )


def _alert(raw: Raw) -> Alert:
    try:
        alert = _ALERT.decode(raw)
    except ValidationError as error:
        return _fallback(raw, str(error))
    labels = alert.labels or {}
    return Alert(
        "resolved" if isinstance(alert, _Resolved) else "firing",
        labels,
        _with_grafanas(alert),
        _seconds(alert.starts_at) or 0.0,
        _seconds(alert.ends_at) if isinstance(alert, _Resolved) else None,
        alert.generator_url or "",
        alert.fingerprint or _fingerprint(labels),
    )


def _with_grafanas(alert: _Alert) -> Labels:
    """The annotations, and beside them what Grafana's webhook alone has, under `__...__` names.

    https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/
    """
    told = dict(alert.annotations or {})
    own = {
        "__silence_url__": _text(alert.silence_url),
        "__dashboard_url__": _text(alert.dashboard_url),
        "__panel_url__": _text(alert.panel_url),
        "__values__": _values(alert.values),
    }
    return told | {name: text for name, text in own.items() if text}


def _values(raw: Raw) -> str:
    """`B=6.705, C=1`: the values of a Grafana rule's expressions, in their order."""
    try:
        found = _VALUES.decode(raw) or {}
    except (ValidationError, DecodeError):
        return ""
    return ", ".join(f"{name}={value:.4g}" for name, value in found.items())


def _fallback(raw: Raw, why: str) -> Alert:
    """A readable alert in the place of one that is none, so that it reaches people all the same."""
    try:
        found = _MALFORMED.decode(raw)
    except ValidationError:
        found = _Malformed()
    faulty = _FAULTY_FIELD.search(why)
    labels = _labels(found.labels)
    labels["alertname"] = labels.get("alertname") or "Malformed alert"
    annotations = {
        "summary": f"This alert arrived malformed: its {faulty[1] if faulty else 'form'} cannot be read",
        "description": _shortened(raw),
    }
    fingerprint = _text(found.fingerprint) or f"{_digest(bytes(raw)):016x}"
    return Alert(_status(found.status) or "firing", labels, annotations, 0.0, None, "", fingerprint)


def _shortened(raw: Raw) -> str:
    text = bytes(memoryview(raw)[: 4 * _DESCRIPTION + 4]).decode(errors="ignore")
    return text if len(text) <= _DESCRIPTION else text[: _DESCRIPTION - 1] + "…"


def _seconds(moment: datetime | None) -> float | None:
    """Unix seconds; None for Go's zero time and all else before 1970."""
    seconds = moment.timestamp() if moment else 0.0
    return seconds if seconds > 0 else None


def _digest(text: bytes) -> int:
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big")


def _fingerprint(labels: Labels) -> str:
    return f"{_digest(repr(sorted(labels.items())).encode()):016x}"


def _text(raw: Raw) -> str:
    try:
        return _TEXT.decode(raw) or ""
    except ValidationError:
        return ""


def _count(raw: Raw) -> int:
    try:
        return _COUNT.decode(raw)
    except ValidationError:
        return 0


def _status(raw: Raw) -> AlertStatus | None:
    try:
        return _STATUS.decode(raw)
    except ValidationError:
        return None


def _labels(raw: Raw) -> Labels:
    """A map of strings; where it is none, its numbers and truth values become text and the rest is
    left out.
    """
    try:
        return _LABELS.decode(raw) or {}
    except ValidationError:
        pass
    try:
        mixed = _MIXED_LABELS.decode(raw)
    except ValidationError:
        return {}
    return {name: text for name, value in mixed.items() if (text := _scalar(value)) is not None}


def _scalar(raw: Raw) -> str | None:
    match bytes(memoryview(raw)[:1]):
        case b'"':
            return _TEXT.decode(raw)
        case b"{" | b"[" | b"n":
            return None
        case _:
            return bytes(raw).decode()
