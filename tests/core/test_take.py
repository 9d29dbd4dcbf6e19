"""Taking: one holder for an alert episode, whoever presses in whatever order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.action.episode import ShownAlert
from relay.core.action.take import (
    Already,
    HeldBy,
    Holder,
    NotTaken,
    Released,
    Taken,
    Took,
    carried,
    ended,
    in_force,
    release,
    take,
)
from relay.core.alert import alert_key

ANNA, BEN = Holder("Anna", "Anna"), Holder("Ben", "Ben")
A, B = ShownAlert({"alertname": "A"}, 1000.0), ShownAlert({"alertname": "B"}, 1000.0)
WINDOW = 1800.0


def taken(alert: ShownAlert, holder: Holder = ANNA, since: float = 1010.0) -> Taken:
    return Taken("", alert.key, alert.starts_at, holder, since)


def pressed(
    holder: Holder, *had: Taken, alerts: tuple[ShownAlert, ...] = (A, B), sure: bool = False
) -> Took | Already | HeldBy:
    return take("", alerts, {each.alert: each for each in had}, holder, 1020.0, sure=sure)


def test_what_nobody_has_is_taken() -> None:
    result = pressed(ANNA)
    assert result == Took((taken(A, since=1020.0), taken(B, since=1020.0)))


def test_what_another_has_is_taken_over_only_by_a_second_press() -> None:
    had = taken(A, BEN)
    assert pressed(ANNA, had) == HeldBy(BEN, 1010.0)
    over = pressed(ANNA, had, sure=True)
    assert over == Took((taken(A, since=1020.0), taken(B, since=1020.0)), ("Ben",))


def test_who_joined_later_is_taken_with_the_next_press_and_one_keeps_the_own_time() -> None:
    assert pressed(ANNA, taken(A)) == Took((taken(B, since=1020.0),))
    assert pressed(ANNA, taken(A), taken(B)) == Already(1010.0)


def test_one_releases_what_is_ones_own() -> None:
    both = {each.alert: each for each in (taken(A), taken(B, BEN))}
    assert release((A, B), both, ANNA) == Released((A.key,))
    assert release((B,), both, ANNA) == HeldBy(BEN, 1010.0)
    assert release((A, B), {}, ANNA) == NotTaken()


@pytest.mark.parametrize(
    ("start", "ended_at", "holds"),
    [
        (1000.0, None, True),
        (1119.0, None, True),  # a replica's copy
        (900.0, None, True),
        (5000.0, None, False),  # a new episode, whose predecessor's end nobody told
        (1100.0 + 1010.0, None, True),
        (3000.0, 1300.0, True),  # a flap
        (3100.0, 1300.0, True),
        (3101.0, 1300.0, False),
    ],
)
def test_a_take_ends_with_its_episode_and_survives_a_flap(
    start: float, ended_at: float | None, holds: bool
) -> None:
    had = taken(A) if ended_at is None else ended(taken(A), ended_at)
    now = ShownAlert(A.labels, start)
    assert (in_force(had, now, WINDOW) is not None) is holds


def test_a_flap_goes_on_from_its_own_start() -> None:
    had = carried(ended(taken(A), 1300.0), ShownAlert(A.labels, 2000.0))
    assert (had.starts_at, had.ended_at, had.since) == (2000.0, None, 1010.0)
    assert in_force(had, ShownAlert(A.labels, 2001.0), WINDOW)


def test_a_take_ends_once() -> None:
    over = ended(taken(A), 1300.0)
    assert ended(over, 9999.0) == over


def test_an_alert_is_known_by_all_its_labels_in_any_order() -> None:
    assert alert_key({"a": "1", "b": "2"}) == alert_key({"b": "2", "a": "1"})
    assert alert_key({"a": "1", "b": "2"}) != alert_key({"a": "1"})
    assert alert_key({"a": "1,b=2"}) != alert_key({"a": "1", "b": "2"})
    # as Alertmanager 0.25 gives it
    assert alert_key({}) == "cbf29ce484222325"


people = st.sampled_from([ANNA, BEN, Holder("Eve", "telegram 3")])
presses = st.lists(st.tuples(people, st.sampled_from(["take", "over", "release"])), max_size=30)


@given(presses)
def test_any_order_of_presses_leaves_at_most_one_holder_and_never_robs_unasked(
    order: list[tuple[Holder, str]],
) -> None:
    takes: dict[str, Taken] = {}
    for at, (holder, verb) in enumerate(order):
        before = dict(takes)
        if verb == "release":
            freed = release((A, B), takes, holder)
            for key in freed.alerts if isinstance(freed, Released) else ():
                assert takes.pop(key).holder == holder
            continue
        result = take("", (A, B), takes, holder, float(at), sure=verb == "over")
        if isinstance(result, Took):
            takes |= {each.alert: each for each in result.taken}
        if verb == "take":
            robbed = [key for key, had in before.items() if takes[key].holder != had.holder]
            assert not robbed
        assert {each.holder for each in takes.values()} <= {each for each, _ in order}
        if isinstance(result, Took | Already):
            assert {each.holder for each in takes.values()} == {holder}
