"""A disk that is full, fails or is not to be had: nothing acknowledged is lost, and work goes on
when it is over.
"""

import errno
import os
import random
import resource
import subprocess
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from relay.active_config import CurrentConfig
from relay.core.active_config import ActiveConfig
from relay.core.card.card import Card, Shown, mark
from relay.core.card.lane_state import LaneState
from relay.core.card.step import MessageRef, Post
from relay.core.event import Event, Noted
from relay.core.intake_result import Committed, IntakeResult, RetryLater
from relay.core.routing.lane import LaneKey
from relay.core.routing.route import Delivery, Route, Routing
from relay.core.turn.change import AttemptResult, CardChange
from relay.inbound.intake import Intake
from relay.store.protocol import (
    Attempt,
    Begun,
    Claim,
    Denied,
    Ended,
    Kept,
    NewPayload,
    Store,
    StoreError,
)
from relay.store.sqlite.store import SqliteStore
from relay.store.writer import Writer
from tests.build import T0, TELEGRAM, alert, notification, target
from tests.store import held
from tests.store.cutting_vfs import Disk
from tests.store.held import own
from tests.world import TEMPLATES

KIBIBYTE = 1024
BODY = Path("tests/payloads/alertmanager-0.33.1/01-first.json")
POSTED = BODY.read_bytes()


def lane(number: int) -> LaneKey:
    return replace(TELEGRAM, chat=str(-1000 - number))


def accept(store: Store, to: LaneKey, size: int = 8 * KIBIBYTE) -> object:
    """Tries to accept a payload of that size for the lane."""
    posted = replace(notification(alert("a")), external_url="x" * size)
    new_payload = NewPayload(
        posted.group,
        msgspec.json.encode(posted),
        T0,
        (Delivery(to, "ops", "", None),),
        last=False,
    )
    kept = run(store, partial(store.accept, [new_payload]))
    return kept.lanes if isinstance(kept, Kept) else kept


def run(store: Store, job: Callable[[], object]) -> object:
    """One transaction: its result, or the StoreError."""
    try:
        (result,) = store.batch([job])
    except StoreError as error:
        return error
    return result


def accept_until_full(store: Store) -> int:
    """Accepts for one lane after the other; how many lanes were acknowledged."""
    number = 0
    while accept(store, lane(number)) == (lane(number),):
        number += 1
    return number


def begin(store: Store, to: LaneKey) -> Card:
    """What the pipeline does for a lane before a call, each step a transaction of its own."""
    claim = run(store, partial(store.claim, own(store, to), T0, 9))
    assert isinstance(claim, Claim), claim
    card = replace(Card(claim.page[0].notification.group, "", "ops"), folded_seq=claim.page[-1].seq)
    seqs = tuple(opened.seq for opened in claim.page)
    assert (
        run(
            store,
            partial(store.fold, own(store, to), [CardChange(card, T0, urgent=False, folded=seqs)]),
        )
        == ()
    )
    beginning = partial(held.begin, store, Attempt(to, card.group, "", Post(silent=False)), (), T0)
    begun = run(store, beginning)
    while begun == Denied(T0):  # what was accepted is brought to all lanes before, a part at a time
        begun = run(store, beginning)
    assert begun == Begun()
    return card


def settle(store: Store, to: LaneKey, card: Card) -> None:
    """What it does after the call."""
    shown = replace(
        card,
        shown=Shown(MessageRef(to.chat, "", "1"), mark(card), T0, T0),
        shown_seq=card.folded_seq,
    )
    result = AttemptResult(to, LaneState(), CardChange(shown, None, urgent=False), T0, shown=True)
    ended = run(store, partial(held.settle, store, result))
    assert isinstance(ended, tuple)
    assert [replace(each, delivery="", payload=0) for each in ended] == [
        Ended("ops", "delivered", 1, (0.0,))
    ]


def purge(store: Store) -> None:
    """What the upkeep does every minute."""
    while run(store, partial(store.purge, T0, 1 << 30, 200)) != 0:
        pass


def test_on_a_full_disk_all_that_was_sent_is_written_down(tiny_disk: Path) -> None:
    store = SqliteStore(tiny_disk / "relay.db")
    for number in range(20):
        assert accept(store, lane(number)) == (lane(number),)
    sent = [begin(store, lane(number)) for number in range(20)]
    fill(tiny_disk / "others")
    accepted = 20 + accept_until_full(store)
    for number, card in enumerate(sent):
        settle(store, lane(number), card)
    (books,) = store.balance()
    assert (books.accepted, books.delivered, books.lost) == (accepted, 20, 0)
    store.close()


@pytest.mark.medium
def test_a_disk_that_our_backlog_fills_drains_and_has_room_again(tiny_disk: Path) -> None:
    store = SqliteStore(tiny_disk / "relay.db")
    accepted = accept_until_full(store)
    assert accepted > 30
    for number in range(accepted):
        settle(store, lane(number), begin(store, lane(number)))
        purge(store)
    assert [(books.accepted, books.delivered, books.lost) for books in store.balance()] == [
        (accepted, accepted, 0)
    ]
    for turn in range(4):
        taken = accept_until_full(store)
        assert taken > 0 or turn == 0  # what was freed is given back with the next checkpoint
        for number in range(accepted):
            if store.claim(own(store, lane(number)), T0, 1).page:
                settle(store, lane(number), begin(store, lane(number)))
        purge(store)
    store.close()


def test_a_full_disk_has_room_again_after_one_pass_of_the_upkeep(tiny_disk: Path) -> None:
    """Large bodies leave more free in the file than the steps that forget them give back."""
    store = SqliteStore(tiny_disk / "relay.db")
    number = 0
    while accept(store, lane(number), 100 * KIBIBYTE) == (lane(number),):
        number += 1
    assert number > 5
    for each in range(number):
        lease = own(store, lane(each))
        (opened,) = store.claim(lease, T0, 9).page
        ended = run(store, partial(store.dismiss, lease, [opened.seq], "expired", "", T0 - 1))
        assert not isinstance(ended, StoreError)
    purge(store)
    assert accept(store, lane(0), 100 * KIBIBYTE) == (lane(0),)
    store.close()


@pytest.mark.medium
def test_nothing_is_sent_that_could_not_be_written_down(tiny_disk: Path) -> None:
    store = SqliteStore(tiny_disk / "relay.db")
    accepted = accept_until_full(store)
    fill(tiny_disk / "others")
    with pytest.raises(AssertionError, match="disk is full"):
        begin(store, lane(0))
    (tiny_disk / "others").unlink()
    settle(store, lane(0), begin(store, lane(0)))
    assert [(books.accepted, books.lost) for books in store.balance()] == [(accepted, 0)]
    store.close()


def test_a_disk_that_others_fill_takes_down_what_is_sent_and_more_when_they_are_gone(
    tiny_disk: Path,
) -> None:
    store = SqliteStore(tiny_disk / "relay.db")
    assert accept(store, lane(0)) == (lane(0),)
    card = begin(store, lane(0))
    fill(tiny_disk / "others")
    accepted = 1 + accept_until_full(store)
    settle(store, lane(0), card)
    (tiny_disk / "others").unlink()
    assert accept(store, lane(1)) == (lane(1),)
    store.close()
    again = SqliteStore(tiny_disk / "relay.db")
    assert [(row.accepted, row.lost) for row in again.balance()] == [(accepted + 1, 0)]
    again.close()


def test_a_quota_that_is_used_up_is_a_full_disk(tmp_path: Path) -> None:
    """SQLite tells of it as of any write that failed."""
    disk = Disk(random.Random(1))
    store = SqliteStore(tmp_path / "relay.db", connect=disk.connect)
    assert accept(store, lane(0)) == (lane(0),)
    card = begin(store, lane(0))
    disk.at_its_quota = (tmp_path / "relay.db.reserve").exists
    settle(store, lane(0), card)
    assert [(row.delivered, row.lost) for row in store.balance()] == [(1, 0)]
    store.close()


def test_a_start_on_a_full_disk_goes_on_with_what_is_there(tiny_disk: Path) -> None:
    store = SqliteStore(tiny_disk / "relay.db")
    assert accept(store, lane(0)) == (lane(0),)
    card = begin(store, lane(0))
    fill(tiny_disk / "others")
    accept_until_full(store)
    store.close()
    fill(tiny_disk / "yet others")
    again = SqliteStore(tiny_disk / "relay.db")
    assert isinstance(accept(again, lane(1)), StoreError)
    (tiny_disk / "others").unlink()
    settle(again, lane(0), card)
    assert accept(again, lane(1)) == (lane(1),)
    again.close()


def fill(path: Path) -> None:
    """Leaves no byte to anyone."""
    with path.open("wb", buffering=0) as file:
        for size in (KIBIBYTE * 64, 1):
            try:
                while file.write(b"x" * size) == size:
                    pass
            except OSError:
                continue


async def test_it_is_not_ready_while_the_storage_takes_nothing(tmp_path: Path) -> None:
    disk = Disk(random.Random(1))
    writer = Writer(SqliteStore(tmp_path / "relay.db", connect=disk.connect))
    config = CurrentConfig(ActiveConfig(Routing(Route("ops"), {"ops": (target(),)}), TEMPLATES))
    now = T0
    taking = Intake(writer, lambda _: None, lambda: now, lambda _: None, config)
    assert taking.why_not == ""
    disk.failing = True
    assert await taking.accept("", POSTED) == RetryLater("storage failed", 5, away=True)
    assert taking.why_not == "storage failed"
    now += 11.0  # nobody may post to what is not ready: it is tried again
    assert taking.why_not == ""
    disk.failing = False
    writer.close()


async def test_a_webhook_is_told_to_come_again_while_the_disk_is_full(tiny_disk: Path) -> None:
    store = SqliteStore(tiny_disk / "relay.db")
    events: list[Event] = []
    writer = Writer(store)
    take = intake(writer, events)
    assert await take() == Committed()
    fill(tiny_disk / "others")
    answers = [await take() for _ in range(40)]
    assert answers[-1] == RetryLater("storage failed", 5, away=True)
    assert (
        Noted("error", "storage failed", (("at", "accept"), ("err", "the disk is full"))) in events
    )
    (tiny_disk / "others").unlink()
    assert await take() == Committed()
    assert store.balance()[0].accepted == 2 + answers.count(Committed())
    writer.close()


def intake(writer: Writer, events: list[Event]) -> Callable[[], Awaitable[IntakeResult]]:
    """Posts one recorded webhook."""
    routing = Routing(Route("ops"), {"ops": (target(),)})
    config = CurrentConfig(ActiveConfig(routing, TEMPLATES))
    taking = Intake(writer, lambda _: None, lambda: T0, events.append, config)
    return partial(taking.accept, "", POSTED)


@pytest.mark.parametrize("closed", [False, True])
async def test_a_webhook_is_told_to_come_again_while_syncs_fail(
    *, closed: bool, tmp_path: Path
) -> None:
    disk = Disk(random.Random(1))
    store = SqliteStore(tmp_path / "relay.db", connect=disk.connect)
    writer = Writer(store)
    take = intake(writer, [])
    assert await take() == Committed()
    disk.failing, disk.closed = True, closed
    assert [await take() for _ in range(3)] == [RetryLater("storage failed", 5, away=True)] * 3
    disk.failing = disk.closed = False
    assert await take() == Committed()
    writer.close()
    left = SqliteStore(
        tmp_path / "relay.db", connect=Disk(random.Random(1), disk.survivors()).connect
    )
    (books,) = left.balance()
    assert books.accepted >= 2
    assert books.lost == 0
    left.close()


async def test_a_file_system_that_turned_read_only_is_told_as_such_and_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(random.Random(1))
    store = SqliteStore(tmp_path / "relay.db", connect=disk.connect)
    writer = Writer(store)
    take = intake(writer, [])
    assert await take() == Committed()

    def refuse(*_: object, **__: object) -> int:
        raise OSError(errno.EROFS, "Read-only file system")

    with monkeypatch.context() as patched:
        disk.at_its_quota = lambda: True
        patched.setattr(Path, "unlink", refuse)
        patched.setattr(os, "open", refuse)
        assert [await take() for _ in range(3)] == [RetryLater("storage failed", 5, away=True)] * 3
        assert run(store, partial(store.purge, T0, 1 << 30, 9)) == 0
    disk.at_its_quota = lambda: False
    assert await take() == Committed()
    assert [row.lost for row in store.balance()] == [0]
    writer.close()


def test_a_device_that_went_and_came_again_is_opened_anew(tmp_path: Path) -> None:
    disk = Disk(random.Random(1))
    store = SqliteStore(tmp_path / "relay.db", connect=disk.connect)
    assert accept(store, lane(0)) == (lane(0),)
    disk.plugged_in += 1
    assert isinstance(accept(store, lane(1)), StoreError)
    assert accept(store, lane(2)) == (lane(2),)
    assert [row.lost for row in store.balance()] == [0]
    store.close()


def test_large_transactions_need_no_temporary_file(tmp_path: Path) -> None:
    disk = Disk(random.Random(1))
    store = SqliteStore(tmp_path / "relay.db", connect=disk.connect)
    for _ in range(250):
        accept(store, lane(0), KIBIBYTE)
    run(store, partial(store.dismiss, own(store, lane(0)), range(1, 251), "dead", "test"))
    assert run(store, partial(store.purge, T0 + 1, 0, 250)) == 128  # 1024 pages of the log
    store.close()
    assert disk.temporary == 0


def test_a_storage_that_is_open_needs_no_further_file_handles(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "relay.db")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with (tmp_path / "any").open("w") as any_file:
        lowest_free = any_file.fileno()
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            (tmp_path / "another").touch()
        for number in range(20):
            assert accept(store, lane(number), 300 * KIBIBYTE) == (lane(number),)
            settle(store, lane(number), begin(store, lane(number)))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    store.close()


def test_a_folder_that_is_read_only_is_a_clear_error(tiny_disk: Path) -> None:
    SqliteStore(tiny_disk / "relay.db").close()
    subprocess.run(["mount", "-o", "remount,ro", tiny_disk], check=True)
    with pytest.raises(StoreError, match="cannot be written"):
        SqliteStore(tiny_disk / "relay.db")
