"""A digest whose text does not pass: tables of what its next call tells, after calls that failed
and calls that got through.
"""

import pytest
from msgspec.structs import replace

from relay.core.alert import GroupId
from relay.core.card.card import Card, Storm, Withheld
from relay.core.card.digest import DIGEST, Line
from relay.core.card.failures import Failures
from relay.core.card.lane_state import LaneState
from relay.core.card.withheld import (
    AGAIN,
    LONGEST_AGAIN,
    applied,
    failed,
    passed,
    refused,
    words_of,
)
from tests.build import T0

NAMES = ("Weak", "Cpu", "Disk", "Net")
STATE = LaneState()
ONCE, TWICE, BLIND = Failures(1, at=T0), Failures(2, at=T0), Failures(1, unknown=1, at=T0)


def line(name: str, where: str, number: int = 0) -> Line:
    group = GroupId("", "ops", f"{name}/{where}/{number}")
    return Line(group, "", "firing", name, "critical", where, 1, T0)


LINES = tuple(line(name, f"{name.lower()}-{number}") for name in NAMES for number in range(3))


class Trial:
    """A digest of LINES in a chat that does not take one of their texts."""

    def __init__(self, ill: str, withheld: Withheld | None = None) -> None:
        self.ill, self.withheld = ill, withheld
        self.failures: Failures | None = None
        self.now = T0
        self.calls: list[tuple[str, ...]] = []

    def call(self, *, outage: bool = False) -> tuple[Line, ...]:
        """One call: what it told."""
        self.now += 7.0
        of = Card(DIGEST, "", "ops", storm=Storm(withheld=self.withheld), failures=self.failures)
        told = applied(LINES, of, STATE, self.now)
        self.calls.append(tuple(sorted({each.name for each in told if each.name})))
        if outage or any(self.ill in text for each in told for text in (each.name, each.where)):
            tries = 1 + (self.failures.tries if self.failures else 0)
            self.failures = Failures(tries, at=self.now)
            self.withheld = failed(self.withheld, told, self.failures, STATE, self.now)
        else:
            self.failures = None
            self.withheld = passed(self.withheld, told, told)
        return told

    def told(self) -> tuple[Line, ...]:
        of = Card(DIGEST, "", "ops", storm=Storm(withheld=self.withheld))
        return applied(LINES, of, STATE, self.now)


@pytest.mark.parametrize("ill", [*NAMES, *(name.lower() + "-1" for name in NAMES)])
def test_whichever_text_does_not_pass_is_left_out_alone_after_a_dozen_calls(ill: str) -> None:
    trial = Trial(ill)
    for _ in range(16):
        trial.call()
    assert trial.withheld
    assert trial.withheld.refused
    told = trial.told()
    names = {each.name for each in told}
    where = {each.name for each in told if each.where}
    if ill in NAMES:
        assert names == {*NAMES, ""} - {ill}
        assert where == {*NAMES} - {ill}
    else:
        assert names == {*NAMES}
        assert where == {name for name in NAMES if not ill.startswith(name.lower())}
    assert [each.status for each in told] == ["firing"] * len(LINES)
    assert trial.call() == told  # it gets through, and nothing else is tried meanwhile


@pytest.mark.parametrize("ill", ["Weak", "disk-2"])
def test_after_a_while_it_is_tried_again_by_itself_and_then_less_often(ill: str) -> None:
    trial = Trial(ill)
    pauses = list[float]()
    for _ in range(6):
        for _ in range(16):
            trial.call()
        assert trial.withheld
        assert len(trial.withheld.refused) > 0
        pauses.append(trial.withheld.again_at - trial.now)
        trial.now = trial.withheld.again_at
    assert [round(pause / AGAIN) for pause in pauses] == sorted(
        round(pause / AGAIN) for pause in pauses
    )
    assert max(pauses) <= LONGEST_AGAIN
    trial.ill = "nothing"
    for _ in range(3):
        trial.call()
    assert trial.told() == LINES
    assert trial.withheld is None


@pytest.mark.parametrize("length", range(1, 9))
def test_after_an_outage_of_any_length_it_tells_all_within_three_calls(length: int) -> None:
    trial = Trial("nothing")
    for _ in range(length):
        trial.call(outage=True)
    for _ in range(3):
        trial.call()
    assert trial.told() == LINES
    assert trial.withheld is None


@pytest.mark.parametrize("length", [1, 2, 3, 7])
@pytest.mark.parametrize("begins", range(14))
def test_an_outage_in_the_middle_withholds_nothing_that_passes(begins: int, length: int) -> None:
    trial = Trial("Weak")
    for number in range(begins + length + 24):
        trial.call(outage=begins <= number < begins + length)
    assert {each.name for each in trial.told()} == {"", "Cpu", "Disk", "Net"}


@pytest.mark.parametrize(
    ("withheld", "failures", "passed_at", "names"),
    [
        (None, TWICE, 0.0, {*NAMES}),  # it begins to withhold when its own call fails
        (Withheld(), TWICE, 0.0, {""}),
        (Withheld(), TWICE, T0 - 1, {""}),
        (Withheld(), TWICE, T0 + 1, {*NAMES}),  # the chat took another message meanwhile
        (Withheld(passed=True), None, 0.0, {*NAMES}),
        (Withheld(passed=True, batch=2), None, 0.0, {"", "Weak", "Cpu"}),
        (Withheld(tuple(words_of("Net"))), TWICE, 0.0, {"", "Net"}),
        (Withheld(refused=tuple(words_of("Net")), passed=True, again_at=T0 + 9), None, 0.0,
         {"", "Weak", "Cpu", "Disk"}),
        (Withheld(refused=tuple(words_of("Net")), passed=True, again_at=T0 + 2), None, 0.0,
         {*NAMES}),
    ],
)  # fmt: skip
def test_what_the_next_call_names(
    withheld: Withheld | None, failures: Failures | None, passed_at: float, names: set[str]
) -> None:
    of = Card(DIGEST, "", "ops", storm=Storm(withheld=withheld), failures=failures)
    told = applied(LINES, of, replace(STATE, passed_at=passed_at), T0 + 2)
    assert {each.name for each in told} == names


def test_what_holds_suspected_words_is_tried_last() -> None:
    of = Card(DIGEST, "", "ops", storm=Storm(withheld=Withheld(passed=True, batch=3)))
    state = replace(STATE, suspected=tuple(words_of("weak")))
    told = applied(LINES, of, state, T0)
    assert {each.name for each in told} == {"", "Cpu", "Disk", "Net"}


@pytest.mark.parametrize(
    ("failures", "passed_at", "begins"),
    [
        (ONCE, 0.0, False),
        (TWICE, 0.0, True),
        (BLIND, 0.0, True),  # it held up everybody
        (ONCE, T0 + 1, True),  # the chat took others after it
    ],
)
def test_when_it_begins_to_withhold(failures: Failures, passed_at: float, begins: bool) -> None:
    state = replace(STATE, passed_at=passed_at)
    assert (failed(None, LINES, failures, state, T0) is not None) == begins


@pytest.mark.parametrize(
    ("withheld", "told", "after"),
    [
        (None, LINES, Withheld()),
        (None, (line("", ""),), None),  # no text is the cause
        (Withheld(), (line("", ""),), None),
        (Withheld(passed=True), LINES, Withheld(batch=4)),
        (Withheld(tuple(words_of("Net")), passed=True), (line("Net", ""),), Withheld()),
        (Withheld(passed=True), (line("Net", ""),), Withheld(
            batch=1, doubted=tuple(sorted(words_of("Net"))))),
        (Withheld(doubted=tuple(sorted(words_of("Net"))), batch=1), (line("Net", ""),), Withheld(
            refused=tuple(sorted(words_of("Net"))), again_at=T0 + AGAIN, times=1)),
    ],
)  # fmt: skip
def test_what_it_withholds_after_the_platform_itself_refused_it(
    withheld: Withheld | None, told: tuple[Line, ...], after: Withheld | None
) -> None:
    assert refused(withheld, told, T0) == after


def test_a_severity_that_is_no_usual_word_is_withheld_with_its_name() -> None:
    odd, usual = (replace(line("Cpu", "a"), severity=word) for word in ("Weak", "Critical"))
    of = Card(DIGEST, "", "ops", storm=Storm(withheld=Withheld()))
    told = applied((odd, usual), of, STATE, T0)
    assert [(each.name, each.severity) for each in told] == [("", ""), ("", "Critical")]
    named = applied(
        (odd, usual), replace(of, storm=Storm(withheld=Withheld(passed=True))), STATE, T0
    )
    known = passed(Withheld(passed=True), named, named)
    assert known
    told = applied((odd, usual), replace(of, storm=Storm(withheld=known)), STATE, T0)
    assert told == (odd, usual)


def test_a_text_is_withheld_when_it_fails_by_itself_for_the_second_time() -> None:
    """The first time the chat may have been away for a moment."""
    only = (line("Weak", ""),)
    once = failed(Withheld(passed=True), only, ONCE, STATE, T0)
    assert once
    assert (once.refused, once.passed, once.batch) == ((), False, 1)
    assert {*once.doubted} == words_of("Weak")
    between = passed(once, (replace(only[0], name="", left_out=True),), ())
    assert between == replace(once, passed=True)
    twice = failed(between, only, ONCE, STATE, T0)
    assert twice
    assert {*twice.refused} == words_of("Weak")
    assert (twice.again_at, twice.times, twice.doubted) == (T0 + AGAIN, 1, ())
