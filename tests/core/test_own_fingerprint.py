"""The fingerprint that we give to labels tells any two label sets apart, in whichever order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.alert import Labels, own_fingerprint

PLAIN = st.text(alphabet="ab,:{}[]()'\" \\/-_.", max_size=6)
LABELS = st.dictionaries(PLAIN | st.text(max_size=4), PLAIN | st.text(max_size=4), max_size=5)


@given(LABELS, LABELS)
def test_two_label_sets_have_one_fingerprint_only_if_they_are_equal(
    one: Labels, other: Labels
) -> None:
    assert (own_fingerprint(one) == own_fingerprint(other)) == (one == other)
    turned = dict(reversed(one.items()))
    assert own_fingerprint(turned) == own_fingerprint(one)


def test_names_and_their_places_count() -> None:
    one = own_fingerprint({"a": "1", "b": "2"})
    assert one not in {own_fingerprint({"a": "2", "b": "1"}), own_fingerprint({"a": "1", "c": "2"})}


@pytest.mark.parametrize("between", ['","', '":"', "{", "}", "'", "\\", "\x7f", "\n", "é", '"'])
def test_no_value_is_taken_for_what_stands_between_two(between: str) -> None:
    one = own_fingerprint({"a": f"b{between}c", "d": "e"})
    assert one != own_fingerprint({"a": "b", "c": f"d{between}e"})
    assert one != own_fingerprint({"a": "b", f"c{between}d": "e"})
