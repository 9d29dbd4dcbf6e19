"""What deserves a line: marks, summaries, places and differences."""

import pytest

from relay.core.card.subject import differences, subject
from relay.core.template.labels_shown import mark, severities, summary, wrong
from relay.core.template.sample import alert


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
        ({"impact": "no orders", "dashboard_url": "u"}, "no orders"),
    ],
)
def test_what_is_wrong_comes_from_the_first_that_says_it(
    annotations: dict[str, str], told: str
) -> None:
    assert summary(annotations, "Name") == told


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ([{"instance": "a", "job": "x"}, {"instance": "b", "job": "y"}], ["a job=x", "b job=y"]),
        ([{"uid": "1", "pod": "a"}, {"uid": "2", "pod": "b"}], ["a", "b"]),
        ([{"instance": "a", "device": "b1"}, {"instance": "a", "device": "b2"}], ["b1", "b2"]),
        # a bare number with the name of its label
        ([{"instance": "a", "device": "1"}, {"instance": "a", "device": "2"}],
         ["device=1", "device=2"]),
        (
            [{"instance": "a", "device": "1"}, {"instance": "b", "device": "1"}],
            ["a", "b"],
        ),
        ([{"instance": "h:9100", "cpu": "0"}, {"instance": "h:9101", "cpu": "0"}],
         ["h instance=h:9100", "h instance=h:9101"]),
        ([{"zebra": "1"}, {"zebra": "2"}], ["zebra=1", "zebra=2"]),
        ([{"replica": "1"}, {"replica": "2"}], ["replica=1", "replica=2"]),
    ],
)  # fmt: skip
def test_lines_have_what_differs_the_most_telling_first(
    labels: list[dict[str, str]], told: list[str]
) -> None:
    shown = tuple(alert(1, labels=each) for each in labels)
    assert [" ".join(each.values) for each in differences(shown)] == told


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
    ("labels", "told"),
    [
        # kube-state-metrics: what it tells of, not where it is scraped
        ({**_STATE_POD, "deployment": "checkout"}, "checkout"),
        ({**_STATE, "container": "kube-rbac-proxy-main", "deployment": "checkout"}, "checkout"),
        ({**_STATE, "pod": "coredns-1", "container": "kube-rbac-proxy-main"}, "coredns-1"),
        ({**_STATE, "pod": "shop-5d8-abc", "container": "app"}, "shop-5d8-abc app"),
        ({**_STATE_POD, "exported_pod": "coredns-1"}, "coredns-1"),
        ({**_STATE_POD, "job_name": "backup-2931"}, "backup-2931"),
        ({**_STATE_POD, "statefulset": "pg"}, "pg"),
        ({**_STATE_POD, "node": "worker-3"}, "worker-3"),
        # node-exporter: the machine, not the pod in which the exporter runs, and not its port
        ({**_NODE, "mountpoint": "/var"}, "10.0.0.3 /var"),
        ({**_NODE, "node": "worker-3", "device": "sda"}, "worker-3 sda"),
        ({"job": "node", "instance": "db-2:9100"}, "db-2"),
        ({"job": "redis", "instance": "cache-1:6379"}, "cache-1:6379"),
        # the kubelet tells of volumes and pods
        ({"job": "kubelet", "instance": "10.0.0.3:10250", "node": "w-3",
          "persistentvolumeclaim": "pg-0"}, "pg-0"),
        # a program that is scraped itself
        ({"job": "checkout", "instance": "10.1.1.1:80", "pod": "checkout-1",
          "container": "app"}, "checkout-1 app"),
        ({"job": "docker", "instance": "host-1", "container": "redis"}, "host-1 redis"),
        # pushgateway
        ({"job": "pushgateway", "instance": "gw:9091", "exported_job": "backup",
          "exported_instance": "db-1"}, "backup db-1"),
        # OpenTelemetry, SNMP, clouds
        ({"k8s.pod.name": "cart-1", "service.name": "cart", "job": "otel"}, "cart-1 cart"),
        ({"instance": "sw-1", "ifName": "Gi0/3", "job": "snmp"}, "sw-1 Gi0/3"),
        ({"dimension_DBInstanceIdentifier": "orders", "job": "cloudwatch"}, "orders"),
        # a label that nobody knows, a service, a job; at last the exporter itself
        ({"flavour": "vanilla"}, "vanilla"),
        ({"job": "payments-api", "service": "payments-api"}, "payments-api"),
        ({"job": "backup"}, "backup"),
        ({"job": "kube-state-metrics", "service": "kube-state-metrics"}, "kube-state-metrics"),
    ],
)  # fmt: skip
def test_an_alert_alone_is_about_what_is_ill_and_not_about_who_tells_of_it(
    labels: dict[str, str], told: str
) -> None:
    assert " ".join(subject((alert(1, labels=labels),)).who) == told


def test_pods_of_an_exporter_do_not_tell_machines_apart() -> None:
    labels = [
        {**_NODE, "instance": f"10.0.0.{n}:9100", "pod": f"node-exporter-{n}"} for n in range(2)
    ]
    shown = tuple(alert(1, labels=each) for each in labels)
    assert [each.values for each in differences(shown)] == [("10.0.0.0",), ("10.0.0.1",)]


def test_firing_alerts_are_counted_by_severity_and_others_by_state() -> None:
    alerts = (
        alert(1, labels={"severity": "critical"}),
        alert(1, labels={"severity": "critical", "pod": "b"}),
        alert(1, labels={}),
        alert(1, "resolved", {"severity": "critical"}),
        alert(1, "gone", {}),
    )
    assert severities(alerts) == [("critical", 2), ("firing", 1), ("resolved", 1), ("gone", 1)]


@pytest.mark.parametrize(
    ("summary", "description", "text", "more", "figure"),
    [
        ("Volume is filling up.", "The volume data-1 is only 2.13% free.",
         "The volume data-1 is only 2.13% free",
         "Volume is filling up.", "2.13%"),
        ("Pod crash looping", "Pod p is crash looping\n  VALUE = 4\n  LABELS = map[a:b pod:p]",
         "Pod p is crash looping, value 4", "", "value 4"),
        ("Disk is full (instance h:1)", "", "Disk is full", "", ""),
        ("Disk is full (instance other)", "", "Disk is full (instance other)", "", ""),
        ("", "only this", "only this", "", ""),
        ("12 % of requests fail", "Most time out at the provider.", "12 % of requests fail",
         "Most time out at the provider.", "12 %"),
    ],
)  # fmt: skip
def test_the_second_line_is_the_text_that_says_more(
    summary: str, description: str, text: str, more: str, figure: str
) -> None:
    annotations = {"summary": summary, "description": description}
    found = wrong(annotations, {"instance": "h:1", "alertname": "A"}, ("data-1",))
    assert (found.text, found.more, found.figure) == (text, more, figure)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("5% of the web/web targets", "5% of the web targets"),
        ("5% of the web/api targets", "5% of the web/api targets"),
        ("5% of the db/db targets", "5% of the db/db targets"),
        ("see /web/web/x", "see /web/web/x"),
    ],
)
def test_a_job_that_is_called_as_its_service_is_named_once(text: str, shown: str) -> None:
    labels = {"alertname": "TargetDown", "job": "web", "service": "web"}
    assert wrong({"description": text}, labels).text == shown
