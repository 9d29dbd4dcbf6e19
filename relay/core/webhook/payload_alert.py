"""An alert of a payload: as Alertmanager writes it, or field by field."""

import re
from collections.abc import Sequence
from hashlib import blake2b
from typing import assert_never

from msgspec import Raw, Struct, ValidationError, field
from msgspec.json import Decoder
from msgspec.structs import replace

from relay.core.alert import (
    MALFORMED,
    Alert,
    AlertStatus,
    Labels,
    alert_key,
    own_fingerprint,
)
from relay.core.webhook.fields import (
    ABSENT,
    Moment,
    labels_of,
    seconds_of,
    status_of,
    text_of,
    time_of,
)

_DESCRIPTION = 500
_MOST_WITNESSES, _LONGEST_WITNESS = 5, 4000  # alerts, and characters of the labels of each
_FINGERPRINT = re.compile("[0-9a-f]{16}").fullmatch


class KnownAlert(Struct, rename="camel", gc=False):
    """An alert as Alertmanager writes it. Grafana and others add fields of their own."""

    status: AlertStatus
    labels: Labels | None = None
    annotations: Labels | None = None
    starts_at: Moment | None = None
    ends_at: Moment | None = None
    generator_url: str | None = field(default=None, name="generatorURL")
    fingerprint: str | None = None
    silence_url: Raw = field(default=ABSENT, name="silenceURL")
    dashboard_url: Raw = field(default=ABSENT, name="dashboardURL")
    panel_url: Raw = field(default=ABSENT, name="panelURL")
    values: Raw = ABSENT


class StrictAlert(Struct, rename="camel", gc=False, forbid_unknown_fields=True):
    """An alert with exactly Alertmanager's fields, so that its depth is known."""

    status: AlertStatus
    labels: Labels | None = None
    annotations: Labels | None = None
    starts_at: Moment | None = None
    ends_at: Moment | None = None
    generator_url: str | None = field(default=None, name="generatorURL")
    fingerprint: str | None = None


class _Fields(Struct, rename="camel"):
    """An alert with its values undecoded."""

    status: Raw = ABSENT
    labels: Raw = ABSENT
    annotations: Raw = ABSENT
    starts_at: Raw = ABSENT
    ends_at: Raw = ABSENT
    generator_url: Raw = field(default=ABSENT, name="generatorURL")
    fingerprint: Raw = ABSENT
    silence_url: Raw = field(default=ABSENT, name="silenceURL")
    dashboard_url: Raw = field(default=ABSENT, name="dashboardURL")
    panel_url: Raw = field(default=ABSENT, name="panelURL")
    values: Raw = ABSENT


_KNOWN_ALERT = Decoder(KnownAlert)
_FIELDS = Decoder(_Fields)
_VALUES: Decoder[dict[str, float] | None] = Decoder(dict[str, float] | None)


def read_alert(
    unread: StrictAlert | Raw, told: AlertStatus | None, *, believed: bool, known_by: str = ""
) -> Alert:
    """The alert. `told` is the status of the payload, None if it has none. `believed`: its
    fingerprint is Alertmanager's. `known_by` saves hashing the labels a second time.
    """
    known: StrictAlert | KnownAlert
    match unread:
        case StrictAlert():
            known = unread
        case Raw():
            try:
                grafanas = _KNOWN_ALERT.decode(unread)
            except ValidationError:
                return _from_fields(unread, told, believed=believed)
            annotations = _with_grafanas(grafanas.annotations or {}, grafanas)
            known = replace(grafanas, annotations=annotations)
        case _:
            assert_never(unread)
    names = (known_by,) if known_by else known_names((known,), believed=believed)
    return read_alerts((known,), names)[0]


def read_alerts(
    known: Sequence[StrictAlert | KnownAlert], known_by: Sequence[str]
) -> tuple[Alert, ...]:
    """The alerts, by these names."""
    return tuple(
        [
            Alert(
                each.status,
                each.labels or {},
                each.annotations or {},
                seconds_of(each.starts_at) or 0.0,
                seconds_of(each.ends_at) if each.status == "resolved" else None,
                each.generator_url or "",
                name,
                "" if name == each.fingerprint else each.fingerprint or "",
            )
            for each, name in zip(known, known_by, strict=True)
        ]
    )


def known_names(known: Sequence[StrictAlert | KnownAlert], *, believed: bool) -> list[str]:
    """What identifies each of the alerts: its fingerprint, if it is Alertmanager's."""
    if not believed:
        return [own_fingerprint(each.labels or {}) for each in known]
    return [_given(each.fingerprint) or own_fingerprint(each.labels or {}) for each in known]


def _from_fields(raw: Raw, told: AlertStatus | None, *, believed: bool) -> Alert:
    """The alert, read field by field: a value that cannot be read affects only its field. Only an
    alert without readable labels is malformed.
    """
    try:
        fields = _FIELDS.decode(raw)
    except ValidationError:
        return _malformed(raw, _Fields(), "form", believed=believed)
    labels = labels_of(fields.labels)
    if labels is None:
        return _malformed(raw, fields, "labels", believed=believed)
    ends_at = time_of(fields.ends_at)
    # Alertmanager sets an end only for alerts that have ended, and calls a payload resolved only if
    # all of its alerts are.
    ended: AlertStatus = "resolved" if told == "resolved" or ends_at else "firing"
    status = status_of(fields.status) or ended
    given = text_of(fields.fingerprint)
    known_by = (believed and _given(given)) or own_fingerprint(labels)
    return Alert(
        status,
        labels,
        _with_grafanas(labels_of(fields.annotations) or {}, fields),
        time_of(fields.starts_at) or 0.0,
        ends_at if status == "resolved" else None,
        text_of(fields.generator_url),
        known_by,
        "" if known_by == given else given,
    )


def _with_grafanas(annotations: Labels, told: KnownAlert | _Fields) -> Labels:
    """The annotations, with those fields that only Grafana's webhook has under `__...__` names.

    https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/
    """
    if (
        told.silence_url is ABSENT
        and told.dashboard_url is ABSENT
        and told.panel_url is ABSENT
        and told.values is ABSENT
    ):
        return annotations
    own = {
        "__silence_url__": text_of(told.silence_url),
        "__dashboard_url__": text_of(told.dashboard_url),
        "__panel_url__": text_of(told.panel_url),
        "__values__": _values(told.values),
    }
    return annotations | {name: text for name, text in own.items() if text}


def _values(raw: Raw) -> str:
    """`B=6.705, C=1`: the values of a Grafana rule's expressions, in their order."""
    try:
        found = _VALUES.decode(raw) or {}
    except ValidationError:
        return ""
    return ", ".join(f"{name}={value:.4g}" for name, value in found.items())


def _malformed(raw: Raw, fields: _Fields, faulty: str, *, believed: bool) -> Alert:
    """A readable alert in place of a malformed one, so that people get to see it. Annotations that
    can be read are kept, and the raw text is put below their description.
    """
    annotations = labels_of(fields.annotations) or {}
    own = annotations.get("description")
    return Alert(
        status_of(fields.status) or "firing",
        {"alertname": MALFORMED},
        {
            "summary": f"This alert arrived malformed: its {faulty} cannot be read",
            **annotations,
            "description": f"{own}\n{_shortened(raw)}" if own else _shortened(raw),
        },
        time_of(fields.starts_at) or 0.0,
        None,
        "",
        (believed and _given(text_of(fields.fingerprint))) or f"{digest_of(bytes(raw)):016x}",
    )


def _shortened(raw: Raw) -> str:
    text = bytes(memoryview(raw)[: 4 * _DESCRIPTION + 4]).decode(errors="ignore")
    return text if len(text) <= _DESCRIPTION else text[: _DESCRIPTION - 1] + "…"


def _given(fingerprint: str | None) -> str:
    """The fingerprint in a payload, if it has the form of Alertmanager's; else empty. A sender that
    writes another form may use one value for all its alerts.
    """
    return fingerprint if fingerprint and _FINGERPRINT(fingerprint) else ""


def digest_of(text: bytes) -> int:
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big")


def believed(unread: Sequence[StrictAlert | Raw], told: AlertStatus | None) -> bool:
    """Whether the fingerprints of a payload follow from the labels, as Alertmanager's do; the first
    alert that shows it decides. Those of another sender may be the same for different labels, also
    in different payloads.
    """
    for each in unread[:_MOST_WITNESSES]:
        if isinstance(each, StrictAlert):
            labels, given = each.labels or {}, each.fingerprint
        else:
            alert = read_alert(each, told, believed=True)
            labels, given = alert.labels, alert.fingerprint
        size = sum(map(len, labels)) + sum(map(len, labels.values()))
        if size <= _LONGEST_WITNESS and labels.get("alertname") != MALFORMED:
            return given == alert_key(labels)
    return True
