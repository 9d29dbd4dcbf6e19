"""What a fallback gets while a chat is down: each of its deliveries, and each once."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from relay.core.alert import GroupId
from relay.core.card.card import Card
from relay.core.routing.lane import LaneKey
from relay.core.routing.route import Delivery
from relay.core.turn.change import CardChange
from relay.store.protocol import Store
from relay.store.sqlite.store import SqliteStore
from tests.build import DISCORD, T0, TELEGRAM, alert, entry, notification
from tests.store.held import own, settle
from tests.store.test_store import accepted, fold_all, new_payload, result, shown

SECOND = replace(DISCORD, account="333")
SPARES = (DISCORD, SECOND)
GROUPS = (GroupId("", "relay", "one"), GroupId("", "relay", "two"))


class Arrive(Struct, frozen=True):
    """A payload of a group, or a part of one, goes to the chat that is down, to spare chats by
    their own routes, or to both."""

    group: int
    down: bool
    spares: tuple[LaneKey, ...]
    last: bool


class StandIn(Struct, frozen=True):
    """The chat that is down has a turn."""


class Fold(Struct, frozen=True):
    """A chat has a turn that lays what is open over its cards; all of it is shown, and it was the
    end, or not yet.
    """

    lane: LaneKey
    closes: bool


Happening = Arrive | StandIn | Fold
spares = st.lists(st.sampled_from(SPARES), unique=True, max_size=2).map(tuple)
happenings = st.lists(
    st.one_of(
        st.builds(Arrive, st.integers(0, 1), st.booleans(), spares, st.booleans()),
        st.builds(StandIn),
        st.builds(Fold, st.sampled_from(SPARES), st.booleans()),
        st.builds(Fold, st.just(TELEGRAM), st.just(False)),
    ),
    max_size=20,
)


class Night:
    """A chat that is down all night, with two spare chats. Each payload is known by the second it
    came in.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.now = T0
        self.owed: list[float] = []  # to the chat that is down
        self.copies: dict[LaneKey, list[float]] = {lane: [] for lane in SPARES}

    def happen(self, what: Happening) -> None:
        match what:
            case Arrive():
                self.arrive(what)
            case StandIn():
                self.store.copy_to_fallback(own(self.store, TELEGRAM), "ops", "spare", SPARES)
            case Fold(lane, closes):
                self.fold(lane, closes=closes)

    def arrive(self, what: Arrive) -> None:
        self.now += 1
        posted = notification(alert("a"), group=GROUPS[what.group])
        ways = [(TELEGRAM, "ops")] * what.down + [(lane, "own") for lane in what.spares]
        routed = tuple(Delivery(lane, receiver, "", None) for lane, receiver in ways)
        self.store.accept(
            [replace(new_payload(posted=posted, at=self.now, last=what.last), deliveries=routed)]
        )

    def fold(self, lane: LaneKey, *, closes: bool) -> None:
        for group in GROUPS:
            self.fold_group(lane, group, closes=closes)

    def fold_group(self, lane: LaneKey, group: GroupId, *, closes: bool) -> None:
        page = [
            opened
            for opened in self.store.claim(own(self.store, lane), T0, 100).page
            if opened.notification.group == group
        ]
        if not page:
            return
        posted = self.owed if lane == TELEGRAM else self.copies[lane]
        posted += [opened.accepted_at for opened in page if opened.receiver in ("ops", "spare")]
        card = Card(group, "", "ops", entries=(entry(),), folded_seq=page[-1].seq)
        if lane != TELEGRAM:
            card = replace(shown(card), closed_at=T0 if closes else None)
        seqs = tuple(opened.seq for opened in page)
        self.store.fold(
            own(self.store, lane),
            [CardChange(card, None, urgent=False, folded=seqs, settled=lane != TELEGRAM)],
        )


def live(script: Sequence[Happening]) -> Night:
    """The night, and a last turn of each chat."""
    night = Night(SqliteStore(":memory:"))
    for what in (*script, StandIn(), *(Fold(lane, closes=False) for lane in (TELEGRAM, *SPARES))):
        night.happen(what)
    night.store.close()
    return night


@pytest.mark.medium
@settings(max_examples=200, deadline=None, derandomize=True)
@given(happenings)
def test_each_delivery_of_a_chat_that_is_down_comes_to_each_spare_chat_once(
    script: list[Happening],
) -> None:
    night = live(script)
    assert {lane: sorted(copies) for lane, copies in night.copies.items()} == dict.fromkeys(
        SPARES, sorted(night.owed)
    )


def test_what_came_to_a_fallback_as_it_arrived_is_not_copied_by_the_next_turn(store: Store) -> None:
    store.accept([new_payload(TELEGRAM)])
    store.copy_to_fallback(own(store, TELEGRAM), "ops", "spare", [DISCORD])
    assert accepted(store, [new_payload(TELEGRAM, at=T0 + 1)]) == (TELEGRAM, DISCORD)
    assert store.copy_to_fallback(own(store, TELEGRAM), "ops", "spare", [DISCORD]) == ()
    assert [(row.platform, row.accepted) for row in store.balance()] == [
        ("discord", 2),
        ("telegram", 2),
    ]


def test_a_spare_chat_whose_card_closed_gets_what_another_got_as_it_arrived(store: Store) -> None:
    store.accept([new_payload(TELEGRAM)])
    store.copy_to_fallback(own(store, TELEGRAM), "ops", "spare", SPARES)
    settle(store, result(replace(shown(fold_all(store, SECOND)), closed_at=T0), SECOND))
    assert accepted(store, [new_payload(TELEGRAM, at=T0 + 1)]) == (TELEGRAM, DISCORD)
    assert store.copy_to_fallback(own(store, TELEGRAM), "ops", "spare", SPARES) == (SECOND,)


def test_what_comes_to_the_new_chat_of_a_receiver_is_copied_to_the_old_fallback_card(
    store: Store,
) -> None:
    instead = replace(TELEGRAM, chat="-1002")
    store.accept([new_payload(TELEGRAM)])
    store.copy_to_fallback(own(store, TELEGRAM), "ops", "spare", [DISCORD])
    fold_all(store, DISCORD)
    posted = notification(alert("a", "resolved"))
    assert DISCORD in accepted(store, [new_payload(instead, at=T0 + 1, posted=posted)])
    (copied,) = store.claim(own(store, DISCORD), T0 + 1, 9).page
    assert (copied.notification, copied.alerts, copied.receiver) == (posted, None, "spare")
    assert [opened.alerts for opened in store.claim(own(store, TELEGRAM), T0 + 1, 9).page] == [
        None,
        None,
    ]
    assert store.copy_to_fallback(own(store, instead), "ops", "spare", [DISCORD]) == ()


def test_what_comes_to_another_receiver_is_not_copied_to_a_card_that_stands_in(
    store: Store,
) -> None:
    store.accept([new_payload(TELEGRAM)])
    store.copy_to_fallback(own(store, TELEGRAM), "ops", "spare", [DISCORD])
    fold_all(store, DISCORD)
    store.accept([new_payload(SECOND, at=T0 + 1, receiver="team")])
    (empty,) = store.claim(own(store, DISCORD), T0 + 1, 9).page
    assert empty.alerts == ()


def test_chats_with_one_fallback_that_get_other_alerts_of_a_payload_are_all_stood_in_for(
    store: Store,
) -> None:
    posted = notification(alert("a"), alert("b"))
    downs = [replace(TELEGRAM, chat=f"-{number}") for number in range(4)]
    parts: list[tuple[str, tuple[int, ...] | None]] = [
        ("", (0,)),
        ("", (1,)),
        ("a", (0,)),
        ("b", (0,)),
    ]
    ways = [
        Delivery(down, "ops", fingerprint, alerts)
        for down, (fingerprint, alerts) in zip(downs, parts, strict=True)
    ]
    store.accept([replace(new_payload(posted=posted), deliveries=tuple(ways))])
    for down in downs:
        assert store.copy_to_fallback(own(store, down), "ops", "spare", [DISCORD]) == (DISCORD,)
    assert [
        (opened.fingerprint, opened.alerts)
        for opened in store.claim(own(store, DISCORD), T0, 9).page
    ] == parts
