"""Severities: how urgent a label's word is. The word itself is shown as it stands."""

_RANKS = {
    "critical": 0, "page": 0, "emergency": 0, "fatal": 0, "disaster": 0, "p1": 0,
    "error": 1, "major": 1, "high": 1, "p2": 1,
    "warning": 2, "warn": 2, "average": 2, "medium": 2, "p3": 2,
    "minor": 4, "low": 4, "p4": 4,
    "info": 5, "notice": 5, "none": 5, "debug": 5, "p5": 5,
}  # fmt: skip
UNKNOWN = 3


def rank(severity: str) -> int:
    """0 is the most urgent; an unknown word stands between warning and minor."""
    return _RANKS.get(severity.lower(), UNKNOWN)
