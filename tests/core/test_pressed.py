"""The data of a button: small, and useless in another place or when it is changed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.action.pressed import (
    DISCORD_CHARACTERS,
    TELEGRAM_BYTES,
    ButtonData,
    ForgedData,
    OldData,
    Verb,
    card_name,
    decode,
    encode,
)
from relay.core.alert import GroupId
from relay.core.routing.lane import LaneKey

KEY, PLACE = b"k" * 32, "telegram https://api.telegram.org 7 -1001"
LANE = LaneKey("telegram", "api", "1", "-1")
NAME = card_name(LANE, GroupId("", "am", "{}"), "")
verbs = st.sampled_from(("take", "release", "over", "silence", "menu", "end"))
numbers = st.integers(0, 2**53)


@given(verbs, numbers, numbers)
def test_data_comes_back_as_it_was_and_fits_both_platforms(
    verb: Verb, seq: int, number: int
) -> None:
    data = ButtonData(verb, NAME, seq, number)
    text = encode(data, KEY, PLACE)
    assert decode(text, KEY, PLACE) == data
    assert len(text.encode()) <= TELEGRAM_BYTES <= DISCORD_CHARACTERS


@given(st.text(max_size=120))
def test_whatever_a_client_sends_is_forged(text: str) -> None:
    assert decode(text, KEY, PLACE) == ForgedData()


@given(st.data())
def test_one_changed_character_is_forged(data: st.DataObject) -> None:
    text = encode(ButtonData("silence", NAME, 12, 3600), KEY, PLACE)
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(codec="ascii").filter(lambda char: char != text[at]))
    assert decode(text[:at] + other + text[at + 1 :], KEY, PLACE) == ForgedData()


@pytest.mark.parametrize("place", ["telegram https://api.telegram.org 7 -1002", ""])
def test_data_of_another_chat_or_key_is_forged(place: str) -> None:
    text = encode(ButtonData("take", NAME, 1), KEY, PLACE)
    assert decode(text, KEY, place) == ForgedData()
    assert decode(text, b"x" * 32, PLACE) == ForgedData()


def test_data_of_another_version_is_old_not_forged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.core.action.pressed.VERSION", "2")
    text = encode(ButtonData("take", NAME, 1), KEY, PLACE)
    monkeypatch.undo()
    assert decode(text, KEY, PLACE) == OldData()


def test_a_card_has_one_short_name() -> None:
    assert len(NAME) == 11
    assert card_name(LANE, GroupId("", "am", "{}"), "") == NAME
    assert card_name(LANE, GroupId("", "am", "{}"), "f") != NAME
    assert card_name(LANE, GroupId("a", "m", "{}"), "") != NAME
