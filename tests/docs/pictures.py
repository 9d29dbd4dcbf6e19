"""The pictures of docs/pictures, drawn by the sandbox's page in a browser without a window:
`python -m tests.docs.pictures [NAME...]`.

A picture of a scene has Telegram at the left and Discord at the right, each 360 pixels wide, as on
a narrow phone; `lock-screen` has what a locked phone shows of each.
"""

import sys
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from msgspec.structs import replace

from relay.core.card.digest import DigestView
from relay.core.card.view import Late, View, WentOn
from relay.core.event import Settled
from relay.core.notice import notice_of, notification
from relay.core.template import sample
from relay.core.template.sample import NOON
from tests.docs.drawing import measure, page, shoot, shrink
from tests.docs.scenes import Scene, Shown
from tests.golden.digests import DIGESTS
from tests.world import CHANNEL, CHAT

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
WIDTH = 740
_LOCKED = 80  # characters
_NIGHT = NOON - 9 * 3600.0  # 03:00 in Paris


def _volume(minutes: float, free: str = "2.13%", severity: str = "critical") -> View:
    labels = {
        "alertname": "KubePersistentVolumeFillingUp",
        "persistentvolumeclaim": "data-kafka-broker-1",
        "namespace": "data",
        "cluster": "prod-eu1",
        "severity": severity,
    }
    alert = sample.alert(
        -542, labels=labels, annotations={"summary": f"only {free} free", **_RUNBOOK}
    )
    group = {"alertname": labels["alertname"], "namespace": "data"}
    view = sample.view((alert,), now=-542 + minutes, group=group)
    return replace(view, about=view.alerts)


_RUNBOOK = {"runbook_url": "https://runbooks.example.org/volume"}


def _disks(resolved: bool = False) -> View:
    alerts = tuple(
        sample.alert(
            at,
            "resolved" if resolved else "firing",
            {
                "alertname": "NodeFilesystemAlmostOutOfSpace",
                "instance": "db-2.example.org:9100",
                "mountpoint": mount,
                "severity": "critical",
                "job": "node-exporter",
            },
            {
                "summary": "Filesystem has less than 3% space left",
                "description": f"Filesystem on {mount} has only {left} available space left.",
            },
            lasted=22.0,
        )
        for mount, at, left in (("/var/lib/postgresql", -541, "1.10%"), ("/", -542, "2.40%"))
    )
    if resolved:
        return sample.view(alerts, "resolved", now=-519, until=-519, group={})
    return sample.view(alerts, now=-530, group={})


def _moved(view: DigestView, by: float) -> DigestView:
    """The digest at another time."""
    names = tuple(
        replace(name, lines=tuple(replace(line, since=line.since + by) for line in name.lines))
        for name in view.names
    )
    return replace(view, since=view.since + by, now=view.now + by, names=names)


def _raised() -> View:
    (alert,) = _volume(2).alerts
    risen = replace(alert, was="warning", was_since=alert.starts_at - 3660.0)
    return replace(_volume(2), alerts=(risen,), about=(risen,))


def _namespace(now: float = -536) -> View:
    names = (
        ("KubePodCrashLooping", "checkout-6d5f7-x2lqp", "warning"),
        ("KubePodCrashLooping", "checkout-6d5f7-m4vnd", "warning"),
        ("KubeJobFailed", "invoice-export-28893210", "warning"),
        ("KubeHpaMaxedOut", "cart", "info"),
    )
    alerts = tuple(
        sample.alert(
            at - 542,
            labels={
                "alertname": name,
                {"KubeJobFailed": "job_name", "KubeHpaMaxedOut": "horizontalpodautoscaler"}.get(
                    name, "pod"
                ): who,
                "namespace": "payments",
                "cluster": "prod-eu1",
                "severity": severity,
            },
            annotations={},
        )
        for at, (name, who, severity) in enumerate(names)
    )
    return replace(sample.view(alerts, now=now, group={"namespace": "payments"}), about=alerts[1:2])


def _late() -> View:
    late = Late(840.0, "unreachable", _NIGHT + 240.0, _NIGHT + 1020.0)
    return replace(_disks(), late=late)


def _not_delivered() -> View:
    """The notice of an alert that its chat takes in no form."""
    lost = "warning KubeJobFailed · invoice-export-28893210 · billing"
    settled = Settled("telegram", "web", "dead", 1, why="Bad Request: chat not found", lost=lost)
    notice = notice_of(settled)
    assert notice is not None
    told = notification(notice, "en", _NIGHT, _NIGHT).alerts[0]
    return sample.view(
        (sample.alert(-540, labels=told.labels, annotations=told.annotations),), now=-540, group={}
    )


def _probe() -> View:
    labels = {
        "alertname": "BlackboxProbeFailed",
        "instance": "https://shop.example.org/health",
        "job": "blackbox-http",
        "severity": "critical",
    }
    annotations = {
        "summary": "Blackbox probe failed (instance https://shop.example.org/health)",
        "description": "Probe failed\n  VALUE = 502\n  LABELS = map[instance:https://shop]",
    }
    alert = sample.alert(-538, labels=labels, annotations=annotations)
    return sample.view((alert,), now=-536, group={})


def _went_on() -> View:
    view = _namespace()
    gone = replace(view.alerts[1], status="gone", ends_at=_NIGHT + 90.0)
    alerts = (view.alerts[0], *view.alerts[2:], gone)
    link = "https://t.me/c/1234567890/77"
    return replace(view, alerts=alerts, went_on=(WentOn((gone.fingerprint,), link),))


SCENES: Mapping[str, Sequence[Shown]] = {
    "chats": (
        Shown(_volume(2), _NIGHT),
        Shown(_late(), _NIGHT + 1080.0),
        Shown(_moved(DIGESTS["storm, all critical"], _NIGHT + 1260.0 - NOON), _NIGHT + 1320.0),
    ),
    "one": (Shown(_volume(2), _NIGHT),),
    "group": (Shown(_disks(), _NIGHT), Shown(_namespace(), _NIGHT + 120.0)),
    "replies": (
        Shown(_namespace(), _NIGHT),
        Shown(_namespace(), _NIGHT + 60.0, "joined"),
        Shown(_namespace(now=-302), _NIGHT + 14280.0, "repeated"),
        Shown(_volume(2, severity="warning"), _NIGHT + 14400.0),
        Shown(_raised(), _NIGHT + 14520.0, "raised"),
    ),
    "resolved": (
        Shown(_disks(resolved=True), _NIGHT + 1400.0),
        Shown(_disks(resolved=True), _NIGHT + 1401.0, "resolved", silent=True),
    ),
    "late": (Shown(_late(), _NIGHT + 1080.0),),
    "thirty": (Shown(sample.VIEWS["thirty"], NOON + 540.0),),
    "storm": (Shown(DIGESTS["storm of 200"], NOON + 240.0),),
    "storm-all-critical": (Shown(DIGESTS["storm, all critical"], NOON + 240.0),),
    "quiet-hours": (Shown(DIGESTS["quiet hours over"], NOON + 240.0),),
    "others": (
        Shown(_not_delivered(), _NIGHT),
        Shown(_probe(), _NIGHT + 240.0),
        Shown(_went_on(), _NIGHT + 360.0),
    ),
    "hostile": (Shown(sample.VIEWS["hostile"], NOON + 240.0),),
    "long": (Shown(sample.VIEWS["long"], NOON + 240.0), Shown(sample.VIEWS["bare"], NOON + 300.0)),
}
FRENCH: Mapping[str, Sequence[Shown]] = {
    "french": (*SCENES["group"], *SCENES["late"], *SCENES["resolved"]),
}


def draw(name: str) -> None:
    """Draw one picture."""
    if name == "lock-screen":
        html, height = _lock_screens()
    else:
        language = "fr" if name in FRENCH else "en"
        scene = Scene().show({**SCENES, **FRENCH}[name], language)
        html = page(scene.telegram, scene.discord, WIDTH, wide=True)
        height = measure(html, WIDTH).height
    path = FOLDER / f"{name}.png"
    shoot(html, WIDTH, height, path)
    shrink(path)


def _lock_screens() -> tuple[str, int]:
    """What a phone shows of each message while it is locked: its first characters, on Discord of
    the content as it was sent."""
    rows: list[str] = []
    for name in ("one", "group", "replies", "resolved", "late", "storm", "quiet-hours"):
        scene = Scene().show(SCENES[name])
        sent = [message.text for message in scene.telegram.messages(CHAT)]
        shown = [message.shown.content for message in scene.discord.messages(CHANNEL)]
        rows += [
            f"<p><b>Telegram</b><br>{escape(text[:_LOCKED])}</p>"
            f"<p><b>Discord</b><br>{escape(content.replace('**', '')[:_LOCKED])}</p>"
            for text, content in zip(sent, shown, strict=True)
        ]
    style = (
        "body{margin:0;padding:10px;width:720px;background:#2a3350;color:#fff;"
        "font:14px/1.35 Roboto,'Noto Color Emoji',sans-serif;"
        "display:grid;grid-template-columns:350px 350px;gap:8px}"
        "p{margin:0;padding:8px 12px;border-radius:12px;background:#ffffff22}"
        "b{font-size:12px;opacity:.7}"
    )
    html = f"<!doctype html><meta charset=utf-8><style>{style}</style>{''.join(rows)}"
    return html, 20 + 82 * len(rows)


if __name__ == "__main__":
    for each in sys.argv[1:] or (*SCENES, *FRENCH, "lock-screen"):
        draw(each)
