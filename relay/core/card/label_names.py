"""What the names of labels tell: which name the thing that is ill, which its place, and how telling
each is.
"""

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
    "k8s_job_name", "k8s_cronjob_name", "workload", "owner_name",
)  # fmt: skip
_THINGS = (
    "rulename", "queue", "queue_name", "topic", "consumergroup", "consumer_group", "subscription",
    "subscription_id", "stream", "bucket", "bucket_name", "dbinstance_identifier",
    "db_instance_identifier", "database_id", "cache_cluster_id", "load_balancer", "loadbalancer",
    "target_group", "function_name", "functionname", "auto_scaling_group_name", "resource_name",
    "exported_endpoint", "exported_job", "exported_name", "service_name", "url", "domain",
    "certificate", "backup", "task", "rulename",
)  # fmt: skip
_MACHINES = (
    "exported_node", "node", "nodename", "k8s_node_name", "exported_instance", "host_name",
    "hostname", "host", "vm", "vm_name", "sysname", "server", "target", "instance_name",
    "instance_id", "instanceid", "instance",
)  # fmt: skip
_PARTS = (
    "mountpoint", "filesystem", "volume", "datname", "database", "db", "schema", "table",
    "relname", "tablespace", "keyspace", "index", "interface", "ifname", "ifdescr", "ifalias",
    "ifindex", "device", "disk", "drive", "name", "unit", "master", "slot", "partition", "shard",
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
    "tenant", "project", "customer", "team", "owner",
)  # fmt: skip
_HOW = (
    "reason", "condition", "status", "state", "phase", "type", "color", "mode", "code", "long",
    "short", "window", "quantile", "le", "endpoint", "metrics_path", "scheme", "fstype",
    "datasource_uid", "ref_id",
)  # fmt: skip
NEVER = REPLICAS | {"alertname", "severity", "uid", "id", "container_id", "datid"}
_REMEMBERED = 100  # characters of a name

KUBE, THING, MACHINE, PART, SERVICE, PLACE, OTHER, MANNER = range(8)
PLACING = frozenset({KUBE, THING, MACHINE, SERVICE, PLACE})  # classes of labels that say where
_TIERS = {
    name: (tier, at)
    for tier, names in enumerate(
        (_KUBERNETES, _THINGS, _MACHINES, _PARTS, _SERVICES, _PLACES, (), _HOW)
    )
    for at, name in enumerate(names)
}

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
    if plain.endswith(("_cluster", "cluster_id")):
        return (PLACE, _TIERS["cluster"][1])
    return (OTHER, 0)
