"""The entries of a large card: the most urgent ones whole, the others with few labels."""

from collections.abc import Iterable, Sequence, Set

from msgspec.structs import replace

from relay.core.alert import Labels
from relay.core.card.card import Entry, urgency
from relay.core.routing.lane import Policy

# Alerts of a card whose labels and annotations are kept whole. A message shows fewer.
DETAILED = 200
# Number of alerts up to which those beyond `WHOLE` keep the labels that all of them share.
_SHARING = 2000


def ordered(entries: Iterable[Entry], policy: Policy) -> tuple[Entry, ...]:
    ordered = sorted(entries, key=urgency)
    if len(ordered) <= DETAILED:
        return tuple(ordered)
    judged = (*policy.urgent, *(matcher for rule in policy.mentions for matcher in rule.matchers))
    names = {"alertname", "severity", *(matcher.name for matcher in judged)}
    shared = _shared(ordered[:DETAILED]) if len(ordered) <= _SHARING else {}
    return (*ordered[:DETAILED], *(_brief(entry, names, shared) for entry in ordered[DETAILED:]))


def _shared(entries: Sequence[Entry]) -> Labels:
    return {
        name: value
        for name, value in entries[0].labels.items()
        if all(entry.labels.get(name) == value for entry in entries)
    }


def _brief(entry: Entry, names: Set[str], shared: Labels) -> Entry:
    """The entry with only the labels that urgency, mentions and a silence of the whole card
    need.
    """
    labels: Labels = {
        key: value
        for key, value in entry.labels.items()
        if key in names or shared.get(key) == value
    }
    if not entry.annotations and not entry.generator_url and len(labels) == len(entry.labels):
        return entry
    return replace(entry, labels=labels, annotations={}, generator_url="")
