"""The scraped target of an alert: which of its labels describe the exporter and not the thing that
is ill.
"""

import re
from collections.abc import Set
from functools import lru_cache
from typing import NamedTuple

from relay.core.alert import Labels
from relay.core.label_names import KUBE, NEVER, PART, PLACE, tier

_SCRAPED = (
    "instance", "job", "endpoint", "metrics_path", "service", "app", "helm_sh_chart",
    "app_kubernetes_io_name", "app_kubernetes_io_instance", "app_kubernetes_io_component",
)  # fmt: skip
_EXPORTER = re.compile(
    r"exporter|kube-state-metrics|cadvisor|pushgateway|^(?:yace|cloudwatch)"
    r"|^(?:node|kubelet|windows|blackbox|snmp|ipmi)$|^(?:blackbox|snmp|ipmi)[-_]"
)
# Pods that tell of other things than themselves, in labels of the metric without a prefix.
_CONTROLLER = re.compile(
    r"^(?:argocd|cert-manager|external-secrets|flux|helm-controller|ingress-nginx|keda"
    r"|kustomize-controller|longhorn-manager|source-controller|velero)-"
)
_KUBELETS = re.compile(r"^(?:kubelet|.*cadvisor.*)$")  # tell of all pods, and are none
_PROXY = "kube-rbac-proxy"  # the container in front of an exporter that checks who reads it
_PORT = re.compile(r"(.*[^:\]]|\[.*\]):([0-9]{1,5})", re.DOTALL)
# Ports of Prometheus' exporters, without those that servers in the same range use, and the
# kubelet's.
_EXPORTER_PORTS = range(9100, 10000)
_SERVERS_PORTS = frozenset({9200, 9300, 9418, 9999})
_OTHER_PORTS = frozenset({10250, 10249, 10255, 15692})
_OWN = frozenset({"pod", "container", "namespace", "service", "job", "endpoint"})
_ALL_REMEMBERED = 2000  # characters of all names of an alert


def scraped(labels: Labels) -> Set[str]:
    """The names of the labels that describe the scraped target, if other labels name the thing that
    is ill.
    """
    job = labels.get("job", "").rpartition("/")[2]
    metrics = any(
        "kube-state-metrics" in labels.get(name, "")
        for name in ("job", "service", "app_kubernetes_io_name", "app")
    )
    instance, pod = labels.get("instance", ""), labels.get("pod", "")
    exporter = metrics or bool(_EXPORTER.search(job)) or _exporters_port(instance)
    of_exporter = _EXPORTER.search(pod) or (exporter and job and job in pod)
    kubelet = _KUBELETS.match(job) or _KUBELETS.match(labels.get("service", ""))
    told = _Telling(
        metrics=metrics,
        exporter=exporter,
        proxied=labels.get("container", "").startswith(_PROXY),
        own_pod="kube-state-metrics" in pod if metrics else bool(of_exporter) and not kubelet,
        controller=bool(_CONTROLLER.match(pod)) and not metrics and not kubelet,
        service=_is_scraped_service(labels, job),
        host=bool(instance and _EXPORTER.search(host(instance))),
        told=bool(instance or labels.get("job")),
    )
    names = tuple(labels)
    short = sum(map(len, names)) <= _ALL_REMEMBERED
    return _aside(names, told) if short else _aside.__wrapped__(names, told)


def _is_scraped_service(labels: Labels, job: str) -> bool:
    """Whether `service` is the target's, as the Prometheus operator writes it, and not a label of
    the metric.
    """
    service = labels.get("service", "")
    is_targets = "endpoint" in labels or "pod" in labels or service == job
    return is_targets or bool(_EXPORTER.search(service))


class _Telling(NamedTuple):
    """What the values of labels say about the scraped target: it is kube-state-metrics, or some
    exporter; it is behind a proxy; the pod is its own, or that of a controller, which tells of
    others; the service is its own; its host is named after it; there is an instance or a job.
    """

    metrics: bool
    exporter: bool
    proxied: bool
    own_pod: bool
    controller: bool
    service: bool
    host: bool
    told: bool


@lru_cache(maxsize=1024)
def _aside(names: tuple[str, ...], values: _Telling) -> Set[str]:
    """`scraped`, computed from the names of the labels and these facts about their values, which
    are the same for most alerts of a rule.
    """
    aside: set[str] = set()
    of_metric = {name.removeprefix("exported_") for name in names if name.startswith("exported_")}
    aside |= of_metric
    if of_metric & {"pod", "namespace"}:
        aside |= {"pod", "namespace", "container", "node", *_SCRAPED}
    if of_metric & {"job", "instance"}:
        aside |= {"job", "instance"}
    if values.proxied:
        aside.add("container")
    if values.metrics:
        aside |= set(_SCRAPED)
    if values.own_pod or values.controller:
        own = _OWN | {"instance"} if values.controller else _OWN
        # A pod is ill itself where nothing else is.
        if any(tier(name)[0] <= PART for name in set(names) - aside - own - NEVER):
            aside |= own
    left = set(names) - aside - NEVER
    if any(tier(name)[0] == KUBE for name in left):
        aside |= {"instance", "job", "endpoint", "metrics_path", "app", "helm_sh_chart"}
        if values.told:
            aside.add("service")
    elif any(tier(name)[0] <= PART for name in left):
        aside |= {"endpoint", "metrics_path"}
        if values.exporter:
            aside |= {"job", "service"} if values.service else {"job"}
    if values.host and any(
        tier(name)[0] <= PLACE for name in left - {"instance", "job", "service"}
    ):
        aside.add("instance")
    return frozenset(aside)


def shown_value(labels: Labels, name: str) -> str:
    """The value of a label; for an address whose port is an exporter's only the host."""
    value = labels[name]
    return host(value) if name == "instance" and _is_scraped_port(value, labels) else value


def _is_scraped_port(value: str, labels: Labels) -> bool:
    return _exporters_port(value) or (
        bool(_EXPORTER.search(labels.get("job", "").rpartition("/")[2])) and "://" not in value
    )


def _exporters_port(address: str) -> bool:
    if ":" not in address or "://" in address or len(address) >= 300:
        return False
    found = _PORT.fullmatch(address)
    port = int(found[2]) if found else 0
    return port in _OTHER_PORTS or (port in _EXPORTER_PORTS and port not in _SERVERS_PORTS)


def host(address: str) -> str:
    """The address without its port."""
    if ":" not in address or "://" in address or len(address) >= 300:
        return address
    found = _PORT.fullmatch(address)
    return found[1] if found else address
