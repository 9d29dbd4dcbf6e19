"""What every store engine must do, as laws over whole transactions."""

import sqlite3
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from relay.core.alert import GroupId, Notification
from relay.core.budget import Block, Limit
from relay.core.card.card import Card, Shown, mark
from relay.core.card.digest import DIGEST
from relay.core.card.lane_state import Down, LaneState
from relay.core.card.step import MessageRef, Post, Rank
from relay.core.routing.lane import LaneKey
from relay.core.routing.route import Delivery
from relay.core.turn.change import AttemptResult, CardChange
from relay.store.protocol import (
    Attempt,
    Begun,
    Denied,
    Ended,
    Kept,
    NewerSchema,
    NewPayload,
    Store,
    StoreError,
)
from relay.store.queue import Retried
from relay.store.sql.claim import MIXED_BYTES, PAGE_BYTES
from relay.store.sqlite.store import SqliteStore
from tests.build import DISCORD, GROUP, T0, TELEGRAM, alert, entry, notification
from tests.steps import steps
from tests.store.conftest import Reopen
from tests.store.held import begin, own, settle

OTHER = GroupId("", "relay", "{}:{}")
POST = Post(silent=False)
SIZE = 1 << 30
# How much PostgreSQL may hold is its own administrator's to say.
LIMITED = pytest.mark.parametrize("reopen", ["sqlite"], indirect=True)


def new_payload(
    *lanes: LaneKey,
    at: float = T0,
    posted: Notification | None = None,
    receiver: str = "ops",
    last: bool = True,
) -> NewPayload:
    posted = posted or notification(alert("a"))
    deliveries = tuple(Delivery(lane, receiver, "", None) for lane in lanes)
    return NewPayload(posted.group, msgspec.json.encode(posted), at, deliveries, last)


def accepted(store: Store, payloads: Sequence[NewPayload]) -> tuple[LaneKey, ...]:
    """The lanes that have work by these payloads, once all that they concern heard of them."""
    return tuple(dict.fromkeys((*store.accept(payloads).lanes, *store.spread())))


def fold_all(store: Store, lane: LaneKey, *, due: float | None = T0, urgent: bool = False) -> Card:
    """Folds the open deliveries of the lane into the card of their group, as it is."""
    claim = store.claim(own(store, lane), T0, 100)
    card = (
        claim.cards[0]
        if claim.cards
        else Card(claim.page[0].notification.group, "", "ops", entries=(entry(),))
    )
    card = replace(card, folded_seq=claim.page[-1].seq, waiting_since=claim.page[0].accepted_at)
    store.fold(
        own(store, lane),
        [CardChange(card, due, urgent, tuple(opened.seq for opened in claim.page))],
    )
    return card


def shown(card: Card) -> Card:
    return replace(
        card,
        shown=Shown(MessageRef("-1001", "", "7"), mark(card), T0, T0),
        shown_seq=card.folded_seq,
    )


def result(card: Card, lane: LaneKey = TELEGRAM, now: float = T0 + 1) -> AttemptResult:
    return AttemptResult(lane, LaneState(), CardChange(card, None, urgent=False), now)


def test_deliveries_of_a_lane_come_in_the_order_of_acceptance_a_page_at_a_time(
    store: Store,
) -> None:
    for at in range(5):
        store.accept([new_payload(TELEGRAM, DISCORD, at=T0 + at)])
    page = store.claim(own(store, TELEGRAM), T0, 3).page
    assert [(opened.seq, opened.accepted_at) for opened in page] == [
        (1, T0),
        (2, T0 + 1),
        (3, T0 + 2),
    ]
    assert page[0].notification == notification(alert("a"))
    assert [opened.seq for opened in store.claim(own(store, DISCORD), T0, 9).page] == [
        1,
        2,
        3,
        4,
        5,
    ]


def test_a_page_of_large_payloads_is_cut_by_what_they_weigh_and_never_empty(store: Store) -> None:
    wide = replace(alert("a"), annotations={"description": "x" * (PAGE_BYTES - 2000)})
    for posted in (
        notification(alert("a")),
        notification(wide),
        notification(wide),
        notification(alert("b")),
    ):
        store.accept([new_payload(TELEGRAM, posted=posted)])
    assert [opened.seq for opened in store.claim(own(store, TELEGRAM), T0, 9).page] == [1, 2, 3]
    store.dismiss(own(store, TELEGRAM), [1, 2], "merged", "")
    heavier = replace(wide, annotations={"description": "x" * 2 * PAGE_BYTES})
    store.accept([new_payload(DISCORD, posted=notification(heavier))])
    assert [opened.seq for opened in store.claim(own(store, DISCORD), T0, 9).page] == [1]
    assert [opened.seq for opened in store.claim(own(store, TELEGRAM), T0, 9).page] == [3, 4]


def test_parts_of_one_card_are_read_together_beyond_a_page_and_those_of_many_are_not(
    store: Store,
) -> None:
    text = {"description": "x" * (MIXED_BYTES // 4)}
    heavy = [replace(alert(f"i{number}"), annotations=text) for number in range(30)]
    groups = [replace(GROUP, group_key=f"{{}}:{{n={number}}}") for number in range(30)]
    one = [new_payload(TELEGRAM, posted=notification(each)) for each in heavy]
    many = [
        new_payload(DISCORD, posted=notification(each, group=group))
        for each, group in zip(heavy, groups, strict=True)
    ]
    for payloads in (one, many):
        accepted(store, payloads)
    assert len(store.claim(own(store, TELEGRAM), T0, 9).page) == 30
    assert len(store.claim(own(store, DISCORD), T0, 9).page) == 4


@pytest.mark.parametrize(("few", "many"), [((1, 60), (1, 120)), ((10, 1), (20, 1))])
def test_spreading_twice_as_many_alerts_is_at_most_twice_the_work(
    store: Store, few: tuple[int, int], many: tuple[int, int]
) -> None:
    """So many payloads of so many alerts."""

    def work(run: str, payloads: int, alerts: int) -> int:
        for number in range(payloads):
            posted = [alert(f"{run}-{number}-{each}") for each in range(alerts)]
            group = replace(GROUP, group_key=f"{{}}:{{group={number}-{run}}}")
            store.accept([new_payload(TELEGRAM, posted=notification(*posted, group=group))])
        return steps(store.spread)

    work("first", *few)
    assert work("many", *many) < 2.1 * work("few", *few)


def test_nothing_is_read_before_all_that_was_accepted_is_spread(store: Store) -> None:
    store.accept([new_payload(TELEGRAM) for _ in range(40)])
    claim = store.claim(own(store, TELEGRAM), T0, 9)
    assert (claim.page, claim.cards, claim.more) == ((), (), True)
    assert len(store.claim(own(store, TELEGRAM), T0, 9).page) == 9


def test_accept_tells_which_lanes_have_work(store: Store) -> None:
    assert accepted(store, [new_payload(TELEGRAM, DISCORD)]) == (TELEGRAM, DISCORD)
    assert store.accept([new_payload(posted=notification(alert("x"), group=OTHER))]).lanes == ()


def test_what_was_accepted_is_there_after_a_new_start(reopen: Reopen) -> None:
    store = reopen()
    store.batch([partial(store.accept, [new_payload(TELEGRAM)])])
    again = reopen()
    assert len(again.claim(own(again, TELEGRAM), T0, 9).page) == 1
    assert again.wakes() == ((TELEGRAM, 0.0),)


def test_a_card_that_a_payload_of_its_group_does_not_reach_gets_an_empty_delivery(
    store: Store,
) -> None:
    store.accept([new_payload(TELEGRAM)])
    assert accepted(store, [new_payload(DISCORD)]) == (DISCORD, TELEGRAM)
    assert [opened.alerts for opened in store.claim(own(store, TELEGRAM), T0, 9).page] == [None, ()]


def test_a_part_that_is_not_the_last_says_nothing_of_other_cards(store: Store) -> None:
    store.accept([new_payload(TELEGRAM)])
    assert store.accept([new_payload(DISCORD, last=False)]).lanes == (DISCORD,)


def test_another_group_and_a_closed_card_get_no_empty_delivery(store: Store) -> None:
    store.accept([new_payload(TELEGRAM)])
    card = fold_all(store, TELEGRAM)
    assert store.accept(
        [new_payload(DISCORD, posted=notification(alert("x"), group=OTHER))]
    ).lanes == (DISCORD,)
    settle(store, result(replace(shown(card), closed_at=T0)))
    assert store.accept([new_payload(DISCORD)]).lanes == (DISCORD,)


def test_a_folded_delivery_is_not_given_out_again_and_stays_pending(store: Store) -> None:
    store.accept([new_payload(TELEGRAM)])
    fold_all(store, TELEGRAM)
    claim = store.claim(own(store, TELEGRAM), T0, 9)
    assert claim.page == ()
    assert [card.folded_seq for card in claim.cards] == [1]
    assert [row.pending for row in store.balance()] == [1]


def test_the_card_of_the_lowest_rank_comes_first_then_the_one_that_waits_longest(
    store: Store,
) -> None:
    groups = [GroupId("", "relay", key) for key in ("late", "early", "urgent", "not due")]
    waits = [T0 - 1, T0 - 5, T0, T0 - 9]
    for group, since in zip(groups, waits, strict=True):
        card = Card(group, "", "ops", waiting_since=since)
        due = T0 + 99 if group.group_key == "not due" else T0
        rank = Rank.URGENT if group.group_key == "urgent" else Rank.FIRST
        store.fold(own(store, TELEGRAM), [CardChange(card, due, urgent=False, rank=rank)])
    order = []
    while cards := store.claim(own(store, TELEGRAM), T0 + 1, 9).cards:
        order.append(cards[0].group.group_key)
        store.fold(own(store, TELEGRAM), [CardChange(cards[0], None, urgent=False)])
    assert order == ["urgent", "early", "late"]
    assert store.claim(own(store, TELEGRAM), T0 + 1, 9).next_due == T0 + 99


def test_what_is_shown_ends_its_deliveries_the_newest_delivered_the_earlier_merged(
    store: Store,
) -> None:
    for at in range(3):
        store.accept([new_payload(TELEGRAM, at=T0 + at)])
    card = fold_all(store, TELEGRAM)
    store.accept([new_payload(TELEGRAM, at=T0 + 3)])
    ended = settle(store, replace(result(shown(card), now=T0 + 10), shown=True))
    assert ended == (Ended("ops", "merged", 2), Ended("ops", "delivered", 1, (8.0,), "", "1/3", 3))
    (row,) = store.balance()
    assert (row.accepted, row.delivered, row.merged, row.pending, row.oldest_pending) == (
        4,
        1,
        2,
        1,
        T0 + 3,
    )


def test_what_is_dead_ends_with_its_reason(store: Store) -> None:
    store.accept([new_payload(TELEGRAM)])
    card = fold_all(store, TELEGRAM)
    assert settle(store, replace(result(card), dead="refused")) == (
        Ended("ops", "dead", 1, why="refused"),
    )
    assert store.balance()[0].lost == 0


def test_duplicates_and_dismissed_deliveries_are_counted_once(store: Store) -> None:
    for _ in range(3):
        store.accept([new_payload(TELEGRAM)])
    change = CardChange(Card(GROUP, "", "ops"), None, urgent=False, folded=(1, 2), duplicates=(2,))
    assert store.fold(own(store, TELEGRAM), [change]) == (Ended("ops", "duplicate", 1),)
    assert store.dismiss(own(store, TELEGRAM), [3], "dead", "receiver_removed") == (
        Ended("ops", "dead", 1, why="receiver_removed"),
    )
    assert store.dismiss(own(store, TELEGRAM), [3], "dead", "receiver_removed") == ()
    (row,) = store.balance()
    assert (row.accepted, row.duplicate, row.dead, row.pending, row.lost) == (3, 1, 1, 1, 0)


def test_a_budget_that_lanes_share_is_taken_by_the_first_and_told_to_the_second(
    store: Store,
) -> None:
    limits = (Limit("chat", 1, 1.1), Limit("group", 18, 60.0))
    first = Attempt(TELEGRAM, GROUP, "", POST)
    assert begin(store, first, limits, T0) == Begun()
    assert begin(store, replace(first, lane=DISCORD), limits, T0 + 0.5) == Denied(T0 + 1.1)
    assert begin(store, replace(first, lane=DISCORD), limits, T0 + 1.1) == Begun()


def test_a_denied_call_takes_nothing(store: Store) -> None:
    attempt = Attempt(TELEGRAM, GROUP, "", POST)
    begin(store, attempt, (Limit("a", 1, 10.0),), T0)
    assert begin(store, attempt, (Limit("a", 1, 10.0), Limit("b", 1, 100.0)), T0) == Denied(T0 + 10)
    assert begin(store, attempt, (Limit("b", 1, 100.0),), T0) == Begun()


def test_a_block_forbids_every_call_and_survives_a_new_start(reopen: Reopen) -> None:
    store = reopen()
    card = Card(GROUP, "", "ops")
    store.batch([partial(settle, store, replace(result(card), blocks=(Block(("chat",), T0, 30),)))])
    assert begin(
        reopen(), Attempt(TELEGRAM, GROUP, "", POST), (Limit("chat", 9, 1.0),), T0
    ) == Denied(T0 + 30)


def test_an_attempt_is_in_doubt_until_it_is_settled(reopen: Reopen) -> None:
    store = reopen()
    attempt = Attempt(TELEGRAM, GROUP, "", POST)
    store.batch([partial(begin, store, attempt, (), T0)])
    assert reopen().in_doubt(TELEGRAM) == attempt
    store = reopen()
    settle(store, result(Card(GROUP, "", "ops")))
    assert store.in_doubt(TELEGRAM) is None


def test_what_a_lane_learnt_is_kept(reopen: Reopen) -> None:
    store = reopen()
    state = LaneState(chat="-1002", down=Down("kicked", T0, None))
    store.batch([partial(settle, store, replace(result(Card(GROUP, "", "ops")), state=state))])
    assert reopen().state(TELEGRAM) == state


def test_a_job_that_fails_leaves_nothing_and_harms_no_other(store: Store) -> None:
    def faulty() -> None:
        store.accept([new_payload(DISCORD)])
        raise ValueError("a bug")

    first, second, third = store.batch(
        [
            partial(store.accept, [new_payload(TELEGRAM)]),
            faulty,
            partial(store.accept, [new_payload(TELEGRAM)]),
        ]
    )
    assert (first, third) == (Kept((TELEGRAM,), 1), Kept((TELEGRAM,), 2))
    assert isinstance(second, ValueError)
    assert store.claim(own(store, DISCORD), T0, 9).page == ()


def test_what_ended_long_ago_is_forgotten_with_its_payload_and_nothing_else(store: Store) -> None:
    store.accept([new_payload(TELEGRAM, DISCORD)])
    store.dismiss(own(store, TELEGRAM), [1], "dead", "test")
    assert store.purge(T0, SIZE, 10) == 0
    assert store.purge(T0 + 1, SIZE, 10) == 1
    assert len(store.claim(own(store, DISCORD), T0, 9).page) == 1


@LIMITED
def test_more_than_fits_is_forgotten_the_oldest_that_ended_first(store: Store) -> None:
    for at in range(3):
        store.accept([new_payload(TELEGRAM, at=T0 + at)])
    store.dismiss(own(store, TELEGRAM), [1, 2], "dead", "test")
    assert store.purge(T0, 1, 1) == 1
    assert store.purge(T0, SIZE, 1) == 0
    assert store.purge(T0, 1, 10) == 1
    assert store.purge(T0, 1, 10) == 0
    assert [row.pending for row in store.balance()] == [1]


def test_a_closed_card_is_forgotten_with_its_last_delivery_and_an_open_one_stays(
    store: Store,
) -> None:
    for closed_at in (None, T0):
        store.accept([new_payload(TELEGRAM)])
        card = replace(shown(fold_all(store, TELEGRAM)), heard_at=T0, closed_at=closed_at)
        settle(store, replace(result(card), shown=True))
        assert store.purge(T0 + 1, SIZE, 10) == (1 if closed_at is None else 2)
        assert (store.card(TELEGRAM, GROUP, "") is None) == (closed_at is not None)


@pytest.mark.parametrize(("due", "heard_at"), [(T0 + 99, T0), (None, T0 + 2)])
def test_a_card_that_has_something_to_come_or_was_heard_of_since_outlives_its_deliveries(
    due: float | None, heard_at: float, store: Store
) -> None:
    store.accept([new_payload(TELEGRAM)])
    card = replace(shown(fold_all(store, TELEGRAM)), heard_at=heard_at, closed_at=T0)
    settle(
        store,
        AttemptResult(
            TELEGRAM, LaneState(), CardChange(card, due, urgent=False), T0 + 1, shown=True
        ),
    )
    assert store.purge(T0 + 1, SIZE, 10) == 1
    assert store.card(TELEGRAM, GROUP, "") == card


@LIMITED
def test_where_room_is_short_a_closed_card_goes_with_its_last_delivery(store: Store) -> None:
    store.accept([new_payload(TELEGRAM)])
    card = replace(shown(fold_all(store, TELEGRAM)), heard_at=T0, closed_at=T0)
    settle(store, replace(result(card), shown=True))
    assert store.purge(T0 - 99, 1, 10) == 2
    assert store.card(TELEGRAM, GROUP, "") is None


def over(key: str, at: float = T0) -> Card:
    """A card without a delivery that closed at `at`, when it was last heard of."""
    return Card(GroupId("", "relay", key), "", "ops", entries=(entry(),), heard_at=at, closed_at=at)


def keep(store: Store, *cards: Card, due: float | None = None) -> None:
    store.fold(own(store, TELEGRAM), [CardChange(card, due, urgent=False) for card in cards])


def test_a_card_that_closes_after_its_deliveries_were_forgotten_is_forgotten_too(
    store: Store,
) -> None:
    store.accept([new_payload(TELEGRAM)])
    card = replace(fold_all(store, TELEGRAM), heard_at=T0)
    store.dismiss(own(store, TELEGRAM), [1], "dead", "test")
    assert store.purge(T0 + 1, SIZE, 10) == 1
    assert store.card(TELEGRAM, GROUP, "") is not None
    keep(store, replace(card, closed_at=T0 + 99))
    assert store.purge(T0 + 99, SIZE, 10) == 0
    assert store.purge(T0 + 100, SIZE, 10) == 1
    assert store.card(TELEGRAM, GROUP, "") is None


def test_cards_without_deliveries_are_forgotten_a_few_at_a_time_whatever_stands_between_them(
    store: Store,
) -> None:
    posted = {key: over(key) for key in "abcdefghij"}
    open_ones = {
        key: replace(card, closed_at=None) for key, card in posted.items() if key in "abef"
    }
    keep(store, *(posted | open_ones).values())
    rounds = [store.purge(T0 + 1, SIZE, 3) for _ in range(8)]
    assert (max(rounds), sum(rounds)) == (3, 6)
    assert [key for key, card in posted.items() if store.card(TELEGRAM, card.group, "")] == list(
        "abef"
    )
    keep(store, *posted.values())
    assert sum(store.purge(T0 + 1, SIZE, 3) for _ in range(4)) == 10


def test_a_card_without_deliveries_stays_while_something_needs_it(store: Store) -> None:
    keep(store, over("due"), due=T0 + 99)
    keep(store, over("heard of since", T0 + 1), replace(over("shown since"), closed_at=T0 + 1))
    keep(store, over("news"), replace(over(""), group=DIGEST, heard_at=0.0))
    store.accept([new_payload(TELEGRAM, posted=notification(alert("x"), group=over("news").group))])
    assert store.purge(T0 + 1, SIZE, 10) == 0
    assert store.card(TELEGRAM, over("news").group, "") == over("news")


@LIMITED
def test_a_closed_card_stays_as_long_as_any_of_its_deliveries_so_that_a_retry_finds_it(
    store: Store,
) -> None:
    store.accept([new_payload(TELEGRAM, at=T0)])
    store.accept([new_payload(TELEGRAM, at=T0 + 1)])
    card = replace(
        fold_all(store, TELEGRAM), heard_at=T0 + 1, closed_at=T0 + 1, refused="whatever it said"
    )
    settle(store, replace(result(card), dead="refused"))
    assert store.purge(T0, 1, 1) == 1
    assert store.retry("1/2", T0 + 2) == Retried("1/2", "1/3", TELEGRAM, "ops")
    (due,) = store.claim(own(store, TELEGRAM), T0 + 2, 9).cards
    settle(store, replace(result(shown(due)), shown=True))
    assert [store.purge(T0, 1, 1) for _ in range(3)] == [1, 2, 0]
    assert store.card(TELEGRAM, GROUP, "") is None


def test_the_firing_cards_of_groups_whose_keys_begin_alike_are_found(store: Store) -> None:
    store.accept([new_payload(TELEGRAM)])
    card = fold_all(store, TELEGRAM)
    assert store.firing(replace(GROUP, group_key=GROUP.group_key[:5])) == (card,)
    assert (
        store.firing(replace(GROUP, group_key="other"))
        == store.firing(replace(GROUP, receiver="other"))
        == ()
    )
    over = replace(card, entries=tuple(replace(entry, status="resolved") for entry in card.entries))
    store.fold(own(store, TELEGRAM), [CardChange(over, None, urgent=False)])
    assert store.firing(GROUP) == ()


def test_a_storage_of_a_newer_version_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "relay.db"
    SqliteStore(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version=99")
    db.close()
    before = path.read_bytes()
    with pytest.raises(NewerSchema, match="schema 99"):
        SqliteStore(path)
    assert path.read_bytes() == before


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot open"):
        SqliteStore(tmp_path / "nowhere" / "relay.db")


def test_what_a_dead_lane_owes_is_copied_once_to_its_fallback_and_counts_under_its_own_receiver(
    store: Store,
) -> None:
    store.accept([new_payload(TELEGRAM)])
    fold_all(store, TELEGRAM)
    assert store.copy_to_fallback(own(store, TELEGRAM), "ops", "spare", [DISCORD]) == (DISCORD,)
    assert store.copy_to_fallback(own(store, TELEGRAM), "ops", "spare", [DISCORD]) == ()
    (copy,) = store.claim(own(store, DISCORD), T0, 9).page
    assert (copy.receiver, copy.accepted_at, copy.notification) == (
        "spare",
        T0,
        notification(alert("a")),
    )
    assert [(row.platform, row.receiver, row.accepted) for row in store.balance()] == [
        ("discord", "ops", 1),
        ("telegram", "ops", 1),
    ]


def test_a_fallback_card_gets_what_its_lane_gets_until_it_closes(store: Store) -> None:
    store.accept([new_payload(TELEGRAM)])
    store.copy_to_fallback(own(store, TELEGRAM), "ops", "spare", [DISCORD])
    fold_all(store, DISCORD)
    over = notification(alert("a", "resolved"))
    assert accepted(store, [new_payload(TELEGRAM, posted=over)]) == (TELEGRAM, DISCORD)
    (copy,) = store.claim(own(store, DISCORD), T0, 9).page
    assert (copy.alerts, copy.notification.status) == (None, "resolved")
    card = fold_all(store, DISCORD)
    settle(store, result(replace(shown(card), closed_at=T0), DISCORD))
    assert store.accept([new_payload(TELEGRAM)]).lanes == (TELEGRAM,)


def test_a_fallback_card_gets_every_part_of_a_payload(store: Store) -> None:
    store.accept([new_payload(TELEGRAM)])
    store.copy_to_fallback(own(store, TELEGRAM), "ops", "spare", [DISCORD])
    fold_all(store, DISCORD)
    assert accepted(store, [replace(new_payload(TELEGRAM), last=False)]) == (TELEGRAM, DISCORD)
    assert accepted(store, [new_payload(TELEGRAM)]) == (TELEGRAM, DISCORD)
    assert [opened.alerts for opened in store.claim(own(store, DISCORD), T0, 9).page] == [
        None,
        None,
    ]


def test_what_expired_ends_its_obligation_and_leaves_its_card(store: Store) -> None:
    store.accept([new_payload(TELEGRAM, at=T0)])
    store.accept([new_payload(TELEGRAM, at=T0 + 10)])
    card = fold_all(store, TELEGRAM)
    assert store.expire(TELEGRAM, "ops", T0 + 5) == ()
    card = replace(card, tried_at=T0 + 20)
    settle(store, result(card))
    ended = store.expire(TELEGRAM, "ops", T0 + 5)
    assert ended == (Ended("ops", "expired", 1, why="expire_after", card=card),)
    assert store.card(TELEGRAM, GROUP, "") == card
    assert [(row.expired, row.pending) for row in store.balance()] == [(1, 1)]


def test_a_card_that_the_chat_shows_whole_merges_what_is_pending(store: Store) -> None:
    store.accept([new_payload(TELEGRAM)])
    card = fold_all(store, TELEGRAM)
    assert store.fold(
        own(store, TELEGRAM), [CardChange(card, None, urgent=False, settled=True)]
    ) == (Ended("ops", "merged", 1),)


def test_what_a_failed_transaction_accepted_is_not_spread_in_place_of_another(
    store: Store,
) -> None:
    def accept_and_fail() -> None:
        posted = notification(alert("a"))
        store.accept([replace(new_payload(TELEGRAM), notification=posted)])
        raise StoreError("the disk is full")

    store.batch([accept_and_fail])
    store.batch([partial(store.accept, [new_payload(TELEGRAM, posted=notification(alert("b")))])])
    store.batch([partial(store.claim, own(store, TELEGRAM), T0, 9)])
    ended = notification(alert("b", "resolved"), group=GroupId("", "relay", "other"))
    (kept,) = store.batch([partial(accepted, store, [new_payload(DISCORD, posted=ended)])])
    assert kept == (DISCORD, TELEGRAM)


def test_what_is_the_same_thing_goes_where_the_other_alert_has_its_line(store: Store) -> None:
    """Where that fires, or ended a moment ago and the chat ignores what tells them apart."""
    other = GroupId("", "relay", '{}:{severity="critical"}')
    warning = notification(alert("a"))
    critical = notification(replace(alert("a", severity="critical"), fingerprint="c"), group=other)
    apart = notification(replace(alert("b", severity="critical"), fingerprint="b"), group=other)
    accepted(store, [new_payload(TELEGRAM, DISCORD, posted=warning)])
    accepted(store, [new_payload(TELEGRAM, posted=critical)])
    accepted(store, [new_payload(TELEGRAM, posted=apart)])
    page = store.claim(own(store, TELEGRAM), T0, 9).page
    places = [(opened.group, opened.notification.group) for opened in page if opened.alerts != ()]
    assert places == [(GROUP, GROUP), (GROUP, other), (other, other)]


def test_what_goes_on_elsewhere_is_found_with_its_message(store: Store) -> None:
    other = GroupId("", "relay", "other")
    accepted(store, [new_payload(TELEGRAM)])
    card = fold_all(store, TELEGRAM)
    somewhere = Card(other, "", "ops")
    assert store.elsewhere(TELEGRAM, somewhere, ("a", "x")) == (("a", None),)
    assert store.elsewhere(TELEGRAM, card, ("a",)) == ()
