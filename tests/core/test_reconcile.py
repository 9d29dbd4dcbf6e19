"""What Alertmanager's answers prove about the alerts on open cards, and what they do not."""

import pytest

from relay.core.action.reconcile import (
    APART,
    AbsentAlert,
    PeerAnswer,
    PeerStatus,
    Poll,
    Presence,
    SeenAlert,
    SeenSilence,
    Suppressed,
    asked_again_at,
    asked_by,
    presences,
    reconcile,
)
from relay.core.alert import alert_key
from relay.core.routing.matcher import Matcher

LABELS = {"alertname": "A"}
KEY = alert_key(LABELS)
OLD, YOUNG = PeerStatus(3600.0, "ready", "0.25.0"), PeerStatus(10.0, "ready", "0.25.0")
SETTLING = PeerStatus(3600.0, "settling", "0.25.0")
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
        (SETTLING, (), 100.0, False),
        (PeerStatus(None, "ready", "0.25.0"), (), 100.0, False),
        (PeerStatus(3600.0, "ready"), (), 100.0, False),
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


LEFT, ABSENT = Presence("left", 40.0), Presence("absent", 100.0)
HAS, LACKS = PeerAnswer(OLD, (SeenAlert(LABELS, KEY),)), PeerAnswer(OLD, ())


@pytest.mark.parametrize(
    ("before", "peers", "now", "after"),
    [
        (LEFT, (HAS,), 50.0, Presence("present", 50.0)),
        (LEFT, (LACKS, HAS), 50.0, Presence("present", 50.0)),  # alerts are not gossiped
        (LEFT, (PeerAnswer(YOUNG, HAS.alerts),), 50.0, Presence("present", 50.0)),
        (LEFT, (LACKS,), 50.0, Presence("absent", 50.0)),
        (LEFT, (), 50.0, None),  # a failing API changes nothing
        (LEFT, (PeerAnswer(YOUNG, ()),), 50.0, None),
        (LEFT, (PeerAnswer(SETTLING, ()),), 50.0, None),
        (LEFT, (PeerAnswer(PeerStatus(3600.0, "ready"), ()),), 50.0, None),  # no version
        (LEFT, (LACKS, PeerAnswer(YOUNG, ())), 50.0, None),
        (ABSENT, (LACKS,), 100.0 + APART - 1, None),
        (ABSENT, (LACKS, LACKS), 100.0 + APART, Presence("gone", 100.0)),
        (ABSENT, (LACKS, PeerAnswer(YOUNG, ())), 100.0 + APART, None),
        (ABSENT, (HAS,), 100.0 + APART, Presence("present", 100.0 + APART)),
        (ABSENT, (), 100.0 + APART, None),
        (Presence("present", 90.0), (LACKS,), 100.0, Presence("absent", 100.0)),
        (Presence("present", 90.0), (), 100.0, None),
        (Presence("gone", 90.0), (LACKS,), 900.0, None),
    ],
)
def test_an_alert_is_over_when_all_believed_peers_lacked_it_twice_two_minutes_apart(
    before: Presence, peers: tuple[PeerAnswer, ...], now: float, after: Presence | None
) -> None:
    found = presences({KEY: AbsentAlert(before, LABELS)}, peers, now)
    assert found == ({} if after is None else {KEY: after})


def test_an_alert_is_found_by_its_labels_where_the_fingerprint_is_another() -> None:
    asked = {"own": AbsentAlert(LEFT, LABELS)}
    assert presences(asked, (HAS,), 50.0) == {"own": Presence("present", 50.0)}


def test_what_is_asked_for_goes_by_the_labels_that_all_share() -> None:
    one = {"alertname": "A", "pod": "a", "a.b": "x", "empty": ""}
    assert asked_by([one]) == (Matcher("alertname", "=", "A"), Matcher("pod", "=", "a"))
    assert asked_by([one, {**one, "pod": "b"}]) == (Matcher("alertname", "=", "A"),)
    assert asked_by([one, {"alertname": "B"}]) == ()
    assert asked_again_at([LEFT, ABSENT, Presence("absent", 70.0)]) == 70.0 + APART
    assert asked_again_at([LEFT]) is None
