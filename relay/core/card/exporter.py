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
# Ports of Prometheus' exporters, without those that servers in the same range use, and the
# kubelet's.
_EXPORTER_PORTS = range(9100, 10000)
_SERVERS_PORTS = frozenset({9200, 9300, 9418, 9999})
_OTHER_PORTS = frozenset({10250, 10249, 10255, 15692})
_OWN = frozenset({"pod", "container", "namespace", "service", "job", "endpoint"})
_ALL_REMEMBERED = 2000  # characters of all names of an alert
_REMEMBERED = 100  # characters of a value
_LONGEST_PORT, _LONGEST_ADDRESS = 5, 300
_METRICS = "kube-state-metrics"


def scraped(labels: Labels) -> Set[str]:
    """The names of the labels that describe the scraped target, if other labels name the thing that
    is ill.
    """
    job = labels.get("job", "").rpartition("/")[2]
    service = labels.get("service", "")
    metrics = (
        _METRICS in labels.get("job", "")
        or _METRICS in service
        or _METRICS in labels.get("app_kubernetes_io_name", "")
        or _METRICS in labels.get("app", "")
    )
    instance, pod = labels.get("instance", ""), labels.get("pod", "")
    exporter = metrics or _is_exporter(job) or _exporters_port(instance)
    of_exporter = pod and (bool(_EXPORTER.search(pod)) or bool(exporter and job and job in pod))
    kubelet = _is_kubelet(job) or _is_kubelet(service)
    told = _Telling(
        metrics=metrics,
        exporter=exporter,
        proxied=labels.get("container", "").startswith(_PROXY),
        own_pod=_METRICS in pod if metrics else bool(of_exporter) and not kubelet,
        controller=bool(pod and _CONTROLLER.match(pod)) and not metrics and not kubelet,
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
    return "endpoint" in labels or "pod" in labels or service == job or _is_exporter(service)


def _is_exporter(value: str) -> bool:
    """Whether a job or service is named like an exporter."""
    return _known_exporter(value) if len(value) <= _REMEMBERED else bool(_EXPORTER.search(value))


@lru_cache(maxsize=1024)
def _known_exporter(value: str) -> bool:
    return bool(_EXPORTER.search(value))


def _is_kubelet(value: str) -> bool:
    """Whether a job or service tells of all pods."""
    return ("kubelet" in value or "cadvisor" in value) and bool(_KUBELETS.match(value))


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
        "://" not in value and _is_exporter(labels.get("job", "").rpartition("/")[2])
    )


def _exporters_port(address: str) -> bool:
    port = int(_parted(address)[1] or 0)
    return port in _OTHER_PORTS or (port in _EXPORTER_PORTS and port not in _SERVERS_PORTS)


def host(address: str) -> str:
    """The address without its port."""
    return _parted(address)[0]


def _parted(address: str) -> tuple[str, str]:
    """The host and the port of `HOST:PORT` or `[IPV6]:PORT`; the whole text and nothing if it is
    none.
    """
    before, _, port = address.rpartition(":")
    if not (
        before
        and len(port) <= _LONGEST_PORT
        and port.isascii()
        and port.isdigit()
        and len(address) < _LONGEST_ADDRESS
        and "://" not in address
    ):
        return address, ""
    is_host = before[-1] not in ":]" or (before[-1] == "]" and before[0] == "[")
    return (before, port) if is_host else (address, "")
