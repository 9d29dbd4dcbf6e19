"""An Alertmanager webhook body becomes notifications: the envelope is checked at once, alerts are
read part by part.
"""

import re
from codecs import getincrementaldecoder
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from datetime import UTC, datetime
from hashlib import blake2b
from itertools import accumulate
from typing import Annotated, assert_never

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
_KNOWN_SIZE = 1 << 20  # bytes of a body whose alerts are all decoded at once
_LAST_MOMENT = 253_402_300_799  # the end of the year 9999
_FIRST_MILLISECONDS = 10**11  # as seconds it would be in the year 5138

Moment = Annotated[datetime, Meta(tz=True)]
Count = Annotated[int, Meta(ge=0, lt=2**31)]


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


class _KnownAlert(Struct, rename="camel", gc=False):
    """An alert as Alertmanager writes it. Grafana and others add fields of their own."""

    status: AlertStatus
    labels: Labels | None = None
    annotations: Labels | None = None
    starts_at: Moment | None = None
    ends_at: Moment | None = None
    generator_url: str | None = field(default=None, name="generatorURL")
    fingerprint: str | None = None
    silence_url: Raw = field(default=_ABSENT, name="silenceURL")
    dashboard_url: Raw = field(default=_ABSENT, name="dashboardURL")
    panel_url: Raw = field(default=_ABSENT, name="panelURL")
    values: Raw = _ABSENT


class _StrictAlert(_KnownAlert, rename="camel", forbid_unknown_fields=True):
    """An alert with Alertmanager's fields and no other: its depth is known."""


class _Known(Struct, rename="camel", forbid_unknown_fields=True):
    """A body as Alertmanager writes it, with its fields and no other: its depth is known."""

    alerts: list[_StrictAlert]
    version: str | None = None
    receiver: str | None = None
    status: AlertStatus | None = None
    group_key: str | None = None
    group_labels: Labels | None = None
    common_labels: Labels | None = None
    common_annotations: Labels | None = None
    route_labels: Labels | None = None
    external_url: str | None = field(default=None, name="externalURL")
    reason: str | None = field(default=None, name="notification_reason")
    truncated_alerts: Count | None = None


class _Fields(Struct, rename="camel"):
    """An alert with its values unread."""

    status: Raw = _ABSENT
    labels: Raw = _ABSENT
    annotations: Raw = _ABSENT
    starts_at: Raw = _ABSENT
    ends_at: Raw = _ABSENT
    generator_url: Raw = field(default=_ABSENT, name="generatorURL")
    fingerprint: Raw = _ABSENT


_KNOWN = Decoder(_Known)
_KNOWN_ALERT = Decoder(_KnownAlert)
_ENVELOPE = Decoder(_Envelope)
_FIELDS = Decoder(_Fields)
_TEXT: Decoder[str] = Decoder(str)
_COUNT: Decoder[int] = Decoder(Count)
_MOMENT: Decoder[datetime] = Decoder(Moment)
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
_EPOCH = re.compile(r"\d{1,16}(?:\.\d{1,9})?(?:[eE]\+?\d)?", re.ASCII)
# RFC 3339 with what senders make of it, and Go's Time.String:
# `2026-11-22 08:00:00.5 +0100 CET m=+0.1`.
_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)"
    r"(?:[Tt ](\d\d):(\d\d)(?::(\d\d(?:[.,]\d{1,9})?))?"
    r" ?(?:[Zz]|UTC|GMT|([+-])(\d\d):?(\d\d)(?: [A-Z]{1,5}| [+-]\d{2,4})?)?(?: m=\S+)?)?",
    re.ASCII,
)


def parse(body: bytes, source: str) -> Iterator[Notification]:
    """The notifications of a body: one, or one for each `PART` alerts of a larger one, read as they
    are asked for.

    A body with Alertmanager's fields and no fault is decoded at once, any other field by field.
    Raises PayloadError at the call and never later: an alert that cannot be read becomes a fallback
    alert. https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
    """
    _check_encoding(body)
    known = _known(body) if len(body) <= _KNOWN_SIZE else None
    if known is not None:
        return _notifications(_known_whole(known, source), known.status, known.alerts)
    _check_shape(body)
    envelope = _envelope(body)
    told = _status(envelope.status)
    return _notifications(_whole(envelope, source), told, envelope.alerts)


def _known(body: bytes) -> _Known | None:
    """A body as Alertmanager writes it; None for any other, also for one that is refused."""
    try:
        return _KNOWN.decode(body)
    except DecodeError:
        return None


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


def _notifications(
    whole: Notification, told: AlertStatus | None, unread: Sequence[_KnownAlert | Raw]
) -> Iterator[Notification]:
    """`told` is the status that the payload gives, None where it gives none."""
    parts = max(1, -(-len(unread) // PART))
    alerts = _page(unread, told) if parts == 1 else ()
    state = 0
    firing = False
    known: set[str] = set()
    for alert in alerts or (_alert(each, told) for each in unread):
        known.add(alert.fingerprint)
        if alert.status == "firing":
            state += _digest(alert.fingerprint.encode())
            firing = True
    whole = replace(
        whole,
        group_key=whole.group_key or _own_key(known),
        state=state % 2**63,
        status=told or ("firing" if firing else "resolved"),
    )
    unique = len(known) == len(unread)
    if parts == 1:
        yield replace(whole, alerts=alerts if unique else _told_apart(alerts))
        return
    for part in range(parts):
        page = _page(unread[part * PART : (part + 1) * PART], told)
        page = page if unique else _told_apart(page)
        yield replace(whole, alerts=page, part=part, parts=parts)


def _own_key(fingerprints: Set[str]) -> str:
    """A key for a payload that names no group: its alerts are the group."""
    if not fingerprints:
        return "{}:{}"
    return f"alerts:{_digest(' '.join(sorted(fingerprints)).encode()):016x}"


def _told_apart(alerts: Sequence[Alert]) -> tuple[Alert, ...]:
    """Alerts of which several have one fingerprint, each by the fingerprint of its own labels. Of
    the same alert in both states the firing one counts.
    """
    counted = Counter(alert.fingerprint for alert in alerts)
    apart = [
        replace(alert, fingerprint=_fingerprint(alert.labels))
        if counted[alert.fingerprint] > 1
        else alert
        for alert in alerts
    ]
    firing = {alert.fingerprint for alert in apart if alert.status == "firing"}
    return tuple(
        alert for alert in apart if alert.status == "firing" or alert.fingerprint not in firing
    )


def _page(unread: Sequence[_KnownAlert | Raw], told: AlertStatus | None) -> tuple[Alert, ...]:
    return tuple([_alert(each, told) for each in unread])


def _known_whole(known: _Known, source: str) -> Notification:
    group_labels = known.group_labels or {}
    return Notification(
        source=source,
        receiver=_unquoted(known.receiver or ""),
        group_key=known.group_key or _group_key(group_labels),
        status="resolved",
        alerts=(),
        group_labels=group_labels,
        common_labels=known.common_labels or {},
        common_annotations=known.common_annotations or {},
        route_labels=known.route_labels or {},
        external_url=known.external_url or "",
        reason=known.reason or "",
        truncated=known.truncated_alerts or 0,
        state=0,
    )


def _whole(envelope: _Envelope, source: str) -> Notification:
    group_labels = _labels(envelope.group_labels) or {}
    return Notification(
        source=source,
        receiver=_unquoted(_text(envelope.receiver)),
        group_key=_text(envelope.group_key) or _group_key(group_labels),
        status="resolved",
        alerts=(),
        group_labels=group_labels,
        common_labels=_labels(envelope.common_labels) or {},
        common_annotations=_labels(envelope.common_annotations) or {},
        route_labels=_labels(envelope.route_labels) or {},
        external_url=_text(envelope.external_url),
        reason=_text(envelope.reason),
        truncated=_count(envelope.truncated_alerts),
        state=0,
    )


def _unquoted(receiver: str) -> str:
    return _META.sub(r"\1", receiver) if "\\" in receiver else receiver


def _group_key(labels: Labels) -> str:
    """A key in Alertmanager's form for a sender that gave none; empty where it gave no labels."""
    if not labels:
        return ""
    return (
        "{}:{"
        + ", ".join(str(Matcher(name, "=", value)) for name, value in sorted(labels.items()))
        + "}"
    )


def _alert(unread: _KnownAlert | Raw, told: AlertStatus | None) -> Alert:
    match unread:
        case _KnownAlert():
            return _from_known(unread)
        case Raw():
            try:
                return _from_known(_KNOWN_ALERT.decode(unread))
            except ValidationError:
                return _from_fields(unread, told)
        case _:
            assert_never(unread)


def _from_known(known: _KnownAlert) -> Alert:
    labels = known.labels or {}
    return Alert(
        known.status,
        labels,
        known.annotations or {},
        _seconds(known.starts_at) or 0.0,
        _seconds(known.ends_at) if known.status == "resolved" else None,
        known.generator_url or "",
        known.fingerprint or _fingerprint(labels),
    )


def _from_fields(raw: Raw, told: AlertStatus | None) -> Alert:
    """Each field by itself: what cannot be read costs that field alone. Only an alert without
    readable labels is malformed.
    """
    try:
        fields = _FIELDS.decode(raw)
    except ValidationError:
        return _malformed(raw, _Fields(), "form")
    labels = _labels(fields.labels)
    if labels is None:
        return _malformed(raw, fields, "labels")
    ends_at = _time(fields.ends_at)
    # Alertmanager gives an end only to what has ended, and calls a payload resolved when all in
    # it is.
    ended: AlertStatus = "resolved" if told == "resolved" or ends_at else "firing"
    status = _status(fields.status) or ended
    return Alert(
        status,
        labels,
        _labels(fields.annotations) or {},
        _time(fields.starts_at) or 0.0,
        ends_at if status == "resolved" else None,
        _text(fields.generator_url),
        _text(fields.fingerprint) or _fingerprint(labels),
    )


def _malformed(raw: Raw, fields: _Fields, faulty: str) -> Alert:
    """A readable alert in the place of one that is none, so that it reaches people all the same.
    Annotations that can be read are kept, and the raw text stands below their description.
    """
    annotations = _labels(fields.annotations) or {}
    own = annotations.get("description")
    return Alert(
        _status(fields.status) or "firing",
        {"alertname": "Malformed alert"},
        {
            "summary": f"This alert arrived malformed: its {faulty} cannot be read",
            **annotations,
            "description": f"{own}\n{_shortened(raw)}" if own else _shortened(raw),
        },
        _time(fields.starts_at) or 0.0,
        None,
        "",
        _text(fields.fingerprint) or f"{_digest(bytes(raw)):016x}",
    )


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
    """A text, number or truth value as text; empty for all else."""
    return _scalar(raw) or ""


def _count(raw: Raw) -> int:
    try:
        return _COUNT.decode(raw)
    except ValidationError:
        return 0


def _status(raw: Raw) -> AlertStatus | None:
    match _text(raw).strip().lower():
        case "firing":
            return "firing"
        case "resolved":
            return "resolved"
        case _:
            return None


def _time(raw: Raw) -> float | None:
    """Unix seconds, as `_seconds` gives them; None for what is no time.

    Read are RFC 3339 and its usual variants, Go's Time.String, and Unix seconds or milliseconds.
    A time without a zone is UTC.
    """
    try:
        return _seconds(_MOMENT.decode(raw))
    except ValidationError:
        text = _text(raw).strip()
    seconds = _epoch(text) if _EPOCH.fullmatch(text) else _calendar(text)
    return seconds if 0 < seconds <= _LAST_MOMENT else None


def _epoch(text: str) -> float:
    number = float(text)
    return number / 1000 if number >= _FIRST_MILLISECONDS else number


def _calendar(text: str) -> float:
    """Unix seconds of a date, or of a date and a time; 0.0 for all else. A leap second is the one
    after it.
    """
    found = _TIME.fullmatch(text)
    if found is None:
        return 0.0
    year, month, day, hour, minute, second, sign, hours, minutes = found.groups()
    past = float((second or "0").replace(",", "."))
    if past >= 61:
        return 0.0
    try:
        begun = datetime(
            int(year), int(month), int(day), int(hour or 0), int(minute or 0), tzinfo=UTC
        )
    except ValueError:
        return 0.0
    east = 60 * (60 * int(hours or 0) + int(minutes or 0)) * (-1 if sign == "-" else 1)
    return begun.timestamp() + round(past, 6) - east


def _labels(raw: Raw) -> Labels | None:
    """A map of strings; its numbers and truth values become text, and the rest of it is left out.
    Null is an empty map; None for what is no map.
    """
    try:
        return _LABELS.decode(raw) or {}
    except ValidationError:
        pass
    try:
        mixed = _MIXED_LABELS.decode(raw)
    except ValidationError:
        return None
    return {name: text for name, value in mixed.items() if (text := _scalar(value)) is not None}


def _scalar(raw: Raw) -> str | None:
    match bytes(memoryview(raw)[:1]):
        case b'"':
            return _TEXT.decode(raw)
        case b"{" | b"[" | b"n":
            return None
        case _:
            return bytes(raw).decode()
