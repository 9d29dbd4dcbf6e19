"""Alerts and dashboard: promtool proves when each alert fires, and every metric that they name is
one of ours.
"""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from relay.core.balance import BalanceRow
from relay.operate.metrics import Metrics, ReplicaStatus
from relay.store.history import Durability
from tests.need import need_program
from tests.ship.charts import CHART

RULES, DASHBOARD = CHART / "rules/alert-relay.yml", CHART / "dashboards/alert-relay.json"
SCENES = Path(__file__).parent / "rules.test.yml"
REPLICA = ReplicaStatus(1, 0, is_reached=True, durability=Durability("remote", 0), spooled=0)
LABELS = {
    "state",
    "level",
    "platform",
    "receiver",
    "outcome",
    "code",
    "status",
    "method",
    "reason",
    "sort",
    "template",
    "version",
    "kind",
    "name",
    "le",
    "sha256",
}


def rules() -> list[dict[str, object]]:
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    listed: list[dict[str, object]] = group["rules"]
    return listed


def promtool(*words: str | Path) -> str:
    program = need_program("promtool", "prometheus")
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_takes_the_rules() -> None:
    assert f"SUCCESS: {len(rules())} rules found" in promtool("check", "rules", RULES)


@pytest.mark.medium
def test_each_alert_fires_when_it_should_and_only_then(tmp_path: Path) -> None:
    bare = [{key: value for key, value in rule.items() if key != "annotations"} for rule in rules()]
    (tmp_path / RULES.name).write_text(
        yaml.safe_dump({"groups": [{"name": "alert-relay", "rules": bare}]})
    )
    (tmp_path / SCENES.name).write_text(SCENES.read_text())
    promtool("test", "rules", tmp_path / SCENES.name)


def test_no_alert_is_left_without_a_scene() -> None:
    scenes = yaml.safe_load(SCENES.read_text())["tests"]
    fire = {
        each["alertname"]
        for scene in scenes
        for each in scene["alert_rule_test"]
        if "exp_alerts" in each
    }
    quiet = {each["alertname"] for each in scenes[0]["alert_rule_test"]}
    assert fire == quiet == {rule["alert"] for rule in rules()}


def test_each_alert_says_how_bad_it_is_and_what_to_do() -> None:
    for rule in rules():
        assert rule["labels"] in ({"severity": "warning"}, {"severity": "critical"})
        notes = rule["annotations"]
        assert isinstance(notes, dict)
        assert set(notes) == {"summary", "description"}
        assert all(notes.values())


def expressions() -> Iterator[str]:
    for rule in rules():
        yield str(rule["expr"])
    panels = json.loads(DASHBOARD.read_text())["panels"]
    for panel in panels:
        for target in panel.get("targets", ()):
            yield target["expr"]


@pytest.fixture(scope="module")
def exposed() -> set[str]:
    """Names of all samples of a relay with one chat and one open delivery."""
    metrics = Metrics()
    metrics.prime([("telegram", "ops")], ["own.j2"])
    row = BalanceRow("telegram", "ops", accepted=1, pending=1, oldest_pending=1.0)
    text = metrics.render([row], heard={"prometheus": 1.0}, replica=REPLICA).decode()
    return {
        name
        for family in text_string_to_metric_families(text)
        # A counter that has counted nothing yet has no sample when its labels are not known
        # beforehand.
        for name in ({sample.name for sample in family.samples} or {_named(family)})
    }


def _named(family: Metric) -> str:
    return f"{family.name}_total" if family.type == "counter" else family.name


def test_every_metric_in_alerts_and_dashboard_is_exposed(exposed: set[str]) -> None:
    named = {
        name
        for text in expressions()
        for name in re.findall(r"\b(?:alert_relay|process)_\w+", text)
    }
    assert named
    assert named <= exposed


def test_the_dashboard_shows_every_metric_of_the_relay(exposed: set[str]) -> None:
    shown = " ".join(each["expr"] for panel in json.loads(DASHBOARD.read_text())["panels"]
                     for each in panel.get("targets", ()))  # fmt: skip
    for name in exposed:
        if name.startswith("alert_relay_"):
            assert re.sub("_(sum|count|bucket)$", "", name) in shown, name


def test_every_expression_of_the_dashboard_is_promql(tmp_path: Path) -> None:
    asked = [
        re.sub(r"\$__(rate_interval|range)", "5m", text).replace("$", "x") for text in expressions()
    ]
    group = {
        "name": "panels",
        "rules": [{"record": f"panel_{number}", "expr": text} for number, text in enumerate(asked)],
    }
    path = tmp_path / "panels.yml"
    path.write_text(yaml.safe_dump({"groups": [group]}))
    assert "SUCCESS" in promtool("check", "rules", path)


def test_labels_that_are_asked_for_exist() -> None:
    for text in expressions():
        grouped = re.findall(r"by \(([^)]*)\)", text)
        assert {label.strip() for group in grouped for label in group.split(",")} <= LABELS


def test_no_two_panels_overlap_or_share_an_id() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (place["x"] + column, place["y"] + line)
        for place in (panel["gridPos"] for panel in panels)
        for column in range(place["w"])
        for line in range(place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert all(0 <= x < 24 for x, _ in cells)
