"""What every store engine must do when the clock turns out to have been ahead."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from relay.core.action.escalation import ActingReply, EscalationClock, owed_of
from relay.core.action.heartbeat import Beat
from relay.core.bot.people import UpdateEffects
from relay.core.bot.update import PollState
from relay.core.budget import Block, Limit
from relay.core.card.card import Card, Entry, OwedReply, Storm, Withheld
from relay.core.card.lane_state import Down, LaneState
from relay.core.card.step import Post
from relay.core.clock_ahead import AHEAD, MovedTimes, moved_on
from relay.core.turn.change import AttemptResult, CardChange
from relay.store.people import BOT_REPLY_SECONDS
from relay.store.protocol import Attempt, Begun, Denied, Store
from relay.store.queue import Refused
from relay.store.sqlite.store import SqliteStore
from tests.build import DISCORD, GROUP, T0, TELEGRAM, entry
from tests.store.held import begin, own, settle
from tests.store.test_people import BOT, OWN, SAYING, take
from tests.store.test_store import SIZE, fold_all, new_payload, result, shown

HOURS = 3 * 3600.0
YEARS = 10 * 365 * 86400.0
THEN = T0 + YEARS
LIMIT = Limit("chat", 1, 1.1)
ATTEMPT = Attempt(TELEGRAM, GROUP, "", Post(silent=False))


@pytest.fixture(params=["sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    opened = {"sqlite": SqliteStore}[str(request.param)](tmp_path / "relay.db")
    yield opened
    opened.close()


def test_a_budget_that_was_used_in_the_future_is_free(store: Store) -> None:
    begin(store, ATTEMPT, (LIMIT,), THEN)
    assert begin(store, ATTEMPT, (LIMIT,), T0) == Denied(THEN + 1.1)
    assert store.move_times_back(T0) == YEARS
    assert begin(store, ATTEMPT, (LIMIT,), T0) == Denied(T0 + 1.1)
    assert begin(store, ATTEMPT, (LIMIT,), T0 + 1.1) == Begun()


def test_who_was_told_to_wait_waits_as_long_as_was_said(store: Store) -> None:
    begin(store, ATTEMPT, (LIMIT,), THEN)
    settle(store, replace(result(Card(GROUP, "", "ops")), blocks=(Block(("chat",), THEN, 30),)))
    store.move_times_back(T0)
    assert begin(store, ATTEMPT, (LIMIT,), T0 + 29) == Denied(T0 + 30)


def test_whose_part_was_told_to_wait_rests_as_long_as_was_said(store: Store) -> None:
    parts = [Block((name,), THEN + 1, 30, whole="chat") for name in "abc"]
    begin(store, ATTEMPT, (LIMIT,), THEN)
    settle(store, replace(result(Card(GROUP, "", "ops")), blocks=tuple(parts[:2])))
    store.move_times_back(T0)
    settle(store, replace(result(Card(GROUP, "", "ops")), blocks=(replace(parts[2], at=T0 + 2),)))
    assert begin(store, ATTEMPT, (LIMIT,), T0 + 29) == Denied(T0 + 32)
    settle(store, replace(result(Card(GROUP, "", "ops")), blocks=(replace(parts[0], at=T0 + 33),)))
    assert begin(store, ATTEMPT, (LIMIT,), T0 + 33) == Begun()


def test_a_chat_is_tried_again_as_soon_as_it_would_have_been(store: Store) -> None:
    store.accept([new_payload(TELEGRAM, at=THEN)])
    state = LaneState(
        down=Down("kicked", THEN - 5, THEN + 300), thread_again=THEN + 9, retry_at=THEN + 4
    )
    state = replace(state, trouble_since=THEN - 5, fault_at=THEN - 2)
    settle(store, replace(result(Card(GROUP, "", "ops")), state=state))
    store.move_times_back(T0)
    expected = LaneState(
        down=Down("kicked", T0 - 5, T0 + 300), thread_again=T0 + 9, retry_at=T0 + 4
    )
    expected = replace(expected, trouble_since=T0 - 5, fault_at=T0 - 2)
    assert store.claim(own(store, TELEGRAM), T0, 0).state == expected


def test_a_card_is_due_as_soon_as_it_would_have_been_and_knows_no_future(store: Store) -> None:
    store.accept([new_payload(TELEGRAM, at=THEN)])
    card = shown(fold_all(store, TELEGRAM))
    assert card.shown is not None
    there = replace(card, shown=replace(card.shown, posted_at=THEN - 9, edited_at=THEN - 1))
    there = replace(there, entries=(_held(THEN),), owed=(OwedReply("joined", (), THEN),))
    there = replace(there, waiting_since=THEN, heard_at=THEN, counted_at=THEN)
    settle(
        store, AttemptResult(TELEGRAM, LaneState(), CardChange(there, THEN + 2, urgent=False), THEN)
    )
    store.move_times_back(T0)
    assert store.claim(own(store, TELEGRAM), T0, 9).next_due == T0 + 2
    here = replace(card, shown=replace(card.shown, posted_at=T0 - 9, edited_at=T0 - 1))
    here = replace(here, entries=(_held(T0),), owed=(OwedReply("joined", (), T0),))
    assert store.card(TELEGRAM, GROUP, "") == replace(
        here, waiting_since=T0, heard_at=T0, counted_at=T0
    )


@pytest.mark.parametrize("ahead", [THEN - T0, -40.0])
def test_a_digest_still_knows_what_does_not_pass(ahead: float) -> None:
    """Its chat was asked again for each text that it does not take."""
    known = Withheld((1,), (2,), again_at=T0 + ahead)
    card = Card(GROUP, "", "ops", storm=Storm(T0, withheld=known))
    moved = MovedTimes(T0, ahead) if ahead > 0 else moved_on(-ahead)
    storm = moved.card(card).storm
    assert storm is not None
    assert storm.withheld == replace(known, again_at=T0)


@pytest.mark.parametrize("moved", [MovedTimes(T0, THEN - T0), moved_on(HOURS)])
def test_an_escalation_is_said_again_only_if_it_is_new(moved: MovedTimes) -> None:
    """After a clock that was ahead, the open cards of that time never said another one."""
    is_back = moved.by > 0
    then, now = (THEN, T0 + 60) if is_back else (T0, T0 + HOURS + 60)
    said = ActingReply("escalated", then)
    card = moved.card(
        Card(
            GROUP, "", "ops", escalated_at=then, owed=(OwedReply("escalated", (), then, said=said),)
        )
    )
    clock = moved.escalation(EscalationClock("ops", "", "a", T0, then, owed=said))
    assert owed_of([clock], card.escalated_at) is None
    assert card.owed[0].said == clock.owed
    again = replace(clock, owed=ActingReply("escalated", now))
    assert owed_of([again], card.escalated_at) == again.owed


def _held(at: float) -> Entry:
    return replace(entry(), joined_at=at, seen=at, absent_since=at, held_since=at)


def test_what_was_accepted_in_the_future_grows_old_as_anything_else(store: Store) -> None:
    store.accept([new_payload(TELEGRAM, at=THEN)])
    store.accept([new_payload(TELEGRAM, at=THEN)])
    store.dismiss(own(store, TELEGRAM), [1], "dead", "test")
    store.move_times_back(T0)
    assert [row.oldest_pending for row in store.balance()] == [T0]
    assert store.purge(T0 + 1, SIZE, 9) == 1
    card = replace(fold_all(store, TELEGRAM), tried_at=T0)
    settle(store, AttemptResult(TELEGRAM, LaneState(), CardChange(card, None, urgent=False), T0))
    assert [each.count for each in store.expire(TELEGRAM, "ops", T0 + 1)] == [1]


def test_what_ended_in_the_future_alone_tells_of_it_too(store: Store) -> None:
    store.accept([new_payload(TELEGRAM, at=THEN)])
    store.dismiss(own(store, TELEGRAM), [1], "dead", "test")
    assert store.move_times_back(T0) == YEARS


def test_what_was_told_in_the_future_is_older_than_what_is_told_now(store: Store) -> None:
    store.accept([new_payload(TELEGRAM, at=THEN)])
    store.move_times_back(T0)
    store.accept([new_payload(TELEGRAM, at=T0 + 1)])
    store.dismiss(own(store, TELEGRAM), [1], "dead", "test")
    assert isinstance(store.retry("1/1", T0 + 2), Refused)


def test_a_bot_s_long_silence_is_noticed(store: Store) -> None:
    store.people.take_update(BOT, 7, UpdateEffects("seen"), THEN)
    begin(store, ATTEMPT, (LIMIT,), THEN)
    store.move_times_back(T0)
    assert store.people.poll_state(BOT) == PollState(8, T0)


def test_an_answer_goes_at_once_and_not_late(store: Store) -> None:
    for _ in range(2):
        store.people.take_update(BOT, 7, UpdateEffects("seen", bot_replies=(SAYING,)), THEN)
    begin(store, ATTEMPT, (LIMIT,), THEN)
    assert isinstance(begin(store, replace(ATTEMPT, lane=DISCORD), (LIMIT,), THEN), Denied)
    store.move_times_back(T0)
    first, second = (each.id for each in store.people.bot_replies())
    assert store.people.take_bot_reply(first, (LIMIT,), T0 + 5) == "go"
    assert store.people.take_bot_reply(second, (), T0 + 2 * BOT_REPLY_SECONDS) == "dropped"


@pytest.mark.parametrize(("until", "then"), [(THEN + 60, T0 + 60), (T0 + 60, T0 + 60), (0.0, 0.0)])
def test_a_mute_lasts_as_long_as_was_asked(until: float, then: float, store: Store) -> None:
    store.accept([new_payload(TELEGRAM, at=THEN)])
    take(store, added=replace(OWN, muted_until=until))
    store.move_times_back(T0)
    assert [each.muted_until for each in store.people.subscriptions()] == [then]


def test_where_no_clock_was_ahead_nothing_is_touched(store: Store) -> None:
    store.accept([new_payload(TELEGRAM, at=T0 + AHEAD)])
    begin(store, ATTEMPT, (LIMIT,), T0)
    card = fold_all(store, TELEGRAM, due=THEN)
    assert store.move_times_back(T0) == 0.0
    assert store.card(TELEGRAM, GROUP, "") == card
    assert store.claim(own(store, TELEGRAM), T0, 9).next_due == THEN


def test_it_is_done_once(store: Store) -> None:
    store.accept([new_payload(TELEGRAM, at=THEN)])
    assert (store.move_times_back(T0), store.move_times_back(T0)) == (YEARS, 0.0)


def test_where_the_clock_is_moved_on_all_that_waits_waits_as_long_as_it_would_have(
    store: Store,
) -> None:
    store.accept([new_payload(TELEGRAM, at=T0)])
    begin(store, ATTEMPT, (LIMIT,), T0)
    state = LaneState(down=Down("kicked", T0 - 5, T0 + 300), retry_at=T0 + 4, trouble_since=T0 - 5)
    card = replace(fold_all(store, TELEGRAM, due=T0 + 9), waiting_since=T0, heard_at=T0)
    change = CardChange(card, T0 + 9, urgent=False)
    settle(store, AttemptResult(TELEGRAM, state, change, T0, (Block(("chat",), T0, 30),)))
    store.move_times_on(HOURS)
    assert begin(store, ATTEMPT, (LIMIT,), T0 + HOURS + 29) == Denied(T0 + HOURS + 30)
    claim, down = store.claim(own(store, TELEGRAM), T0 + HOURS, 9), Down("kicked", T0 - 5, T0 + 300)
    assert claim.next_due == T0 + HOURS + 9
    moved = replace(down, since=down.since + HOURS, probe_at=T0 + HOURS + 300)
    assert claim.state.down == moved
    assert (claim.state.retry_at, claim.state.trouble_until) == (T0 + HOURS + 4, 0.0)
    kept = store.card(TELEGRAM, GROUP, "")
    assert kept is not None
    assert (kept.waiting_since, kept.heard_at, kept.closed_at) == (T0 + HOURS, T0 + HOURS, None)
    assert [row.oldest_pending for row in store.balance()] == [T0 + HOURS]


def test_where_the_clock_is_moved_on_no_heartbeat_is_lost_and_no_step_comes_early(
    store: Store,
) -> None:
    store.accept([new_payload(TELEGRAM, at=T0)])
    store.acting.keep_beat(Beat("prometheus", (), T0))
    clock = EscalationClock("ops", "", "a", T0 - 60, T0)
    store.acting.keep_clock(TELEGRAM, clock, T0 + 600)
    store.move_times_on(HOURS)
    assert [beat.seen_at for beat in store.acting.beats()] == [T0 + HOURS]
    kept = store.acting.clocks("ops", "", ["a"])["a"]
    assert (kept.starts_at, kept.started_at) == (T0 - 60, T0 + HOURS)
    assert store.acting.clocks_due(T0 + HOURS + 599, 9) == ()
    assert len(store.acting.clocks_due(T0 + HOURS + 600, 9)) == 1
