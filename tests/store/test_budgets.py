"""Budgets that lanes share: taken by one transaction, in the order of urgency and age."""

from msgspec.structs import replace

from relay.core.budget import Block, Limit
from relay.core.card.card import Card
from relay.core.card.lane_state import LaneState
from relay.core.card.step import Post, Rank
from relay.core.routing.lane import LaneKey
from relay.core.turn.change import AttemptResult, CardChange
from relay.store.protocol import Attempt, Begun, Denied, Store
from relay.store.sql.budgets import PATIENCE, YIELD
from tests.build import GROUP, T0, TELEGRAM
from tests.store.held import begin, settle

ONE = (Limit("chat", 1, 10.0),)
TWO = (Limit("chat", 2, 10.0),)


def lane(thread: str) -> LaneKey:
    return replace(TELEGRAM, thread=thread)


def attempt(thread: str, rank: Rank = Rank.FIRST, since: float = T0) -> Attempt:
    return Attempt(lane(thread), GROUP, "", Post(silent=False), rank, since)


def spent(store: Store, limits: tuple[Limit, ...], at: float) -> None:
    """Takes all that the limits let through at `at`."""
    while isinstance(begin(store, attempt("0"), limits, at), Begun):
        pass


def test_the_lane_that_waits_longest_goes_first(store: Store) -> None:
    spent(store, ONE, T0)
    assert begin(store, attempt("1", since=T0 - 60), ONE, T0 + 1) == Denied(T0 + 10)
    assert begin(store, attempt("2"), ONE, T0 + 10) == Denied(T0 + 10 + YIELD)
    assert begin(store, attempt("1", since=T0 - 60), ONE, T0 + 10.01) == Begun()
    assert begin(store, attempt("2"), ONE, T0 + 10 + YIELD) == Denied(T0 + 20.01)


def test_an_urgent_call_goes_before_older_ones(store: Store) -> None:
    spent(store, ONE, T0)
    begin(store, attempt("1", Rank.URGENT), ONE, T0 + 1)
    assert isinstance(begin(store, attempt("2", since=T0 - 60), ONE, T0 + 10), Denied)
    assert begin(store, attempt("1", Rank.URGENT), ONE, T0 + 10) == Begun()


def test_where_there_is_room_for_all_nobody_waits(store: Store) -> None:
    spent(store, TWO, T0)
    begin(store, attempt("1", Rank.URGENT), TWO, T0 + 1)
    assert begin(store, attempt("2"), TWO, T0 + 10) == Begun()
    assert begin(store, attempt("3"), TWO, T0 + 10) == Denied(T0 + 10 + YIELD)


def test_a_lane_that_could_not_go_yet_holds_up_nobody(store: Store) -> None:
    spent(store, ONE, T0)
    own = Limit("its own", 1, 10.0)
    spent(store, (own,), T0 + 5)
    assert begin(store, attempt("1", Rank.URGENT), (*ONE, own), T0 + 6) == Denied(T0 + 15)
    assert begin(store, attempt("2"), ONE, T0 + 10) == Begun()


def test_a_lane_that_does_not_come_is_waited_for_a_moment_only(store: Store) -> None:
    spent(store, ONE, T0)
    begin(store, attempt("1", Rank.URGENT), ONE, T0 + 1)
    assert isinstance(begin(store, attempt("2"), ONE, T0 + 10 + PATIENCE - YIELD), Denied)
    assert begin(store, attempt("2"), ONE, T0 + 10 + PATIENCE) == Begun()


def test_a_call_that_goes_takes_its_wish_with_it(store: Store) -> None:
    spent(store, ONE, T0)
    begin(store, attempt("1", Rank.URGENT), ONE, T0 + 1)
    assert begin(store, attempt("1", Rank.URGENT), (Limit("another", 1, 10.0),), T0 + 9) == Begun()
    assert begin(store, attempt("2"), ONE, T0 + 10) == Begun()


def test_a_budget_that_turns_out_to_be_another_brings_its_calls_and_its_block(store: Store) -> None:
    spent(store, (Limit("unknown", 1, 10.0),), T0)
    change = CardChange(Card(GROUP, "", "ops"), None, urgent=False)
    settled = AttemptResult(
        lane("0"),
        LaneState(),
        change,
        T0,
        blocks=(Block(("unknown",), T0, 30),),
        renamed=(("unknown", "chat"),),
    )
    settle(store, replace(settled, renamed=()))
    settle(store, replace(settled, blocks=()))
    assert begin(store, attempt("1"), ONE, T0) == Denied(T0 + 30)
    assert begin(store, attempt("1"), (Limit("chat", 1, 60.0),), T0) == Denied(T0 + 60)
    assert begin(store, attempt("1"), (Limit("unknown", 1, 10.0),), T0) == Begun()
