"""Heartbeats: taken out of payloads, and told as lost for the true reason."""

from msgspec.structs import replace

from relay.core.action.heartbeat import (
    Back,
    Beat,
    Lost,
    Outage,
    deadline,
    first_beats,
    heard,
    lost,
    lost_since,
    may_ping,
    sort_out,
)
from relay.core.action.reconcile import Suppressed
from relay.core.action.settings import HeartbeatConfig
from relay.core.alert import Alert, AlertStatus
from relay.core.routing.matcher import parse
from relay.core.secret import Secret

EU = HeartbeatConfig(
    "eu",
    parse('alertname="Watchdog"'),
    "main",
    60.0,
    300.0,
    ("cluster",),
    "ops",
    Secret("https://x"),
)
UP = Outage(up_since=0.0)
BEAT = Beat("eu", ("eu-1",), 1000.0)


def alert(cluster: str, name: str = "Watchdog", status: AlertStatus = "firing") -> Alert:
    return Alert(status, {"alertname": name, "cluster": cluster}, {}, 1.0, None, "", "f")


def test_they_are_taken_out_of_a_payload_by_the_values_of_by() -> None:
    alerts = [alert("eu-1"), alert("eu-1", "Disk"), alert("eu-2"), alert("eu-1")]
    assert sort_out([EU], "main", alerts) == ((("eu", ("eu-1",)), ("eu", ("eu-2",))), (1,))


def test_another_source_has_its_own_and_a_resolved_one_is_no_beat() -> None:
    assert sort_out([EU], "other", [alert("eu-1")]) == ((), (0,))
    assert sort_out([EU], "main", [alert("eu-1", status="resolved")]) == ((), ())


def test_it_is_lost_after_every_and_grace_to_the_second_and_told_once() -> None:
    assert deadline(EU, BEAT, UP) == 1360.0
    assert lost(EU, BEAT, UP, None, 1359.9) is None
    told = lost(EU, BEAT, UP, None, 1360.0)
    assert told == Lost(replace(BEAT, lost_at=1360.0), 1000.0, "silence")
    assert lost(EU, told.beat, UP, None, 9999.0) is None


def test_it_is_back_after_a_gap_and_only_then() -> None:
    gone = replace(BEAT, lost_at=1360.0)
    fresh = Beat("eu", ("eu-1",), 1500.0)
    assert heard(gone, "eu", ("eu-1",), 1500.0) == (fresh, Back(fresh, 500.0))
    assert heard(BEAT, "eu", ("eu-1",), 1500.0) == (fresh, None)
    assert heard(None, "eu", ("eu-1",), 1500.0) == (fresh, None)


def test_our_own_downtime_is_not_theirs() -> None:
    outage = Outage(up_since=5000.0)
    assert lost(EU, BEAT, outage, None, 5359.9) is None
    told = lost(EU, BEAT, outage, None, 5360.0)
    assert told
    assert (told.cause, told.since) == ("slept", 1000.0)


def test_our_own_503s_and_a_silence_are_named_as_the_cause() -> None:
    refused = lost(EU, BEAT, Outage(0.0, refused=7), None, 2000.0)
    assert refused
    assert (refused.cause, refused.refused) == ("refused", 7)
    silence = Suppressed("silenced", 9000.0, "Ben", "deploy", "s1")
    silenced = lost(EU, BEAT, UP, silence, 2000.0)
    assert silenced
    assert (silenced.cause, silenced.suppressed) == ("suppressed", silence)


def test_what_was_never_heard_is_lost_as_well() -> None:
    (first,) = first_beats([EU], [], 100.0)
    assert not first.heard
    told = lost(EU, first, UP, None, 460.0)
    assert told
    assert told.cause == "silence"
    assert first_beats([EU], [BEAT], 100.0) == ()


def test_cards_of_a_source_say_since_when_it_is_quiet() -> None:
    gone = replace(BEAT, lost_at=1360.0)
    assert lost_since([EU], [BEAT, gone], "main") == ("eu", 1000.0)
    assert lost_since([EU], [gone], "other") is None
    assert lost_since([EU], [BEAT], "main") is None


def test_the_ping_goes_only_while_all_is_well() -> None:
    assert may_ping(EU, [BEAT], 940.0, 1000.0, well=True)
    assert not may_ping(EU, [BEAT], 940.1, 1000.0, well=True)
    assert not may_ping(EU, [BEAT], 0.0, 1000.0, well=False)
    assert not may_ping(EU, [replace(BEAT, lost_at=1.0)], 0.0, 1000.0, well=True)
    assert not may_ping(EU, [BEAT, replace(BEAT, heard=False)], 0.0, 1000.0, well=True)
    assert not may_ping(EU, [], 0.0, 1000.0, well=True)
    assert not may_ping(replace(EU, ping_url=None), [BEAT], 0.0, 1000.0, well=True)
