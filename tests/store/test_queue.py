"""What every store engine must do for an operator: list, show, retry and drop, without harm to what
the chats show.
"""

import contextlib
import sqlite3

import msgspec
import pytest
from msgspec.structs import replace

from relay.core.alert import GroupId
from relay.core.card.card import Card
from relay.core.card.lane_state import Down, LaneState
from relay.core.event import EndReason, sentence
from relay.core.routing.route import Delivery
from relay.core.turn.change import CardChange
from relay.store.protocol import NewPayload, Store
from relay.store.queue import MOST_LISTED, Dropped, Page, Query, Queued, Refused, Retried, Whole
from relay.store.sql import queue
from relay.store.sqlite.open_file import STEPS
from relay.store.sqlite.store import SqliteStore
from tests.build import DISCORD, GROUP, T0, TELEGRAM, alert, notification
from tests.store.held import own, settle
from tests.store.test_store import accepted, fold_all, new_payload, result, shown

OTHER = GroupId("", "relay", "other")


def page(store: Store, query: Query | None = None) -> Page:
    found = store.queue(query or Query())
    assert isinstance(found, Page)
    return found


def listed(store: Store, query: Query | None = None) -> list[str]:
    return [each.id for each in page(store, query).deliveries]


def seen(store: Store, delivery_id: str) -> Queued:
    found = store.queued(delivery_id)
    assert isinstance(found, Whole)
    return found.delivery


def refused(store: Store) -> Card:
    """The delivery 1/1, folded and refused by its platform."""
    store.accept([new_payload(TELEGRAM)])
    card = replace(fold_all(store, TELEGRAM), refused="whatever it said", plain=False)
    settle(store, replace(result(card), dead="the markup is refused"))
    return card


def test_a_delivery_tells_where_it_goes_with_what_and_since_when(store: Store) -> None:
    posted = notification(alert("a"), alert("b"), alert("c", name="Cpu"), alert("d", name=""))
    store.accept([new_payload(DISCORD, TELEGRAM, posted=posted)])
    discord, telegram = page(store).deliveries
    assert (discord.id, discord.lane, telegram.id, telegram.lane) == (
        "1/1",
        DISCORD,
        "2/1",
        TELEGRAM,
    )
    assert (telegram.state, telegram.receiver, telegram.fallback, telegram.group) == (
        "pending",
        "ops",
        "",
        GROUP,
    )
    assert (telegram.alerts, telegram.count, telegram.accepted_at) == (
        ("Disk", "Cpu", "unnamed alert"),
        4,
        T0,
    )
    assert (telegram.why, telegram.attempts, telegram.retry_at) == ("its turn comes", 0, None)


def test_a_delivery_of_some_alerts_is_listed_and_shown_with_these_only(store: Store) -> None:
    posted = notification(alert("a"), alert("b", name="Cpu"))
    delivery = Delivery(TELEGRAM, "ops", "", (1,))
    store.accept([NewPayload(GROUP, msgspec.json.encode(posted), T0, (delivery,))])
    whole = store.queued("1/1")
    assert isinstance(whole, Whole)
    assert (whole.delivery.alerts, whole.delivery.count) == (("Cpu",), 1)
    assert whole.notification == replace(posted, alerts=posted.alerts[1:])


def test_names_from_a_payload_are_shortened(store: Store) -> None:
    group = GroupId("", "relay", "k" * 1000)
    store.accept(
        [new_payload(TELEGRAM, posted=notification(alert("a", name="n" * 1000), group=group))]
    )
    (only,) = page(store).deliveries
    assert [len(name) for name in only.alerts] == [80]
    assert len(only.group.group_key) == 300


def test_a_pending_delivery_tells_what_keeps_it_from_its_chat(store: Store) -> None:
    store.accept([new_payload(TELEGRAM)])
    card = fold_all(store, TELEGRAM)
    trouble = LaneState(trouble="unreachable", trouble_since=T0, attempts=4, retry_at=T0 + 40)
    settle(store, replace(result(card), state=trouble))
    only = seen(store, "1/1")
    assert (only.why, only.attempts, only.retry_at) == ("the chat could not be reached", 4, T0 + 40)
    settle(store, replace(result(card), state=LaneState(down=Down("bot was kicked", T0, T0 + 300))))
    only = seen(store, "1/1")
    assert (only.why, only.retry_at) == ("the chat is down: bot was kicked", T0 + 300)
    settle(
        store, replace(result(card), state=LaneState(down=Down("the webhook is deleted", T0, None)))
    )
    assert "the webhook is deleted (no more calls are made" in seen(store, "1/1").why
    settle(store, replace(result(card), state=LaneState(trouble="rate_limited")))
    assert seen(store, "1/1").why == "the chat takes no more for a while"


def test_pages_give_each_delivery_once_pending_before_dead_by_receiver_chat_and_age(
    store: Store,
) -> None:
    for receiver in ("web", "ops"):
        for at in (2, 0, 1):
            store.accept([new_payload(TELEGRAM, DISCORD, at=T0 + at, receiver=receiver)])
    store.dismiss(own(store, TELEGRAM), [1, 2], "dead", "receiver_removed")
    store.dismiss(own(store, DISCORD), [3], "delivered", "")
    ordered = ["1/5", "1/6", "1/4", "2/5", "2/6", "2/4", "1/3", "2/2", "2/1", "1/2", "1/1"]
    assert listed(store) == ordered
    for size in (1, 2, 5, 6, 8, 11):
        walked, after = [], ""
        while True:
            part = page(store, Query(after=after, limit=size))
            walked += [each.id for each in part.deliveries]
            assert (part.pending, part.dead) == (9, 2)
            after = part.next
            if not after:
                break
        assert walked == ordered
    assert listed(store, Query(receiver="web")) == ["1/3", "2/2", "2/1", "1/2", "1/1"]
    assert listed(store, Query(receiver="web", state="dead")) == ["1/2", "1/1"]
    assert listed(store, Query(state="pending")) == ordered[:9]
    assert page(store, Query(receiver="web")).pending == 3
    assert page(store, Query(receiver="nobody")) == Page((), 0, 0, "", others=("ops", "web"))


def test_a_page_has_its_largest_size_whatever_is_asked(store: Store) -> None:
    posted = notification(alert("a"))
    deliveries = tuple(Delivery(TELEGRAM, "ops", str(n), None) for n in range(MOST_LISTED + 1))
    store.accept([NewPayload(GROUP, msgspec.json.encode(posted), T0, deliveries)])
    assert len(listed(store, Query(limit=10**9))) == MOST_LISTED
    assert len(listed(store, Query(limit=-1))) == 1


@pytest.mark.parametrize("after", ["pending:9/9", "dead:1/x", "1/1", "sideways:1/1", "pending:"])
def test_a_place_that_never_was_is_refused(store: Store, after: str) -> None:
    store.accept([new_payload(TELEGRAM)])
    assert isinstance(store.queue(Query(after=after)), Refused)


@pytest.mark.parametrize(
    "wrong", ["", "1", "/", "1/", "9/9", "1/x", "-1/1", "1/1/1", "\u0661/1", "1/" + "9" * 30]
)
def test_an_unknown_id_is_refused_with_where_ids_are(store: Store, wrong: str) -> None:
    store.accept([new_payload(TELEGRAM)])
    answers = (store.queued(wrong), store.retry(wrong, T0), store.drop(wrong, T0))
    for answer in answers:
        assert answer == Refused(
            f"there is no delivery {wrong}: `alert-relay queue list` has their ids"
        )


def test_a_retry_is_a_new_delivery_that_counts_in_place_of_the_dead_one(store: Store) -> None:
    refused(store)
    assert store.retry("1/1", T0 + 60) == Retried("1/1", "1/2", TELEGRAM, "ops")
    (row,) = store.balance()
    assert (row.accepted, row.dead, row.pending, row.lost) == (1, 0, 1, 0)
    assert listed(store) == ["1/2"]
    assert seen(store, "1/2").accepted_at == T0 + 60
    assert seen(store, "1/1").why == "the markup is refused; retried as 1/2"
    again = store.retry("1/1", T0 + 61)
    assert isinstance(again, Refused)
    assert "was retried before, as 1/2" in again.why


def test_a_retry_makes_the_card_due_as_it_is_now_and_forgets_the_refusal(store: Store) -> None:
    refused(store)
    store.retry("1/1", T0 + 60)
    claim = store.claim(own(store, TELEGRAM), T0 + 60, 9)
    assert claim.page == ()
    (card,) = claim.cards
    assert (card.refused, card.waiting_since) == ("", T0)
    (ended,) = settle(store, replace(result(shown(card), now=T0 + 61), shown=True))
    assert (ended.settlement, ended.count) == ("delivered", 1)


def test_what_died_before_it_was_folded_is_folded_by_a_retry(store: Store) -> None:
    store.accept([new_payload(TELEGRAM)])
    store.dismiss(own(store, TELEGRAM), [1], "dead", "receiver_removed")
    store.retry("1/1", T0 + 60)
    (opened,) = store.claim(own(store, TELEGRAM), T0 + 60, 9).page
    assert (opened.seq, opened.accepted_at, opened.notification) == (
        2,
        T0 + 60,
        notification(alert("a")),
    )


def test_what_died_with_a_card_that_is_no_more_is_folded_by_a_retry(store: Store) -> None:
    refused(store)
    store.unfold(own(store, TELEGRAM), new_payload().group, "")
    store.accept([new_payload(TELEGRAM, posted=notification(alert("x"), group=OTHER))])
    fold_all(store, TELEGRAM)  # it has the number of the card that is no more
    store.retry("1/1", T0 + 60)
    (opened,) = store.claim(own(store, TELEGRAM), T0 + 60, 9).page
    assert (opened.seq, opened.notification) == (3, notification(alert("a")))


def test_a_group_that_a_retry_brings_back_is_watched_again(store: Store) -> None:
    store.accept([new_payload(TELEGRAM)])
    store.dismiss(own(store, TELEGRAM), [1], "dead", "receiver_removed")
    assert store.accept([new_payload(DISCORD)]).lanes == (DISCORD,)
    store.retry("1/1", T0 + 60)
    assert accepted(store, [new_payload(DISCORD)]) == (DISCORD, TELEGRAM)


def test_deliveries_that_died_unfolded_can_be_retried_one_after_the_other_in_order(
    store: Store,
) -> None:
    for at in range(3):
        store.accept([new_payload(TELEGRAM, at=T0 + at)])
    store.dismiss(own(store, TELEGRAM), [1, 2, 3], "dead", "receiver_removed")
    assert [type(store.retry(f"1/{seq}", T0 + 60)) for seq in (1, 2, 3)] == [Retried] * 3
    assert [opened.seq for opened in store.claim(own(store, TELEGRAM), T0, 9).page] == [4, 5, 6]


def test_nothing_old_is_laid_over_something_newer(store: Store) -> None:
    store.accept([new_payload(TELEGRAM, at=T0)])
    store.dismiss(own(store, TELEGRAM), [1], "dead", "receiver_removed")
    store.accept([new_payload(TELEGRAM, at=T0 + 5, posted=notification(alert("a", "resolved")))])
    answer = store.retry("1/1", T0 + 60)
    assert isinstance(answer, Refused)
    assert "1/1 is out of date: 1/2 is newer, for the same chat" in answer.why
    assert store.balance()[0].accepted == 2


def test_a_newer_delivery_of_another_group_or_chat_does_not_hinder_a_retry(store: Store) -> None:
    store.accept([new_payload(TELEGRAM, at=T0)])
    store.dismiss(own(store, TELEGRAM), [1], "dead", "receiver_removed")
    store.accept([new_payload(TELEGRAM, at=T0 + 5, posted=notification(alert("x"), group=OTHER))])
    assert isinstance(store.retry("1/1", T0 + 60), Retried)


def test_a_chat_that_shows_its_group_already_needs_no_retry(store: Store) -> None:
    card = refused(store)
    settle(store, result(shown(replace(card, refused=""))))
    answer = store.retry("1/1", T0 + 60)
    assert isinstance(answer, Refused)
    assert "the chat shows its group as it is now" in answer.why


def test_what_ended_well_is_neither_retried_nor_dropped(store: Store) -> None:
    store.accept([new_payload(TELEGRAM)])
    store.dismiss(own(store, TELEGRAM), [1], "delivered", "")
    for answer in (store.retry("1/1", T0), store.drop("1/1", T0)):
        assert isinstance(answer, Refused)
        assert "1/1 ended as delivered" in answer.why


def test_a_pending_delivery_is_made_due_by_a_retry_and_counted_once(store: Store) -> None:
    store.accept([new_payload(TELEGRAM)])
    card = fold_all(store, TELEGRAM)
    tired = LaneState(attempts=9, retry_at=T0 + 300)
    settle(
        store, replace(result(card), change=CardChange(card, T0 + 300, urgent=False), state=tired)
    )
    assert store.claim(own(store, TELEGRAM), T0 + 1, 9).cards == ()
    assert store.retry("1/1", T0 + 1) == Retried("1/1", "1/1", TELEGRAM, "ops")
    claim = store.claim(own(store, TELEGRAM), T0 + 1, 9)
    assert (len(claim.cards), claim.state.attempts, claim.state.retry_at) == (1, 0, 0.0)
    assert store.balance()[0].accepted == 1


@pytest.mark.parametrize("probe_at", [None, T0 + 300])
def test_a_retry_allows_one_call_to_a_chat_that_is_down(
    store: Store, probe_at: float | None
) -> None:
    store.accept([new_payload(TELEGRAM)])
    card = fold_all(store, TELEGRAM)
    settle(store, replace(result(card), state=LaneState(down=Down("kicked", T0, probe_at))))
    store.retry("1/1", T0 + 9)
    assert store.claim(own(store, TELEGRAM), T0 + 9, 9).state.down == Down("kicked", T0, T0 + 9)


def test_a_dropped_delivery_is_dead_and_its_card_is_left_as_it_is(store: Store) -> None:
    store.accept([new_payload(TELEGRAM)])
    fold_all(store, TELEGRAM)
    assert store.drop("1/1", T0 + 9) == Dropped("1/1", TELEGRAM, "ops")
    (row,) = store.balance()
    assert (row.accepted, row.dead, row.pending, row.lost) == (1, 1, 0, 0)
    assert (seen(store, "1/1").state, seen(store, "1/1").why) == (
        "dead",
        sentence(EndReason.DROPPED),
    )
    card = store.card(TELEGRAM, GROUP, "")
    assert card is not None
    assert (bool(card.refused), card.waiting_since) == (True, None)


def test_a_card_that_another_delivery_wants_shown_keeps_its_duty(store: Store) -> None:
    store.accept([new_payload(TELEGRAM, at=T0)])
    store.accept([new_payload(TELEGRAM, at=T0 + 1)])
    card = fold_all(store, TELEGRAM)
    store.drop("1/1", T0 + 9)
    assert store.card(TELEGRAM, GROUP, "") == card
    store.drop("1/2", T0 + 9)
    assert store.card(TELEGRAM, GROUP, "") != card


def test_a_drop_can_be_taken_back_by_a_retry(store: Store) -> None:
    store.accept([new_payload(TELEGRAM)])
    fold_all(store, TELEGRAM)
    store.drop("1/1", T0 + 9)
    assert store.retry("1/1", T0 + 10) == Retried("1/1", "1/2", TELEGRAM, "ops")
    (card,) = store.claim(own(store, TELEGRAM), T0 + 10, 9).cards
    assert card.refused == ""


def test_a_group_whose_only_delivery_was_dropped_unfolded_is_watched_no_more(store: Store) -> None:
    store.accept([new_payload(TELEGRAM)])
    store.drop("1/1", T0 + 9)
    assert store.accept([new_payload(DISCORD, at=T0 + 10)]).lanes == (DISCORD,)


def test_a_copy_to_a_fallback_is_listed_under_its_own_receiver(store: Store) -> None:
    store.accept([new_payload(TELEGRAM)])
    store.copy_to_fallback(own(store, TELEGRAM), "ops", "spare", [DISCORD])
    copy = seen(store, "2/1")
    assert (copy.receiver, copy.fallback, copy.lane) == ("ops", "spare", DISCORD)


@pytest.mark.parametrize("sql", queue.LISTS.values(), ids=list(queue.LISTS))
def test_a_page_is_read_from_an_index_in_its_order_however_many_rows_there_are(sql: str) -> None:
    with contextlib.closing(sqlite3.connect(":memory:")) as db:
        db.executescript("".join(STEPS))
        plan = [
            row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {sql}", ("ops", 1, T0, 1, "ops", 9))
        ]
    (only,) = plan
    assert only.startswith("SEARCH delivery USING INDEX delivery_")


def test_the_lanes_that_are_down_are_known_whatever_the_others_are(store: Store) -> None:
    store.accept([new_payload(DISCORD, TELEGRAM)])
    refused = Down("kicked", T0, None, "mark")
    settle(store, replace(result(fold_all(store, TELEGRAM)), state=LaneState(down=refused)))
    assert store.down() == ((TELEGRAM, refused),)


def test_a_lane_whose_state_cannot_be_read_is_not_known_to_be_down() -> None:
    store = SqliteStore(":memory:")
    store.accept([new_payload(TELEGRAM)])
    store._db.execute("UPDATE lane SET state = 'no state'")
    assert store.down() == ()
