"""What every store engine must do for acting from the chat."""

import pytest
from msgspec.structs import replace

from relay.core.action.escalation import EscalationClock
from relay.core.action.heartbeat import Beat
from relay.core.action.press import (
    MessagePlace,
    Outcome,
    Press,
    PressAnswer,
    PressEffects,
    Question,
)
from relay.core.action.pressed import ButtonData, card_name
from relay.core.action.reconcile import Presence, Reconciled, Suppressed
from relay.core.action.rights import Presser
from relay.core.action.silence import Silencing
from relay.core.action.take import Holder, Taken
from relay.core.text.richtext import RichText
from relay.core.turn.change import CardChange
from relay.store.acting import ActingStore
from relay.store.protocol import Store
from tests.build import DISCORD, GROUP, T0, TELEGRAM, alert, notification
from tests.store.conftest import Reopen
from tests.store.held import own, settle
from tests.store.test_store import fold_all, new_payload, result, shown

ANNA, BEN = Holder("Anna", "Anna"), Presser("telegram", "13", "Ben")
HERE = MessagePlace("telegram", TELEGRAM.api, TELEGRAM.account, "-1001", "7")
TAKEN = Taken("", "a", T0, ANNA, T0 + 1)
SILENCING = Silencing("act1", "", "silence", ANNA, T0, ("a",), due=T0)
BY_BEN = Suppressed("silenced", T0 + 60, "Ben", "deploy", "s1")


@pytest.fixture
def store(reopen: Reopen) -> Store:
    """One card with one firing alert, whose message is number 7."""
    opened = reopen()
    opened.accept([new_payload(TELEGRAM)])
    opened.spread()
    settle(opened, result(shown(fold_all(opened, TELEGRAM))))
    return opened


@pytest.fixture
def acting(store: Store) -> ActingStore:
    return store.acting


def press(key: str = "p1", message: str = "7") -> Press:
    data = ButtonData("take", card_name(TELEGRAM, GROUP, ""), 1)
    return Press(key, BEN, "-1001", message, data, T0)


def effects(outcome: Outcome = "done", **changes: object) -> PressEffects:
    plain = PressEffects(PressAnswer(RichText("It is yours.")), outcome, "take", ("a",))
    return replace(plain, **changes)


def is_due(store: Store) -> bool:
    return bool(store.claim(own(store, TELEGRAM), T0 + 9, 0).cards)


def test_a_press_is_found_by_its_message_and_only_where_that_stands(acting: ActingStore) -> None:
    found = acting.press_context(HERE, BEN, T0).card
    assert found is not None
    assert (found.name, [each.key for each in found.alerts]) == (
        card_name(TELEGRAM, GROUP, ""), ["a"],
    )  # fmt: skip
    for other in (
        replace(HERE, message="8"),
        replace(HERE, chat="-1002"),
        replace(HERE, account="999"),
        replace(HERE, platform="discord"),
    ):
        assert acting.press_context(other, BEN, T0).card is None
    assert acting.press_context(replace(HERE, account=""), BEN, T0).card is not None


def test_a_press_counts_once_and_makes_the_cards_of_its_alerts_due(
    store: Store, acting: ActingStore
) -> None:
    assert acting.pressed("p1") is None
    assert not is_due(store)
    assert acting.take_press(press(), effects(takes=(TAKEN,)), T0) == (TELEGRAM,)
    assert is_due(store)
    again = acting.pressed("p1")
    assert again is not None
    assert (again.answer.text.text, again.takes) == ("It is yours.", ())
    assert acting.known("", ["a", "b"]).takes == {"a": TAKEN}
    assert acting.known("other", ["a"]).takes == {}
    assert acting.take_press(press("p2"), effects(released=("a",)), T0) == (TELEGRAM,)
    assert acting.known("", ["a"]).takes == {}


def test_who_was_told_and_how_often_a_person_pressed_is_known_for_a_minute(
    acting: ActingStore,
) -> None:
    for number in range(3):
        acting.take_press(press(f"p{number}"), effects("held"), T0 + number)
    context = acting.press_context(HERE, BEN, T0 + 3)
    assert (context.told_at, context.presses) == (T0 + 2, 3)
    other = acting.press_context(HERE, replace(BEN, id="14"), T0 + 3)
    assert (other.told_at, other.presses) == (None, 0)
    assert acting.press_context(HERE, BEN, T0 + 70).presses == 0


def test_a_take_ends_with_its_alert_and_is_forgotten_after_a_day(
    store: Store, acting: ActingStore
) -> None:
    acting.keep_takes([TAKEN])
    over = notification(alert("a", "resolved", ends=T0 + 60))
    store.accept([new_payload(TELEGRAM, posted=over, at=T0 + 61)])
    claim = store.claim(own(store, TELEGRAM), T0 + 61, 9)
    (card,) = claim.cards
    ended = tuple(replace(e, status="resolved", ends_at=T0 + 60) for e in card.entries)
    change = CardChange(replace(card, entries=ended, heard_at=T0 + 61), None, urgent=False)
    store.fold(own(store, TELEGRAM), [change])
    assert acting.known("", ["a"]).takes["a"].ended_at == T0 + 60
    acting.purge(T0 + 86400.0, T0, 1800.0)
    assert acting.known("", ["a"]).takes
    acting.purge(T0 + 86400.0 + 61, T0, 7 * 86400.0)
    assert acting.known("", ["a"]).takes  # it may still fire again
    acting.purge(T0 + 86400.0 + 61, T0, 1800.0)
    assert not acting.known("", ["a"]).takes


def test_a_silence_is_due_until_it_is_over_and_then_in_force(
    store: Store, acting: ActingStore
) -> None:
    acting.keep_silencing(SILENCING)
    assert acting.silencings_due("", T0 - 1) == ()
    assert acting.silencings_due("", T0) == (SILENCING,)
    assert (acting.next_silencing(""), acting.next_silencing("other")) == (T0, None)
    done = replace(SILENCING, state="done", due=None, until=T0 + 60, silence_id="s1")
    assert acting.keep_silencing(done) == (TELEGRAM,)
    assert is_due(store)
    assert acting.next_silencing("") is None
    assert acting.known_suppressed("")["a"].silence_id == "s1"
    end = replace(done, id="act2", kind="end")
    acting.keep_silencing(end)
    assert acting.known_suppressed("") == {}


def test_a_press_is_kept_as_long_as_deliveries_are(acting: ActingStore) -> None:
    acting.take_press(press("p1"), effects("held"), T0)
    acting.purge(T0 + 9e9, T0, 0.0)
    assert acting.pressed("p1")
    acting.purge(T0 + 9e9, T0 + 1, 0.0)
    assert not acting.pressed("p1")


def test_what_is_suppressed_is_kept_and_freed(acting: ActingStore) -> None:
    assert acting.shown_alerts("") == ("a",)
    assert acting.names("", ["a", "b"]) == {"a": "Disk a"}
    assert acting.keep_reconciled("", Reconciled({"a": BY_BEN}, ()), T0) == (TELEGRAM,)
    assert acting.known("", ["a"]).suppressed == {"a": BY_BEN}
    assert acting.keep_reconciled("", Reconciled({}, ("a",)), T0) == (TELEGRAM,)
    assert acting.known("", ["a"]).suppressed == {}


def test_what_left_a_list_is_asked_for_until_it_is_listed_again(acting: ActingStore) -> None:
    assert acting.asked_for("") == {}
    assert acting.asked_for("", ["a", "b"])["a"].presence == Presence("left", T0)
    acting.keep_listed("", [], ["a"], T0 + 10)
    (asked,) = acting.asked_for("").values()
    assert asked.presence == Presence("left", T0 + 10)
    assert asked.labels["instance"] == "a"
    absent = Reconciled({}, (), presences={"a": Presence("absent", T0 + 20)})
    assert acting.keep_reconciled("", absent, T0 + 20) == (TELEGRAM,)
    acting.keep_listed("", ["a"], [], T0 + 15)  # an older payload, of a slow chat
    assert acting.known("", ["a"]).presences == {"a": Presence("absent", T0 + 20)}
    acting.keep_listed("", ["a"], [], T0 + 30)
    assert acting.known("", ["a"]).presences == {}


def test_a_card_is_given_to_another_lane_with_its_alerts_and_its_escalation(
    store: Store, acting: ActingStore
) -> None:
    clock = EscalationClock("ops", "", "a", T0, T0)
    acting.keep_clock(TELEGRAM, clock, T0 + 60)
    assert store.stranded([TELEGRAM]) == ()
    ((lane, card),) = store.stranded([])
    assert lane == TELEGRAM
    moved = CardChange(replace(card, shown=None, folded_seq=0), T0, urgent=False)
    assert store.move(own(store, TELEGRAM), own(store, DISCORD), moved) == (TELEGRAM, DISCORD)
    assert store.card(TELEGRAM, GROUP, "") is None
    assert store.card(DISCORD, GROUP, "") is not None
    assert acting.cards_due("", ["a"]) == (DISCORD,)
    (due,) = acting.clocks_due(T0 + 60, 9)
    assert (due.lane, due.card is not None) == (DISCORD, True)


def test_a_question_is_answered_once_and_in_time(acting: ActingStore) -> None:
    data = ButtonData("menu", "card", 1)
    for late, found in ((False, True), (True, False)):
        question = Question(HERE, "5", 13, data, T0 + 60)
        acting.keep_question(question)
        taken = acting.take_question(HERE, T0 + 61 if late else T0 + 59)
        assert taken == (question if found else None)
        assert acting.take_question(HERE, T0) is None


def test_the_key_of_buttons_and_a_session_outlive_the_process(reopen: Reopen) -> None:
    first = reopen()
    key = first.batch([first.acting.button_key])
    first.batch([lambda: first.acting.keep_session("7", b"{}")])
    second = reopen()
    assert second.batch([second.acting.button_key]) == key
    assert second.acting.session("7") == b"{}"


def test_a_heartbeat_that_was_told_as_lost_keeps_the_first_moment_it_came_again(
    acting: ActingStore,
) -> None:
    acting.keep_beat(Beat("eu", (), T0, heard=False))
    acting.heard([("eu", ("one",))], T0 + 1)
    assert acting.beats() == (Beat("eu", ("one",), T0 + 1),)
    lost = Beat("eu", ("one",), T0 + 1, lost_at=T0 + 90)
    acting.keep_beat(lost)
    acting.heard([("eu", ("one",))], T0 + 100)
    acting.heard([("eu", ("one",))], T0 + 160)
    assert acting.beats() == (replace(lost, back_at=T0 + 100),)
    acting.forget_beat(lost)
    assert acting.beats() == ()


def test_a_clock_is_due_with_its_card_and_hears_what_happens(acting: ActingStore) -> None:
    clock = EscalationClock("ops", "", "a", T0, T0)
    acting.keep_clock(TELEGRAM, clock, T0 + 60)
    assert acting.clocks_due(T0 + 59, 9) == ()
    (found,) = acting.clocks_due(T0 + 60, 9)
    assert found.clock == clock
    assert (found.lane, found.card and found.card.group) == (TELEGRAM, GROUP)
    acting.take_press(press(), effects(takes=(TAKEN,)), T0 + 30)
    (found,) = acting.clocks_due(T0 + 30, 9)
    assert (found.clock.stopped, found.clock.taken_at) == ("taken", T0 + 30)
    acting.take_press(press("p2"), effects(released=("a",)), T0 + 40)
    assert acting.clocks("ops", "", ["a"])["a"].started_at == T0 + 40
    assert acting.escalated_at(TELEGRAM) == 0.0
    acting.keep_escalated(TELEGRAM, T0)
    assert acting.escalated_at(TELEGRAM) == T0


def test_at_a_start_the_cards_of_all_that_is_kept_are_due(
    store: Store, acting: ActingStore
) -> None:
    assert acting.look_again() == ()
    acting.keep_takes([TAKEN])
    assert acting.look_again() == (TELEGRAM,)
    assert is_due(store)
