"""A rise of severity, what is reported again, and figures that a repeat brings."""

from msgspec.structs import replace

from relay.core.alert import Alert
from relay.core.card.card import Card, Shown, mark
from relay.core.card.fold import fold
from relay.core.card.lane_state import LaneState
from relay.core.card.plan import plan
from relay.core.card.ripening import ripen
from relay.core.card.step import Edit, MessageRef, Post, Reply
from relay.core.card.view import View
from relay.core.template.build_view import build_view
from relay.core.template.links import silence
from tests.build import POLICY, T0, arriving, card

REF = MessageRef("-1", "", "7")


def _alert(name: str, severity: str, at: float = 0.0, text: str = "ill") -> Alert:
    return Alert(
        status="firing",
        labels={"alertname": "DiskFull", "host": name, "severity": severity},
        annotations={"summary": text},
        starts_at=T0 + at,
        ends_at=None,
        generator_url="",
        fingerprint=f"{name} {severity}",
    )


def _shown(made: Card, at: float) -> Card:
    return replace(made, shown=Shown(REF, mark(made), T0 + at, T0 + at), waiting_since=None)


def _after(made: Card, at: float, *alerts: Alert, seq: int) -> Card:
    folded = fold(ripen(made, POLICY, T0 + at), [arriving(seq, T0 + at, *alerts)], POLICY)
    return folded.card


def _view(made: Card, at: float) -> View:
    return build_view(made, LaneState(), Post(silent=False), POLICY, T0 + at)


def test_a_rise_rings_as_such_and_is_one_line_with_its_twin() -> None:
    warned = _shown(_after(card(), 1, _alert("db-1", "warning"), seq=1), 2)
    raised = _after(warned, 100, _alert("db-1", "warning"), _alert("db-1", "critical", 99), seq=2)
    step = plan(raised, POLICY, T0 + 100)
    assert isinstance(step, Reply)
    assert (step.kind, step.silent) == ("raised", False)
    (line,) = _view(raised, 100).alerts
    assert (line.labels["severity"], line.was, line.was_since) == ("critical", "warning", T0)
    assert len(line.twins) == 1
    # The silence covers both.
    assert {labels["severity"] for labels in line.firing_labels} == {"critical", "warning"}
    assert "severity" not in silence(replace(_view(raised, 100), external_url="https://am.example"))


def test_what_rose_and_is_over_before_its_reply_is_no_news() -> None:
    warned = _shown(_after(card(), 1, _alert("a", "warning"), _alert("b", "warning"), seq=1), 2)
    raised = _after(
        warned, 100, *(_alert(host, "warning") for host in "ab"), _alert("a", "critical", 99), seq=2
    )
    assert [owed.kind for owed in raised.owed] == ["raised"]
    critical = replace(_alert("a", "critical", 99), status="resolved", ends_at=T0 + 101)
    others = (_alert("a", "warning"), _alert("b", "warning"))
    assert _after(raised, 101, *others, critical, seq=3).owed == ()
    left_out = _after(raised, 101, *others, seq=3)
    assert [owed.kind for owed in left_out.owed] == ["raised"]
    assert ripen(left_out, POLICY, T0 + 101 + POLICY.late_hold).owed == ()


def test_a_copy_of_another_replica_is_no_news() -> None:
    one = replace(_alert("db-1", "critical", 30), fingerprint="one")
    one = replace(one, labels={**one.labels, "prometheus_replica": "prometheus-0"})
    two = replace(_alert("db-1", "critical"), fingerprint="two")
    two = replace(two, labels={**two.labels, "prometheus_replica": "prometheus-1"})
    known = _shown(_after(card(), 31, one, seq=1), 32)
    both = _after(known, 100, one, two, seq=2)
    assert isinstance(plan(both, POLICY, T0 + 100), Edit)
    (line,) = _view(both, 100).alerts
    assert (line.fingerprints, line.starts_at) == (("two", "one"), T0)


def test_what_falls_is_no_news() -> None:
    critical = _shown(_after(card(), 1, _alert("db-1", "critical"), seq=1), 2)
    both = _after(critical, 100, _alert("db-1", "critical"), _alert("db-1", "info", 99), seq=2)
    assert isinstance(plan(both, POLICY, T0 + 100), Edit)


def test_another_host_joins_and_is_no_rise() -> None:
    warned = _shown(_after(card(), 1, _alert("db-1", "warning"), seq=1), 2)
    joined = _after(warned, 100, _alert("db-1", "warning"), _alert("db-2", "critical", 99), seq=2)
    step = plan(joined, POLICY, T0 + 100)
    assert isinstance(step, Reply)
    assert step.kind == "joined"
    assert len(_view(joined, 100).alerts) == 2


def test_what_was_left_out_is_reported_again_and_not_new() -> None:
    both = _shown(_after(card(), 1, _alert("a", "warning"), _alert("b", "warning"), seq=1), 2)
    gone = _after(both, 100, _alert("a", "warning"), seq=2)
    gone = _shown(ripen(gone, POLICY, T0 + 200), 200)
    back = _after(gone, 300, _alert("a", "warning"), _alert("b", "warning"), seq=3)
    returned = {each.labels["host"]: each.returned for each in _view(back, 300).alerts}
    assert returned == {"a": False, "b": True}


def test_a_repeat_with_another_figure_is_shown_by_an_edit() -> None:
    first = _shown(_after(card(), 1, _alert("a", "warning", text="2%"), seq=1), 2)
    same = _after(first, 4000, _alert("a", "warning", text="2%"), seq=2)
    other = _after(first, 4000, _alert("a", "warning", text="1%"), seq=2)
    assert mark(same) == mark(first)
    assert mark(other) != mark(first)


def test_lines_are_in_natural_order() -> None:
    hosts = ("node-10", "node-2", "node-1")
    made = _after(card(), 1, *(_alert(host, "warning") for host in hosts), seq=1)
    assert [each.labels["host"] for each in _view(made, 2).alerts] == [
        "node-1",
        "node-2",
        "node-10",
    ]
