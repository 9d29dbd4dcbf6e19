"""Deciding a turn: a card and its situation give one decision, without a loop or a store."""

import pytest
from msgspec.structs import replace

from relay.core.alert import AlertStatus, GroupId
from relay.core.budget import Limit
from relay.core.card.card import Card, Head, OwedReply, Shown, mark
from relay.core.card.digest import DIGEST, QUIET, line
from relay.core.card.failures import Failures
from relay.core.card.fold import Arriving, fold
from relay.core.card.hours import Hours
from relay.core.card.lane_state import Down, LaneState
from relay.core.card.outcome import Delivered, Unavailable
from relay.core.card.step import MessageRef, Post, Rank, Reply, Wait
from relay.core.turn.decide import (
    Absorb,
    Close,
    Decision,
    Save,
    Send,
    Situation,
    decide,
    pause,
)
from relay.core.turn.finish import Attempted, Contents, finish
from tests.build import GROUP, POLICY, T0, alert, target

NARROW = (Limit("chat", 1, 60.0),)
WIDE = (Limit("chat", 1000, 60.0),)
MESSAGE = MessageRef("-1001", "", "7")
SITUATION = Situation(T0 + 1, target(), LaneState(), limits=WIDE, waiting=1)


def card(*names: str, severity: str = "warning", state: AlertStatus = "firing") -> Card:
    alerts = tuple(alert(name, state, severity=severity) for name in names)
    return fold(Card(GROUP, "", "ops"), [Arriving(1, T0, Head(), alerts, True, True)], POLICY).card


def shown(of: Card) -> Card:
    return replace(of, shown=Shown(MESSAGE, mark(of), T0, T0), waiting_since=None)


DECISIONS: dict[str, tuple[Card, Situation, type[Decision]]] = {
    "what nobody was told of is sent": (card("a"), SITUATION, Send),
    "what the chat shows rests": (shown(card("a")), SITUATION, Save),
    "a card without a change waits": (
        replace(shown(card("a")), shown=Shown(MESSAGE, "old", T0, T0 + 1)),
        SITUATION,
        Wait,
    ),
    "more than the chat takes goes into the digest": (
        card("a"),
        replace(SITUATION, limits=NARROW, waiting=50),
        Absorb,
    ),
    "what is muted is kept": (
        card("a"),
        replace(SITUATION, hours=Hours(muted=True, until=T0 + 60)),
        Save,
    ),
    "a digest tells its lines": (
        Card(DIGEST, "", "ops"),
        replace(SITUATION, lines=(line(card("a")),)),
        Send,
    ),
    "a digest of nothing closes": (Card(DIGEST, "", "ops"), SITUATION, Close),
    "a summary waits for the end of the quiet hours": (
        Card(QUIET, "", "ops"),
        replace(SITUATION, hours=Hours(quiet=True, until=T0 + 60), lines=(line(card("a")),)),
        Save,
    ),
    "a summary of what fires is sent after them": (
        Card(QUIET, "", "ops"),
        replace(SITUATION, lines=(line(card("a")),)),
        Send,
    ),
    "a summary of nothing is kept": (Card(QUIET, "", "ops"), SITUATION, Save),
}


@pytest.mark.parametrize("what", DECISIONS)
def test_each_situation_has_its_decision(what: str) -> None:
    of, situation, expected = DECISIONS[what]
    assert type(decide(of, situation)) is expected


@pytest.mark.parametrize(
    ("severity", "name", "silent"),
    [("warning", "Disk", False), ("none", "Disk", True), ("warning", "Watchdog", True)],
)
def test_routine_never_rings(severity: str, name: str, silent: bool) -> None:
    of = Card(GROUP, "", "ops")
    alerts = (alert("a", severity=severity, name=name),)
    of = fold(of, [Arriving(1, T0, Head(), alerts, True, True)], POLICY).card
    decision = decide(of, SITUATION)
    assert isinstance(decision, Send)
    assert decision.step == Post(silent=silent)


def test_a_short_budget_leaves_out_replies_but_for_those_that_are_required() -> None:
    of = replace(
        shown(card("a")),
        owed=(OwedReply("joined", ("a",), T0), OwedReply("repeated", (), T0, required=True)),
        waiting_since=T0,
    )
    decision = decide(of, replace(SITUATION, limits=NARROW, waiting=1))
    assert isinstance(decision, Send)
    assert isinstance(decision.step, Reply)
    assert (decision.step.kind, decision.rank) == ("repeated", Rank.REQUIRED)


def test_a_lane_pauses_after_a_failure_and_before_the_probe_of_a_chat_that_refuses() -> None:
    down = Down("kicked", T0, T0 + 300, target().endpoint.secret.mark)
    assert pause(LaneState(), (target(),), T0) is None
    assert pause(LaneState(retry_at=T0 + 9), (target(),), T0) == Wait(T0 + 9)
    assert pause(LaneState(down=down), (target(),), T0) == Wait(T0 + 300)
    assert pause(LaneState(down=down), (target(),), T0 + 300) is None
    assert pause(LaneState(down=replace(down, secret="another")), (target(),), T0) is None


def test_what_was_delivered_is_shown_and_what_was_not_is_due_again() -> None:
    decision = decide(card("a"), SITUATION)
    assert isinstance(decision, Send)
    taken = Attempted(T0 + 2, Delivered(MESSAGE), LaneState())
    done = finish(decision, SITUATION, Contents(), taken, 0.5)
    assert (done.shown, done.dead) == (True, "")
    assert done.change.card.shown is not None
    failed = Attempted(T0 + 2, Unavailable("502"), LaneState())
    again = finish(decision, SITUATION, Contents(), failed, 0.5)
    assert not again.shown
    assert again.state.retry_at == 0.0  # another card may go meanwhile
    assert again.change.due == T0 + 2.75


@pytest.mark.parametrize("group", [DIGEST, QUIET])
@pytest.mark.parametrize(("severity", "again_at"), [("critical", 15), ("warning", 300)])
def test_what_tells_something_urgent_is_tried_again_soon_although_it_failed_often(
    group: GroupId, severity: str, again_at: float
) -> None:
    urgent = severity == "critical"
    lines = (replace(line(card("a", severity=severity)), urgent=urgent, untold=True),)
    situation = replace(SITUATION, lines=lines)
    failures = Failures(tries=20, at=T0 - 301, retry_at=T0 - 1)
    send = decide(Card(group, "", "ops", failures=failures), situation)
    assert isinstance(send, Send)
    failed = Attempted(T0 + 2, Unavailable("502"), LaneState())
    again = finish(send, situation, Contents(), failed, 1.0).change
    assert again.due == T0 + 2 + again_at
    assert isinstance(decide(again.card, replace(situation, now=T0 + 2 + again_at)), Send)


def test_what_came_without_a_sound_makes_the_summary_due_at_the_end_of_the_quiet_hours() -> None:
    quiet = replace(SITUATION, hours=Hours(quiet=True, until=T0 + 60))
    decision = decide(card("a"), quiet)
    assert isinstance(decision, Send)
    done = finish(
        decision, quiet, Contents(), Attempted(T0 + 2, Delivered(MESSAGE), LaneState()), 0.5
    )
    ((summary),) = done.also
    assert (summary.card.group, summary.due) == (QUIET, T0 + 60)
