"""Builders of core values for tests: short names, sensible defaults."""

from relay.core.alert import Alert, AlertStatus, GroupId, Notification
from relay.core.card.card import Card, Entry, Head
from relay.core.card.fold import Arriving
from relay.core.routing.lane import Endpoint, LaneKey, Policy, Target
from relay.core.routing.matcher import parse
from relay.core.secret import Secret

TELEGRAM = LaneKey("telegram", "http://127.0.0.1:1", "111", "-1001")
DISCORD = LaneKey("discord", "http://127.0.0.1:1", "222", "")
GROUP = GroupId("", "relay", '{}:{alertname="Disk"}')
POLICY = Policy(
    receiver="ops",
    template="telegram.html.j2",
    markup="html",
    urgent=parse('severity=~"critical|page"'),
)
T0 = 1_795_000_000.0


def alert(
    instance: str,
    status: AlertStatus = "firing",
    *,
    at: float = T0,
    ends: float | None = None,
    severity: str = "warning",
    name: str = "Disk",
) -> Alert:
    """An alert of the Disk group; `instance` is its fingerprint too, after its name where that is
    another.
    """
    ended = (ends if ends is not None else at + 60) if status == "resolved" else None
    return Alert(
        status=status,
        labels={"alertname": name, "instance": instance, "severity": severity},
        annotations={"summary": f"{instance} is nearly full"},
        starts_at=at,
        ends_at=ended,
        generator_url="https://prometheus.example.org/graph",
        fingerprint=instance if name == "Disk" else f"{name}/{instance}",
    )


def arriving(seq: int, at: float, *alerts: Alert, reason: str = "", truncated: int = 0) -> Arriving:
    """A delivery accepted at `at`, the whole of its payload."""
    state = hash(frozenset(a.fingerprint for a in alerts if a.status == "firing"))
    head = Head(
        {"alertname": "Disk"}, {}, "https://alertmanager.example.org", reason, truncated, state
    )
    return Arriving(seq, at, head, alerts, last=True, whole=truncated == 0)


def notification(
    *alerts: Alert, group: GroupId = GROUP, reason: str = "", truncated: int = 0
) -> Notification:
    """A notification that holds just these alerts."""
    return Notification(
        source=group.source,
        receiver=group.receiver,
        group_key=group.group_key,
        status="firing" if any(a.status == "firing" for a in alerts) else "resolved",
        alerts=alerts,
        group_labels={"alertname": "Disk"},
        common_labels={},
        common_annotations={},
        route_labels={},
        external_url="https://alertmanager.example.org",
        reason=reason,
        truncated=truncated,
        state=hash(frozenset(a.fingerprint for a in alerts if a.status == "firing")),
    )


def entry(instance: str = "a") -> Entry:
    """A firing alert as a card keeps it."""
    told = alert(instance)
    return Entry(
        instance, "firing", told.labels, told.annotations, told.generator_url, T0, None, T0, T0
    )


def card() -> Card:
    """A card before its first delivery."""
    return Card(GROUP, "", receiver="ops")


def target(lane: LaneKey = TELEGRAM, policy: Policy = POLICY, secret: str = "111:secret") -> Target:
    """How the lane is reached."""
    return Target(Endpoint(lane, Secret(secret)), policy)
