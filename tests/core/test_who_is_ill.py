"""Who is ill: alerts of public rule sets name in the first line what is ill, and two alerts that
differ in one label never read the same.
"""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from relay.core.alert import Labels
from relay.core.card.view import AlertView
from relay.core.label_names import KNOWN_NAMES
from relay.core.template import sample
from relay.core.template.build_view import one_line_each
from relay.core.template.context import ContextShape, TemplateContext
from tests.messages_of import Alike, card

ROOT = Path(__file__).resolve().parents[2]
FILE = (ROOT / os.environ.get("RELAY_SPECS", "../shared/specs")).parent / "alerts" / "real.json"
REAL: list[dict[str, Any]] = json.loads(FILE.read_text()) if FILE.exists() else []
EXPORTERS = ("exporter", "kube-state-metrics", "kube-rbac-proxy", "cadvisor", "10.244.3.17")
pytestmark = pytest.mark.skipif(not FILE.exists(), reason="no alerts: set RELAY_SPECS")


def _view(at: int, entry: dict[str, Any], **more: str) -> AlertView:
    told = entry["alert"]
    return sample.alert(at, labels={**told["labels"], **more}, annotations=told["annotations"])


def _first(entry: dict[str, Any]) -> str:
    """The value that tells most, without the port that an exporter has."""
    value: str = entry["alert"]["labels"].get(entry["who"][0], "") if entry["who"] else ""
    return value if "://" in value else value.partition(":")[0]


def _grouped(entry: dict[str, Any], by: list[str]) -> Labels:
    labels = entry["alert"]["labels"]
    return dict(labels) if by == ["..."] else {name: labels[name] for name in by if name in labels}


def _named(entries: list[dict[str, Any]], seen: Alike) -> None:
    for entry in entries:
        assert _first(entry) in seen.telegram, entry["name"]


@pytest.mark.parametrize("by", [["alertname"], ["namespace"], ["..."], [], None])
def test_an_alert_alone_names_on_the_lock_screen_what_is_ill(by: list[str] | None) -> None:
    missed = {"telegram": 0, "discord": 0}
    for entry in REAL:
        seen = card((_view(4, entry),), _grouped(entry, entry["group_by"] if by is None else by))
        _named([entry], seen)
        missed["telegram"] += _first(entry) not in seen.locks[0]
        missed["discord"] += _first(entry) not in seen.locks[1]
        for line in seen.heads:
            after = line.partition(entry["alert"]["labels"]["alertname"])[2]
            assert not any(word in after for word in EXPORTERS), line
        for text in (seen.telegram, seen.content + seen.embed):
            assert "map[" not in text
    assert missed == {"telegram": 0, "discord": 0}


@pytest.mark.medium
@pytest.mark.parametrize("severity", ["", "critical"])
@pytest.mark.parametrize("by", [["alertname"], ["namespace"], ["..."], [], None])
def test_no_value_stands_three_times_in_the_card_of_an_alert(
    by: list[str] | None, severity: str
) -> None:
    raised = {"severity": severity} if severity else {}
    for entry in REAL:
        group = _grouped(entry, entry["group_by"] if by is None else by)
        seen = card((_view(4, entry, **raised),), group)
        for text in (seen.telegram, f"{seen.content}\n{seen.embed}"):
            assert "map[" not in text
            for value in entry["alert"]["labels"].values():
                if len(value) > 3 and value not in ("critical", "warning"):
                    alone = re.compile(rf"(?<![\w.-]){re.escape(value)}(?![\w.-])")
                    # What its author repeats stays as it is written.
                    written = " ".join(entry["alert"]["annotations"].values())
                    count, theirs = len(alone.findall(text)), len(alone.findall(written))
                    assert count < 3 or count - theirs <= 1, (entry["name"], value)


@pytest.mark.medium
@pytest.mark.parametrize("was", ["", "warning"])
@pytest.mark.parametrize("by", ["alertname", "namespace", ""])
def test_each_line_of_a_group_names_what_is_ill(by: str, was: str) -> None:
    raised = {"severity": "critical"} if was else {}
    groups: dict[str, list[dict[str, Any]]] = {}
    for entry in REAL:
        groups.setdefault(entry["alert"]["labels"].get(by, "") if by else "", []).append(entry)
    for value, entries in groups.items():
        alerts = tuple(
            replace(_view(at, entry, **raised), was=was) for at, entry in enumerate(entries)
        )
        seen = card(alerts, {by: value} if value else {})
        _named(entries, seen)
        for entry in entries[:10]:
            assert _first(entry) in (seen.content + seen.embed).replace("\\", ""), entry["name"]


def test_long_links_leave_room_for_ten_lines_on_discord() -> None:
    some = tuple(
        replace(_view(at, entry), generator_url=entry["alert"]["generatorURL"])
        for at, entry in enumerate(REAL)
    )
    assert max(len(alert.generator_url) for alert in some) > 500
    seen = card(some, {})
    lines = [line for line in seen.embed.splitlines() if line[:1] in "•🔴🟠🔵"]
    assert len(lines) >= 10


def test_a_rule_of_grafanas_that_has_no_data_is_named_before_its_data_source() -> None:
    labels = {"datasource_uid": "cfj2nzmpo21hcf", "grafana_folder": "Shop", "ref_id": "A"}
    alert = sample.alert(
        4, labels={"alertname": "DatasourceNoData", "rulename": "Checkout latency", **labels}
    )
    assert card((alert,)).telegram.startswith("🟠 firing DatasourceNoData · Checkout latency")


def test_the_job_of_a_probe_is_no_patient() -> None:
    labels = {"alertname": "PingFailed", "instance": "172.29.254.30", "job": "blackbox-icmp"}
    (head, _) = card((sample.alert(4, labels=labels),)).heads
    assert head.endswith("PingFailed · 172.29.254.30")
    pair = tuple(
        sample.alert(at, labels={**labels, "instance": f"172.29.254.{at}"}) for at in (30, 50)
    )
    assert "blackbox" not in card(pair).heads[0]


# What names the ill thing in alerts of exporters and controllers that are no part of the list.
_FAMILIES = [
    ("VMwareVMHighCPU", "erp-01 · C1",
     {"vm_name": "erp-01", "host_name": "esx-3", "cluster_name": "C1", "job": "vmware",
      "instance": "vcenter.example.org"}),
    ("CephOSDDown", "osd.14 ceph-3",
     {"ceph_daemon": "osd.14", "hostname": "ceph-3", "instance": "ceph-mgr:9283", "job": "ceph"}),
    ("ZfsPoolDegraded", "nas-1 tank", {"zpool": "tank", "instance": "nas-1:9100", "job": "node"}),
    ("UpsOnBattery", "rack1 nut:3493", {"ups": "rack1", "instance": "nut:3493", "job": "nut"}),
    ("GitLabRunnerOffline", "docker-7 gitlab.example.org",
     {"runner": "docker-7", "instance": "gitlab.example.org", "job": "gitlab-runners"}),
    ("FreezerWarm", "Freezer sensor.freezer ha.local:8123",
     {"friendly_name": "Freezer", "entity": "sensor.freezer", "domain": "sensor",
      "instance": "ha.local:8123", "job": "hass"}),
    ("RDSCPUHigh", "orders-prod aws_rds · eu-west-1",
     {"dimension_DBInstanceIdentifier": "orders-prod", "exported_job": "aws_rds",
      "instance": "cloudwatch-exporter:9106", "job": "cloudwatch", "region": "eu-west-1"}),
    # a controller tells of others
    ("ArgoCDAppOutOfSync", "billing",
     {"name": "billing", "pod": "argocd-application-controller-0", "namespace": "argocd",
      "instance": "10.0.0.2:8082", "job": "argocd-metrics"}),
    ("VeleroBackupFailed", "daily-full",
     {"schedule": "daily-full", "pod": "velero-55d8-x2", "namespace": "velero",
      "instance": "10.2.1.1:8085", "job": "velero"}),
    # or is ill itself
    ("VeleroDown", "velero-55d8-x2 · velero",
     {"pod": "velero-55d8-x2", "namespace": "velero", "instance": "10.2.1.1:8085",
      "job": "velero"}),
    # the pod of an exporter is ill
    ("KubePodCrashLooping", "node-exporter-7kxqz node-exporter · monitoring",
     {"pod": "node-exporter-7kxqz", "container": "node-exporter", "namespace": "monitoring",
      "reason": "CrashLoopBackOff", "job": "kube-state-metrics", "instance": "10.1.1.1:8080",
      "endpoint": "http", "service": "kube-state-metrics"}),
    ("KubePodNotReady", "cart-0 · shop",
     {"pod": "cart-0", "node": "worker-3", "namespace": "shop", "job": "kube-state-metrics",
      "instance": "10.1.1.1:8080", "service": "kube-state-metrics"}),
    ("KubePodCrashLooping", "kube-state-metrics-6c9d-2xk8v kube-state-metrics · monitoring",
     {"pod": "kube-state-metrics-6c9d-2xk8v", "container": "kube-state-metrics",
      "namespace": "monitoring", "reason": "CrashLoopBackOff", "job": "kube-state-metrics",
      "instance": "10.1.1.1:8080", "endpoint": "http", "service": "kube-state-metrics"}),
    ("CPUThrottlingHigh", "node-exporter-7kxqz node-exporter · monitoring",
     {"pod": "node-exporter-7kxqz", "container": "node-exporter", "namespace": "monitoring",
      "instance": "10.10.4.23:10250", "job": "kubelet", "service": "kubelet"}),
    # a label that nobody knows, of which the alert's name speaks
    ("ToasterTooHot", "kitchen-1 crumb", {"toaster": "crumb", "instance": "kitchen-1:9100"}),
    ("SmartDeviceTemperatureCritical", "stor-2",
     {"temperature_type": "current", "instance": "stor-2:9633", "job": "smartctl"}),
    ("QueueSizeHigh", "mq-1", {"queue_size": "9100", "instance": "mq-1:9100", "job": "mq"}),
    # a bare number has the name of its label
    ("GpuXid", "gpu-node-2 gpu=3", {"gpu": "3", "Hostname": "gpu-node-2"}),
    # how it was measured is nobody
    ("ErrorBudgetBurn", "", {"long": "1h", "short": "5m"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "ill", "labels"), _FAMILIES, ids=[row[1] for row in _FAMILIES])
def test_the_head_names_what_is_ill_whatever_tells_of_it(
    name: str, ill: str, labels: Labels
) -> None:
    view = sample.alert(4, labels={"alertname": name, **labels}, annotations={"summary": "ill"})
    head = card((view,)).telegram.splitlines()[0]
    told = head.partition(name)[2].removeprefix(" · ")
    assert told == ill, head


def test_what_a_service_is_called_is_shown_beside_an_exporters_address() -> None:
    labels = {"hostname": "compute-4", "service": "neutron-agent", "instance": "os-exporter:9180"}
    told = card((sample.alert(4, labels={"alertname": "AgentDown", **labels}),)).telegram
    assert "service=neutron-agent" in told
    scraped = {"instance": "db-1:9187", "job": "pg-exporter", "service": "pg-exporter"}
    for more in ({}, {"endpoint": "http", "service": "pg"}):
        target = sample.alert(4, labels={"alertname": "TooManyLocks", **scraped, **more})
        assert "service" not in card((target,)).telegram


def test_a_rise_says_again_what_is_ill() -> None:
    for entry in REAL:
        after = replace(_view(4, entry, severity="critical"), was="warning", was_since=sample.NOON)
        seen = card((after,), {}, "raised")
        assert seen.telegram.startswith("🔴 now critical (was warning) · ")
        _named([entry], seen)
        assert entry["alert"]["labels"]["alertname"] in seen.telegram
        assert all(_first(entry) in lock for lock in seen.locks), entry["name"]


def test_a_label_that_is_ignored_tells_no_alert_from_another() -> None:
    policy = replace(sample.POLICY, identity_ignores=frozenset({"value"}))
    alerts = tuple(
        sample.alert(4, labels={"alertname": "A", "host": "db-1", "value": value})
        for value in ("87", "88")
    )
    names = [
        TemplateContext(sample.view((alert,)), policy, None).names(ContextShape(1, 1, 999))
        for alert in alerts
    ]
    assert names[0]["who"] == names[1]["who"] == ["db-1"]
    assert names[0]["rest"] == names[1]["rest"] == []
    assert names[0]["links"] == names[1]["links"]


# What of a scraped target is shown only where nothing else is there: no difference beside others.
_TARGETS = {
    "job", "instance", "service", "endpoint", "metrics_path", "container", "pod", "namespace",
    "node", "app", "name", "app_kubernetes_io_name", "app_kubernetes_io_instance",
    "app_kubernetes_io_component",
}  # fmt: skip
_ODD = (
    "zebra", "shelf", "foo_bar", "my.label", "Größe", "k8s.pod.name", "label_tier", "own_cluster",
)  # fmt: skip
_NAMES = st.sampled_from((*sorted({*KNOWN_NAMES} - _TARGETS), *_ODD))
_VALUES = st.text(st.sampled_from("abcxyzXYZ019-./_:@ #*<[é"), min_size=1, max_size=40).filter(
    lambda value: value == value.strip()
)
_LABELS = st.dictionaries(_NAMES, _VALUES, min_size=1, max_size=12)


def _ill(labels: Labels) -> AlertView:
    return sample.alert(4, labels={"alertname": "A", **labels}, annotations={"summary": "ill"})


def _texts(alerts: tuple[AlertView, ...], group: Labels) -> tuple[str, str]:
    seen = card(alerts, group)
    return seen.telegram, seen.content + seen.embed


@pytest.mark.medium
@settings(deadline=None)
@given(labels=_LABELS, other=_VALUES, data=st.data())
def test_two_alerts_that_differ_in_one_label_never_read_the_same(
    labels: Labels, other: str, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(labels)))
    changed = {**labels, name: other}
    if changed == labels or _is_exporters(name, labels):
        return
    group = data.draw(st.sampled_from((frozenset(), frozenset({name}), frozenset(labels))))
    texts = [
        _texts((_ill(each),), {key: value for key, value in each.items() if key in group})
        for each in (labels, changed)
    ]
    assert texts[0][0] != texts[1][0]
    assert texts[0][1] != texts[1][1]
    for text in _texts((_ill(labels), _ill(changed)), {}):
        lines = [line for line in text.splitlines() if line.startswith("•")]
        assert len(set(lines)) == len(lines) == 2


def _is_exporters(name: str, labels: Labels) -> bool:
    return f"exported_{name}" in labels


@pytest.mark.medium
@settings(deadline=None)
@given(
    labels=_LABELS, others=st.lists(_VALUES, min_size=2, max_size=9, unique=True), data=st.data()
)
def test_two_groups_that_differ_in_one_label_never_read_the_same(
    labels: Labels, others: list[str], data: st.DataObject
) -> None:
    """In a label of all their alerts, or in one of a single alert."""
    labels.pop("shelf", None)
    name = data.draw(st.sampled_from(sorted({*labels, "cluster"})))
    one, two = data.draw(st.lists(_VALUES, min_size=2, max_size=2, unique=True))
    if _is_exporters(name, labels):
        return
    before, after = (
        tuple(_ill({**labels, name: value, "shelf": other}) for other in others)
        for value in (one, two)
    )
    texts = [_texts(alerts, {}) for alerts in (before, after, (*before[:-1], after[-1]))]
    for seen in zip(*texts, strict=True):
        assert len(set(seen)) == 3


def test_a_long_severity_leaves_room_for_who_is_ill() -> None:
    word = "needs-somebody-of-the-database-team-right-now-" * 3
    alert = sample.alert(4, labels={"alertname": "DiskFull", "severity": word, "host": "db-1"})
    seen = card((alert,))
    assert all("DiskFull" in lock and "db-1" in lock for lock in seen.locks)
    raised = card((replace(alert, was=word),), reply="raised")
    assert all("db-1" in lock for lock in raised.locks)


def test_copies_of_two_replicas_are_one_line() -> None:
    alerts = tuple(
        sample.alert(
            2 * host + replica,
            labels={"alertname": "DiskFull", "host": f"db-{host}", "replica": f"prom-{replica}"},
        )
        for host in (1, 2)
        for replica in (0, 1)
    )
    seen = card(one_line_each(alerts, frozenset()))
    for text in (seen.telegram, seen.content + "\n" + seen.embed):
        assert "×2" in text
        assert sum(line.startswith("•") for line in text.splitlines()) == 2
        assert "prom-" not in text


def test_a_joined_reply_says_which_alert_where_only_a_value_tells_it_from_the_others() -> None:
    labels = {"alertname": "HighCPU", "severity": "warning", "host": "db-1"}
    alerts = tuple(
        sample.alert(at, labels={**labels, "value": value}) for at, value in enumerate(("90", "91"))
    )
    seen = card(alerts, reply="joined")
    assert seen.telegram == "➕ warning HighCPU · db-1 · value=91 · 2 firing now"


def test_a_probed_address_is_a_link_in_the_first_line_on_discord_where_it_can_be_opened() -> None:
    def content(url: str) -> str:
        return card((sample.alert(4, labels={"alertname": "Down", "instance": url}),)).content

    assert content("https://shop.example.org/health").endswith(
        " · <https://shop.example.org/health>"
    )
    assert content("http://shop.svc/health").endswith(" · shop.svc/health")


def test_who_is_ill_is_written_as_it_is_however_many_styles_a_message_has() -> None:
    """Telegram takes 100 entities: those that keep it from finding an address go first."""
    alerts = tuple(
        sample.alert(
            at % 50,
            labels={"alertname": f"Name{at}", "severity": "critical", "instance": f"10.0.0.{at}"},
        )
        for at in range(70)
    )
    seen = card(alerts)
    assert all(f"10.0.0.{at} " in seen.telegram for at in range(70))
