"""What waited on a local disk changes no alert of which something accepted later is committed."""

from msgspec.structs import replace

from relay.core.alert import Alert, Notification
from relay.core.overtaken import HeardLast, apart, is_overtaken, last_heard
from tests.build import alert, notification

FIRST, LATER = 1000.0, 1060.0
ONE, OTHER = alert("1"), alert("2")


def told(*alerts: Alert, group: str = "{}:{}", source: str = "") -> Notification:
    return replace(notification(*alerts), group_key=group, source=source)


def fingerprints(parts: tuple[Notification, ...]) -> list[tuple[bool, str]]:
    return [(part.overtaken, each.fingerprint) for part in parts for each in part.alerts]


def test_nothing_was_committed_meanwhile() -> None:
    part = told(ONE, OTHER)
    assert apart(part, FIRST, HeardLast()) == (part,)


def test_an_alert_of_which_something_later_is_committed_is_overtaken() -> None:
    said = last_heard(HeardLast(), [(LATER, told(ONE))])
    parts = apart(told(ONE, OTHER), FIRST, said)
    assert fingerprints(parts) == [(False, "2"), (True, "1")]


def test_what_is_left_says_nothing_of_alerts_that_it_does_not_list() -> None:
    """Of them it is to be feared that the later payload has them."""
    said = last_heard(HeardLast(), [(LATER, told(ONE))])
    for part in apart(told(OTHER), FIRST, said):
        assert part.part < part.parts - 1


def test_a_payload_of_another_group_overtakes_an_alert_as_well() -> None:
    said = last_heard(HeardLast(), [(LATER, told(ONE, group="{}:{other}"))])
    assert fingerprints(apart(told(ONE), FIRST, said)) == [(True, "1")]


def test_one_of_another_source_is_another_alert() -> None:
    said = last_heard(HeardLast(), [(LATER, told(ONE, source="paris"))])
    assert not is_overtaken(told(ONE), FIRST, said)


def test_what_was_accepted_at_the_same_moment_or_before_overtakes_nothing() -> None:
    for at in (FIRST, FIRST - 60):
        assert not is_overtaken(told(ONE), FIRST, last_heard(HeardLast(), [(at, told(ONE))]))


def test_the_latest_word_counts_whatever_the_order_of_commits() -> None:
    said = last_heard(HeardLast(), [(LATER, told(ONE)), (FIRST, told(ONE))])
    assert is_overtaken(told(ONE), FIRST, said)
    assert said == last_heard(last_heard(HeardLast(), [(FIRST, told(ONE))]), [(LATER, told(ONE))])
