"""The catalogue: both languages complete, plurals right, durations short."""

from string import Formatter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.text.richtext import RichText, Span, styled
from relay.core.text.texts import CATALOGUE, duration, language, number, ordinal, say


def _forms(text: str | tuple[str, str]) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else text


def _names(pattern: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(pattern) if name}


@pytest.mark.parametrize("key", CATALOGUE)
def test_both_languages_say_the_same_with_the_same_values(key: str) -> None:
    text = CATALOGUE[key]
    forms = [*_forms(text.en), *_forms(text.fr)]
    assert all(forms)
    assert len({frozenset(_names(form)) for form in forms}) == 1


@pytest.mark.parametrize("key", CATALOGUE)
def test_what_a_count_decides_names_the_count(key: str) -> None:
    for text in CATALOGUE[key]:
        assert isinstance(text, str) or "n" in _names(text[0])


def test_french_puts_a_space_before_its_colon() -> None:
    french = [form for text in CATALOGUE.values() for form in _forms(text.fr)]
    assert [form for form in french if ":" in form and " :" not in form] == []


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (say("fr", "since", start="12:04", age=duration("fr", 120)), "depuis 12:04 (2\u00a0min)"),
        (
            say("fr", "more", 27, parts="25 warning, 2 info"),
            "… et 27 autres\u00a0: 25 warning, 2 info",
        ),
        (say("fr", "more", 1, parts="1 info"), "… et 1 autre\u00a0: 1 info"),
        (say("fr", "resolved_after", age=duration("fr", 27 * 60)), "résolu après 27\u00a0min"),
        (say("fr", "still", age=duration("fr", 4 * 3600)), "toujours en alerte après 4\u00a0h"),
        (say("en", "more", 27, parts="25 warning, 2 info"), "… and 27 more: 25 warning, 2 info"),
        (say("en", "resolved_after", age=duration("en", 27 * 60)), "resolved after 27\u00a0min"),
        (say("en", "still", age=duration("en", 4 * 3600)), "still firing after 4\u00a0h"),
        (say("en", "alerts", 1), "1 alert"),
        (say("en", "alerts", 0), "0 alerts"),
        (say("fr", "alerts", 0), "0 alerte"),
        (say("de", "resolved"), "resolved"),
    ],
)
def test_sentences_of_the_sketches(wanted: RichText, said: str) -> None:
    assert wanted.text == said


def test_a_value_keeps_its_style_and_braces_in_it_are_characters() -> None:
    start = styled("time", "{age}", "1795345440:t")
    assert say("en", "since", start=start, age="2\u00a0min") == RichText(
        "since {age} (2\u00a0min)", (Span("time", 6, 11, "1795345440:t"),)
    )


@pytest.mark.parametrize(
    ("seconds", "english", "french"),
    [
        (0, "0\u00a0s", "0\u00a0s"),
        (59.9, "59\u00a0s", "59\u00a0s"),
        (60, "1\u00a0min", "1\u00a0min"),
        (3599, "59\u00a0min", "59\u00a0min"),
        (3600, "1\u00a0h", "1\u00a0h"),
        (4320, "1\u00a0h\u00a012\u00a0min", "1\u00a0h\u00a012\u00a0min"),
        (86400, "1\u00a0d", "1\u00a0j"),
        (3 * 86400 + 4 * 3600 + 59, "3\u00a0d\u00a04\u00a0h", "3\u00a0j\u00a04\u00a0h"),
        (-90, "-1\u00a0min", "-1\u00a0min"),
        (float("nan"), "?", "?"),
        (float("inf"), "?", "?"),
    ],
)
def test_durations_have_two_units_at_most(seconds: float, english: str, french: str) -> None:
    assert (duration("en", seconds), duration("fr", seconds)) == (english, french)


@given(st.floats())
def test_any_duration_can_be_said(seconds: float) -> None:
    assert len(duration("en", seconds).split()) in (1, 2, 4)


@pytest.mark.parametrize(
    ("n", "english", "french"),
    [
        (1, "first", "première"),
        (3, "third", "troisième"),
        (11, "11th", "11e"),
        (22, "22nd", "22e"),
        (113, "113th", "113e"),
    ],
)
def test_ordinals(n: int, english: str, french: str) -> None:
    assert (ordinal("en", n), ordinal("fr", n)) == (english, french)


def test_numbers_have_their_thousands_apart() -> None:
    assert (number("en", 81234), number("fr", 81234)) == ("81,234", "81\u202f234")
    assert language("klingon") == "en"
