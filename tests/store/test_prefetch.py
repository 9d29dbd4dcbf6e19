"""What a transaction asks for beforehand, by those before it: never another answer than it would
have had.
"""

from collections.abc import Mapping, Sequence

from relay.store.postgres.pipelined import Cells, Reply
from relay.store.postgres.prefetch import Prefetch, PrefetchHistory, changes

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
