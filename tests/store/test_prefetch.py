"""What a transaction asks for beforehand, by those before it: never another answer than it would
have had.
"""

from collections.abc import Mapping, Sequence
from contextlib import closing

import psycopg
import pytest

from relay.store.postgres.kind import kind_of
from relay.store.postgres.pipelined import Cells, Reply
from relay.store.postgres.prefetch import Prefetch, PrefetchHistory, changes
from relay.store.postgres.store import PostgresStore
from tests.postgres import Databases

HOLD = "SELECT 1 FROM lease WHERE key = $1"
STATE = "SELECT state FROM lane WHERE id = $1"
CARD = "SELECT body FROM card WHERE lane = $1 AND grp = $2"
KEEP = "UPDATE card SET body = $1 WHERE lane = $2"
Statement = tuple[str, tuple[Cells, ...]]


def transaction(
    history: PrefetchHistory, given: Mapping[str, Cells], statements: Sequence[Statement]
) -> list[Statement]:
    """What it waits for."""
    prefetch = Prefetch(history, "turn", given)
    waited: list[Statement] = []
    for sql, parameters in statements:
        if sql.startswith("UPDATE"):
            prefetch.wrote(sql, parameters)
        elif prefetch.asked(sql, parameters) is None:
            waited.append((sql, parameters))
            for guess in prefetch.guesses(sql):
                prefetch.ask(guess, Reply(lambda _: None, 0))
    prefetch.learn()
    return waited


def turn(lane: int, group: str, *between: Statement) -> list[Statement]:
    return [(HOLD, (f"lane {lane}",)), (STATE, (lane,)), *between, (CARD, (lane, group))]


def given(lane: int, group: str) -> dict[str, Cells]:
    return {"key": f"lane {lane}", "lane": lane, "group": group}


def test_what_followed_twice_comes_with_the_first_for_any_lane() -> None:
    history = PrefetchHistory()
    for lane in (1, 2):
        assert transaction(history, given(lane, "a"), turn(lane, "a")) == turn(lane, "a")
    assert transaction(history, given(3, "b"), turn(3, "b")) == turn(3, "b")[:1]


def test_what_is_read_after_a_write_to_its_table_is_asked_for_after_it() -> None:
    history = PrefetchHistory()
    written = turn(1, "a", (KEEP, (b"", 1)))
    for _ in range(3):
        transaction(history, given(1, "a"), written)
    assert transaction(history, given(1, "a"), written) == [written[0], written[-1]]


def test_a_guess_is_not_used_after_a_write_that_was_not_there_before() -> None:
    history = PrefetchHistory()
    for _ in range(3):
        transaction(history, given(1, "a"), turn(1, "a"))
    written = turn(1, "a", (KEEP, (b"", 1)))
    assert transaction(history, given(1, "a"), written) == [written[0], written[-1]]


def test_a_value_that_nobody_knows_beforehand_is_no_guess() -> None:
    history = PrefetchHistory()
    for number in range(20):
        told = turn(1, f"group {number}")
        assert transaction(history, {"key": "lane 1", "lane": 1}, told)[-1] == told[-1]


@pytest.mark.parametrize("nothing", [None, ()])
def test_nothing_is_never_taken_for_a_value_that_was_missing_too(nothing: Cells) -> None:
    """Where that value is there, it is one of another type, which the database refuses."""
    history = PrefetchHistory()
    told = [(HOLD, ("lane 1",)), (STATE, (nothing,))]
    for _ in range(3):
        transaction(history, {"key": "lane 1", "lane": nothing}, told)
    assert history.guesses("turn", HOLD, {"key": "lane 1", "lane": 7}) == [(STATE, (nothing,))]


@pytest.mark.postgres
def test_a_guess_that_the_database_refuses_costs_one_more_run_and_is_forgotten(
    postgres: Databases,
) -> None:
    with closing(PostgresStore(postgres.fresh())) as store:
        ran = []

        def job() -> int:
            ran.append(1)
            return int(store.server.run("SELECT id FROM lane WHERE id = 1").fetchone() is None)

        wrong = "SELECT id FROM lane WHERE state = $1"
        poison(store.server._history, kind_of(job, {}).name, wrong, (5,))
        assert store.batch([job]) == [1]
        assert len(ran) == 2
        assert store.batch([job]) == [1]
        assert len(ran) == 3

        def refused() -> object:
            ran.append(1)
            return store.server.run(wrong, (5,)).fetchone()

        (error,) = store.batch([refused])
        assert isinstance(error, psycopg.errors.UndefinedFunction)
        assert len(ran) == 4


def poison(history: PrefetchHistory, kind: str, sql: str, parameters: tuple[Cells, ...]) -> None:
    """Lets it expect a read behind the first one of a job."""
    first = "SELECT id FROM lane WHERE id = 1"
    for _ in range(3):
        prefetch = Prefetch(history, kind, {})
        prefetch.asked(first, ())
        prefetch.asked(sql, parameters)
        prefetch.learn()


def test_what_does_not_come_any_more_is_no_longer_asked_for() -> None:
    history = PrefetchHistory()
    for _ in range(3):
        transaction(history, given(1, "a"), turn(1, "a"))
    for _ in range(80):
        transaction(history, given(1, "a"), turn(1, "a")[:1])
    assert history.guesses("turn", HOLD, given(1, "a")) == []


def test_a_row_is_locked_and_a_clock_is_read_when_it_is_wanted() -> None:
    history = PrefetchHistory()
    lock = ("SELECT epoch FROM lease FOR UPDATE OF lease", ())
    clock = ("SELECT extract(epoch FROM clock_timestamp())::float8", ())
    told = [(HOLD, ("lane 1",)), lock, clock]
    for _ in range(3):
        assert transaction(history, given(1, "a"), told) == told


def test_the_end_of_folded_deliveries_changes_none_that_is_open() -> None:
    opened = "SELECT seq FROM delivery WHERE card IS NULL AND settlement IS NULL"
    ended = "UPDATE delivery SET settlement = $1 WHERE seq = $2 AND card IS NOT NULL"
    assert not changes(ended, opened)
    assert changes(ended, "SELECT seq FROM delivery WHERE card = $1 AND settlement IS NULL")
    assert changes("UPDATE delivery SET settlement = $1 WHERE seq = $2", opened)
