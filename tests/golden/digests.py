"""Digests and summaries to look at: a storm, one of criticals alone, a small one, the end of quiet
hours."""

from msgspec.structs import replace

from relay.core.alert import GroupId
from relay.core.budget import Limit
from relay.core.card import digest
from relay.core.card.card import Card
from relay.core.card.digest import DigestView, Line
from relay.core.card.view import Late, ShownStatus
from relay.core.template.sample import NOON

_NOW = NOON + 240.0
_LIMITS = (Limit("chat", 18, 60.0),)


def _line(
    name: str, severity: str, where: str, namespace: str = "", status: ShownStatus = "firing"
) -> Line:
    return Line(
        GroupId("", "ops", f"{name}/{where}"), "", status, name, severity, where, 1, NOON,
        "prod-eu1" if len(where) % 3 else "prod-us2", namespace,
    )  # fmt: skip


def _pods(count: int, severity: str) -> list[Line]:
    places = ("payments", "shop", "search", "login", "media")
    return [
        _line("KubePodCrashLooping", severity, f"checkout-{at:03}", places[at % 5])
        for at in range(count)
    ]


_NODES = [_line("NodeDown", "critical", f"worker-{at}") for at in range(14)]
_DISKS = [_line("DiskFull", "warning", f"db-{at}", "payments") for at in range(3)]
_OTHERS = [_line(f"Probe{at:02}Failed", "info", f"web-{at}", "shop") for at in range(22)]
_OVER = [_line("DiskFull", "warning", f"db-{at}", "payments", "resolved") for at in range(7, 9)]


def _digest(lines: list[Line], late: Late | None = None) -> DigestView:
    return digest.view(Card(digest.DIGEST, "", "ops"), lines, _LIMITS, _NOW, late)


def _summary(urgent: list[Line], silent: list[Line]) -> DigestView:
    card = Card(digest.QUIET, "", "ops")
    view = digest.view(card, [*urgent, *silent], _LIMITS, _NOW, None, "quiet")
    return replace(view, silent=len(silent))


DIGESTS = {
    "storm of 200": _digest([*_pods(161, "warning"), *_NODES, *_DISKS, *_OTHERS]),
    "storm, all critical": _digest([*_pods(186, "critical"), *_NODES]),
    "storm, few, late": _digest(
        [*_NODES[:2], *_DISKS, *_OVER], Late(840.0, "pace", NOON, _NOW, 18)
    ),
    "storm, a name left out": _digest(
        [*_DISKS, *(replace(each, name="", where="", left_out=True) for each in _NODES)]
    ),
    "storm, over": _digest(_OVER),
    "quiet hours over": _summary(_NODES[:1], [*_DISKS[:2], *_OVER]),
    "quiet hours over, nothing urgent": _summary([], _DISKS[:2]),
    "quiet hours over, nothing fires": _summary([], _OVER),
}
