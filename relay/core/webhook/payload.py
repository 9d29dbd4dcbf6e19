"""A webhook body of Alertmanager becomes notifications: the envelope is checked at once, alerts are
read part by part.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from functools import partial

from msgspec import DecodeError, Raw, Struct, ValidationError, field
from msgspec.json import Decoder
from msgspec.structs import replace

from relay.core.alert import (
    Alert,
    AlertStatus,
    Labels,
    Notification,
    alert_key,
    outside_key,
    own_fingerprint,
)
from relay.core.routing.matcher import Matcher
from relay.core.webhook.fields import ABSENT, Count, count_of, labels_of, status_of, text_of
from relay.core.webhook.payload_alert import (
    StrictAlert,
    believed,
    digest_of,
    known_names,
    read_alert,
    read_alerts,
)
from relay.core.webhook.shape import PayloadError, check_encoding, check_shape, mended

PART = 256
_KNOWN_SIZE = 1 << 20  # bytes; a body up to this size has its alerts decoded at once


_A_LIST = (
    "the body is a list, as Prometheus posts it to Alertmanager: point Prometheus there, and "
    "Alertmanager's webhook here"
)


class _Envelope(Struct, rename="camel"):
    """The body with its values undecoded: only `alerts` has to be valid, everything else is read as
    far as it goes.
    """

    alerts: list[Raw]
    receiver: Raw = ABSENT
    status: Raw = ABSENT
    group_key: Raw = ABSENT
    group_labels: Raw = ABSENT
    common_labels: Raw = ABSENT
    common_annotations: Raw = ABSENT
    route_labels: Raw = ABSENT
    external_url: Raw = field(default=ABSENT, name="externalURL")
    reason: Raw = field(default=ABSENT, name="notification_reason")
    truncated_alerts: Raw = ABSENT


class _Known(Struct, rename="camel", forbid_unknown_fields=True):
    """A body as Alertmanager writes it, with exactly its fields, so that its depth is known."""

    alerts: list[StrictAlert]
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


_KNOWN = Decoder(_Known)
_ENVELOPE = Decoder(_Envelope)
_HEXADECIMAL = partial(int, base=16)
_META = re.compile(r"\\([\\.+*?()|\[\]{}^$])")


def parse(body: bytes, source: str) -> Iterator[Notification]:
    """The notifications of a body: one, or one for each `PART` alerts of a larger body, read as
    they are asked for.

    A body with Alertmanager's fields and no fault is decoded at once, any other one field by field.
    Raises PayloadError at the call and never later: an alert that cannot be read becomes a fallback
    alert. https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
    """
    check_encoding(body)
    known = _known(body) if len(body) <= _KNOWN_SIZE else None
    if known is not None:
        return _notifications(_known_whole(known, source), known.status, known.alerts)
    check_shape(body)
    envelope = _envelope(body)
    told = status_of(envelope.status)
    return _notifications(_whole(envelope, source), told, envelope.alerts)


def _known(body: bytes) -> _Known | None:
    """A body as Alertmanager writes it; None for any other body, a refused one too."""
    try:
        return _KNOWN.decode(body)
    except DecodeError:
        return None


def _envelope(body: bytes | bytearray) -> _Envelope:
    try:
        envelope = _ENVELOPE.decode(body)
    except ValidationError:
        what = {b"{": "alerts: expected a list", b"[": _A_LIST}.get(bytes(body.lstrip()[:1]))
        raise PayloadError(what or "the body is not a JSON object") from None
    except DecodeError as error:
        again = mended(body)
        if again == body:
            raise PayloadError(f"the body is not JSON: {error}") from None
        return _envelope(again)
    return envelope


def _notifications(
    whole: Notification, told: AlertStatus | None, unread: Sequence[StrictAlert | Raw]
) -> Iterator[Notification]:
    """The notifications of a body. `told` is the status that the payload has, None if it
    has none.
    """
    parts = max(1, -(-len(unread) // PART))
    known_by = believed(unread, told)
    alerts = _page(unread, told, known_by) if parts == 1 else ()
    fingerprints: list[str] = []
    firing: list[str] = []
    for alert in alerts or (read_alert(each, told, believed=known_by) for each in unread):
        fingerprints.append(alert.fingerprint)
        if alert.status == "firing":
            firing.append(alert.fingerprint)
    known = set(fingerprints)
    whole = replace(
        whole,
        group_key=outside_key(whole.group_key) or _own_key(known),
        state=_state(firing),
        status=told or ("firing" if firing else "resolved"),
    )
    unique = len(known) == len(unread)
    if parts == 1:
        yield replace(whole, alerts=alerts if unique else _told_apart(alerts))
        return
    for part in range(parts):
        at = slice(part * PART, (part + 1) * PART)
        page = tuple(
            read_alert(each, told, believed=known_by, known_by=name)
            for each, name in zip(unread[at], fingerprints[at], strict=True)
        )
        page = page if unique else _told_apart(page)
        yield replace(whole, alerts=page, part=part, parts=parts)


def _state(firing: Sequence[str]) -> int:
    """The sum of the firing fingerprints as numbers of 64 bits, the same in every run;
    Alertmanager's are hexadecimal. Python hashes a tuple of numbers without a seed.
    """
    try:
        numbers = sum(map(hash, zip(map(_HEXADECIMAL, firing), strict=True)))
    except ValueError:
        numbers = sum(map(_number, firing))
    return numbers % 2**63


def _number(fingerprint: str) -> int:
    try:
        return hash((int(fingerprint, 16),))
    except ValueError:
        return digest_of(fingerprint.encode())


def _own_key(fingerprints: Set[str]) -> str:
    """A group key for a payload that names no group: its alerts are the group."""
    if not fingerprints:
        return "{}:{}"
    return f"alerts:{digest_of(' '.join(sorted(fingerprints)).encode()):016x}"


def _told_apart(alerts: Sequence[Alert]) -> tuple[Alert, ...]:
    """The alerts, with those of several that share a fingerprint identified by the hash of their
    own labels, except the one to which it belongs. If an alert is there in both states, the firing
    one counts.
    """
    counted = Counter(alert.fingerprint for alert in alerts)
    apart = [
        replace(alert, fingerprint=own_fingerprint(alert.labels))
        if counted[alert.fingerprint] > 1 and alert.fingerprint != alert_key(alert.labels)
        else alert
        for alert in alerts
    ]
    firing = {alert.fingerprint for alert in apart if alert.status == "firing"}
    return tuple(
        alert for alert in apart if alert.status == "firing" or alert.fingerprint not in firing
    )


def _page(
    unread: Sequence[StrictAlert | Raw],
    told: AlertStatus | None,
    known_by: bool,  # noqa: FBT001 - a fact, not a switch
) -> tuple[Alert, ...]:
    known = [each for each in unread if isinstance(each, StrictAlert)]
    if len(known) == len(unread):
        return read_alerts(known, known_names(known, believed=known_by))
    return tuple([read_alert(each, told, believed=known_by) for each in unread])


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
    group_labels = labels_of(envelope.group_labels) or {}
    return Notification(
        source=source,
        receiver=_unquoted(text_of(envelope.receiver)),
        group_key=text_of(envelope.group_key) or _group_key(group_labels),
        status="resolved",
        alerts=(),
        group_labels=group_labels,
        common_labels=labels_of(envelope.common_labels) or {},
        common_annotations=labels_of(envelope.common_annotations) or {},
        route_labels=labels_of(envelope.route_labels) or {},
        external_url=text_of(envelope.external_url),
        reason=text_of(envelope.reason),
        truncated=count_of(envelope.truncated_alerts),
        state=0,
    )


def _unquoted(receiver: str) -> str:
    return _META.sub(r"\1", receiver) if "\\" in receiver else receiver


def _group_key(labels: Labels) -> str:
    """A group key in Alertmanager's form for a sender that gave none; empty if it gave no
    labels.
    """
    if not labels:
        return ""
    return (
        "{}:{"
        + ", ".join(str(Matcher(name, "=", value)) for name, value in sorted(labels.items()))
        + "}"
    )
