"""Who an alert is about: the labels that say which thing is ill, and not which exporter told of
it.
"""

from relay.core.alert import Labels

# What Kubernetes runs, then the machines, then whatever was scraped. `exported_…` is what
# Prometheus makes of a label of the metric where the target has one of the same name.
WORKLOADS = (
    "persistentvolumeclaim", "deployment", "statefulset", "daemonset", "replicaset", "job_name",
    "cronjob",
    "horizontalpodautoscaler", "poddisruptionbudget", "resourcequota",
)  # fmt: skip
_MACHINES = (
    "node",
    "nodename",
    "exported_instance",
    "instance",
    "host",
    "hostname",
    "vm",
    "server",
    "target",
)
WHO = ("exported_pod", "pod", *WORKLOADS, *_MACHINES)
SERVICE = ("service", "app", "component")
_LAST = ("namespace", "cluster", "team", "exported_job", "job")
_STATE_METRICS = "kube-state-metrics"
_PROXY = "kube-rbac-proxy"  # the container before an exporter that checks who reads it


def who(labels: Labels) -> str:
    """The name of the label that says who is ill; empty when there is none."""
    return next((name for name in WHO if labels.get(name) and not exporters(labels, name)), "")


def where(labels: Labels) -> str:
    """The label value that tells most of where an alert is; empty when there is none."""
    name = who(labels) or next(
        (n for n in (*SERVICE, *_LAST) if labels.get(n) and not exporters(labels, n)), ""
    )
    return labels.get(name, "")


def exporters(labels: Labels, name: str) -> bool:
    """The label of that name is about the exporter that tells of others, and not about what is ill.

    An exporter is a job with `exporter` in its name, or kube-state-metrics. A pod or container that
    is named after the job is its own. kube-state-metrics tells of nothing on the address it is
    scraped at, nor where it runs.
    """
    job = labels.get("job", "").rpartition("/")[2]
    if name in ("pod", "container"):
        value = labels.get(name, "")
        return ("exporter" in job or _STATE_METRICS in job) and (
            job in value or value.startswith(_PROXY)
        )
    if _STATE_METRICS not in job:
        return False
    return name == "instance" or (name in ("service", "app", "job") and "instance" in labels)
