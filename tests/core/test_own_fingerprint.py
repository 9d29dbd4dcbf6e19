"""The fingerprint of labels is what storages hold, however it is computed."""

from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.alert import Labels, own_fingerprint

PLAIN = st.text(alphabet="ab,:{}[]()'\" \\/-_.", max_size=6)
LABELS = st.dictionaries(PLAIN | st.text(max_size=4), PLAIN | st.text(max_size=4), max_size=5)


def held(labels: Labels) -> str:
    return blake2b(repr(sorted(labels.items())).encode(), digest_size=8).hexdigest()


@given(LABELS)
def test_it_is_the_hash_of_the_sorted_labels_as_python_writes_them(labels: Labels) -> None:
    assert own_fingerprint(labels) == held(labels)


@pytest.mark.parametrize(
    "value", ["", ",", ":", '","', '":"', "{", "}", "'", "\\", "\x7f", "\n", "é", "]", ")]", "('"]
)
def test_no_value_is_taken_for_what_stands_between_two(value: str) -> None:
    labels = {"alertname": value, "instance": "db-1:9100", "z": value}
    assert own_fingerprint(labels) == held(labels)
    assert own_fingerprint({value: "x", "a": value}) == held({value: "x", "a": value})
