"""The rules of storms: the rank of each step, what a digest does next, and what joins it."""

import pytest
from msgspec.structs import replace

from relay.core.budget import Budget, Limit, room_within
from relay.core.card import digest
from relay.core.card.card import Card, Head, OwedReply, Shown, Storm, mark
from relay.core.card.digest import DIGEST, Line
from relay.core.card.fold import Arriving, fold
from relay.core.card.hours import Hours
from relay.core.card.lane_state import LaneState
from relay.core.card.plan import plan, rank_of
from relay.core.card.step import Edit, MessageRef, Post, Rank, Reply, Wait
from relay.core.turn.decide import (
    URGENT_PAUSE,
    Absorb,
    Follow,
    Save,
    Send,
    Situation,
    decide,
    pause,
)
from tests.build import GROUP, POLICY, T0, alert, target

MESSAGE = MessageRef("-1001", "", "7")
LIMITS = (Limit("chat", 1, 1.0), Limit("group", 18, 60.0))
SITUATION = Situation(T0 + 1, target(), LaneState(), limits=LIMITS, waiting=1)


def card(severity: str = "warning", name: str = "Disk") -> Card:
    told = alert("a", severity=severity, name=name)
    return fold(Card(GROUP, "", "ops"), [Arriving(1, T0, Head(), (told,), True, True)], POLICY).card


def shown(of: Card, was: str = "") -> Card:
    return replace(of, shown=Shown(MESSAGE, was or mark(of), T0 - 60, T0 - 60))


def joined(severity: str) -> Card:
    """A card that the chat knows, with one alert more."""
    before = replace(shown(card()), waiting_since=None)
    told = (alert("a"), alert("b", severity=severity, at=T0 + 1))
    return fold(before, [Arriving(2, T0 + 1, Head(), told, True, True)], POLICY).card


def over() -> Card:
    told = alert("a", "resolved")
    return fold(shown(card()), [Arriving(2, T0 + 1, Head(), (told,), True, True)], POLICY).card


RANKS: dict[str, tuple[Card, Rank]] = {
    "what is urgent and named nowhere": (card("critical"), Rank.URGENT),
    "another first message": (card(), Rank.FIRST),
    "routine is never urgent": (card("critical", "Watchdog"), Rank.FIRST),
    "what a digest has told": (
        replace(card("critical"), announced=True, waiting_since=None),
        Rank.FOLLOW,
    ),
    "an urgent alert of a known card": (joined("critical"), Rank.JOINED),
    "the same without its reply": (replace(joined("critical"), owed=()), Rank.JOINED),
    "another alert of a known card": (joined("warning"), Rank.EDIT),
    "a required reply": (
        replace(shown(card()), owed=(OwedReply("repeated", (), T0, required=True),)),
        Rank.REQUIRED,
    ),
    "an optional reply": (
        replace(shown(card()), owed=(OwedReply("repeated", (), T0),)),
        Rank.REPLY,
    ),
    "an end": (replace(over(), owed=()), Rank.RESOLVE),
    "an urgent card with a silent edit": (
        replace(shown(card("critical"), "old"), waiting_since=T0 + 50),
        Rank.EDIT,
    ),
}


@pytest.mark.parametrize("what", RANKS)
def test_a_step_is_ranked_by_what_it_tells(what: str) -> None:
    of, expected = RANKS[what]
    step = plan(of, POLICY, T0 + 100)
    assert not isinstance(step, Wait)
    assert rank_of(of, step, POLICY) == expected


@pytest.mark.parametrize(
    ("urgent", "room", "absorbed"),
    [(10, 10.0, False), (11, 10.0, True), (4, 0.0, False), (5, 0.0, True)],
)
def test_what_is_urgent_joins_a_digest_once_more_is_owed_than_ten_seconds_take(
    urgent: int, room: float, absorbed: bool
) -> None:
    decision = decide(card("critical"), replace(SITUATION, urgent=urgent, urgent_room=room))
    assert isinstance(decision, Absorb) == absorbed
    if isinstance(decision, Absorb):
        assert (decision.urgent, decision.pressed) == (True, True)


@pytest.mark.parametrize(
    ("severity", "storm", "joins"),
    [
        ("warning", Storm(pressed_at=T0 - 100), True),
        ("warning", Storm(pressed_at=T0 - 200), False),
        ("critical", Storm(pressed_at=T0 - 100), False),
        ("critical", Storm(pressed_at=T0 - 100, urgent_at=T0 - 100), True),
    ],
)
def test_what_is_new_joins_a_digest_that_is_open(severity: str, storm: Storm, joins: bool) -> None:
    there = shown(Card(DIGEST, "", "ops", storm=storm), "any")
    decision = decide(card(severity), replace(SITUATION, digest=there))
    assert isinstance(decision, Absorb) == joins
    closed = replace(SITUATION, digest=replace(there, closed_at=T0))
    assert isinstance(decide(card(severity), closed), Send)


def test_a_card_whose_hold_or_hours_ended_is_kept_with_its_rank_before_it_calls() -> None:
    decision = decide(card("critical"), replace(SITUATION, rank=Rank.LOOK))
    assert isinstance(decision, Save)
    assert (decision.change.rank, decision.change.due) == (Rank.URGENT, SITUATION.now)


def line(number: int, **facts: bool) -> Line:
    told = Line(GROUP, str(number), "firing", f"Fire{number}", "critical", "", 1, T0)
    return replace(told, urgent=True, **facts)


def told(lines: tuple[Line, ...], storm: Storm = Storm()) -> Card:  # noqa: B008 - a frozen value
    return Card(DIGEST, "", "ops", shown=Shown(MESSAGE, digest.mark(lines), T0, T0), storm=storm)


OLD, NEW = line(1, rung=True, own=True), line(2, spoken=True, untold=True)


def test_a_digest_rings_for_what_came_once_a_minute_and_edits_meanwhile() -> None:
    of, lines = told((OLD,), Storm(rung_at=T0)), (OLD, NEW)
    assert digest.plan(of, lines, POLICY, T0 + 2, limits=LIMITS) == Wait(T0 + 120 / 18)
    assert digest.plan(of, lines, POLICY, T0 + 7, limits=LIMITS) == Edit(MESSAGE)
    assert digest.plan(of, lines, POLICY, T0 + 60) == Reply(MESSAGE, "joined", silent=False)
    known = told(lines, Storm(rung_at=T0))
    assert digest.plan(known, lines, POLICY, T0 + 7) == Wait(T0 + 60)
    assert digest.plan(known, lines, replace(POLICY, silent=True), T0 + 60) == Wait(None)
    assert digest.rank_of(lines) == Rank.URGENT
    assert digest.rank_of((OLD, replace(NEW, untold=False))) == Rank.JOINED


@pytest.mark.parametrize(
    ("of", "hours", "silent"),
    [
        (line(1), Hours(quiet=True, until=T0 + 9), False),
        (replace(line(1), urgent=False), Hours(quiet=True, until=T0 + 9), True),
        (replace(line(1), urgent=False), Hours(), False),
        (replace(line(1), routine=True), Hours(), True),
        (replace(line(1), status="resolved"), Hours(), True),
    ],
)
def test_a_digest_begins_with_a_sound_for_what_may_ring(
    of: Line, hours: Hours, silent: bool
) -> None:
    step = digest.plan(Card(DIGEST, "", "ops"), (of,), POLICY, T0, hours)
    assert step == Post(silent=silent)


def test_a_digest_lets_one_card_after_the_other_follow_as_room_allows() -> None:
    waiting = (line(1, spoken=True, rung=True), line(2, spoken=True, rung=True))
    of = replace(told(waiting, Storm(rung_at=T0, followed_at=T0)), waiting_since=None)
    situation = replace(SITUATION, lines=waiting)
    decision = decide(of, situation)
    assert isinstance(decision, Save)
    assert decision.change.due == T0 + 7.5
    later = decide(of, replace(situation, now=T0 + 7.5))
    assert isinstance(later, Follow)
    assert later.change.card.storm == Storm(rung_at=T0, followed_at=T0 + 7.5)
    one_goes = (replace(waiting[0], spoken=False), waiting[1])
    assert isinstance(decide(of, replace(situation, now=T0 + 7.5, lines=one_goes)), Save)
    assert digest.follows_at(of, waiting, (Limit("group", 2, 60.0),)) == T0 + 60


def test_what_is_urgent_tries_a_lane_that_pauses_from_time_to_time() -> None:
    state, there = LaneState(retry_at=T0 + 300), (target(),)
    assert pause(state, there, T0 + 20) == Wait(T0 + 300)
    assert pause(state, there, T0 + 20, urgent=True, called_at=T0 + 5) is None
    assert pause(state, there, T0 + 19, urgent=True, called_at=T0 + 5) == Wait(
        T0 + 5 + URGENT_PAUSE
    )


@pytest.mark.parametrize(
    ("used", "blocked", "room"),
    [((), 0.0, 18), ((T0 - 9, T0 - 1), 0.0, 16), ((T0 - 55,) * 18, 0.0, 18), ((), T0 + 30, 0)],
)
def test_the_room_of_the_next_seconds_is_what_the_window_and_the_block_leave(
    used: tuple[float, ...], blocked: float, room: float
) -> None:
    assert room_within(Budget("group", used, blocked), LIMITS[1], T0, 10.0) == room
    assert room_within(Budget("chat"), LIMITS[0], T0, 10.0) == 10
