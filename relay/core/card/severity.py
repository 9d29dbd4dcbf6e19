"""Severities: one table of the words of the label, in any case. Messages show the word as it is
written.
"""

from typing import Literal

Color = Literal["🔴", "🟠", "🔵"]

# The rank of each word: 0 and 1 are red, 2 is orange, 4 and 5 are blue.
RANKS = {
    "critical": 0, "crit": 0, "page": 0, "paging": 0, "pager": 0, "emergency": 0, "emerg": 0,
    "fatal": 0, "disaster": 0, "blocker": 0, "urgent": 0, "panic": 0, "alert": 0, "sev0": 0,
    "sev1": 0, "sev-0": 0, "sev-1": 0, "p0": 0, "p1": 0, "s0": 0, "s1": 0, "critique": 0,
    "high": 1, "error": 1, "err": 1, "major": 1, "severe": 1, "sev2": 1, "sev-2": 1, "p2": 1,
    "s2": 1,
    "warning": 2, "warn": 2, "average": 2, "medium": 2, "moderate": 2, "ticket": 2, "sev3": 2,
    "sev-3": 2, "p3": 2, "s3": 2,
    "minor": 4, "low": 4, "sev4": 4, "sev-4": 4, "p4": 4, "s4": 4,
    "info": 5, "information": 5, "informational": 5, "notice": 5, "none": 5, "null": 5, "ok": 5,
    "debug": 5, "trace": 5, "sev5": 5, "sev-5": 5, "p5": 5, "s5": 5,
}  # fmt: skip
UNKNOWN = 3  # between warning and minor: no word, or a word that the table does not have
_URGENT = 1  # the last rank that makes a sound at night
_NEVER_RING = ("none", "null")
_ROUTINE = ("Watchdog", "InfoInhibitor")


def rank(severity: str) -> int:
    """The rank of a severity, 0 the most urgent. A word that the table does not have ranks
    as none.
    """
    return RANKS.get(severity.strip().lower(), UNKNOWN)


def color(severity: str) -> Color:
    """The mark of a firing alert of that severity; orange for no word and an unknown one."""
    found = rank(severity)
    return "🔴" if found <= _URGENT else "🟠" if found <= UNKNOWN else "🔵"


def never_rings(alertname: str, severity: str) -> bool:
    """Whether an alert makes no sound whatever the policy: Prometheus' routine alerts, and
    severities that mean none.
    """
    return alertname in _ROUTINE or severity.strip().lower() in _NEVER_RING


def urgent_pattern() -> str:
    """A regular expression (RE2) that matches each red word in any case."""
    return "(?i:" + "|".join(word for word, rank in RANKS.items() if rank <= _URGENT) + ")"
