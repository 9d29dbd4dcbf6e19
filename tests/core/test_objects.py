"""The objects of templates: labels and alerts, read-only."""

import pytest
from msgspec.structs import replace

from relay.core.card.subject import Subject, subject
from relay.core.template.labels_shown import Details
from relay.core.template.objects import Alert, AlertFacts, Alerts, Labels
from relay.core.template.sample import NOON, alert
from relay.core.text.times import Reader

LABELS = Labels({"b": "2", "alertname": "Disk", "a": "1", "items": "x"})
READER = Reader("en", "UTC", NOON)
TOLD = AlertFacts(Subject((), (), ()), Details(""))


def test_labels_by_attribute_item_and_method() -> None:
    assert (LABELS.a, LABELS["a"], LABELS.get("a"), LABELS.get("z", "-")) == ("1", "1", "1", "-")
    assert (LABELS.z, LABELS["z"], LABELS["items"]) == ("", "", "x")
    assert "a" in LABELS
    assert "z" not in LABELS
    assert sorted(LABELS) == ["a", "alertname", "b", "items"]
    assert not Labels({})


def test_pairs_begin_with_the_alertname() -> None:
    assert LABELS.items() == [("alertname", "Disk"), ("a", "1"), ("b", "2"), ("items", "x")]
    assert LABELS.rich().text == "alertname=Disk, a=1, b=2, items=x"
    assert [(pair.Name, pair.Value) for pair in LABELS.Remove(["b", "items"]).SortedPairs] == [
        ("alertname", "Disk"),
        ("a", "1"),
    ]
    assert LABELS.without("b", "items").Values == ["Disk", "1"]


def test_nothing_private_is_a_label() -> None:
    with pytest.raises(AttributeError):
        _ = Labels({"_secret": "x"})._secret


@pytest.mark.parametrize(
    ("status", "joined", "when"),
    [
        ("firing", False, "11:04"),
        ("firing", True, "11:04 (new)"),
        ("resolved", False, "resolved 11:07 after 3\u00a0min"),
        ("gone", False, "no longer reported since 11:07"),
    ],
)
def test_when_says_what_matters_of_each_state(status: str, joined: bool, when: str) -> None:
    view = alert(4, status, {"alertname": "Disk"}, joined=joined)  # type: ignore[arg-type] # one of three words
    assert Alert(view, TOLD, READER).when.text == when


def test_a_detail_is_what_the_head_does_not_say() -> None:
    view = alert(
        4,
        labels={"alertname": "Disk", "pod": "a\nb", "node": "a b"},
        annotations={"summary": "full"},
    )
    told = AlertFacts(subject((view,)), Details("full"))
    one = Alert(view, told, READER)
    assert (one.detail, one.differing, one.label) == ("full", ["a b", "node=a b"], "a b node=a b")
    assert Alert(view, replace(told, said="full"), READER).detail == ""
    assert Alert(view, TOLD, READER, brief=True).label == "Disk"
    assert Alert(alert(4), TOLD, READER).name == "unnamed alert"


def test_alerts_by_state() -> None:
    made = Alerts(
        Alert(alert(4, status), TOLD, READER) for status in ("firing", "gone", "resolved", "firing")
    )
    assert (len(made.firing), len(made.resolved), len(made.gone), len(made), made.more) == (
        2,
        1,
        1,
        4,
        0,
    )
    assert made.Firing == made.firing
