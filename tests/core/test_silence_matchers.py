"""The matchers of a silence: they hold for every alert that was meant, and say what more they
mute.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.action.matchers import (
    CannotSilence,
    group_matchers,
    muted_besides,
    silence_matchers,
)
from relay.core.alert import Labels
from relay.core.routing.matcher import matches

POD_A = {"alertname": "Crash", "namespace": "web", "pod": "a-1", "severity": "critical"}
POD_B = {"alertname": "Crash", "namespace": "web", "pod": "b-2", "severity": "critical"}


def texts(alerts: list[Labels], group: Labels | None = None, *, wide: bool = False) -> list[str]:
    found = silence_matchers(alerts, group or {}, wide=wide)
    assert not isinstance(found, CannotSilence), found
    return [str(each) for each in found]


def test_one_alert_is_matched_by_all_its_labels() -> None:
    assert texts([POD_A]) == [
        'alertname="Crash"', 'namespace="web"', 'pod="a-1"', 'severity="critical"'
    ]  # fmt: skip


def test_labels_that_differ_are_matched_by_their_values() -> None:
    assert texts([POD_A, POD_B])[2] == 'pod=~"a-1|b-2"'


def test_a_label_that_one_of_them_has_not_may_be_absent() -> None:
    assert texts([POD_A, {**POD_B, "shard": "x"}])[-1] == 'shard=~"|x"'


def test_values_are_quoted_as_little_as_re2_needs() -> None:
    found = texts([{"alertname": "A", "path": "/var/a-b (1.5)"}, {"alertname": "A", "path": "$"}])
    assert found[1] == r'path=~"\\$|/var/a-b \\(1\\.5\\)"'


@pytest.mark.parametrize(
    ("alerts", "group", "wanted"),
    [
        ([POD_A], {}, ['alertname="Crash"', 'namespace="web"', 'severity="critical"']),
        ([POD_A, POD_B], {"namespace": "web"}, ['alertname="Crash"', 'namespace="web"']),
        (
            [POD_A, {**POD_B, "alertname": "Down"}],
            {"namespace": "web"},
            ['alertname=~"Crash|Down"', 'namespace="web"'],
        ),
        # a group by severity alone offers no silence of every critical alert
        (
            [POD_A, {**POD_B, "alertname": "Down"}],
            {"severity": "critical"},
            ['alertname=~"Crash|Down"', 'namespace="web"', 'severity="critical"'],
        ),
        (
            [{"alertname": "Disk", "instance": "db:9100"}],
            {},
            ['alertname="Disk"', 'instance="db:9100"'],
        ),
    ],
)
def test_a_wide_silence_leaves_out_what_passes_where_another_label_places_it(
    alerts: list[Labels], group: Labels, wanted: list[str]
) -> None:
    assert texts(alerts, group, wide=True) == wanted


@pytest.mark.parametrize(
    ("alerts", "why"),
    [
        ([], "nothing_fires"),
        ([{"a": "1"}, {"b": "2"}], "nothing_shared"),
        ([{"a": "x" * 1025}], "label_too_long"),
        ([{"a": "\ud800"}], "label_too_long"),
        ([{"a": "1", "pod": f"{'p' * 100}-{n}"} for n in range(200)], "too_many"),
    ],
)
def test_what_cannot_be_silenced_says_why(alerts: list[Labels], why: str) -> None:
    assert silence_matchers(alerts, {}, wide=False) == CannotSilence(why)


names = st.sampled_from(["alertname", "pod", "instance", "namespace", "team", "severity", "path"])
values = st.text(alphabet="ab-./$^*+?()[]{}|\\ é\n", max_size=4)
label_sets = st.lists(st.dictionaries(names, values, max_size=5), min_size=1, max_size=5)


@given(label_sets, st.booleans())
def test_every_alert_that_was_meant_is_covered_and_never_all_alerts(
    alerts: list[Labels], wide: bool
) -> None:
    group = {"namespace": alerts[0].get("namespace", "")}
    found = silence_matchers(alerts, group, wide=wide)
    if isinstance(found, CannotSilence):
        return
    assert all(matches(found, labels) for labels in alerts)
    assert not matches(found, {})
    assert all(each.op in ("=", "=~") for each in found)


@given(label_sets, label_sets)
def test_without_the_right_to_more_only_combinations_of_the_same_values_are_muted_besides(
    alerts: list[Labels], others: list[Labels]
) -> None:
    found = silence_matchers(alerts, {}, wide=False)
    if isinstance(found, CannotSilence):
        return
    known = {
        name: {labels.get(name, "") for labels in alerts} for name in {n for a in alerts for n in a}
    }
    for labels in others:
        if matches(found, labels):
            assert all(labels.get(name, "") in has for name, has in known.items())


def test_what_is_muted_besides_is_counted() -> None:
    found = silence_matchers([POD_A, {**POD_B, "container": "x"}], {}, wide=False)
    assert not isinstance(found, CannotSilence)
    crossed = {**POD_A, "container": "x"}
    present = [POD_A, {**POD_B, "container": "x"}, crossed, {**POD_A, "namespace": "db"}]
    assert muted_besides(found, [POD_A, {**POD_B, "container": "x"}], present) == 1


@pytest.mark.parametrize(
    ("alerts", "group", "wanted"),
    [
        ([POD_A], {"alertname": "Crash"}, ['alertname="Crash"']),
        ([POD_A, POD_B], {"namespace": "web"}, ['alertname="Crash"', 'namespace="web"']),
        ([POD_A, {**POD_B, "alertname": "Down"}], {"namespace": "web"}, ['namespace="web"']),
        # without a grouping what they share; never every critical alert
        ([POD_A], {}, ['alertname="Crash"', 'namespace="web"', 'severity="critical"']),
        (
            [POD_A, {**POD_B, "alertname": "Down"}],
            {"severity": "critical"},
            ['namespace="web"', 'severity="critical"'],
        ),
        ([POD_A, {"alertname": "Down", "severity": "critical"}], {"severity": "critical"}, None),
        ([], {}, None),
    ],
)
def test_the_whole_group_is_its_labels_and_the_name_that_all_share(
    alerts: list[Labels], group: Labels, wanted: list[str] | None
) -> None:
    found = group_matchers(alerts, group)
    if wanted is None:
        assert isinstance(found, CannotSilence)
    else:
        assert not isinstance(found, CannotSilence)
        assert [str(each) for each in found] == wanted
        assert all(matches(found, labels) for labels in alerts)
