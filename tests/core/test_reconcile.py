"""What Alertmanager's answers prove about the alerts on open cards, and what they do not."""

import pytest

from relay.core.action.reconcile import (
    PeerStatus,
    Poll,
    SeenAlert,
    SeenSilence,
    Suppressed,
    reconcile,
)
from relay.core.alert import alert_key
from relay.core.routing.matcher import Matcher

LABELS = {"alertname": "A"}
KEY = alert_key(LABELS)
OLD, YOUNG = PeerStatus(3600.0, "ready"), PeerStatus(10.0, "ready")
DEPLOY = SeenSilence(
    "s1", (Matcher("alertname", "=", "A"),), 50.0, 500.0, "Ben", "deploy", "active"
)
BY_BEN = Suppressed("silenced", 500.0, "Ben", "deploy", "s1")
SILENCED = SeenAlert(LABELS, KEY, silenced_by=("s1",))


def test_a_silence_made_elsewhere_shows_its_end_creator_and_comment() -> None:
    found = reconcile({KEY: LABELS}, {}, Poll(OLD, (SILENCED,), (DEPLOY,)), {}, 100.0)
    assert found.suppressed == {KEY: BY_BEN}
    same = reconcile({KEY: LABELS}, {KEY: BY_BEN}, Poll(OLD, (SILENCED,), (DEPLOY,)), {}, 100.0)
    assert (same.suppressed, same.freed) == ({}, ())


def test_of_two_silences_the_one_that_lasts_longest_counts() -> None:
    longer = SeenSilence("s2", DEPLOY.matchers, 50.0, 900.0, "Anna", "", "active")
    alert = SeenAlert(LABELS, KEY, silenced_by=("s1", "s2"))
    found = reconcile({KEY: LABELS}, {}, Poll(OLD, (alert,), (DEPLOY, longer)), {}, 100.0)
    assert found.suppressed[KEY].by == "Anna"


def test_what_inhibits_an_alert_is_named_where_a_card_knows_it() -> None:
    alert = SeenAlert(LABELS, KEY, inhibited_by=("f9",))
    poll = Poll(OLD, (alert,), ())
    named = reconcile({KEY: LABELS}, {}, poll, {"f9": "NodeDown node-3"}, 100.0)
    assert named.suppressed == {KEY: Suppressed("inhibited", by="NodeDown node-3")}
    unnamed = reconcile({KEY: LABELS}, {}, poll, {}, 100.0)
    assert unnamed.suppressed == {KEY: Suppressed("inhibited")}


@pytest.mark.parametrize(
    ("status", "silences", "now", "freed"),
    [
        (OLD, (), 100.0, True),
        (YOUNG, (), 100.0, False),  # it has not heard of the alert again
        (PeerStatus(3600.0, "settling"), (), 100.0, False),
        (PeerStatus(None, "ready"), (), 100.0, False),
        (YOUNG, (), 500.0, True),  # the end that it told has come
        (YOUNG, (SeenSilence("s1", (), 50.0, 90.0, "Ben", "", "expired"),), 100.0, True),
        (YOUNG, (DEPLOY,), 100.0, False),
    ],
)
def test_an_empty_answer_of_a_young_or_settling_one_proves_nothing(
    status: PeerStatus, silences: tuple[SeenSilence, ...], now: float, freed: bool
) -> None:
    found = reconcile({KEY: LABELS}, {KEY: BY_BEN}, Poll(status, (), silences), {}, now)
    assert found.freed == ((KEY,) if freed else ())


def test_an_alert_that_no_open_card_shows_is_passed_over() -> None:
    found = reconcile({}, {KEY: BY_BEN}, Poll(OLD, (SILENCED,), (DEPLOY,)), {}, 100.0)
    assert (found.suppressed, found.freed) == ({}, ())


def test_a_second_silence_of_one_action_is_to_be_ended() -> None:
    first = SeenSilence("s1", (), 50.0, 500.0, "Anna", "A [alert-relay a1]", "active")
    second = SeenSilence("s2", (), 60.0, 500.0, "Anna", "A [alert-relay a1]", "active")
    over = SeenSilence("s0", (), 10.0, 20.0, "Anna", "A [alert-relay a1]", "expired")
    other = SeenSilence("s3", (), 40.0, 500.0, "Anna", "A [alert-relay a2]", "active")
    found = reconcile({}, {}, Poll(OLD, (), (second, over, first, other, DEPLOY)), {}, 100.0)
    assert found.twice == ("s2",)
