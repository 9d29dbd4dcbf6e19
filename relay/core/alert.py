"""An alert, and the notification that brings alerts: Alertmanager's payload, checked and frozen."""

from collections.abc import Iterable, Set
from functools import lru_cache
from hashlib import blake2b
from typing import Literal

import msgspec
from msgspec import Struct

AlertStatus = Literal["firing", "resolved"]
Labels = dict[str, str]
_OFFSET, _PRIME, _MASK = 0xCBF29CE484222325, 0x100000001B3, (1 << 64) - 1
_REMEMBERED = 200  # characters of a label
REPLICAS = frozenset({"prometheus", "prometheus_replica", "replica", "__replica__"})
_NO_DIFFERENCE = REPLICAS | {"severity"}
MALFORMED = "Malformed alert"  # the name of what stands in for an alert that cannot be read


class Alert(Struct, frozen=True, omit_defaults=True):
    """One alert of a webhook payload.

    Times are Unix seconds; `starts_at` is 0.0 and `ends_at` None when Alertmanager gave no usable
    time (Go's zero time, or a date before 1970). It is known by its `fingerprint`; `given` is the
    one that its sender gave, where that is another.
    https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
    """

    status: AlertStatus
    labels: Labels
    annotations: Labels
    starts_at: float
    ends_at: float | None
    generator_url: str
    fingerprint: str
    given: str = ""

    @property
    def name(self) -> str:
        """The `alertname` label, or `unnamed alert`."""
        return self.labels.get("alertname") or "unnamed alert"

    @property
    def severity(self) -> str:
        """The `severity` label as it is, or an empty string."""
        return self.labels.get("severity", "")


OWN_KEYS = frozenset({"digest", "quiet"})  # of the cards of a lane's own: see core/card/digest.py
OWN_PREFIX = "notice/"  # of the groups of all notices


class GroupId(Struct, frozen=True, order=True):
    """What an alert group is known by: `groupKey` alone does not name the receiver (Alertmanager
    dispatch/route.go).
    """

    source: str
    receiver: str
    group_key: str


def outside_key(group_key: str) -> str:
    """The group key of a payload. One that would name a card of the relay's own (a digest, a
    summary, a notice) becomes another. Alertmanager's keys begin with a brace.
    """
    own = group_key in OWN_KEYS or group_key.startswith(OWN_PREFIX)
    return f"payload:{group_key}" if own else group_key


class Notification(Struct, frozen=True):
    """The present state of one alert group, or one part of it when a payload holds more than `PART`
    alerts.

    `receiver` is Alertmanager's, without the regular-expression quoting it arrives with. `reason`
    is empty before Alertmanager 0.32. `state` is a hash over the fingerprints of all alerts that
    fire in the whole payload: the same alerts firing give the same one, whatever their order,
    sender, reason and starts. `overtaken`: of all its alerts something accepted later was committed
    before, so it changes nothing.
    """

    source: str
    receiver: str
    group_key: str
    status: AlertStatus
    alerts: tuple[Alert, ...]
    group_labels: Labels
    common_labels: Labels
    common_annotations: Labels
    route_labels: Labels
    external_url: str
    reason: str
    truncated: int
    state: int
    part: int = 0
    parts: int = 1
    overtaken: bool = False

    @property
    def group(self) -> GroupId:
        """The identity of the alert group."""
        return GroupId(self.source, self.receiver, self.group_key)


def alert_key(labels: Labels) -> str:
    """Alertmanager's fingerprint of a label set, by which an alert is known within its source
    (github.com/prometheus/common model/signature.go: FNV-1a of the sorted labels).
    `identity_ignores` has no say here.
    """
    total = _OFFSET
    for name, value in sorted(labels.items()):
        known = len(name) + len(value) <= _REMEMBERED
        total = _mixed(total, name, value) if known else _mixed.__wrapped__(total, name, value)
    return f"{total:016x}"


@lru_cache(maxsize=4096)  # alerts share most of their labels
def _mixed(total: int, name: str, value: str) -> int:
    for byte in b"%b\xff%b\xff" % (name.encode(), value.encode()):
        total = ((total ^ byte) * _PRIME) & _MASK
    return total


def own_fingerprint(labels: Labels) -> str:
    """The fingerprint of a label set whose sender gives none that can be believed."""
    return blake2b(msgspec.json.encode(labels, order="sorted"), digest_size=8).hexdigest()


def thing(labels: Labels, ignores: Iterable[str] = ()) -> frozenset[tuple[str, str]]:
    """The labels without `severity`, `ignores` and the replica of Prometheus that evaluated them:
    alerts that share them are one thing.
    """
    aside = {"severity", *REPLICAS, *ignores}
    return frozenset(item for item in labels.items() if item[0] not in aside)


def thing_key(labels: Labels, ignores: Set[str]) -> str:
    """A thing (see `thing`), hashed; empty for an alert that has none of the labels that make no
    difference."""
    aside = _NO_DIFFERENCE | ignores if ignores else _NO_DIFFERENCE
    kept = [item for item in labels.items() if item[0] not in aside]
    if len(kept) == len(labels):
        return ""
    kept.sort()
    return blake2b(msgspec.json.encode(kept), digest_size=8).hexdigest()


def identity(fingerprint: str, labels: Labels, ignores: Set[str]) -> str:
    """What an alert is known by beside labels that make no new alert (`identity_ignores`): its
    fingerprint, where it has none of them.
    """
    if ignores.isdisjoint(labels):
        return fingerprint
    kept = sorted(item for item in labels.items() if item[0] not in ignores)
    return blake2b(msgspec.json.encode(kept), digest_size=8).hexdigest()


def via(group: GroupId) -> str:
    """A group, hashed: by it a card knows which other group than its own reported an alert."""
    return blake2b(msgspec.json.encode(group), digest_size=8).hexdigest()
