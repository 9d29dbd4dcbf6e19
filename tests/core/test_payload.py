"""Webhook bodies: recorded ones, odd ones, broken ones and huge ones."""

import json
import os
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from relay.core.alert import (
    OWN_KEYS,
    OWN_PREFIX,
    Alert,
    GroupId,
    Notification,
    alert_key,
)
from relay.core.card.digest import DIGEST, QUIET
from relay.core.notice import NOTICES
from relay.core.webhook.payload import PART, _known, parse
from relay.core.webhook.shape import DEEPEST, MOST_ALERTS, PayloadError

RECORDED = Path(__file__).parents[1] / "payloads"
AT = 1763773506.0  # 2025-11-22T01:05:06Z
D1 = "00000000000000d1"

type_of_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def body(*alerts: object, **envelope: object) -> bytes:
    return json.dumps({"alerts": list(alerts), **envelope}).encode()


def one(text: bytes) -> Notification:
    (notification,) = parse(text, "eu")
    return notification


def only(**fields: object) -> Alert:
    (alert,) = one(body({"status": "firing", **fields})).alerts
    return alert


LIFE = [
    # file, status, alerts firing and resolved, reason from 0.32 on, truncated
    ("01-first.json", "firing", 1, 0, "first notification", 0),
    ("02-joined.json", "firing", 2, 0, "new alerts added", 0),
    ("03-some-resolved.json", "firing", 1, 1, "some alerts resolved", 0),
    ("04-repeat.json", "firing", 1, 0, "repeat interval elapsed", 0),
    ("05-all-resolved.json", "resolved", 0, 1, "all alerts resolved", 0),
    ("06-truncated-unicode.json", "firing", 3, 0, "first notification", 5),
    ("07-bare.json", "firing", 1, 0, "first notification", 0),
]


@pytest.mark.parametrize("version", ["alertmanager-0.25.0", "alertmanager-0.33.1"])
@pytest.mark.parametrize(("file", "status", "firing", "resolved", "reason", "truncated"), LIFE)
def test_a_recorded_body_is_one_notification(
    version: str, file: str, status: str, firing: int, resolved: int, reason: str, truncated: int
) -> None:
    text = (RECORDED / version / file).read_bytes()
    notification = one(text)
    raw = json.loads(text)
    assert (notification.status, notification.truncated, notification.part, notification.parts) == (
        status,
        truncated,
        0,
        1,
    )
    assert [alert.status for alert in notification.alerts].count("firing") == firing
    assert [alert.status for alert in notification.alerts].count("resolved") == resolved
    assert notification.reason == (reason if version > "alertmanager-0.3" else "")
    assert notification.receiver == raw["receiver"].replace("\\", "")
    assert (notification.group_key, notification.external_url) == (
        raw["groupKey"],
        raw["externalURL"],
    )
    assert notification.group_labels == raw["groupLabels"]
    assert notification.common_labels == raw["commonLabels"]
    assert notification.common_annotations == raw["commonAnnotations"]
    for alert, given_ in zip(notification.alerts, raw["alerts"], strict=True):
        assert (alert.labels, alert.annotations) == (given_["labels"], given_["annotations"])
        assert (alert.fingerprint, alert.generator_url) == (
            given_["fingerprint"],
            given_["generatorURL"],
        )
        assert 1795315000 < alert.starts_at < 1795316000
        assert (alert.ends_at is None) == (alert.status == "firing")


def test_an_envelope_with_nothing_in_it_is_still_one_notification() -> None:
    assert one(b'{"alerts": []}') == Notification(
        source="eu",
        receiver="",
        group_key="{}:{}",
        status="resolved",
        alerts=(),
        group_labels={},
        common_labels={},
        common_annotations={},
        route_labels={},
        external_url="",
        reason="",
        truncated=0,
        state=0,
    )


ENVELOPES: list[tuple[str, object, str, object]] = [
    ("receiver", "team\\.db", "receiver", "team.db"),
    ("receiver", r"\\\.\+\*\?\(\)\|\[\]\{\}\^\$", "receiver", r"\.+*?()|[]{}^$"),
    ("receiver", None, "receiver", ""),
    ("receiver", 5, "receiver", "5"),
    ("receiver", {"a": 1}, "receiver", ""),
    ("groupKey", 1234567890, "group_key", "1234567890"),
    ("status", "resolved", "status", "resolved"),
    ("status", "RESOLVED", "status", "resolved"),
    ("status", "odd", "status", "firing"),
    ("groupLabels", None, "group_labels", {}),
    ("groupLabels", [1], "group_labels", {}),
    (
        "groupLabels",
        {"a": "b", "n": 1.5, "t": True, "x": None, "l": []},
        "group_labels",
        {"a": "b", "n": "1.5", "t": "true"},
    ),
    ("groupLabels", {"b": 'x"', "a": "y"}, "group_key", r'{}:{a="y", b="x\""}'),
    ("groupKey", '{}/{a="b"}:{}', "group_key", '{}/{a="b"}:{}'),
    ("commonLabels", {"a": "b"}, "common_labels", {"a": "b"}),
    ("commonAnnotations", {"a": "b"}, "common_annotations", {"a": "b"}),
    ("routeLabels", {"a": "b"}, "route_labels", {"a": "b"}),
    ("externalURL", "http://am", "external_url", "http://am"),
    ("notification_reason", "new alerts added", "reason", "new alerts added"),
    ("truncatedAlerts", 7, "truncated", 7),
    ("truncatedAlerts", -7, "truncated", 0),
    ("truncatedAlerts", "7", "truncated", 0),
]


@pytest.mark.parametrize(("field", "value", "attribute", "expected"), ENVELOPES)
def test_a_field_of_the_envelope_is_taken_as_far_as_it_goes(
    field: str, value: object, attribute: str, expected: object
) -> None:
    assert getattr(one(body({"status": "firing"}, **{field: value})), attribute) == expected


TIMES: list[tuple[object, float]] = [
    ("2025-11-22T01:05:06Z", AT),
    ("2025-11-22T01:05:06.5Z", AT + 0.5),
    ("2025-11-22T01:05:06.189234893Z", AT + 0.189235),
    ("2025-11-22T06:35:06+05:30", AT),
    ("2025-11-21T20:05:06-05:00", AT),
    ("0001-01-01T00:00:00Z", 0.0),
    ("0001-01-01T00:00:00+14:00", 0.0),
    ("1969-12-31T23:59:59Z", 0.0),
    (None, 0.0),
]


@pytest.mark.parametrize(("text", "seconds"), TIMES)
def test_times_are_unix_seconds_and_unusable_ones_unknown(text: object, seconds: float) -> None:
    assert only(startsAt=text).starts_at == seconds
    assert only(status="resolved", endsAt=text).ends_at == (seconds or None)


@pytest.mark.parametrize("ends", ["2025-11-22T01:05:06Z", "", "tomorrow", 5, None])
def test_a_firing_alert_has_no_end_whatever_it_says(ends: object) -> None:
    alert = only(endsAt=ends, labels={"alertname": "Disk"})
    assert (alert.status, alert.ends_at, alert.name) == ("firing", None, "Disk")


def test_missing_and_null_fields_of_an_alert_are_empty() -> None:
    bare = only(labels={"a": "b"})
    nulls = only(
        labels={"a": "b"}, annotations=None, generatorURL=None, fingerprint=None, startsAt=None
    )
    assert bare == nulls == Alert("firing", {"a": "b"}, {}, 0.0, None, "", bare.fingerprint)
    assert only(labels=None).labels == only().labels == {}


@pytest.mark.parametrize("more", [{}, {"startsAt": "yesterday"}])
def test_grafanas_own_links_and_values_stand_beside_the_annotations(more: dict[str, str]) -> None:
    alert = only(
        annotations={"summary": "full"},
        silenceURL="https://grafana.example/silence",
        dashboardURL="https://grafana.example/d/x",
        panelURL="",
        values={"B": 6.70508435546954, "C": 1},
        **more,
    )
    assert alert.annotations == {
        "summary": "full",
        "__silence_url__": "https://grafana.example/silence",
        "__dashboard_url__": "https://grafana.example/d/x",
        "__values__": "B=6.705, C=1",
    }
    assert only(values={"B": "high"}, silenceURL=None).annotations == {}


DB_1 = {"instance": "db-1"}
KEY = alert_key(DB_1)


@pytest.mark.parametrize(
    "constant", ["1234567890", "none", "00000000000000D1", "0" * 32, "0" * 16, D1, KEY]
)
def test_a_fingerprint_that_is_none_of_alertmanagers_tells_no_alerts_apart(constant: str) -> None:
    """Also in different payloads."""
    first, other, again = (
        only(labels={"instance": name}, fingerprint=constant) for name in ("db-1", "db-2", "db-1")
    )
    assert first.fingerprint == again.fingerprint != other.fingerprint


def test_alertmanagers_fingerprint_stays_with_the_alert_whose_it_is() -> None:
    labels = ({"instance": "db-1"}, {"instance": "db-2"}, {"instance": "db-3"})
    alerts = one(
        body(*({"status": "firing", "labels": each, "fingerprint": KEY} for each in labels))
    ).alerts
    assert alerts[0].fingerprint == KEY
    assert len({alert.fingerprint for alert in alerts}) == 3


def test_a_malformed_alert_is_no_witness_of_fingerprints() -> None:
    sound = {"status": "firing", "labels": DB_1, "fingerprint": KEY}
    _, alert = one(body({"labels": 5, "fingerprint": D1}, sound)).alerts
    assert (alert.fingerprint, alert.given) == (KEY, "")


def test_a_missing_fingerprint_is_made_of_the_labels() -> None:
    first, again, other = (
        only(labels=labels) for labels in ({"a": "1", "b": "2"}, {"b": "2", "a": "1"}, {"a": "1"})
    )
    assert first.fingerprint == again.fingerprint == "f1b5248dc1213123"
    assert other.fingerprint != first.fingerprint


EIGHT = 1795334400.0  # 2026-11-22T08:00:00Z

STARTS: list[tuple[object, float]] = [
    ("2026-11-22T08:00:00,123Z", EIGHT + 0.123),
    ("2026-11-22", EIGHT - 8 * 3600),
    (1795334400000, EIGHT),
    (1795334400123, EIGHT + 0.123),
    ("1795334400", EIGHT),
    (1795334400, EIGHT),
    (1795334400.5, EIGHT + 0.5),
    ("2026-11-22 08:00:00 +0000 UTC", EIGHT),
    ("2026-11-22 09:00:00.25 +0100 CET m=+12.5", EIGHT + 0.25),
    ("2026-11-22 13:30:00 +0530 +0530", EIGHT),
    ("2026-11-22T23:59:60Z", EIGHT + 16 * 3600),
    ("2026-11-22t08:00:00z", EIGHT),
    ("2026-11-22T08:00Z", EIGHT),
    ("2026-11-22T08:00:00", EIGHT),
    ("2026-11-22T08:00:00.123456789+02:00", EIGHT - 7200 + 0.123457),
    ("2026-11-22T08:00:00,123456789+02:00", EIGHT - 7200 + 0.123457),
    ("2026-11-22T08:00:00+0200", EIGHT - 7200),
    ("2026-11-22T08:00:00-0930", EIGHT + 9.5 * 3600),
    ("2026-11-22 08:00:00Z", EIGHT),
    (" 2026-11-22 08:00:00 ", EIGHT),
    (None, 0.0),
    ("", 0.0),
    ("yesterday", 0.0),
    ("2026-13-22T08:00:00", 0.0),
    ("2026-11-22T24:00:00", 0.0),
    ("2026-11-22T08:00:61", 0.0),
    ("2026-11-22 08:00:00 CET", 0.0),
    ("0001-01-01 00:00:00 +0000 UTC", 0.0),
    ("٢٠٢٦-١١-٢٢", 0.0),
    (-5, 0.0),
    (0, 0.0),
    (True, 0.0),
    (1795334400000000000, 0.0),
    (1e300, 0.0),
    ([], 0.0),
    ({"seconds": 5}, 0.0),
]


@pytest.mark.parametrize(("text", "seconds"), STARTS)
def test_a_time_is_read_in_the_forms_that_senders_write_and_is_else_unknown(
    text: object, seconds: float
) -> None:
    labels, annotations = {"alertname": "T"}, {"summary": "the text"}
    known_by = alert_key(labels)
    alert = only(labels=labels, annotations=annotations, startsAt=text, fingerprint=known_by)
    assert alert == Alert("firing", labels, annotations, seconds, None, "", known_by)
    assert only(status="resolved", endsAt=text).ends_at == (seconds or None)


FIELDS: list[tuple[dict[str, object], str, object]] = [
    ({"labels": {"n": 3, "ok": True, "x": None, "l": []}}, "labels", {"n": "3", "ok": "true"}),
    ({"labels": {"line": 1.50, "big": 10**30}}, "labels", {"line": "1.5", "big": str(10**30)}),
    ({"annotations": {"summary": "s", "v": 97.5}}, "annotations", {"summary": "s", "v": "97.5"}),
    ({"annotations": {"summary": "s", "deep": {"a": 1}}}, "annotations", {"summary": "s"}),
    ({"annotations": "text"}, "annotations", {}),
    ({"annotations": []}, "annotations", {}),
    ({"generatorURL": []}, "generator_url", ""),
    ({"generatorURL": 5}, "generator_url", "5"),
    ({"fingerprint": 1234567890123456}, "given", "1234567890123456"),
    ({"status": "FIRING "}, "status", "firing"),
    ({"status": "Resolved"}, "status", "resolved"),
    ({"status": "resolved", "endsAt": "tomorrow"}, "ends_at", None),
    ({"status": "firing", "startsAt": "x", "endsAt": "2026-11-22T08:00:00Z"}, "ends_at", None),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "attribute", "expected"), FIELDS)
def test_a_field_that_cannot_be_read_costs_that_field_alone(
    fields: dict[str, object], attribute: str, expected: object
) -> None:
    sound: dict[str, object] = {
        "labels": {"alertname": "Disk"},
        "annotations": {"summary": "full"},
        "given": D1,
    }
    alert = only(**{"fingerprint": D1} | sound | fields)
    assert getattr(alert, attribute) == expected
    for name, value in (sound | {"generator_url": ""}).items():
        assert name in fields or name == attribute or getattr(alert, name) == value, name


ENDED = "2026-11-22T08:10:00Z"
STATUSES: list[tuple[object, object, object, str, bool]] = [
    # the alert's status and end, the payload's status, what the alert is, whether its end is known
    (None, "0001-01-01T00:00:00Z", "firing", "firing", False),
    (None, ENDED, "resolved", "resolved", True),
    (None, ENDED, "firing", "resolved", True),
    (None, ENDED, None, "resolved", True),
    (None, "2026-11-22 08:10:00", None, "resolved", True),
    (None, "", None, "firing", False),
    (None, None, "resolved", "resolved", False),
    ("odd", None, None, "firing", False),
    (5, ENDED, "odd", "resolved", True),
    ("firing", ENDED, "resolved", "firing", False),
    ("resolved", None, "firing", "resolved", False),
]


@pytest.mark.parametrize(("own", "end", "told", "status", "known"), STATUSES)
def test_a_missing_status_follows_from_the_end_and_from_the_payload(
    own: object, end: object, told: object, status: str, *, known: bool
) -> None:
    given_ = {"status": own, "endsAt": end, "labels": {"alertname": "Disk"}}
    (alert,) = one(body(given_, status=told)).alerts
    assert (alert.status, alert.name, alert.ends_at is not None) == (status, "Disk", known)


MALFORMED: list[tuple[object, str]] = [
    (5, "form"),
    (None, "form"),
    ("text", "form"),
    ([{"status": "firing"}], "form"),
    ({"status": "firing", "labels": []}, "labels"),
    ({"status": "firing", "labels": "a=b"}, "labels"),
]


@pytest.mark.parametrize(("fault", "field"), MALFORMED)
def test_a_malformed_alert_among_good_ones_arrives_as_a_fallback(fault: object, field: str) -> None:
    good = {"status": "firing", "labels": {"alertname": "Good"}}
    before, alert, after = one(body(good, fault, good)).alerts
    assert before.name == after.name == "Good"
    assert alert.labels == {"alertname": "Malformed alert"}
    assert alert.annotations == {
        "summary": f"This alert arrived malformed: its {field} cannot be read",
        "description": json.dumps(fault),
    }
    assert alert.status == "firing"
    assert len(alert.fingerprint) == 16


def test_a_malformed_alert_keeps_what_can_be_read_of_it() -> None:
    fields = {
        "status": "resolved",
        "labels": 5,
        "annotations": {"summary": "full", "description": "on a"},
        "startsAt": EIGHT,
        "fingerprint": D1,
    }
    alert = only(**fields)
    assert (alert.status, alert.fingerprint, alert.starts_at) == ("resolved", D1, EIGHT)
    assert alert.annotations == {"summary": "full", "description": "on a\n" + json.dumps(fields)}


ROOT = Path(__file__).resolve().parents[2]
CASES = ROOT / os.environ.get("RELAY_SPECS", "../shared/specs") / "../cases"
without_cases = pytest.mark.skipif(not CASES.is_dir(), reason="the cases of the field are not here")


@without_cases
@pytest.mark.parametrize("kind", ["no-alert-status*", "t-*", "starts-*", "label-number*"])
def test_no_alert_of_the_field_loses_its_text_for_a_minor_field(kind: str) -> None:
    files = sorted(CASES.glob(f"{kind}.json"))
    assert files
    for file in files:
        text = file.read_bytes()
        raw = json.loads(text)
        told = one(text)
        for alert, given_ in zip(told.alerts, raw["alerts"], strict=True):
            assert alert.status == raw["status"], file.name
            assert alert.name == given_["labels"]["alertname"], file.name
            assert alert.annotations["summary"] == given_["annotations"]["summary"], file.name


label_text = st.text(max_size=8) | st.sampled_from(
    ["\0", "\u2028", "\x7f", "🙂", "\\", '"', "\ufdd0"]
)
label_maps = st.dictionaries(label_text, label_text, max_size=4)
offsets = st.integers(-14 * 60, 14 * 60).map(lambda east: timezone(timedelta(minutes=east)))
moments = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=offsets).map(  # noqa: DTZ001 - the zone is given beside
    datetime.isoformat
)
known_alerts = st.fixed_dictionaries(
    {"status": st.sampled_from(["firing", "resolved"])},
    optional={
        "labels": label_maps | st.none(),
        "annotations": label_maps | st.none(),
        "startsAt": moments | st.none(),
        "endsAt": moments | st.none(),
        "generatorURL": label_text | st.none(),
        "fingerprint": label_text | st.none(),
    },
)
known_bodies = st.fixed_dictionaries(
    {"alerts": st.lists(known_alerts, max_size=4)},
    optional={
        "version": label_text,
        "status": st.sampled_from(["firing", "resolved"]) | st.none(),
        "truncatedAlerts": st.integers(0, 2**31 - 1) | st.none(),
        **{
            name: label_text | st.none()
            for name in ("receiver", "groupKey", "externalURL", "notification_reason")
        },
        **{
            name: label_maps | st.none()
            for name in ("groupLabels", "commonLabels", "commonAnnotations", "routeLabels")
        },
    },
)


def assert_both_ways_agree(whole: dict[str, Any], *, ascii_only: bool) -> None:
    """An unknown field turns the body over to the patient way, a status in capitals each alert."""
    alerts = [alert | {"status": alert["status"].upper()} for alert in whole["alerts"]]
    known, by_alert, by_field = (
        json.dumps(each, ensure_ascii=ascii_only).encode()
        for each in (whole, whole | {"x": 1}, whole | {"alerts": alerts, "x": 1})
    )
    assert _known(known) is not None
    assert _known(by_alert) is None
    told = list(parse(known, "eu"))
    assert told == list(parse(by_alert, "eu"))
    assert told == list(parse(by_field, "eu"))


@given(known_bodies, st.booleans())
def test_a_body_decoded_at_once_gives_what_the_patient_way_gives(
    whole: dict[str, Any], ascii_only: bool
) -> None:
    assert_both_ways_agree(whole, ascii_only=ascii_only)


@pytest.mark.parametrize("file", sorted(RECORDED.glob("*/*.json")), ids=lambda file: file.stem)
def test_a_recorded_body_is_decoded_at_once(file: Path) -> None:
    assert_both_ways_agree(json.loads(file.read_bytes()), ascii_only=True)


def test_parts_of_a_body_decoded_at_once_are_those_of_the_patient_way() -> None:
    assert_both_ways_agree({"alerts": numbered(2 * PART + 3), "groupKey": "g"}, ascii_only=True)


def test_of_a_field_that_comes_twice_the_last_counts_either_way() -> None:
    alert = (
        b'{"status": "resolved", "fingerprint": "00000000000000d1", "status": "firing",'
        b' "fingerprint": "00000000000000d2"}'
    )
    raw = b'{"receiver": "a", "alerts": [], "receiver": "b", "alerts": [%s]%s}'
    known, patient = one(raw % (alert, b"")), one(raw % (alert, b', "x": 1'))
    assert known == patient
    (told,) = known.alerts
    assert (known.receiver, told.status, told.given) == ("b", "firing", "00000000000000d2")


def test_two_different_malformed_alerts_are_two() -> None:
    assert len({alert.fingerprint for alert in one(body(1, 2, 1)).alerts}) == 2


def test_a_huge_malformed_alert_is_described_in_500_characters() -> None:
    description = only(labels=["é🙂" * 10_000]).annotations["description"]
    assert len(description) == 500
    assert description.endswith("…")
    (alert,) = one(json.dumps({"alerts": ["🙂" * 10_000]}, ensure_ascii=False).encode()).alerts
    assert alert.annotations["description"] == '"' + "🙂" * 498 + "…"


def test_the_end_of_a_huge_number_is_kept() -> None:
    digits = "9" * 5_000
    (alert,) = one(
        b'{"alerts": [{"status": "firing", "labels": {"n": %s}}]}' % digits.encode()
    ).alerts
    assert alert.labels["n"] == digits


SURROGATES = [
    (rb"\ud83d\ude42", "🙂"),
    (rb"\ud83d", "�"),
    (rb"\ude42", "�"),
    (rb"\uD83D\uD83D\uDE42x", "�🙂x"),
    (rb"\ude42\ude42", "��"),
    (rb"\ud83d\u0041", "�A"),
    (rb"\\\ud83d", "\\�"),
    (rb"\ud83d\\ud83d", "�\\ud83d"),
]


@pytest.mark.parametrize(("escaped", "text"), SURROGATES)
def test_half_a_surrogate_pair_becomes_a_replacement_character(escaped: bytes, text: str) -> None:
    raw = b'{"groupKey": "%s", "alerts": [{"status": "firing", "labels": {"a": "%s"}}]}' % (
        escaped,
        escaped,
    )
    notification = one(raw)
    assert notification.group_key == notification.alerts[0].labels["a"] == text
    assert notification.alerts[0].annotations == {}


@pytest.mark.medium
def test_pairs_are_told_from_halves_throughout_a_large_body() -> None:
    escaped, text = (
        b"".join(each[0] + b" " for each in SURROGATES),
        "".join(each[1] + " " for each in SURROGATES),
    )
    raw = (
        b'{"alerts": [{"status": "firing", "labels": {"a": "%s"}, "annotations": {"b": "%s"}}]}'
        % (
            escaped * 9_000,
            escaped * 30_000,
        )
    )
    (alert,) = one(raw).alerts
    assert (alert.labels["a"], alert.annotations["b"]) == (text * 9_000, text * 30_000)


def nested(depth: int) -> bytes:
    """A body that nests `depth` deep, the body itself counted."""
    return b'{"alerts": [], "extra": ' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


REFUSED: list[tuple[bytes, str]] = [
    (b"", "the body is not JSON: Input data was truncated"),
    (b"nope", "the body is not JSON"),
    (b'{"alerts": [}', "(byte 12)"),
    (b'{"alerts": []} x', "(byte 16)"),
    (b'{"alerts": [], "a": NaN}', "not JSON"),
    (b'{"alerts": [{"a": "\\x"}]}', "not JSON"),
    (b'\xef\xbb\xbf{"alerts": []}', "not JSON"),
    (b' [{"labels": {}}]', "a list, as Prometheus posts it to Alertmanager"),
    (b'"{}"', "not a JSON object"),
    (b"null", "not a JSON object"),
    (b"{}", "alerts: expected a list"),
    (b' {"alerts": null}', "alerts: expected a list"),
    (b'{"alerts": {"0": {}}}', "alerts: expected a list"),
    (b'{"alerts": ["\xff"]}', "not UTF-8 near byte 13"),
    (b'{"alerts": ["' + b"a" * 3_000_000 + b'\xc3"]}', "not UTF-8 near byte 3000013"),
    (b'{"alerts": []}\xc3', "not UTF-8 near byte 14"),
    (nested(DEEPEST + 1), "deeper than 32"),
    (nested(100_000), "deeper than 32"),
    (b'{"alerts": [' + b"[" * 100_000 + b"]" * 100_000 + b"]}", "deeper than 32"),
    (b'{"alerts": [' + b"{}," * MOST_ALERTS + b"{}]}", "alerts: more than 1000000"),
    (
        b'{"a": ",", "alerts": [' + b"1," * MOST_ALERTS + b'{"a": 1, "b": 2}]}',
        "alerts: more than 1000000",
    ),
    (b'{"alerts": ["' + b"a" * (9 << 20) + b'\\ud83d"]}', "not JSON"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED, ids=range(len(REFUSED)))
def test_a_broken_envelope_is_refused_by_the_call_itself(text: bytes, message: str) -> None:
    with pytest.raises(PayloadError) as caught:
        parse(text, "eu")
    assert message in str(caught.value)
    assert len(str(caught.value)) <= 180


@pytest.mark.medium
@pytest.mark.parametrize(
    "text",
    [
        nested(DEEPEST),
        json.dumps({"alerts": [], "a": "\\", "b": "[{" * 500 + '"\\' * 9 + "[" * 99}).encode(),
        json.dumps(
            {"alerts": [], "a": ("[" * 30 + '"\\') * 100_000 + "\\" * 2_000_000, "b": ["]"]}
        ).encode(),
        json.dumps({"alerts": [], "a": ["[", [], ["", '"', {"{": "}"}]] * 300_000}).encode(),
    ],
    ids=["deep enough", "brackets in a string", "strings over slices", "many siblings"],
)
def test_brackets_within_strings_and_side_by_side_are_no_nesting(text: bytes) -> None:
    assert one(text).alerts == ()


@given(
    st.binary()
    | st.text().map(str.encode)
    | type_of_json.map(lambda value: json.dumps(value).encode())
)
def test_any_bytes_are_notifications_or_a_payload_error(text: bytes) -> None:
    try:
        list(parse(text, ""))
    except PayloadError as error:
        message = str(error)
        assert len(message) <= 180


@given(st.lists(type_of_json), type_of_json, type_of_json)
def test_any_alerts_and_any_fields_become_alerts_that_can_be_written_again(
    alerts: list[object], labels: object, envelope: object
) -> None:
    full = {"status": "firing", "labels": labels, "annotations": envelope, "startsAt": labels}
    notification = one(body(*alerts, full, groupKey=envelope, groupLabels=labels, status=labels))
    assert len(notification.alerts) == len(alerts) + 1
    assert repr(notification).encode()


def numbered(count: int) -> list[dict[str, object]]:
    return [
        {"status": "firing", "labels": {"n": str(index)}, "fingerprint": f"{index:016x}"}
        for index in range(count)
    ]


@pytest.mark.parametrize(
    ("count", "sizes"),
    [
        (PART, [PART]),
        (PART + 1, [PART, 1]),
        (2 * PART, [PART, PART]),
        (2 * PART + 7, [PART, PART, 7]),
    ],
)
def test_a_large_body_comes_in_parts(count: int, sizes: list[int]) -> None:
    notifications = list(parse(body(*numbered(count), groupKey="g"), "eu"))
    assert [len(each.alerts) for each in notifications] == sizes
    assert [(each.part, each.parts) for each in notifications] == [
        (part, len(sizes)) for part in range(len(sizes))
    ]
    assert [alert.labels["n"] for each in notifications for alert in each.alerts] == [
        str(n) for n in range(count)
    ]
    assert len({each.state for each in notifications}) == 1
    assert {(each.status, each.group_key) for each in notifications} == {("firing", "g")}


def test_the_state_depends_on_the_firing_alerts_not_on_order_starts_sender_or_reason() -> None:
    alerts = numbered(PART + 3)
    state = next(parse(body(*alerts), "eu")).state
    assert 0 <= state < 2**63
    assert (
        next(parse(body(*reversed(alerts), notification_reason="x", externalURL="y"), "us")).state
        == state
    )
    assert (
        next(
            parse(body(*alerts[:-1], alerts[-1] | {"startsAt": "2025-11-22T01:05:06Z"}), "eu")
        ).state
        == state
    )
    assert next(parse(body(*alerts[:-1], alerts[-1] | {"labels": {"n": "f"}}), "eu")).state != state
    without = next(parse(body(*alerts[:-1]), "eu")).state
    assert without != state
    assert (
        next(parse(body(*alerts[:-1], alerts[-1] | {"status": "resolved"}), "eu")).state == without
    )


def test_the_state_is_the_same_in_every_run() -> None:
    assert one(body(*numbered(2))).state == 8678267256409639129


@pytest.mark.parametrize("own", [DIGEST, QUIET, replace(NOTICES, group_key="notice/storage/x")])
def test_no_payload_names_a_card_of_the_relays_own(own: GroupId) -> None:
    """Whoever may post could end a digest, or forge a notice or its end."""
    ended = {"status": "resolved", "labels": {"alertname": "x"}}
    for odd in ({}, {"groupLabels": 7}):  # both ways of reading
        posted = body(ended, receiver=own.receiver, groupKey=own.group_key, **odd)
        [told] = parse(posted, own.source)
        assert told.group != own
        assert not told.group_key.startswith(NOTICES.group_key)


def test_the_keys_of_the_relays_own_cards_are_the_ones_kept_from_payloads() -> None:
    assert {DIGEST.group_key, QUIET.group_key} == OWN_KEYS
    assert NOTICES.group_key == OWN_PREFIX


@pytest.mark.parametrize("more", [{}, {"startsAt": "soon"}])
def test_what_grafana_tells_beside_the_annotations_is_kept_under_names_of_its_own(
    more: dict[str, object],
) -> None:
    told = {
        "status": "firing",
        "labels": {"alertname": "Disk"},
        "annotations": {"summary": "full"},
        "silenceURL": "https://grafana.example.org/silence",
        "dashboardURL": "",
        "panelURL": 3,
        "values": {"B": 6.70508435, "C": 1},
        **more,
    }
    (alert,) = next(iter(parse(json.dumps({"alerts": [told]}).encode(), ""))).alerts
    assert alert.annotations == {
        "summary": "full",
        "__silence_url__": "https://grafana.example.org/silence",
        "__panel_url__": "3",
        "__values__": "B=6.705, C=1",
    }
