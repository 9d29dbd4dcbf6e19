"""The reference of what template names hold, out of their classes: each public attribute with its
sentence.
"""

import inspect
from collections.abc import Iterator
from typing import get_type_hints

from relay.core.template import links, objects
from relay.core.text import times

KINDS: tuple[tuple[str, type, tuple[str, ...]], ...] = (
    ("alert", objects.Alert, ()),
    ("alerts", objects.Alerts, ("count", "index")),
    ("labels and annotations", objects.Labels, ()),
    ("time", times.Time, ("rich", "local")),
    ("hidden", objects.Hidden, ()),
    ("counts", objects.Counts, ()),
    ("links", links.Links, ("count", "index")),
)
# What a class only declares has no sentence of its own.
_TYPED = {
    "more": "How many are not told.",
    "unix": "Unix seconds.",
    "by_severity": "A list such as `25 warning`, `2 info`.",
    "all": "All of them.",
    "firing": "Those that fire.",
    "resolved": "Those that were resolved.",
    "gone": "Those that are no longer reported.",
    "runbook": "Annotation `runbook_url` or `runbook`.",
    "graph": "The page of the first alert's expression.",
    "silence": "Alertmanager's page for a new silence of all that fires here, by what it shares.",
    "target": "The address that a probe asked, where all alerts have the same.",
    "dashboard": "Annotation `dashboard_url`, `dashboard` or `grafana_url`.",
}


def tables() -> str:
    """A table for each kind of object."""
    return "\n".join(line for title, kind, hidden in KINDS for line in _table(title, kind, hidden))


def attributes(kind: type, hidden: tuple[str, ...] = ()) -> dict[str, list[str]]:
    """The public attributes of a class by the first of their names, with the other names of
    each.
    """
    found: dict[int, list[str]] = {}
    for base in reversed(inspect.getmro(kind)):
        if base.__module__.startswith("relay."):
            for name, value in vars(base).items():
                if not name.startswith("_") and name not in hidden and name not in ("rich", "of"):
                    found.setdefault(id(value), []).append(name)
    names = {each[0]: each[1:] for each in found.values()}
    for name in get_type_hints(kind):
        if not name.startswith("_"):
            names.setdefault(name, [])
    return names


def _table(title: str, kind: type, hidden: tuple[str, ...]) -> Iterator[str]:
    yield f"### {title}"
    yield _first_paragraph(kind)
    yield ""
    yield "| name | |"
    yield "|---|---|"
    for name, others in attributes(kind, hidden).items():
        spelled = ", ".join(f"`{each}`" for each in (name, *others))
        yield f"| {spelled} | {_sentence(kind, name)} |"
    yield ""


def _sentence(kind: type, name: str) -> str:
    return _TYPED.get(name, "") or _first_paragraph(inspect.getattr_static(kind, name))


def _first_paragraph(value: object) -> str:
    return " ".join(inspect.cleandoc(value.__doc__ or "").partition("\n\n")[0].split())
