"""While processes of two versions share a PostgreSQL, values are written in the format of the
older one.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Literal, NamedTuple

import msgspec
import pytest
from msgspec import Struct
from msgspec.structs import replace

from relay.core.action.take import Taken
from relay.core.alert import Notification
from relay.core.bot.people import Subscription
from relay.core.budget import Budget
from relay.core.card.card import Card
from relay.core.card.lane_state import LaneState
from relay.store.postgres.formats import FORMATS, Formats
from relay.store.postgres.store import PostgresStore
from relay.store.protocol import Attempt, NewerSchema, StoreError
from tests.build import T0, TELEGRAM, notification
from tests.postgres import Databases
from tests.store.held import own
from tests.store.shapes import differences, kept_shapes, shapes, shapes_of, stored_types
from tests.store.test_store import new_payload


class Second(Struct, frozen=True):
    """A value as the second format has it."""

    name: str
    added: int


class First(Struct, frozen=True):
    """The same in the first one."""

    name: str


def as_first(value: object) -> object:
    """In this second format notifications have an external address, and values of these tests have
    more.
    """
    match value:
        case Second():
            return First(value.name)
        case Notification():
            return replace(value, external_url="")
        case _:
            return value


ONE, TWO = Formats(), Formats((as_first,))


def test_a_value_is_written_in_each_format_that_the_version_knows() -> None:
    three = Formats((lambda value: value, as_first))
    value = Second("db", 3)
    assert (ONE.newest, TWO.newest, three.newest) == (1, 2, 3)
    assert TWO.encoded(value, 2) == b'{"name":"db","added":3}'
    assert TWO.encoded(value, 1) == b'{"name":"db"}'
    assert [three.encoded(value, number) for number in (3, 2, 1)] == [
        b'{"name":"db","added":3}',
        b'{"name":"db"}',
        b'{"name":"db"}',
    ]


def test_a_budget_in_the_first_format_has_a_time_for_each_call() -> None:
    budget = Budget("bot", (1.0, 2.0), counts=(3, 1))
    assert b'"used":[1.0,2.0]' in FORMATS.encoded(budget, 2)
    assert b'"used":[1.0,1.0,1.0,2.0]' in FORMATS.encoded(budget, 1)
    assert msgspec.json.decode(FORMATS.encoded(budget, 1), type=Budget).counts == ()


def test_a_stored_value_that_changes_is_a_new_format() -> None:
    """Replicas of the last version read what the new ones write."""
    kept = kept_shapes(FORMATS.newest)
    assert kept is not None, (
        f"format {FORMATS.newest} is not kept yet: .venv/bin/python -m tests.store.keeping"
    )
    changed = differences(kept, shapes())
    assert not changed, (
        f"stored values are not what format {FORMATS.newest} is, and replicas of the last version"
        " share them: add a format with a step back to FORMATS (relay/store/postgres/formats.py),"
        f" and keep it: .venv/bin/python -m tests.store.keeping. Changed: {changed}"
    )


def test_the_formats_before_stay_kept() -> None:
    assert all(kept_shapes(number) for number in range(1, FORMATS.newest))


class Inner(Struct, frozen=True, tag=True):
    """A value in another one."""

    name: str
    kind: Literal["a", "b"] = "a"


class Other(Struct, frozen=True, tag=True):
    """The other value that may stand there."""


class Pair(NamedTuple):
    """A value that is an array."""

    left: int
    right: tuple[Inner, ...] = ()


class Outer(Struct, frozen=True, omit_defaults=True):
    """A stored value."""

    inner: Inner | Other | None
    pairs: dict[str, Pair] = {}


SHAPES = {
    "Inner": {"$": "tag type=Inner", "name": "str", "kind": "'a' | 'b' = \"a\""},
    "Other": {"$": "tag type=Other"},
    "Outer": {
        "$": "defaults left out",
        "inner": "Inner | Other | none",
        "pairs": "{str: Pair} = {}",
    },
    "Pair": {"$": "array", "left": "int", "right": "[Inner, ...] = []"},
}


def test_a_shape_has_all_fields_of_all_classes_in_a_value() -> None:
    assert shapes_of([Outer]) == SHAPES


@pytest.mark.parametrize(
    ("name", "shape", "said"),
    [
        ("Pair", {"$": "array", "left": "int"}, "Pair.right: [Inner, ...] = [] became nothing"),
        (
            "Other",
            {"$": "tag type=Other", "at": "float = 0.0"},
            "Other.at: nothing became float = 0.0",
        ),
        ("Other", {"$": "tag type=other"}, "Other.$: tag type=Other became tag type=other"),
        ("New", {"name": "str"}, "New is new"),
    ],
)
def test_each_change_of_a_shape_is_named(name: str, shape: dict[str, str], said: str) -> None:
    assert differences(SHAPES, SHAPES | {name: shape}) == [said]
    assert differences(SHAPES, SHAPES) == []


def test_the_values_that_the_store_reads_are_among_them() -> None:
    found = set(stored_types())
    assert {Card, LaneState, Attempt, Budget, Notification, Subscription, Taken} <= found


class Replicas:
    """Processes that share a database."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._opened: list[PostgresStore] = []

    def start(self, formats: Formats) -> PostgresStore:
        store = PostgresStore(self._url, ttl=60, formats=formats)
        self._opened.append(store)
        self.do(store, partial(store.register, "pod", "0.0.0"))
        return store

    def do(self, store: PostgresStore, job: Callable[[], object]) -> object:
        (result,) = store.batch([job])
        if isinstance(result, Exception):
            raise result
        return result

    def beat(self, store: PostgresStore) -> object:
        return self.do(store, partial(store.beat))

    def changed_by(self, store: PostgresStore) -> PostgresStore:
        """The store, which changed the format with one beat and hears of it with the next."""
        for _ in range(2):
            self.beat(store)
        return store

    def written(self, store: PostgresStore) -> bool:
        """Accepts a payload; whether it is stored in the second format."""
        told = replace(notification(), external_url="http://am.example.org")
        self.do(store, partial(store.accept, [new_payload(TELEGRAM, posted=told)]))
        (body,) = store.server.run("SELECT body FROM payload ORDER BY id DESC LIMIT 1").fetchone()
        return b"am.example.org" in body

    def close(self) -> None:
        for store in self._opened:
            store.close()


@pytest.fixture
def replicas(postgres: Databases) -> Iterator[Replicas]:
    made = Replicas(postgres.fresh())
    yield made
    made.close()


def test_the_newest_format_is_written_once_every_process_that_runs_reads_it(
    replicas: Replicas,
) -> None:
    old = replicas.start(ONE)
    new = replicas.start(TWO)
    for store in (old, new, new):
        assert replicas.beat(store)
    assert not replicas.written(new)
    replicas.do(old, partial(old.leave))
    assert not replicas.written(new)
    assert replicas.written(replicas.changed_by(new))
    assert replicas.written(replicas.start(TWO))


def test_a_process_that_is_not_heard_of_for_long_holds_up_no_format(replicas: Replicas) -> None:
    old = replicas.start(ONE)
    new = replicas.start(TWO)
    new.server.run("UPDATE replica SET seen_at = seen_at - 239 WHERE format = 1")
    replicas.beat(new)
    assert not replicas.written(new)
    new.server.run("UPDATE replica SET seen_at = seen_at - 2 WHERE format = 1")
    assert replicas.written(replicas.changed_by(new))
    with pytest.raises(StoreError, match="in format 2, this alert-relay reads up to 1: upgrade it"):
        replicas.beat(old)


def test_a_process_that_does_not_read_what_is_written_works_on_nothing(replicas: Replicas) -> None:
    """It stood still while the others were replaced, and goes on then."""
    old = replicas.start(ONE)
    replicas.do(old, partial(old.accept, [new_payload(TELEGRAM)]))
    lease = own(old, TELEGRAM)
    assert old.take_lead("for all")
    replicas.do(old, partial(old.leave))
    new = replicas.start(TWO)
    replicas.beat(new)
    assert old.renew([lease]) == ()
    assert old.take(TELEGRAM) is None
    assert not old.take_lead("for all")
    jobs: tuple[Callable[[], object], ...] = (
        partial(old.claim, lease, T0, 9),
        old.spread,
        old.look,
    )
    for job in jobs:
        with pytest.raises(StoreError, match="upgrade it"):
            replicas.do(old, job)
    with pytest.raises(NewerSchema, match="upgrade it"):
        replicas.start(ONE)
    replicas.do(old, partial(old.accept, [new_payload(TELEGRAM)]))  # which the new ones read
    new.server.run("UPDATE lease SET until = 0")
    assert len(new.claim(own(new, TELEGRAM), T0, 9).page) == 2


def test_a_process_that_others_took_to_be_gone_counts_itself_again(replicas: Replicas) -> None:
    store = replicas.start(ONE)
    replicas.do(store, partial(store.leave))
    assert not replicas.beat(store)
    replicas.do(store, partial(store.register, "pod", "0.0.0"))
    assert replicas.beat(store)
