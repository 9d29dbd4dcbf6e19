"""What deserves a line: marks, summaries, places and differences."""

import pytest

from relay.core.card.subject import where as place_of
from relay.core.template.labels_shown import mark, severities, summary, telling_keys, where
from relay.core.template.sample import alert, view


@pytest.mark.parametrize(
    ("status", "severity", "expected"),
    [
        ("firing", "critical", "🔴"),
        ("firing", "PAGE", "🔴"),
        ("firing", "warning", "🟠"),
        ("firing", "info", "🔵"),
        ("firing", "sev-purple", "🟠"),
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
def test_what_is_wrong_comes_from_the_first_that_says_it(
    annotations: dict[str, str], told: str
) -> None:
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
def test_where_is_what_the_group_is_made_by_else_what_all_share(
    group: dict[str, str], places: list[str]
) -> None:
    labels = {
        "alertname": "A",
        "namespace": "shop",
        "service": "till",
        "job": "node",
        "severity": "info",
    }
    assert where(view((alert(1, labels=labels),), group=group)) == places


@pytest.mark.parametrize(
    ("labels", "keys"),
    [
        ([{"instance": "a", "job": "x"}, {"instance": "b", "job": "y"}], ("instance",)),
        ([{"uid": "1", "pod": "a"}, {"uid": "2", "pod": "b"}], ("pod",)),
        ([{"instance": "a", "device": "1"}, {"instance": "a", "device": "2"}], ("device",)),
        (
            [
                {"instance": "a", "device": "1"},
                {"instance": "a", "device": "2"},
                {"instance": "b", "device": "1"},
            ],
            ("instance", "device"),
        ),
        (
            [
                {"job": "a", "endpoint": "a", "service": "a"},
                {"job": "b", "endpoint": "b", "service": "b"},
            ],
            ("service",),
        ),
        (
            [{"alertname": "A", "instance": "a"}, {"alertname": "B", "instance": "a"}],
            ("alertname",),
        ),
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


_STATE = {"job": "kube-state-metrics", "instance": "10.2.3.4:8080", "namespace": "shop"}
_STATE_SCRAPED = {**_STATE, "container": "kube-state-metrics", "service": "kps-kube-state-metrics"}
_STATE_POD = {**_STATE_SCRAPED, "pod": "kps-kube-state-metrics-7d9-x2k"}
_NODE = {
    "job": "node-exporter",
    "instance": "10.0.0.3:9100",
    "pod": "kps-node-exporter-x7k2",
    "container": "node-exporter",
}


@pytest.mark.parametrize(
    ("labels", "group", "told", "place"),
    [
        # kube-state-metrics: what it tells of, not where it is scraped
        ({**_STATE_POD, "deployment": "checkout"}, ("namespace",), ["checkout"], "checkout"),
        ({**_STATE, "container": "kube-rbac-proxy-main", "deployment": "checkout"}, (), ["checkout"], "checkout"),
        ({**_STATE, "pod": "coredns-1", "container": "kube-rbac-proxy-main"}, (), ["coredns-1"], "coredns-1"),
        ({**_STATE, "pod": "shop-5d8-abc", "container": "app"}, (), ["shop-5d8-abc", "app"], "shop-5d8-abc"),
        ({**_STATE_SCRAPED, "pod": "coredns-1"}, (), ["coredns-1"], "coredns-1"),
        ({**_STATE_POD, "exported_pod": "coredns-1"}, (), ["coredns-1"], "coredns-1"),
        ({**_STATE, "pod": "node-exporter-1", "container": "node-exporter"}, (), ["node-exporter-1", "node-exporter"],
         "node-exporter-1"),
        ({**_STATE_POD, "job_name": "backup-2931"}, (), ["backup-2931"], "backup-2931"),
        ({**_STATE_POD, "statefulset": "pg"}, (), ["pg"], "pg"),
        ({**_STATE_POD, "node": "worker-3"}, (), ["worker-3"], "worker-3"),
        ({**_STATE_POD, "deployment": "checkout"}, ("deployment",), [], "checkout"),
        (_STATE_POD, ("namespace",), [], "shop"),
        # node-exporter: the machine, not the pod in which the exporter runs
        ({**_NODE, "mountpoint": "/var"}, (), ["10.0.0.3:9100", "/var"], "10.0.0.3:9100"),
        ({**_NODE, "node": "worker-3", "device": "sda"}, (), ["worker-3", "sda"], "worker-3"),
        ({"job": "node", "instance": "db-2:9100"}, (), ["db-2:9100"], "db-2:9100"),
        # the kubelet tells of volumes and pods
        ({"job": "kubelet", "instance": "10.0.0.3:10250", "node": "w-3", "persistentvolumeclaim": "pg-0"}, (), ["pg-0"],
         "pg-0"),
        # a program that is scraped itself
        ({"job": "checkout", "instance": "10.1.1.1:80", "pod": "checkout-1", "container": "app"}, (),
         ["checkout-1", "app"], "checkout-1"),
        ({"job": "docker", "instance": "host-1", "container": "redis"}, (), ["host-1", "redis"], "host-1"),
        # nothing but a service or a job
        ({"job": "payments-api", "service": "payments-api", "namespace": "shop"}, ("namespace",), ["payments-api"],
         "payments-api"),
        ({"job": "payments-api", "service": "payments-api"}, ("job",), [], "payments-api"),
        ({"job": "backup"}, ("alertname",), [], "backup"),
        ({"job": "kube-state-metrics", "service": "kube-state-metrics"}, ("namespace",), ["kube-state-metrics"],
         "kube-state-metrics"),
    ],
)  # fmt: skip
def test_an_alert_alone_is_about_what_is_ill_and_not_about_who_tells_of_it(
    labels: dict[str, str], group: tuple[str, ...], told: list[str], place: str
) -> None:
    shown = view(
        (alert(1, labels=labels),),
        group={name: labels.get(name, "A") for name in group or ("severity",)},
    )
    keys = telling_keys(shown.alerts, shown.group_labels, shown.common_labels)
    assert [labels[name] for name in keys] == told
    assert place_of(labels) == place


def test_pods_of_an_exporter_do_not_tell_machines_apart() -> None:
    labels = [
        {**_NODE, "instance": f"10.0.0.{n}:9100", "pod": f"node-exporter-{n}"} for n in range(2)
    ]
    shown = view(tuple(alert(1, labels=each) for each in labels), group={})
    assert telling_keys(shown.alerts, shown.group_labels, shown.common_labels) == ("instance",)


def test_firing_alerts_are_counted_by_severity_and_others_by_state() -> None:
    alerts = (
        alert(1, labels={"severity": "critical"}),
        alert(1, labels={"severity": "critical", "pod": "b"}),
        alert(1, labels={}),
        alert(1, "resolved", {"severity": "critical"}),
        alert(1, "gone", {}),
    )
    assert severities(alerts) == [("critical", 2), ("firing", 1), ("resolved", 1), ("gone", 1)]
