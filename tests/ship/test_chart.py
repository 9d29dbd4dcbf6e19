"""The chart, rendered by Helm itself: valid, hardened, and what its pod sees is what the relay
takes.
"""

import json
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml

from relay import __version__
from relay.cli import serve
from relay.cli.base import Parser
from relay.config.fault import render as render_fault
from relay.inbound import web_config as webconfig
from relay.settings import load as settings
from tests.need import need_program
from tests.ship.charts import (
    CHART,
    Object,
    Rendered,
    every_step,
    refusal,
    render,
    table,
    tables,
    text,
)

pytestmark = pytest.mark.slow

SCENARIOS = sorted(
    path.name.removesuffix("-values.yaml") for path in (CHART / "ci").glob("*-values.yaml")
)
CHAT = {
    "telegram_configs": [{"chat_id": -1001234567890, "bot_token_file": "/run/secrets/bot/token"}]
}


def values(scenario: str) -> Object:
    loaded: Object = yaml.safe_load((CHART / f"ci/{scenario}-values.yaml").read_text())
    return loaded


@cache
def rendered(scenario: str) -> Rendered:
    return render(values(scenario))


def config(**receiver: object) -> Object:
    return {"config": {"route": {"receiver": "ops"}, "receivers": [{"name": "ops", **receiver}]}}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_object_is_valid_by_kubernetes_own_schemas(scenario: str) -> None:
    assert rendered(scenario).faults == []


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_relay_takes_the_flags_and_the_files_of_its_pod(scenario: str, tmp_path: Path) -> None:
    release = rendered(scenario)
    verb, *flags = release.arguments()
    parser = Parser()
    serve.arguments(parser)
    options = parser.parse_args(flags)
    assert verb == "serve"
    path = release.lay_out(tmp_path)
    if path.exists():
        rules, faults = settings.load(path, "check")
        assert rules, "\n".join(map(render_fault, faults))
    web = tmp_path / "web.yml"
    assert (options.web is not None) == web.exists()
    # Certificates and tokens of somebody else's Secrets are not there to be read.
    if (tmp_path / "token").exists() and not values(scenario).get("tls"):
        assert webconfig.read(web).guarded


def name(release: Rendered) -> str:
    return text(release.workload(), "metadata", "name")


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_pods_have_no_privileges_and_no_token_of_the_cluster(scenario: str) -> None:
    for pod, container in own_containers(rendered(scenario)):
        assert pod["automountServiceAccountToken"] is False
        outer, inner = table(pod, "securityContext"), table(container, "securityContext")
        assert (outer["runAsNonRoot"], outer["runAsUser"]) == (True, 65532)
        assert outer["seccompProfile"] == {"type": "RuntimeDefault"}
        assert inner == {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]}
        }  # fmt: skip
        assert {"requests", "limits"} <= set(table(container, "resources"))


def own_containers(release: Rendered) -> Iterator[tuple[Object, Object]]:
    yield release.spec(), release.container()
    test = table(release.one("Pod"), "spec")
    yield test, tables(test, "containers")[0]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_pod_is_probed_and_mounts_folders_that_follow_changes(scenario: str) -> None:
    container = rendered(scenario).container()
    assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(container)
    assert not any("subPath" in mount for mount in tables(container, "volumeMounts"))


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_pod_of_helm_test_is_none_of_the_services(scenario: str) -> None:
    release = rendered(scenario)
    wanted = table(release.one("Service"), "spec", "selector").items()
    assert wanted <= table(release.workload(), "spec", "template", "metadata", "labels").items()
    assert not wanted <= table(release.one("Pod"), "metadata", "labels").items()


def test_nothing_secret_stands_in_a_config_map() -> None:
    inline = config(telegram_configs=[{"chat_id": -1, "bot_token": "1000001:an-inline-token"}])
    release = render({**values("full"), **inline})
    shown = json.dumps(release.of("ConfigMap"))
    for secret in ("an-inline-token", "a-token-for-rendering-only", "$2y$10$"):
        assert secret not in shown
    assert "an-inline-token" in release.files("Secret", "relay-config")["relay.yml"]


def test_a_generated_token_survives_upgrades() -> None:
    first, second = (
        each.files("Secret", f"{name(each)}-auth") for each in every_step({}, config(**CHAT))
    )
    assert first == second
    assert len(first["token"]) == 40


def test_two_releases_have_different_tokens() -> None:
    assert rendered("default").files("Secret", "live-alert-relay-auth") != render({}).files(
        "Secret", "live-alert-relay-auth"
    )


def test_a_token_of_ones_own_wins_over_the_generated_one() -> None:
    release = render({}, {"auth": {"token": "mine"}})
    assert release.files("Secret", f"{name(release)}-auth") == {"token": "mine"}


def test_an_existing_secret_leaves_nothing_to_generate() -> None:
    release = rendered("existing-secrets")
    assert [text(each, "metadata", "name") for each in release.of("Secret")] == [
        "live-alert-relay-web"
    ]
    mounted = [mount["mountPath"] for mount in tables(release.container(), "volumeMounts")]
    assert mounted[2:] == ["/run/secrets/telegram-bot", "/run/secrets/discord-webhooks"]


def test_a_changed_configuration_does_not_restart_the_pod() -> None:
    before, after = every_step({}, config(**CHAT))
    assert before.one("Secret", "-config") != after.one("Secret", "-config")
    assert before.one("StatefulSet") == after.one("StatefulSet")
    assert "--config.auto-reload-interval=15s" in after.arguments()


def test_a_chat_id_keeps_every_digit(tmp_path: Path) -> None:
    path = render(config(telegram_configs=[{"chat_id": -4503599627370495}])).lay_out(tmp_path)
    assert "-4503599627370495" in path.read_text()


def test_the_storage_has_one_owner_and_outlives_the_release() -> None:
    stateful = table(rendered("default").one("StatefulSet"), "spec")
    assert stateful["replicas"] == 1
    assert table(stateful, "persistentVolumeClaimRetentionPolicy")["whenDeleted"] == "Retain"
    assert len(tables(stateful, "volumeClaimTemplates")) == 1


def test_only_443_and_dns_lead_out() -> None:
    (rule,) = tables(rendered("open").one("NetworkPolicy"), "spec", "egress")
    assert {(port["port"], port["protocol"]) for port in tables(rule, "ports")} == {
        (443, "TCP"), (53, "UDP"), (53, "TCP")
    }  # fmt: skip


def test_replicas_on_postgresql_have_no_volume_and_read_its_address_from_a_file() -> None:
    release = rendered("postgres")
    assert release.of("StatefulSet") == []
    assert table(release.one("Deployment"), "spec")["replicas"] == 3
    assert "--storage.url-file=/etc/alert-relay/storage-url" in release.arguments()
    assert not any(flag.startswith("--storage.path") for flag in release.arguments())
    mounts = tables(release.container(), "volumeMounts")
    assert "/data" not in [mount["mountPath"] for mount in mounts]
    config = next(each for each in tables(release.spec(), "volumes") if each["name"] == "config")
    storage = [
        each["secret"]
        for each in tables(config, "projected", "sources")
        if table(each, "secret")["name"] in ("relay-db-app", "relay-db-ca")
    ]
    assert storage == [
        {"name": "relay-db-app", "items": [{"key": "uri", "path": "storage-url"}]},
        {"name": "relay-db-ca", "items": [{"key": "ca.crt", "path": "storage-ca.crt"}]},
    ]


def test_the_certificate_of_postgresql_is_verified_by_its_authority_alone() -> None:
    """The Secret of CloudNativePG has the authority's key as well."""
    environment = tables(rendered("postgres").container(), "env")
    assert environment == [
        {"name": "PGSSLMODE", "value": "verify-full"},
        {"name": "PGSSLROOTCERT", "value": "/etc/alert-relay/storage-ca.crt"},
    ]


def test_a_new_replica_is_ready_before_an_old_one_stops() -> None:
    deployment = table(rendered("postgres").one("Deployment"), "spec")
    assert deployment["strategy"] == {
        "type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}
    }  # fmt: skip
    own = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}}
    release = render({**values("postgres"), "updateStrategy": own})
    strategy = table(release.one("Deployment"), "spec", "strategy")
    assert strategy["rollingUpdate"] == {"maxUnavailable": 1, "maxSurge": 1}


def test_replicas_are_spread_over_nodes_and_a_drain_leaves_one() -> None:
    release = rendered("postgres")
    labels = table(release.one("Service"), "spec", "selector")
    assert release.spec()["topologySpreadConstraints"] == [
        {
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": labels},
        }
    ]
    budget = table(release.one("PodDisruptionBudget"), "spec")
    assert (budget["maxUnavailable"], budget["selector"]) == (1, {"matchLabels": labels})
    assert budget["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_a_single_replica_has_no_budget_that_would_hold_up_a_drain() -> None:
    assert rendered("default").of("PodDisruptionBudget") == []
    assert "topologySpreadConstraints" not in rendered("default").spec()
    without = {**values("postgres"), "podDisruptionBudget": {"enabled": False}}
    assert render(without).of("PodDisruptionBudget") == []


def test_one_port_more_leads_to_postgresql() -> None:
    """To its pods alone, where they are named."""
    rules = tables(rendered("postgres").one("NetworkPolicy"), "spec", "egress")
    (rule,) = (each for each in rules if "to" in each)
    assert rule == {
        "ports": [{"port": 5432, "protocol": "TCP"}],
        "to": [{"podSelector": {"matchLabels": {"cnpg.io/cluster": "relay-db"}}}],
    }


def test_with_a_spool_each_replica_has_a_volume_of_its_own() -> None:
    release = rendered("spool")
    assert release.of("Deployment") == []
    stateful = table(release.one("StatefulSet"), "spec")
    assert (stateful["replicas"], len(tables(stateful, "volumeClaimTemplates"))) == (2, 1)
    assert "--storage.spool=/data/spool" in release.arguments()
    assert "/data" in [mount["mountPath"] for mount in tables(release.container(), "volumeMounts")]
    assert len(release.of("PodDisruptionBudget")) == 1


def test_a_release_moves_from_its_volume_to_postgresql() -> None:
    before, after = every_step({}, {"storage": {"postgres": {"existingSecretName": "db"}}})
    assert name(before) == name(after)
    assert (len(before.of("StatefulSet")), len(after.of("StatefulSet"))) == (1, 0)
    assert before.files("Secret", "live-alert-relay-auth") == after.files(
        "Secret", "live-alert-relay-auth"
    )


def test_alerts_can_be_left_out_labelled_and_added(tmp_path: Path) -> None:
    (group,) = tables(rendered("full").one("PrometheusRule"), "spec", "groups")
    shipped = yaml.safe_load((CHART / "rules/alert-relay.yml").read_text())["groups"][0]["rules"]
    names = [rule["alert"] for rule in tables(group, "rules")]
    assert names == [
        rule["alert"] for rule in shipped if rule["alert"] != "AlertRelayNoWebhooks"
    ] + ["Own"]
    assert tables(group, "rules")[0]["labels"] == {"severity": "critical", "team": "sre"}
    assert tables(group, "rules")[0]["expr"] == shipped[0]["expr"]
    promtool = need_program("promtool", "prometheus")
    path = tmp_path / "rules.yml"
    path.write_text(yaml.safe_dump({"groups": [group]}))
    checked = subprocess.run(
        [promtool, "check", "rules", path], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_dashboard_is_the_one_that_is_shipped() -> None:
    held = rendered("full").files("ConfigMap", "relay-dashboard")
    assert json.loads(held["alert-relay.json"]) == json.loads(
        (CHART / "dashboards/alert-relay.json").read_text()
    )


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_snippet_of_the_notes_is_what_alertmanager_takes(scenario: str, tmp_path: Path) -> None:
    notes = rendered(scenario).notes
    begin = notes.index("receivers:")
    snippet = notes[begin : notes.index("\n\n", begin)]
    assert f"http{'s' * (scenario == 'tls')}://{name(rendered(scenario))}.default.svc:" in snippet
    path = tmp_path / "alertmanager.yml"
    path.write_text(f"route: {{receiver: alert-relay}}\n{snippet}\n")
    amtool = need_program("amtool", "prometheus-alertmanager")
    checked = subprocess.run(
        [amtool, "check-config", path], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr + snippet


def test_the_notes_say_what_is_missing() -> None:
    assert "what is posted is discarded" in rendered("default").notes
    assert "what is posted is discarded" not in rendered("full").notes
    assert "is lost with the pod" in rendered("open").notes
    assert "Anyone who reaches the Service can post" in rendered("open").notes


def test_the_notes_name_what_runs_the_pods() -> None:
    assert "exec statefulset/live-alert-relay -- alert-relay" in rendered("default").notes
    notes = rendered("postgres").notes
    assert "exec deployment/live-alert-relay -- alert-relay queue list --storage.url-file=" in notes
    assert "rollout restart deployment/live-alert-relay" in notes


REFUSALS: dict[str, tuple[Object, str]] = {
    "a misspelt key": ({"persistance": {"enabled": False}}, "persistance"),
    "a misspelt key further down": ({"auth": {"protect_all": True}}, "protect_all"),
    "two owners of one volume": (
        {"replicas": 2},
        (
            "replicas: 2 relays cannot share one volume: name the Secret of a PostgreSQL in "
            "storage.postgres.existingSecretName, or set replicas to 1"
        ),
    ),
    "a spool without PostgreSQL": (
        {"storage": {"spool": {"enabled": True}}},
        "storage.spool.enabled: a spool is for a PostgreSQL",
    ),
    "one claim for two spools": (
        {**values("spool"), "persistence": {"existingClaim": "mine"}},
        "persistence.existingClaim: one claim cannot hold the spools of several replicas",
    ),
    "half a replica": ({"replicas": 1.5}, "replicas"),
    "a misspelt key of relay.yml": (config(telegram_config=[]), "telegram_config"),
    "a chat id in quotes": (config(telegram_configs=[{"chat_id": "-100"}]), "chat_id"),
    "a password that is no hash": (
        {"auth": {"basicAuthUsers": {"me": "secret"}}},
        "basicAuthUsers",
    ),
    "TLS without a certificate": ({"tls": {"enabled": True}}, "existingSecretName"),
    "a tag for a digest": ({"image": {"digest": "latest"}}, "digest"),
    "a bare number for a duration": ({"configReloadInterval": 15}, "configReloadInterval"),
    "a secret that is no file name": ({"secrets": {"a/b": "x"}}, "secrets"),
}


@pytest.mark.parametrize(("wrong", "named"), REFUSALS.values(), ids=REFUSALS)
def test_wrong_values_are_refused_by_name(wrong: Object, named: str) -> None:
    assert named in refusal(wrong)


def test_chart_and_relay_have_one_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)


def test_the_largest_body_fits_twice_into_the_memory_limit() -> None:
    """What a payload of the largest size takes must not have the kernel end the relay."""
    assert "--web.max-body=33554432" in render(config(**CHAT)).arguments()
    small = {"maxBody": 1 << 20, "resources": {"limits": {"memory": "160Mi"}}}
    assert "--web.max-body=1048576" in render(config(**CHAT) | small).arguments()
    unlimited = {"maxBody": 1 << 30, "resources": {"limits": None}}
    assert "--web.max-body=1073741824" in render(config(**CHAT) | unlimited).arguments()
    for memory in ("384Mi", "0.375Gi", "403M", 403 * 10**6, 402653184):
        render(config(**CHAT) | {"resources": {"limits": {"memory": memory}}})
    for memory in ("383Mi", "0.3Gi", "402M", 402653183):
        why = refusal(config(**CHAT) | {"resources": {"limits": {"memory": memory}}})
        assert "is too little for maxBody 33554432: give 384Mi" in why
    odd = refusal(config(**CHAT) | {"resources": {"limits": {"memory": "much"}}})
    assert "write much as 512Mi or 1Gi" in odd
