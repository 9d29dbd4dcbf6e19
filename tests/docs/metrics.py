"""The reference of metrics, out of what `/metrics` answers."""

from prometheus_client.parser import text_string_to_metric_families

from relay.core.balance import BalanceRow
from relay.core.event import Called, EscalationSettled, Loaded, PressAnswered
from relay.operate.metrics import Metrics, ReplicaStatus
from relay.store.history import Durability

_OURS = "alert_relay_"


def table() -> str:
    """A row for each metric of our own."""
    return "\n".join(
        (
            "| metric | type | labels | |",
            "|---|---|---|---|",
            *(_row(*metric) for metric in sorted(_metrics())),
        )
    )


def names() -> list[str]:
    """The names of all metrics, as queries spell them."""
    return [name for name, _, _, _ in _metrics()]


def _metrics() -> list[tuple[str, str, tuple[str, ...], str]]:
    metrics = Metrics()
    metrics.prime([("telegram", "ops")], ["telegram.html.j2"], ["null"])
    metrics.on_event(Loaded(ok=True, at=1.0, faults=0, sha256="abc"))
    metrics.on_event(PressAnswered("take", "done"))
    metrics.on_event(EscalationSettled("ops"))
    metrics.on_event(Called("telegram", "ops", "sendMessage", 200, 0.1, "", ""))
    rendered = metrics.render(
        [BalanceRow("telegram", "ops", pending=1, oldest_pending=1.0)],
        heard={"prometheus": 1.0},
        replica=ReplicaStatus(1, 0, is_reached=True, durability=Durability("remote", 0), spooled=0),
    ).decode()
    found = []
    for family in text_string_to_metric_families(rendered):
        if family.name.startswith(_OURS):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            labels = tuple(label for label in family.samples[0].labels if label != "le")
            found.append((name, family.type, labels, family.documentation))
    return found


def _row(name: str, kind: str, labels: tuple[str, ...], text: str) -> str:
    return f"| `{name}` | {kind} | {', '.join(f'`{label}`' for label in labels)} | {text} |"
