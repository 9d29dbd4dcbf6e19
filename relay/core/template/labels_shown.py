"""What of an alert deserves a reader's line: its mark, what is wrong, where, and in what it differs
from its group.
"""

from collections.abc import Iterable, Sequence

from relay.core.alert import Labels
from relay.core.card.severity import color as severity_color
from relay.core.card.subject import SERVICE, WHO, WORKLOADS, exporters, who
from relay.core.card.view import AlertView, View
from relay.core.text.richtext import clean

# The most telling first: who is ill, then what of it. Everything not named here stands between
# SERVICE and BORING.
_WHAT = (
    "mountpoint", "device", "volume", "exported_container", "container", "queue", "topic", "consumergroup", "database",
    "datname", "interface", "path", "url", "name",
)  # fmt: skip
_CONTAINERS = ("exported_container", "container")
_BORING = (
    "job",
    "endpoint",
    "id",
    "uid",
    "container_id",
    "prometheus",
    "prometheus_replica",
    "replica",
)
_WHERE = (
    "cluster",
    "environment",
    "env",
    "namespace",
    "service",
    "app",
    "region",
    "zone",
    "team",
    "job",
)
_HEAD = ("alertname", "severity")
_ORDER = {name: at for at, name in enumerate((*WHO, *_WHAT, *SERVICE))}
_LAST = {name: at for at, name in enumerate(_BORING, start=1000)}
_PLACES = {name: at for at, name in enumerate(_WHERE)}
_MOST_PLACES = 3
_MOST_DIFFERENCES = 3

RED, ORANGE, BLUE, GREEN, GREY = 0xE01E5A, 0xF2871B, 0x3B88C3, 0x2EB67D, 0x99AAB5


def mark(status: str, severity: str) -> str:
    """🔴 critical and its like, 🟠 warning and words unknown, 🔵 info, 🟢 resolved, ⚪ no longer
    reported.
    """
    if status == "resolved":
        return "🟢"
    if status == "gone":
        return "⚪"
    return severity_color(severity)


def color(sign: str) -> int:
    """The colour that goes with a mark, as 0xRRGGBB."""
    return {"🔴": RED, "🟠": ORANGE, "🟢": GREEN, "⚪": GREY}.get(sign, BLUE)


def summary(annotations: Labels, name: str) -> str:
    """What is wrong: the summary, else the description, else the message, else the alert's name."""
    found = (annotations.get(key, "").strip() for key in ("summary", "description", "message"))
    return next((text for text in found if text), name)


def names(alerts: Iterable[AlertView], status: str) -> list[str]:
    """The names of the alerts in that state, each once, in their order; an empty one for those that
    have none.
    """
    found = (alert.labels.get("alertname", "") for alert in alerts if alert.status == status)
    return [one_line(name) for name in dict.fromkeys(found)]


def one_line(value: str) -> str:
    """The value without line breaks, for places where one would split a line in two."""
    return value if value.isprintable() else " ".join(clean(value).split())


def where(view: View) -> list[str]:
    """Label values that say where: those the group is made by, else the most telling that all
    alerts share.
    """
    return _where(view.group_labels, view.common_labels)


def _where(group: Labels, common: Labels) -> list[str]:
    names = sorted(
        set(group).difference(_HEAD), key=lambda name: (_PLACES.get(name, len(_PLACES)), name)
    )
    told = [group[name] for name in names] or [common.get(name, "") for name in _WHERE]
    most = _MOST_PLACES if names else 2
    return list(dict.fromkeys(one_line(value) for value in told if value))[:most]


def telling_keys(alerts: Sequence[AlertView], group: Labels, common: Labels) -> tuple[str, ...]:
    """The labels that tell the alerts of a card apart, the most telling first, no more of them than
    are needed.
    """
    if len(alerts) == 1:
        return _own_keys(alerts[0].labels, group)
    keys = {name for alert in alerts for name in alert.labels if name not in common} - {"severity"}
    aside = {name for name in keys if any(exporters(alert.labels, name) for alert in alerts)}
    ordered = sorted(keys, key=lambda name: (name in aside, _telling(name)))
    for size in range(1, min(len(ordered), _MOST_DIFFERENCES)):
        if len(
            {tuple(alert.labels.get(name) for name in ordered[:size]) for alert in alerts}
        ) == len(alerts):
            return tuple(ordered[:size])
    return tuple(ordered[:_MOST_DIFFERENCES])


def _own_keys(labels: Labels, group: Labels) -> tuple[str, ...]:
    """Who and what, for an alert that stands alone; where there is neither, the service or job that
    no head tells.
    """
    left = {name: value for name, value in labels.items() if value and not exporters(labels, name)}
    ill = who(labels)
    whats = (name for name in _WHAT if name in left and name not in group)
    what = next((name for name in whats if name not in _CONTAINERS or ill not in WORKLOADS), "")
    keys = tuple(name for name in (ill if ill not in group else "", what) if name)
    told = _where(group, labels)
    if keys or ill:
        return keys
    return tuple(
        name for name in (*SERVICE, "job") if name in left and one_line(left[name]) not in told
    )[:1]


def _telling(name: str) -> tuple[int, str]:
    if name == "alertname":
        return (-1, name)
    return (_ORDER.get(name, _LAST.get(name, 500)), name)


def severities(alerts: Iterable[AlertView]) -> list[tuple[str, int]]:
    """How many alerts there are of each severity (for firing ones) or state, in the order in which
    they come.
    """
    counts: dict[str, int] = {}
    for alert in alerts:
        word = (
            one_line(alert.labels.get("severity", "")) or "firing"
            if alert.status == "firing"
            else alert.status
        )
        counts[word] = counts.get(word, 0) + 1
    return list(counts.items())
