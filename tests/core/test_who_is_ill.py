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
from relay.core.template import sample
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
    return value.partition("://")[2] if "://" in value else value.partition(":")[0]


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
@pytest.mark.parametrize("by", ["alertname", "namespace", ""])
def test_each_line_of_a_group_names_what_is_ill(by: str) -> None:
    groups: dict[str, list[dict[str, Any]]] = {}
    for entry in REAL:
        groups.setdefault(entry["alert"]["labels"].get(by, "") if by else "", []).append(entry)
    for value, entries in groups.items():
        some = entries[:30]
        seen = card(
            tuple(_view(at, entry) for at, entry in enumerate(some)), {by: value} if value else {}
        )
        _named(some, seen)
        for entry in some[:10]:
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


def test_a_rise_says_again_what_is_ill() -> None:
    beyond: list[str] = []  # a long name and a long host, after both severities
    for entry in REAL:
        after = replace(_view(4, entry, severity="critical"), was="warning", was_since=sample.NOON)
        seen = card((after,), {}, "raised")
        assert seen.telegram.startswith("🔴 now critical (was warning) · ")
        _named([entry], seen)
        assert entry["alert"]["labels"]["alertname"] in seen.telegram
        if not all(_first(entry) in lock for lock in seen.locks):
            beyond.append(entry["name"])
    assert len(beyond) <= len(REAL) / 50, beyond


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


_NAMES = st.sampled_from((
    "pod", "node", "namespace", "cluster", "deployment", "persistentvolumeclaim", "queue",
    "datname", "mountpoint", "device", "region", "team", "zebra", "shelf", "reason", "mode", "url",
    "topic", "ifName", "k8s.pod.name", "exported_pod",
))  # fmt: skip
_VALUES = st.text(st.sampled_from("abcxyz019-./_"), min_size=1, max_size=40)
_LABELS = st.dictionaries(_NAMES, _VALUES, min_size=1, max_size=12)


def _ill(labels: Labels) -> AlertView:
    return sample.alert(4, labels={"alertname": "A", **labels}, annotations={"summary": "ill"})


def _texts(alerts: tuple[AlertView, ...], group: Labels) -> tuple[str, str]:
    seen = card(alerts, group)
    return seen.telegram, seen.content + seen.embed


@pytest.mark.medium
@settings(deadline=None, max_examples=150)
@given(labels=_LABELS, other=_VALUES, data=st.data())
def test_two_alerts_that_differ_in_one_label_never_read_the_same(
    labels: Labels, other: str, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(labels)))
    changed = {**labels, name: other}
    if "exported_pod" in labels and name in ("pod", "namespace", "node"):
        return  # these are its exporter's
    if changed == labels:
        return
    one, two = _texts((_ill(labels),), {}), _texts((_ill(changed),), {})
    assert one[0] != two[0]
    assert one[1] != two[1]
    both = card((_ill(labels), _ill(changed)), {}).telegram.splitlines()
    lines = [line for line in both if line.startswith("•")]
    assert len(set(lines)) == len(lines) == 2


@pytest.mark.medium
@settings(deadline=None, max_examples=80)
@given(
    labels=_LABELS, others=st.lists(_VALUES, min_size=2, max_size=9, unique=True), data=st.data()
)
def test_two_groups_that_differ_in_one_label_of_all_never_read_the_same(
    labels: Labels, others: list[str], data: st.DataObject
) -> None:
    labels = {name: value for name, value in labels.items() if name != "exported_pod"}
    name = data.draw(st.sampled_from(sorted({*labels, "cluster"} - {"shelf"})))
    one, two = data.draw(st.lists(_VALUES, min_size=2, max_size=2, unique=True))
    texts = [
        _texts(tuple(_ill({**labels, name: value, "shelf": other}) for other in others), {})
        for value in (one, two)
    ]
    assert texts[0][0] != texts[1][0]
    assert texts[0][1] != texts[1][1]


@pytest.mark.medium
@settings(deadline=None, max_examples=60)
@given(labels=_LABELS, others=st.lists(_VALUES, min_size=3, max_size=9, unique=True))
def test_two_groups_of_which_one_alert_differs_never_read_the_same(
    labels: Labels, others: list[str]
) -> None:
    labels = {name: value for name, value in labels.items() if name != "exported_pod"}
    alerts = tuple(_ill({**labels, "shelf": value}) for value in others)
    changed = (*alerts[:-1], _ill({**labels, "shelf": others[-1], "zebra": "x" * 41}))
    for before, after in zip(_texts(alerts, {}), _texts(changed, {}), strict=True):
        assert before != after
