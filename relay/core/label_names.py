"""What the names of labels tell: which name the thing that is ill, which its place, and how telling
each is.
"""

import re
from functools import lru_cache

from relay.core.alert import REPLICAS

# Names of labels, the most telling first within each tuple. Prometheus renames a label of the
# metric to `exported_...` if the target has one of the same name; `k8s.pod.name` and the like are
# OpenTelemetry's, with dots or underscores.
_KUBERNETES = (
    "persistentvolumeclaim", "exported_pod", "pod", "pod_name", "kubernetes_pod_name",
    "k8s_pod_name", "job_name", "cronjob", "deployment", "statefulset", "daemonset", "replicaset",
    "replicationcontroller", "horizontalpodautoscaler", "hpa", "poddisruptionbudget",
    "resourcequota", "persistentvolume", "volumename", "ingress", "exported_service",
    "exported_deployment", "k8s_deployment_name", "k8s_statefulset_name", "k8s_daemonset_name",
    "k8s_job_name", "k8s_cronjob_name", "workload", "owner_name", "rollout", "scaledobject",
    "helmrelease", "kustomization", "pvc",
)  # fmt: skip
_THINGS = (
    "rulename", "queue", "queue_name", "topic", "consumergroup", "consumer_group", "consumer_name",
    "subscription", "subscription_id", "stream", "stream_name", "bucket", "bucket_name",
    "dbinstance_identifier", "db_instance_identifier", "database_id", "cache_cluster_id",
    "load_balancer", "loadbalancer", "target_group", "function_name", "functionname",
    "auto_scaling_group_name", "resource_name", "destination_workload", "destination_service_name",
    "destination_service", "proxy", "backend", "upstream", "exported_endpoint", "exported_name",
    "service_name", "monitor_name", "check_name", "url", "friendly_name", "entity", "domain",
    "certificate", "cn", "backup", "schedule", "repository", "task", "task_id", "dag_id",
    "pipeline", "workflow", "connector", "runner", "ceph_daemon", "osd", "ups", "ups_name",
    "printer", "camera", "access_point", "ap_name",
)  # fmt: skip
_MACHINES = (
    "vm_name", "vm", "guest", "exported_node", "node", "nodename", "k8s_node_name",
    "exported_instance", "host_name", "hostname", "host", "sysname", "server", "target",
    "instance_name", "instance_id", "instanceid", "instance",
)  # fmt: skip
_PARTS = (
    "mountpoint", "filesystem", "volume", "datname", "database", "db", "schema", "table",
    "relname", "tablespace", "keyspace", "collection", "rs_nm", "index", "interface",
    "ifname", "ifdescr", "ifalias",
    "ifindex", "device", "disk", "drive", "zpool", "pool", "pool_name", "aggr", "aggregate",
    "lun", "name", "unit", "groupname", "process", "program", "peer", "neighbor", "neighbour",
    "tunnel", "master", "slot", "partition", "shard",
    "cpu", "core", "gpu", "chip", "sensor", "integration", "alertmanager", "remote_name", "path",
    "handler", "route", "exported_container", "container", "k8s_container_name",
)  # fmt: skip
_SERVICES = (
    "service", "app", "application", "component", "job", "app_kubernetes_io_name",
    "app_kubernetes_io_instance", "app_kubernetes_io_component",
)  # fmt: skip
_PLACES = (
    "exported_namespace", "namespace", "kubernetes_namespace", "k8s_namespace_name", "cluster",
    "cluster_name", "k8s_cluster_name", "environment", "env", "deployment_environment", "stage",
    "region", "zone", "availability_zone", "datacenter", "dc", "site", "location", "realm",
    "tenant", "project", "customer", "team", "owner", "dc_name", "datacenter_name", "rack",
)  # fmt: skip
_HOW = (
    "reason", "condition", "status", "state", "phase", "type", "color", "mode", "code",
    "endpoint", "metrics_path", "scheme", "fstype", "datasource_uid", "ref_id", "long", "short",
    "window", "quantile", "le",
)  # fmt: skip
# Labels whose values end with the process or scrape that they name, and not with the trouble: a
# silence by one of them ends too early.
VOLATILE = frozenset({
    "pod", "pod_name", "container_id", "id", "uid", "instance", "endpoint", "prometheus",
    "prometheus_replica", "replica",
})  # fmt: skip
MEASURING = frozenset({"long", "short", "window", "quantile", "le"})  # how, never who
NEVER = REPLICAS | {"alertname", "severity", "uid", "id", "container_id", "datid"}
_REMEMBERED = 100  # characters of a name

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_SHORTEST, _SAME = 3, 4  # letters of a word, and of one that is part of another
# Words in the names of labels that tell a manner or a measure of the thing.
_MEASURES = frozenset({
    "alert", "class", "code", "count", "current", "error", "kind", "level", "limit", "mode",
    "model", "percent", "rate", "reason", "serial", "state", "status", "threshold", "time",
    "total", "type", "unit", "usage", "value", "vendor", "version",
})  # fmt: skip

KUBE, THING, MACHINE, PART, SERVICE, PLACE, OTHER, MANNER = range(8)
PLACING = frozenset({KUBE, THING, MACHINE, SERVICE, PLACE})  # classes of labels that say where
_TIERS = {
    name: (tier, at)
    for tier, names in enumerate(
        (_KUBERNETES, _THINGS, _MACHINES, _PARTS, _SERVICES, _PLACES, (), _HOW)
    )
    for at, name in enumerate(names)
}
LAST_PART = (PART, len(_PARTS))

KNOWN_NAMES = frozenset(_TIERS)  # of labels, with underscores in place of dots and dashes


def tier(name: str) -> tuple[int, int]:
    """How telling a label's name is: its class, then its position in the class."""
    return _tier(name) if len(name) <= _REMEMBERED else _tier.__wrapped__(name)


@lru_cache(maxsize=4096)
def _tier(name: str) -> tuple[int, int]:
    plain = name.lower().replace(".", "_").replace("-", "_")
    if plain in _TIERS:
        return _TIERS[plain]
    if plain.startswith(("dimension_", "label_")):
        return _TIERS.get(plain.partition("_")[2], (THING, len(_THINGS)))
    if plain == "exported_job":  # of a push gateway: who is ill where no other label tells
        return (THING, len(_THINGS) + 1)
    if plain.endswith(("_cluster", "cluster_id")):
        return (PLACE, _TIERS["cluster"][1])
    return (OTHER, 0)


def is_volatile(name: str) -> bool:
    """Whether the label is in `VOLATILE`, or a label of a tool's own (`__...`)."""
    return name in VOLATILE or name.startswith("__")


def is_named_by(alert: str, name: str) -> bool:
    """Whether the name of an alert speaks of a label that nobody knows, as `ToasterTooHot` does of
    `toaster`. A label that tells a manner or a measure is none.
    """
    if len(alert) + len(name) > 2 * _REMEMBERED:
        return False
    return _is_named_by(alert, name)


@lru_cache(maxsize=2048)
def _is_named_by(alert: str, name: str) -> bool:
    named, words = _words(alert), _words(name)
    if words & _MEASURES:
        return False
    return any(
        word == other or (min(len(word), len(other)) >= _SAME and (word in other or other in word))
        for word in words
        for other in named
    )


def _words(name: str) -> set[str]:
    return {word.lower() for word in _WORD.findall(name) if len(word) >= _SHORTEST}
