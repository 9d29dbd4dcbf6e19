"""The whole list as text: every alert a paragraph, whatever its values are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from relay.core.card.card import Card, OwedReply
from relay.core.card.step import Edit, MessageRef, Post, Reply, Step
from relay.core.routing.lane import Policy
from relay.core.template import listing, sample
from tests.build import GROUP, POLICY, T0

DOCUMENT = replace(POLICY, overflow="document", timezone="Europe/Paris")
REF = MessageRef("-1001", "", "7")
POST, EDIT, REPLY = Post(silent=False), Edit(REF), Reply(REF, "joined", silent=False)
OWED = OwedReply("document", (), T0)
BARE, LISTED = Card(GROUP, "", "ops"), Card(GROUP, "", "ops", listed=True)


@pytest.mark.parametrize(
    ("card", "step", "counted", "policy", "owed"),
    [
        (BARE, POST, ("a",), DOCUMENT, (OWED,)),
        (BARE, EDIT, ("a",), DOCUMENT, (OWED,)),
        (BARE, REPLY, ("a",), DOCUMENT, ()),
        (BARE, POST, (), DOCUMENT, ()),
        (BARE, POST, ("a",), POLICY, ()),
        (LISTED, EDIT, ("a",), DOCUMENT, ()),
    ],
)
def test_a_list_is_owed_once_where_alerts_were_only_counted(
    card: Card, step: Step, counted: tuple[str, ...], policy: Policy, owed: tuple[OwedReply, ...]
) -> None:
    assert listing.owe_document(card, step, counted, policy, T0).owed == owed


def test_a_paragraph_has_state_name_and_times_then_labels_and_annotations() -> None:
    view = sample.VIEWS["one"]
    label = replace(
        view.alerts[0],
        labels={"severity": "critical", "alertname": "Disk", "b": "2", "a": "1\n2"},
        annotations={"summary": "full"},
        starts_at=T0,
        ends_at=None,
        status="firing",
    )
    message = listing.listing(replace(view, alerts=(label,)), DOCUMENT)
    assert message.body.text == "1 alert"
    assert message.file is not None
    assert message.file.text == (
        "🔴 critical Disk · 2026-11-18 12:06:40 CET\n    a: 1 2\n    b: 2\n    summary: full\n"
    )


@given(st.lists(st.text(st.characters(exclude_categories=()), max_size=3), min_size=4, max_size=4))
def test_no_value_adds_a_line(values: list[str]) -> None:
    view = sample.VIEWS["one"]
    name, key, value, summary = values
    odd = replace(
        view.alerts[0],
        labels={"alertname": name, f"x{key}": value},
        annotations={"summary": summary},
    )
    file = listing.listing(replace(view, alerts=(odd,)), DOCUMENT).file
    assert file is not None
    assert len(file.text.splitlines()) == 3


def test_a_list_without_end_is_cut_between_alerts_and_says_how_many_are_missing() -> None:
    view = sample.VIEWS["one"]
    huge = replace(view.alerts[0], labels={f"label{number}": "x" * 5000 for number in range(1000)})
    file = listing.listing(replace(view, alerts=(huge,) * 10), DOCUMENT).file
    assert file is not None
    assert len(file.text) < listing.MOST
    assert file.text.endswith("and 8 more\n")
    assert "x" * 1001 not in file.text
