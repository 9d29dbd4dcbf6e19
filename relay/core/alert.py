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
MALFORMED = "Malformed alert"  # the name of the alert in place of one that cannot be read


class Alert(Struct, frozen=True, omit_defaults=True):
    """One alert of a webhook payload.

    Times are Unix seconds; `starts_at` is 0.0 and `ends_at` None when Alertmanager gave no usable
    time (Go's zero time, or a date before 1970). `fingerprint` identifies the alert within its
    source; `given` is the sender's own fingerprint, if that is different.
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
        """The `severity` label, unchanged, or an empty string."""
        return self.labels.get("severity", "")


OWN_KEYS = frozenset({"digest", "quiet"})  # of the relay's own cards in a lane: core/card/digest.py
OWN_PREFIX = "notice/"  # of the group keys of all notices


class GroupId(Struct, frozen=True, order=True):
    """The identity of an alert group. It contains the receiver, since several receivers may have
    groups with the same `groupKey` (Alertmanager dispatch/route.go).
    """

    source: str
    receiver: str
    group_key: str


def outside_key(group_key: str) -> str:
    """The group key of a payload, changed if it would name a card of the relay itself (a digest, a
    summary, a notice). Alertmanager's own keys begin with a brace.
    """
    own = group_key in OWN_KEYS or group_key.startswith(OWN_PREFIX)
    return f"payload:{group_key}" if own else group_key


class Notification(Struct, frozen=True):
    """The present state of one alert group, or one part of it when a payload holds more than `PART`
    alerts.

    `receiver` is Alertmanager's, without the regular-expression quoting with which it is posted.
    `reason` is empty before Alertmanager 0.32. `state` is a hash over the fingerprints of the
    firing alerts in the whole payload; order, sender, reason and start times do not change it.
    `overtaken`: something later was committed about each of its alerts, so it changes nothing.
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
    """Alertmanager's fingerprint of a label set, which identifies an alert within its source
    (github.com/prometheus/common model/signature.go: FNV-1a of the sorted labels).
    `identity_ignores` does not affect it.
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
    """The fingerprint of a label set whose sender gives no credible one."""
    return blake2b(msgspec.json.encode(labels, order="sorted"), digest_size=8).hexdigest()


def thing(labels: Labels, ignores: Iterable[str] = ()) -> frozenset[tuple[str, str]]:
    """The labels without `severity`, without those named in `ignores` and without the one that
    names the Prometheus replica. Alerts that share them are the same thing.
    """
    aside = {"severity", *REPLICAS, *ignores}
    return frozenset(item for item in labels.items() if item[0] not in aside)


def thing_key(labels: Labels, ignores: Set[str]) -> str:
    """The hash of the alert's `thing`; empty if none of the labels that it leaves out is
    present.
    """
    aside = _NO_DIFFERENCE | ignores if ignores else _NO_DIFFERENCE
    kept = [item for item in labels.items() if item[0] not in aside]
    if len(kept) == len(labels):
        return ""
    kept.sort()
    return blake2b(msgspec.json.encode(kept), digest_size=8).hexdigest()


def identity(fingerprint: str, labels: Labels, ignores: Set[str]) -> str:
    """The identity of an alert within `identity_ignores`: a hash of the other labels, or the
    fingerprint if the alert has none of the ignored labels.
    """
    if ignores.isdisjoint(labels):
        return fingerprint
    kept = sorted(item for item in labels.items() if item[0] not in ignores)
    return blake2b(msgspec.json.encode(kept), digest_size=8).hexdigest()


def via(group: GroupId) -> str:
    """The hash of a group, with which an entry of a card records that another group reported its
    alert.
    """
    return blake2b(msgspec.json.encode(group), digest_size=8).hexdigest()
