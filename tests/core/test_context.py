"""The names of templates: computed once, given out in shapes."""

import pytest
from msgspec.structs import replace

from relay.core.card.view import Late, ShownStatus, View
from relay.core.routing.lane import Policy
from relay.core.template import sample
from relay.core.template.context import ContextShape, TemplateContext
from relay.core.template.objects import Alerts, Counts, Hidden
from relay.core.text.richtext import RichText

POLICY = Policy("ops", "t", "html", timezone="Europe/Paris")
ALL = ContextShape(99, 99, 99)


def _names(view: View, shape: ContextShape = ALL) -> dict[str, object]:
    return TemplateContext(view, POLICY, None).names(shape)


def _text(value: object) -> str:
    return value.text if isinstance(value, RichText) else str(value)


def test_a_shape_tells_some_in_full_some_in_short_and_counts_the_rest() -> None:
    names = _names(sample.VIEWS["huge"], ContextShape(2, 50, 99))
    alerts, hidden = names["alerts"], names["hidden"]
    assert isinstance(alerts, Alerts)
    assert isinstance(hidden, Hidden)
    assert [alert.brief for alert in alerts] == [True] * 50
    assert (alerts.more, hidden, hidden.by_severity) == (150, 150, ["30 warning", "120 info"])
    assert _text(names["more"]) == "… and 150 more: 30 warning, 120 info"
    assert names["counts"] == Counts(firing=200, resolved=0, gone=0, all=200)


def test_hidden_alerts_that_do_not_fire_are_counted_by_their_state() -> None:
    assert _text(_names(sample.VIEWS["mixed"], ContextShape(1, 1, 99))["more"]) == (
        "… and 3 more: 1 warning, 1 no longer reported, 1 resolved"
    )
    assert _names(sample.VIEWS["mixed"])["more"] == ""


@pytest.mark.parametrize(
    ("status", "more"),
    [("firing", "… and 3 more: warning"), ("gone", "… and 3 more: no longer reported")],
)
def test_hidden_alerts_of_one_kind_are_counted_once(status: ShownStatus, more: str) -> None:
    alerts = tuple(
        sample.alert(4, status, {"alertname": "Disk", "severity": "warning"}) for _ in range(4)
    )
    names = _names(sample.view(alerts), ContextShape(1, 1, 99))
    assert _text(names["more"]) == more


@pytest.mark.parametrize(
    ("view", "state", "name", "mark", "summary"),
    [
        ("one", "critical", "HighErrorRate", "🔴", "12 % of requests fail (limit 1 %)"),
        ("mixed", "critical", "2 alerts", "🔴", ""),
        ("resolved", "resolved", "KubePodCrashLooping", "🟢", "Pod is crash looping"),
        ("bare", "firing", "Watchdog", "🟠", ""),
    ],
)
def test_the_head_of_a_card(view: str, state: str, name: str, mark: str, summary: str) -> None:
    names = _names(sample.VIEWS[view])
    assert (names["state"], names["name"], names["mark"], names["summary"]) == (
        state,
        name,
        mark,
        summary,
    )


def test_many_names_are_counted() -> None:
    alerts = tuple(
        sample.alert(1, labels={"alertname": name} if name else {}) for name in ("", "B", "C", "D")
    )
    assert _names(sample.view(alerts))["name"] == "4 alerts"


def test_a_description_is_told_beside_a_summary_only() -> None:
    assert (
        _names(sample.VIEWS["one"])["description"]
        == "Most of them are time-outs of the card provider."
    )
    long = _names(sample.VIEWS["long"])
    assert (long["summary"], len(str(long["description"]))) == ("", 799)
    assert str(long["excerpt"]).endswith("(799 characters)")


def test_again_counts_the_rounds_and_late_says_why() -> None:
    assert (
        _text(_names(sample.VIEWS["again"])["again"])
        == "third time in 30\u00a0min · before: 12:16 to 12:21"
    )
    assert _text(_names(sample.VIEWS["over"])["over"]) == "fired 12:04, resolved 12:09"
    late = replace(
        sample.VIEWS["late"],
        late=Late(840.0, "rate_limited", sample.NOON + 240, sample.NOON + 1020),
    )
    assert (
        _text(_names(late)["late"])
        == "14\u00a0min late: this chat took no more messages from 12:04 to 12:17"
    )
    assert _names(sample.VIEWS["one"])["late"] == ""
