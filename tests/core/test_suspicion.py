"""Suspicion: a card that holds the words of cards whose calls failed lets others go first."""

import pytest
from msgspec.structs import replace

from relay.core.card.card import Card
from relay.core.card.lane_state import LaneState
from relay.core.card.suspicion import KEPT, lifted, likeness, raised, yields
from tests.build import T0, card, entry

MINUTE = 60.0


def saying(text: str, severity: str = "critical") -> Card:
    told = entry()
    labels = {"alertname": "Disk", "severity": severity}
    told = replace(told, labels=labels, annotations={"summary": text})
    return replace(card(), entries=(told,), waiting_since=T0)


FAILED = raised(LaneState(), saying("password 1234 is weak"), T0, 15.0)


def test_the_words_of_what_failed_are_suspected_until_the_chat_takes_a_card_that_holds_them() -> (
    None
):
    assert likeness(FAILED, saying("the password is old")) == 3
    after = lifted(FAILED, saying("the disk is full"), T0 + 1)
    assert likeness(after, saying("the password is old")) == 1
    assert lifted(after, saying("password 1234, weak"), T0 + 2).suspected == ()


def test_the_severity_is_no_such_word() -> None:
    only = replace(entry(), labels={"severity": "critical"}, annotations={})
    failed = raised(LaneState(), replace(card(), entries=(only,)), T0, 15.0)
    assert failed.suspected == ()


@pytest.mark.parametrize(
    ("seconds", "passed", "after", "waits"),
    [
        (15.0, 0.0, 1.0, True),  # nothing passed since: never one after another that failed
        (15.0, 0.0, 10 * MINUTE, True),
        (15.0, 0.5, 1.0, True),  # it may hang as well: others first, for a minute
        (15.0, 0.5, 61.0, False),
        (0.1, 0.0, 1.0, True),
        (0.1, 0.5, 1.0, False),  # what fails at once holds nobody up
    ],
)
def test_it_lets_others_go_first(seconds: float, passed: float, after: float, waits: bool) -> None:
    state = raised(LaneState(), saying("password 1234"), T0, seconds)
    state = replace(state, passed_at=T0 + passed) if passed else state
    assert yields(state, saying("password 5678"), T0 + after) == waits
    unlike = replace(saying("cpu"), entries=(replace(entry(), labels={}, annotations={}),))
    assert not yields(state, unlike, T0 + after)


def test_suspicion_ends_an_hour_after_the_last_call_that_failed() -> None:
    again = raised(FAILED, saying("another"), T0 + KEPT + 1, 0.1)
    assert likeness(again, saying("password 1234 is weak")) == 1  # the name of the alert
    assert not again.hung
    assert lifted(FAILED, saying("another"), T0 + KEPT).suspected == ()
