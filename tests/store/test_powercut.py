"""What a power cut leaves: exactly what was acknowledged, or that and the whole batch that was
under way.
"""

import contextlib
import os
import random
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Literal

import msgspec
import pytest
from msgspec.structs import replace

from relay.core.alert import GroupId, Notification
from relay.core.budget import Limit
from relay.core.card.card import Card, Shown, mark
from relay.core.card.lane_state import LaneState
from relay.core.card.step import MessageRef, Post
from relay.core.routing.lane import LaneKey
from relay.core.routing.route import Delivery
from relay.core.turn.change import AttemptResult, CardChange
from relay.store.protocol import Attempt, Begun, NewPayload, Store, StoreError
from relay.store.sqlite.store import SqliteStore
from tests.build import DISCORD, T0, TELEGRAM, alert, notification
from tests.store.cutting_vfs import Disk
from tests.store.held import begin, own, settle

CheckResult = Literal["kept", "lost", "broken"]
Job = Callable[[Store], object]
Opened = Callable[..., SqliteStore]
LANES = (TELEGRAM, DISCORD, replace(TELEGRAM, chat="-1002"))
GROUPS = tuple(GroupId("", "relay", f"{{}}:{{n={n}}}") for n in range(4))
CUTS = int(os.environ.get("RELAY_CUTS", "2000"))
QUICK = 32
PER_LIFE = 4


@pytest.mark.medium
def test_a_power_cut_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    assert lives(range(QUICK // PER_LIFE), tmp_path) == ["kept"] * QUICK


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_thousands_of_power_cuts_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    for seed in range(QUICK, QUICK + CUTS // PER_LIFE):
        assert live(seed, tmp_path) == ["kept"] * PER_LIFE, f"seed {seed}"


@pytest.mark.medium
def test_without_a_sync_before_each_answer_power_cuts_do_lose_what_was_acknowledged(
    tmp_path: Path,
) -> None:
    check_results = lives(
        range(QUICK // PER_LIFE), tmp_path, partial(SqliteStore, synchronous="NORMAL")
    )
    assert "lost" in check_results
    assert "broken" not in check_results


def lives(seeds: Iterable[int], data_dir: Path, opened: Opened = SqliteStore) -> list[CheckResult]:
    return [verdict for seed in seeds for verdict in live(seed, data_dir, opened)]


def live(seed: int, data_dir: Path, opened: Opened = SqliteStore) -> list[CheckResult]:
    """Up to four cuts of one storage, each at a random moment of start, work or recovery, and what
    each left.
    """
    chance = random.Random(seed)
    with contextlib.closing(SqliteStore(":memory:")) as shadow:
        return live_beside(shadow, chance, data_dir, opened)


def live_beside(
    shadow: SqliteStore, chance: random.Random, data_dir: Path, opened: Opened
) -> list[CheckResult]:
    """The cuts of one storage; the shadow holds what it should."""
    disk = Disk(chance)
    check_results: list[CheckResult] = []
    after = disk.survivors()
    while len(check_results) < PER_LIFE and check_results.count("kept") == len(check_results):
        disk = Disk(chance, after, cut_at=int(chance.expovariate(1 / 250)) + 1)
        under_way = work_until_cut(disk, shadow, chance, data_dir, opened)
        assert disk.after is not None
        check_results.append(judge(Disk(chance, disk.after), shadow, under_way, data_dir))
        after = disk.after
    return check_results


def work_until_cut(
    disk: Disk, shadow: SqliteStore, chance: random.Random, data_dir: Path, opened: Opened
) -> list[Job]:
    """The batch under way when the power went. What was acknowledged before is in the shadow."""
    pages = chance.choice((5, 40, 1000))
    jobs: list[Job] = []
    try:
        store = opened(data_dir / "relay.db", connect=disk.connect)
        store._db.execute(f"PRAGMA wal_autocheckpoint={pages}")
    except StoreError:
        return jobs
    try:
        while True:
            jobs = [a_job(chance) for _ in range(chance.randint(1, 5))]
            store.batch([partial(job, store) for job in jobs])
            shadow.batch([partial(job, shadow) for job in jobs])
    except StoreError:
        store.close()
        return jobs


def judge(disk: Disk, shadow: SqliteStore, under_way: list[Job], data_dir: Path) -> CheckResult:
    """Opens what is left, and compares every row."""
    store = SqliteStore(data_dir / "relay.db", connect=disk.connect)
    if store._db.execute("PRAGMA integrity_check").fetchall() != [("ok",)] or any(
        row.lost for row in store.balance()
    ):
        return "broken"
    left = rows(store)
    store.close()
    if left != rows(shadow):
        shadow.batch([partial(job, shadow) for job in under_way])
    return "kept" if left == rows(shadow) else "lost"


def rows(store: SqliteStore) -> dict[str, list[tuple[object, ...]]]:
    """Everything the storage holds."""
    tables = store._db.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    )
    return {
        name: sorted(store._db.execute(f"SELECT * FROM {name}").fetchall(), key=repr)
        for (name,) in tables
    }


def a_job(chance: random.Random) -> Job:
    """Something the relay does; the same on the store and on its shadow."""
    lane = chance.choice(LANES)
    match chance.randrange(4):
        case 0 | 1:
            lanes = chance.sample(LANES, chance.randint(1, 2))
            posted = notification(alert(chance.choice("abc")), group=chance.choice(GROUPS))
            size = chance.choice((0, 100, 9_000))
            return partial(
                accept,
                posted=replace(posted, external_url="x" * size),
                lanes=lanes,
                at=T0 + chance.random(),
            )
        case 2:
            return partial(fold, lane=lane)
        case _:
            return partial(
                send, lane=lane, message=str(chance.randrange(10**6)), settles=chance.random() < 0.8
            )


def accept(store: Store, posted: Notification, lanes: list[LaneKey], at: float) -> None:
    deliveries = tuple(Delivery(lane, "ops", "", None) for lane in lanes)
    store.accept([NewPayload(posted.group, msgspec.json.encode(posted), at, deliveries)])


def fold(store: Store, lane: LaneKey) -> None:
    claim = store.claim(own(store, lane), T0, 3)
    cards = {card.group: card for card in claim.cards}
    for opened in claim.page:
        group = opened.notification.group
        card = replace(
            cards.get(group) or Card(group, "", "ops"), folded_seq=opened.seq, waiting_since=T0
        )
        cards[group] = card
        store.fold(own(store, lane), [CardChange(card, T0, urgent=False, folded=(opened.seq,))])


def send(store: Store, lane: LaneKey, message: str, *, settles: bool) -> None:
    claim = store.claim(own(store, lane), T0, 1)
    if claim.page or not claim.cards:
        return
    (card,) = claim.cards
    begun = begin(
        store, Attempt(lane, card.group, "", Post(silent=False)), (Limit(lane.chat, 1000, 1.0),), T0
    )
    if settles and begun == Begun():
        shown = replace(
            card,
            shown=Shown(MessageRef("1", "", message), mark(card), T0, T0),
            shown_seq=card.folded_seq,
        )
        change = CardChange(shown, None, urgent=False)
        settle(store, AttemptResult(lane, LaneState(), change, T0 + 1, shown=True))
