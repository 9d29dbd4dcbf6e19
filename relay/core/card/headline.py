"""A card in one line of plain text, for notices and the log."""

from relay.core.alert import thing
from relay.core.card.card import Card
from relay.core.card.severity import rank
from relay.core.card.subject import severity_word, short, subject

_SEEN = 20  # alerts in which the shared labels are sought


def headline(card: Card) -> str:
    """`warning KubeJobFailed · invoice-export-28893210 · billing`; for several names the number of
    alerts; empty for a card without alerts.
    """
    firing = [entry for entry in card.entries if entry.status == "firing"] or [*card.entries]
    if not firing:
        return ""
    told = subject(firing[:_SEEN], card.head.group_labels)
    names = dict.fromkeys(entry.labels.get("alertname", "") for entry in firing)
    things = len({thing(entry.labels) for entry in firing})
    title = short(next(iter(names))) if len(names) == 1 else f"{things} alerts"
    count = f" ×{things}" if things > 1 and len(names) == 1 else ""
    state = severity_word(firing[0].severity) if firing[0].status == "firing" else firing[0].status
    head = " ".join(filter(None, (state, title))) + count
    return " · ".join(filter(None, (head, " ".join(told.who), ", ".join(told.where))))


def is_critical(card: Card) -> bool:
    """Whether an alert with one of the highest severities fires on the card."""
    return any(entry.status == "firing" and rank(entry.severity) == 0 for entry in card.entries)
