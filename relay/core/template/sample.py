"""Sample views. Templates are checked with them at load, and `template render` shows them if no
payload is given.
"""

from relay.core.alert import Labels
from relay.core.card.view import AlertView, Change, Late, Round, ShownStatus, View
from relay.core.routing.lane import Policy

POLICY = Policy(receiver="ops", template="", markup="none", timezone="Europe/Paris")
NOON = 1795345200.0  # Sunday, 22 November 2026, 12:00 in Paris
_MINUTE = 60.0
_HEAD: Labels = {"alertname": "KubePodCrashLooping", "cluster": "prod-1", "namespace": "payments"}
_NOTES: Labels = {
    "summary": "Pod is crash looping",
    "runbook_url": "https://runbooks.example.org/KubePodCrashLooping",
    "dashboard_url": "https://grafana.example.org/d/pods",
}
_GRAPH = "https://prometheus.example.org/graph?g0.expr=up"
_HOSTILE = (
    "<b>&amp; *_~`|[x](http://e.vil) {{ 7*7 }} @everyone <@1> ]]\\ \ufdd00\ufdd1 "
    "\u202etxt\r\n# /cmd"
)


def alert(
    at: float,
    status: ShownStatus = "firing",
    labels: Labels | None = None,
    annotations: Labels | None = None,
    lasted: float = 3.0,
    *,
    joined: bool = False,
) -> AlertView:
    """An alert that began `at` minutes after noon, and ended `lasted` minutes later unless it
    fires.
    """
    starts = NOON + at * _MINUTE
    labels = {} if labels is None else labels
    return AlertView(
        status=status,
        labels=labels,
        annotations=_NOTES if annotations is None else annotations,
        starts_at=starts,
        ends_at=None if status == "firing" else starts + lasted * _MINUTE,
        generator_url=_GRAPH,
        fingerprint=f"{abs(hash_of(labels)):016x}",
        joined=joined,
    )


def hash_of(labels: Labels) -> int:
    """A hash of labels that is the same in every run."""
    number = 14695981039346656037
    for byte in repr(sorted(labels.items())).encode("utf-8", "replace"):
        number = (number ^ byte) * 1099511628211 % (1 << 64)
    return number


def view(
    alerts: tuple[AlertView, ...],
    change: Change = "fired",
    now: float = 6.0,
    until: float | None = None,
    group: Labels | None = None,
    late: Late | None = None,
    rounds: tuple[Round, ...] = (),
    about: tuple[AlertView, ...] = (),
) -> View:
    """The view of a card with these alerts, at `now` minutes after noon."""
    group = _HEAD if group is None else group
    statuses = {alert.status for alert in alerts}
    return View(
        receiver="ops",
        status="firing"
        if "firing" in statuses
        else "resolved"
        if "resolved" in statuses
        else "gone",
        alerts=alerts,
        group_labels=group,
        common_labels=_common([alert.labels for alert in alerts]),
        common_annotations=_common([alert.annotations for alert in alerts]),
        route_labels={},
        external_url="https://alertmanager.example.org",
        notification_reason="",
        truncated_alerts=0,
        group_key='{}:{alertname="KubePodCrashLooping"}',
        change=change,
        now=NOON + now * _MINUTE,
        since=min(alert.starts_at for alert in alerts),
        until=None if until is None else NOON + until * _MINUTE,
        rounds=rounds,
        late=late,
        about=about,
    )


def _common(maps: list[Labels]) -> Labels:
    first, *rest = maps
    return {
        name: value
        for name, value in first.items()
        if all(other.get(name) == value for other in rest)
    }


def _pod(pod: str, severity: str = "critical") -> Labels:
    return {**_HEAD, "severity": severity, "pod": pod, "job": "kube-state-metrics"}


def _one() -> View:
    labels = {
        "alertname": "HighErrorRate", "severity": "critical", "service": "payments",
        "region": "eu-west-1",
        "instance": "api-7f9c",
    }  # fmt: skip
    notes = {
        "summary": "12 % of requests fail (limit 1 %)",
        "description": "Most of them are time-outs of the card provider.",
        "runbook_url": "https://runbooks.example.org/HighErrorRate",
    }
    group = {"alertname": "HighErrorRate", "service": "payments", "region": "eu-west-1"}
    return view((alert(4, labels=labels, annotations=notes),), group=group)


def _three() -> tuple[AlertView, ...]:
    return (
        alert(4, labels=_pod("api-7f9c")),
        alert(5, labels=_pod("api-8d2e")),
        alert(6, labels=_pod("worker-11"), joined=True),
    )


def _huge() -> View:
    severities = ("critical", "warning", "info")
    alerts = (
        alert(at / 60, labels=_pod(f"worker-{at:03}", severities[min(at // 40, 2)]), annotations={
            "summary": f"Pod worker-{at:03} restarted {at} times in the last ten minutes",
            "runbook_url": "https://runbooks.example.org/KubePodCrashLooping",
        })
        for at in range(200)
    )  # fmt: skip
    return view(tuple(alerts), now=9)


def _thirty() -> View:
    nodes = (
        alert(at / 10,
            labels={"alertname": "NodeNotReady", "severity": "warning" if at < 28 else "info",
                               "cluster": "prod-1", "node": f"node-{at:02}.example.org"},
              annotations={"summary": "Node is not ready"})
        for at in range(30)
    )  # fmt: skip
    return view(tuple(nodes), now=9, group={"alertname": "NodeNotReady", "cluster": "prod-1"})


def _mixed() -> View:
    alerts = (
        alert(4, labels={**_HEAD, "alertname": "HighErrorRate", "severity": "critical",
                         "instance": "api-1"},
              annotations={"summary": "12 % of requests fail"}),
        alert(5, labels={**_HEAD, "alertname": "DiskFull", "severity": "warning",
                         "instance": "db-2", "mountpoint": "/var/lib"},
              annotations={"summary": "4 % left on /var/lib"}),
        alert(2, "gone",
            {**_HEAD, "alertname": "NodeDown", "severity": "critical", "instance": "web-3"}, {}),
        alert(1, "resolved",
            {**_HEAD, "alertname": "DiskFull", "severity": "info", "instance": "db-1"}, {}, 6.0),
    )  # fmt: skip
    return view(alerts, "shrank", 8, group={"cluster": "prod-1", "namespace": "payments"})


def _resolved() -> View:
    pods = ("api-7f9c", "api-8d2e", "worker-11")
    alerts = tuple(
        alert(4 + at, "resolved", _pod(pod), lasted=27.0 - at) for at, pod in enumerate(pods)
    )
    return view(alerts, "resolved", 31, until=31)


def _hostile() -> View:
    labels = {
        "alertname": _HOSTILE,
        "severity": "*crit_",
        "instance": _HOSTILE,
        "we ird": "</code>",
        "_x": "`",
    }
    notes = {
        "summary": _HOSTILE, "description": "tg://user?id=1 https://e.vil/",
        "runbook_url": "javascript:alert(1)",
        "dashboard_url": 'https://e.vil/")<b>[',
    }  # fmt: skip
    return view((alert(4, labels=labels, annotations=notes),), group={"alertname": _HOSTILE})


def _late() -> View:
    late = Late(14 * _MINUTE, "unreachable", NOON + 4 * _MINUTE, NOON + 17 * _MINUTE)
    return view(_three(), now=18, late=late)


def _over() -> View:
    late = Late(14 * _MINUTE, "unreachable", NOON + 4 * _MINUTE, NOON + 17 * _MINUTE)
    return view(
        (alert(4, "resolved", _pod("api-7f9c"), lasted=5.0),), "resolved", 18, until=9, late=late
    )


def _again() -> View:
    rounds = tuple(Round(NOON + at * _MINUTE, NOON + (at + 5) * _MINUTE) for at in (4.0, 16.0))
    return view((alert(32, labels=_pod("api-7f9c")),), "again", 34, rounds=rounds)


def _bare() -> View:
    return view((alert(4, labels={"alertname": "Watchdog"}, annotations={}),), group={})


def _long() -> View:
    words = "The ledger of the payments service does not reach its replica. "
    description = (words * 13)[:800]
    return view((alert(4, labels=_pod("ledger-0"), annotations={"description": description}),))


VIEWS = {
    "one": _one(),
    "three": view(_three(), "grew", about=_three()[2:]),
    "some resolved": view(
        (*_three(), alert(3, "resolved", _pod("worker-09"), lasted=4.0)), "shrank", 9
    ),
    "mixed": _mixed(),
    "resolved": _resolved(),
    "thirty": _thirty(),
    "huge": _huge(),
    "hostile": _hostile(),
    "late": _late(),
    "over": _over(),
    "again": _again(),
    "bare": _bare(),
    "long": _long(),
}
