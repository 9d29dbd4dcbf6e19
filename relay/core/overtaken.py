"""Compares what waited on the local disk while the storage was away with what others accepted
meanwhile: a payload must not change an alert about which something later is committed.
"""

from collections.abc import Iterable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from relay.core.alert import GroupId, Notification

AlertId = tuple[str, str]
"""An alert's source and fingerprint."""


class HeardLast(Struct, frozen=True):
    """When (Unix seconds) something was last accepted about alerts and groups."""

    alerts: Mapping[AlertId, float] = {}
    groups: Mapping[GroupId, float] = {}


def last_heard(before: HeardLast, committed: Iterable[tuple[float, Notification]]) -> HeardLast:
    """The times known after these committed payloads, each given with its time of acceptance."""
    alerts, groups = dict(before.alerts), dict(before.groups)
    for at, part in committed:
        groups[part.group] = max(groups.get(part.group, at), at)
        for alert in part.alerts:
            key = (part.source, alert.fingerprint)
            alerts[key] = max(alerts.get(key, at), at)
    return HeardLast(alerts, groups)


def is_overtaken(part: Notification, at: float, said: HeardLast) -> bool:
    """Whether something later is known about the group of this part, accepted `at`, or about one of
    its alerts.
    """
    if said.groups.get(part.group, at) > at:
        return True
    return any(said.alerts.get((part.source, alert.fingerprint), at) > at for alert in part.alerts)


def apart(part: Notification, at: float, said: HeardLast) -> tuple[Notification, ...]:
    """The part, accepted `at`, without the alerts about which something later is known, and a part
    with those, marked as overtaken. If there are any, the absence of an alert from the first part
    means nothing: it looks like the first part of a payload whose next part never comes.
    """
    if not is_overtaken(part, at, said):
        return (part,)
    later = {
        alert.fingerprint
        for alert in part.alerts
        if said.alerts.get((part.source, alert.fingerprint), at) > at
    }
    left = tuple(alert for alert in part.alerts if alert.fingerprint not in later)
    over = tuple(alert for alert in part.alerts if alert.fingerprint in later)
    rest = replace(part, alerts=left, parts=part.part + 2)
    old = replace(part, alerts=over, parts=part.part + 2, overtaken=True)
    return tuple(each for each in (rest, old) if each.alerts)
