"""The matchers of a silence: they match every firing alert that was meant, and few others."""

import re
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from relay.core.alert import Labels
from relay.core.label_names import VOLATILE, is_volatile
from relay.core.routing.matcher import Matcher, matches

# Labels that say where an alert is without those.
_PLACES = frozenset(
    {"namespace", "deployment", "statefulset", "daemonset", "service", "node", "job", "cluster",
     "host", "hostname", "app", "team", "queue", "database", "url", "target"}
)  # fmt: skip
_META = re.compile(r"[\\.+*?()|\[\]{}^$]")
_LONGEST_VALUE, _LARGEST = 1024, 16 << 10


class CannotSilence(Struct, frozen=True):
    """No silence can be written for these alerts; `why` is a key of the catalogue."""

    why: str


def silence_matchers(
    alerts: Sequence[Labels], group_labels: Labels, *, wide: bool
) -> tuple[Matcher, ...] | CannotSilence:
    """Matchers that match each of the alerts. Without `wide` each label is matched by the values
    that the alerts have; with it, labels that differ or are volatile are left out.

    At least one matcher is an equality with a value; none is negative.
    """
    if not alerts:
        return CannotSilence("nothing_fires")
    if any(not _is_writable(value) for labels in alerts for value in labels.values()):
        return CannotSilence("label_too_long")
    names = sorted({name for labels in alerts for name in labels})
    found = {name: _values(name, alerts) for name in names}
    if wide:
        found = _widened(found, alerts, group_labels)
    matchers = tuple(_matcher(name, values) for name, values in found.items())
    if not any(each.op == "=" and each.value for each in matchers):
        return CannotSilence("nothing_shared")
    if sum(len(each.name) + len(each.value) for each in matchers) > _LARGEST:
        return CannotSilence("too_many")
    return matchers


def group_matchers(
    alerts: Sequence[Labels], group_labels: Labels
) -> tuple[Matcher, ...] | CannotSilence:
    """Matchers of the whole group of these alerts: the group labels and the name that they share,
    or without group labels all labels that they share. Other alerts of the group are muted as well,
    future ones too.
    """
    if not alerts:
        return CannotSilence("nothing_fires")
    shared = {
        name: value
        for name, value in alerts[0].items()
        if value and all(labels.get(name) == value for labels in alerts)
    }
    named = {name for name in (*group_labels, "alertname") if name in shared}
    if not group_labels or not named - {"severity"}:
        named |= {name for name in shared if not is_volatile(name)}
    if not named - {"severity"} or any(not _is_writable(shared[name]) for name in named):
        return CannotSilence("nothing_shared")
    return tuple(Matcher(name, "=", shared[name]) for name in sorted(named))


def _is_writable(value: str) -> bool:
    if len(value) > _LONGEST_VALUE:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _values(name: str, alerts: Iterable[Labels]) -> tuple[str, ...]:
    return tuple(sorted({labels.get(name, "") for labels in alerts}))


def _widened(
    found: Mapping[str, tuple[str, ...]], alerts: Sequence[Labels], group_labels: Labels
) -> dict[str, tuple[str, ...]]:
    """For a single alert: its labels without the volatile ones, if others say where it is. For
    several: the group labels and their names, or without group labels all labels that they share.
    """
    shared = {name for name, values in found.items() if len(values) == 1 and values[0]}
    lasting = {name for name in shared if not is_volatile(name)}
    kept = lasting if lasting & _PLACES else shared - (VOLATILE - {"instance"})
    if len(alerts) > 1 and group_labels:
        grouped = {name for name in group_labels if name in shared}
        kept = grouped if grouped - {"severity"} else kept
    return {name: values for name, values in found.items() if name in kept or name == "alertname"}


def _matcher(name: str, values: tuple[str, ...]) -> Matcher:
    if len(values) == 1:
        return Matcher(name, "=", values[0])
    return Matcher(name, "=~", "|".join(_META.sub(r"\\\g<0>", value) for value in values))


def muted_besides(
    matchers: tuple[Matcher, ...], meant: Iterable[Labels], present: Iterable[Labels]
) -> int:
    """How many of the alerts in Alertmanager the matchers would mute beside those that were
    meant.
    """
    known = {tuple(sorted(labels.items())) for labels in meant}
    return sum(
        1
        for labels in present
        if matches(matchers, labels) and tuple(sorted(labels.items())) not in known
    )
