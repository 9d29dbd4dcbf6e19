"""What deserves a line: marks, summaries, places and differences."""

import pytest

from relay.core.template.sample import alert, view
from relay.core.template.telling import mark, severities, summary, telling_keys, where


@pytest.mark.parametrize(
    ("status", "severity", "expected"),
    [
        ("firing", "critical", "🔴"),
        ("firing", "PAGE", "🔴"),
        ("firing", "warning", "🟠"),
        ("firing", "info", "🔵"),
        ("firing", "sev-purple", "🔵"),
        ("firing", "", "🟠"),
        ("resolved", "critical", "🟢"),
        ("gone", "critical", "⚪"),
    ],
)
def test_state_and_severity_have_a_mark(status: str, severity: str, expected: str) -> None:
    assert mark(status, severity) == expected


@pytest.mark.parametrize(
    ("annotations", "told"),
    [
        ({"summary": "s", "description": "d", "message": "m"}, "s"),
        ({"summary": "  ", "description": "d", "message": "m"}, "d"),
        ({"message": "m"}, "m"),
        ({"dashboard_url": "u"}, "Name"),
    ],
)
def test_what_is_wrong_comes_from_the_first_that_says_it(annotations: dict[str, str], told: str) -> None:
    assert summary(annotations, "Name") == told


@pytest.mark.parametrize(
    ("group", "places"),
    [
        ({"alertname": "A", "namespace": "payments", "cluster": "prod-1"}, ["prod-1", "payments"]),
        ({"alertname": "A", "region": "eu", "service": "web", "severity": "info"}, ["web", "eu"]),
        ({"zebra": "z", "alertname": "A", "cluster": "c"}, ["c", "z"]),
        ({"cluster": "same", "namespace": "same"}, ["same"]),
        ({"alertname": "A"}, ["shop", "till"]),
        ({"alertname": "A", "cluster": "two\nlines"}, ["two lines"]),
    ],
)
def test_where_is_what_the_group_is_made_by_else_what_all_share(group: dict[str, str], places: list[str]) -> None:
    labels = {"alertname": "A", "namespace": "shop", "service": "till", "job": "node", "severity": "info"}
    assert where(view((alert(1, labels=labels),), group=group)) == places


@pytest.mark.parametrize(
    ("labels", "keys"),
    [
        ([{"instance": "a", "job": "x"}, {"instance": "b", "job": "y"}], ("instance",)),
        ([{"uid": "1", "pod": "a"}, {"uid": "2", "pod": "b"}], ("pod",)),
        ([{"instance": "a", "device": "1"}, {"instance": "a", "device": "2"}], ("device",)),
        (
            [{"instance": "a", "device": "1"}, {"instance": "a", "device": "2"}, {"instance": "b", "device": "1"}],
            ("instance", "device"),
        ),
        ([{"job": "a", "endpoint": "a", "service": "a"}, {"job": "b", "endpoint": "b", "service": "b"}], ("service",)),
        ([{"alertname": "A", "instance": "a"}, {"alertname": "B", "instance": "a"}], ("alertname",)),
        ([{"severity": "info"}, {"severity": "critical"}], ()),
        ([{"instance": "a", "mountpoint": "/var", "uid": "1"}], ("instance", "mountpoint")),
        ([{"uid": "1"}], ()),
    ],
)
def test_the_fewest_and_most_telling_labels_tell_alerts_apart(
    labels: list[dict[str, str]], keys: tuple[str, ...]
) -> None:
    shown = view(tuple(alert(1, labels=each) for each in labels), group={})
    assert telling_keys(shown.alerts, shown.group_labels, shown.common_labels) == keys


def test_firing_alerts_are_counted_by_severity_and_others_by_state() -> None:
    alerts = (
        alert(1, labels={"severity": "critical"}),
        alert(1, labels={"severity": "critical", "pod": "b"}),
        alert(1, labels={}),
        alert(1, "resolved", {"severity": "critical"}),
        alert(1, "gone", {}),
    )
    assert severities(alerts) == [("critical", 2), ("firing", 1), ("resolved", 1), ("gone", 1)]
