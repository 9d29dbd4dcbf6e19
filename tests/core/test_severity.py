"""Severity words: one table decides colour, rank, what is urgent and what never rings."""

import pytest

from relay.config.policy import URGENT
from relay.core.card.severity import RANKS, color, never_rings, rank
from relay.core.routing.matcher import matches


@pytest.mark.parametrize(
    ("words", "sign", "urgent"),
    [
        ("critical Critical CRIT page PAGE fatal emergency disaster P1 p0 Sev1 SEV-1", "🔴", True),
        ("high High error ERROR major severe P2 sev2", "🔴", True),
        ("warning Warning WARN medium average p3", "🟠", False),
        ("sev-purple mauve 3 fatalistic", "🟠", False),
        ("minor low info INFO notice none debug p5", "🔵", False),
    ],
)
def test_each_word_in_any_case_has_a_colour_and_is_urgent_or_not(
    words: str, sign: str, urgent: bool
) -> None:
    for word in words.split():
        assert color(word) == sign, word
        assert matches(URGENT, {"severity": word}) is urgent, word


def test_a_word_that_nobody_knows_ranks_as_no_word() -> None:
    assert rank("sev-purple") == rank("")
    assert color("sev-purple") == color("")
    assert rank("warning") < rank("") < rank("minor")


@pytest.mark.parametrize("word", RANKS)
def test_what_is_red_is_urgent_and_nothing_else(word: str) -> None:
    assert (color(word.upper()) == "🔴") is matches(URGENT, {"severity": word.title()})


@pytest.mark.parametrize(
    ("name", "severity", "quiet"),
    [
        ("Watchdog", "critical", True),
        ("InfoInhibitor", "", True),
        ("DiskFull", "None", True),
        ("DiskFull", "info", False),
        ("DiskFull", "", False),
    ],
)
def test_routine_and_severity_none_never_ring(name: str, severity: str, quiet: bool) -> None:
    assert never_rings(name, severity) is quiet
