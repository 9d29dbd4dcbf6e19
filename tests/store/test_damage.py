"""A damaged database is moved aside, a new one begun at once, and what can be read is brought
back.
"""

import contextlib
import random
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from relay.core.alert import GroupId
from relay.core.bot.people import ChatEntry
from relay.core.bot.update import ChatInfo, PollState
from relay.core.budget import Limit
from relay.core.card.card import Card, Shown, mark
from relay.core.card.step import MessageRef, Post
from relay.core.event import Event, Noted, StorageDamaged
from relay.core.routing.lane import LaneKey
from relay.core.routing.route import Delivery
from relay.core.turn.change import CardChange
from relay.store.protocol import Attempt, Begun, Claim, NewPayload, Store
from relay.store.recover import Salvaged, salvage
from relay.store.sqlite.damaged_file import NothingToSalvage
from relay.store.sqlite.store import SqliteStore
from tests.build import DISCORD, T0, TELEGRAM, alert, notification
from tests.store.held import begin, own
from tests.store.test_people import BOT, GROUPS, INVITE, OWN, SAYING, start, take

LANES = (TELEGRAM, DISCORD)
Damage = Callable[[Path], None]


def group(number: int) -> GroupId:
    return GroupId("", "relay", f"{{}}:{{n={number}}}")


def new_payload(number: int, at: float, *lanes: LaneKey, receiver: str = "ops") -> NewPayload:
    posted = notification(alert(f"host-{number}"), group=group(number))
    deliveries = tuple(Delivery(lane, receiver, "", None) for lane in lanes)
    return NewPayload(posted.group, msgspec.json.encode(posted), at, deliveries)


def accept(store: Store, number: int, at: float, *lanes: LaneKey, receiver: str = "ops") -> None:
    (result,) = store.batch(
        [partial(store.accept, [new_payload(number, at, *lanes, receiver=receiver)])]
    )
    assert not isinstance(result, Exception)


def made(path: Path, groups: int = 100) -> None:
    """A storage with pending deliveries of that many groups on two lanes, half of them folded into
    cards.
    """
    store = SqliteStore(path)
    store.batch(
        [
            partial(store.accept, [new_payload(number, T0 + number, *LANES)])
            for number in range(groups)
        ]
    )
    store.batch([partial(fold, store, lane, groups // 2) for lane in LANES])
    store.close()


def fold(store: Store, lane: LaneKey, most: int) -> None:
    claim = store.claim(own(store, lane), T0, most)
    while len(claim.page) < most and claim.more:  # a part of what was accepted is spread at a time
        claim = store.claim(own(store, lane), T0, most)
    for opened in claim.page:
        card = Card(
            opened.notification.group, "", "ops", folded_seq=opened.seq, heard_at=opened.accepted_at
        )
        card = replace(
            card, shown=Shown(MessageRef("-1001", "", str(opened.seq)), mark(card), T0, T0)
        )
        store.fold(own(store, lane), [CardChange(card, T0, urgent=False, folded=(opened.seq,))])


def text(path: Path) -> None:
    path.write_bytes(b"this is no database, but a text that someone put in its place\n" * 1000)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 5])


def a_few_bytes(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


def head_overwritten(path: Path) -> None:
    overwrite(path, 0, random.Random(1).randbytes(4096))


def tables_overwritten(path: Path) -> None:
    pages = path.stat().st_size // 4096
    overwrite(path, 4096 * (pages // 2), random.Random(1).randbytes(4096 * (pages // 10)))


def version_overwritten(path: Path) -> None:
    overwrite(path, 60, b"\xff\xff\xff\xff")


def index_emptied(path: Path) -> None:
    """Each page is sound by itself; what the index does not list would never be found."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        (page,) = db.execute(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'delivery_open'"
        ).fetchone()
    leaf = b"\x0a\x00\x00\x00\x00\x10\x00\x00"  # https://sqlite.org/fileformat2.html#b_tree_pages
    overwrite(path, 4096 * (page - 1), leaf)


def overwrite(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


DAMAGES = (
    text,
    cut_short,
    a_few_bytes,
    head_overwritten,
    tables_overwritten,
    version_overwritten,
    index_emptied,
)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_start_with_a_damaged_file_moves_it_aside_says_so_and_works(
    damage: Damage, tmp_path: Path
) -> None:
    path = tmp_path / "relay.db"
    made(path)
    damage(path)
    wreck, events = path.read_bytes(), list[Event]()
    store = SqliteStore(path, emit=events.append)
    accept(store, 1, T0, *LANES)
    assert [row.accepted for row in store.balance()] == [1, 1]
    store.close()
    (event,) = events
    assert isinstance(event, StorageDamaged)
    assert Path(event.moved_to).read_bytes() == wreck
    assert Path(event.moved_to).name.startswith("relay.db.damaged-2")
    events.clear()
    SqliteStore(path, emit=events.append).close()
    assert events == []


def test_a_file_that_turns_out_damaged_at_work_costs_no_answer(tmp_path: Path) -> None:
    path, events = tmp_path / "relay.db", list[Event]()
    made(path)
    store = SqliteStore(path, emit=events.append)
    store._db.execute("PRAGMA cache_size=1")
    store._db.execute("PRAGMA shrink_memory")
    overwrite(path, 4096, random.Random(1).randbytes(path.stat().st_size - 4096))
    for number in range(3):
        accept(store, number, T0, *LANES)
    assert [type(event) for event in events] == [StorageDamaged]
    assert [(row.accepted, row.lost) for row in store.balance()] == [(3, 0), (3, 0)]
    store.close()


def test_a_card_that_outlives_its_storage_does_not_hold_up_what_comes_after(tmp_path: Path) -> None:
    """The call was under way when the storage was lost: its card comes from before, with a higher
    number.
    """
    store = SqliteStore(tmp_path / "relay.db")
    card = Card(group(1), "", "ops", folded_seq=57)
    store.batch([partial(store.fold, own(store, TELEGRAM), [CardChange(card, None, urgent=False)])])
    accept(store, 1, T0, TELEGRAM)
    (opened,) = store.claim(own(store, TELEGRAM), T0, 9).page
    assert opened.seq == 58
    store.close()


@pytest.mark.parametrize("seed", range(12))
def test_whatever_bytes_change_every_lane_goes_on_and_the_books_are_kept(
    seed: int, tmp_path: Path
) -> None:
    chance = random.Random(seed)
    path = tmp_path / "relay.db"
    made(path)
    for _ in range(chance.choice((1, 5, 50))):
        overwrite(
            path,
            chance.randrange(path.stat().st_size),
            chance.randbytes(chance.choice((1, 16, 600))),
        )
    store = SqliteStore(path)
    for number, lane in enumerate(LANES):
        accept(store, number, T0, lane)
        while claimed(store, lane).page:
            store.batch([partial(fold, store, lane, 9)])
    assert all(row.pending for row in store.balance())
    store.close()


def claimed(store: Store, lane: LaneKey) -> Claim:
    (claim,) = store.batch([partial(store.claim, own(store, lane), T0, 9)])
    assert isinstance(claim, Claim), claim
    return claim


def test_rows_that_say_nothing_any_more_do_not_hold_up_their_chat(tmp_path: Path) -> None:
    path, events = tmp_path / "relay.db", list[Event]()
    made(path, 4)
    store = SqliteStore(path, emit=events.append)
    store._db.execute("UPDATE payload SET body = 'garbage' WHERE id = 4")
    store._db.execute("UPDATE card SET body = 'garbage' WHERE lane = 1 AND id = 1")
    store._db.execute("UPDATE lane SET state = 'garbage' WHERE id = 1")
    store._db.execute("INSERT INTO budget VALUES ('chat', 'garbage')")
    assert [opened.seq for opened in claimed(store, TELEGRAM).page] == [1, 3]
    assert [(row.platform, row.dead, row.pending, row.lost) for row in store.balance()] == [
        ("discord", 0, 4, 0),
        ("telegram", 1, 3, 0),
    ]
    assert [event.message for event in events if isinstance(event, Noted)] == [
        "storage has rows that cannot be read"
    ]
    attempt = Attempt(TELEGRAM, group(9), "", Post(silent=False))
    assert store.batch([partial(begin, store, attempt, (Limit("chat", 1, 1.0),), T0)]) == [Begun()]
    store.close()


@pytest.mark.parametrize(
    ("table", "column"), [("attempt", "body"), ("subscription", "body"), ("lane", "key")]
)
def test_rows_without_which_no_relay_could_start_make_a_damaged_file(
    table: str, column: str, tmp_path: Path
) -> None:
    path, events = tmp_path / "relay.db", list[Event]()
    made(path, 4)
    store = SqliteStore(path, emit=events.append)
    attempt = Attempt(TELEGRAM, group(9), "", Post(silent=False))
    store.batch([partial(begin, store, attempt, (), T0), partial(take, store, added=OWN)])
    store._db.execute(f"UPDATE {table} SET {column} = 'garbage' WHERE rowid = 1")
    for read in (
        partial(store.in_doubt, TELEGRAM),
        store.wakes,
        store.balance,
        store.people.subscriptions,
    ):
        (found,) = store.batch([read])
        assert not isinstance(found, Exception)
    assert [type(event) for event in events] == [StorageDamaged]
    accept(store, 1, T0, *LANES)
    store.close()


def test_a_card_that_says_nothing_any_more_is_forgotten_as_others_are(tmp_path: Path) -> None:
    made(tmp_path / "relay.db", 2)
    store = SqliteStore(tmp_path / "relay.db")
    store.batch([partial(store.dismiss, own(store, TELEGRAM), [1], "dead", "test")])
    store._db.execute("UPDATE card SET body = 'garbage', closed = 1, due = NULL WHERE lane = 1")
    assert store.batch([partial(store.purge, T0 + 99, 1 << 30, 9)]) == [2]
    store.close()


def salvaged(path: Path, into: Path) -> tuple[Salvaged, SqliteStore]:
    store = SqliteStore(into)
    (result,) = store.batch([partial(salvage, path, store)])
    assert isinstance(result, Salvaged), result
    return result, store


@pytest.mark.medium
@pytest.mark.parametrize(
    ("damage", "deliveries", "cards"),
    [
        (head_overwritten, 800, 400),
        (version_overwritten, 800, 400),
        (tables_overwritten, 120, 40),
        (cut_short, 80, 0),
    ],
)
def test_what_can_be_read_of_a_wreck_is_accepted_anew(
    damage: Damage, deliveries: int, cards: int, tmp_path: Path
) -> None:
    path = tmp_path / "wreck.db"
    made(path, 400)
    damage(path)
    wreck = path.read_bytes()
    result, store = salvaged(path, tmp_path / "relay.db")
    assert result.deliveries >= deliveries
    assert result.cards >= cards
    assert (result.unreadable == 0) == (result.deliveries == 800)
    assert sum(row.pending for row in store.balance()) == sum(
        row.accepted for row in store.balance()
    )
    assert sum(row.pending for row in store.balance()) == result.deliveries
    assert path.read_bytes() == wreck
    assert {part.name for part in tmp_path.iterdir()} >= {"wreck.db", "relay.db"}
    assert not list(tmp_path.glob("salvage-*"))
    store.close()


def schema_garbled(path: Path) -> None:
    """The list of tables has a name that is no text."""
    overwrite(path, path.read_bytes().index(b"tablelanelane") + 5, b"\xb3\x93\xff")


def values_of_another_type(path: Path) -> None:
    """Nothing, or a number, stands where JSON did."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("UPDATE payload SET body = 7 WHERE id = 1")
        db.execute("UPDATE card SET body = 7 WHERE id = 1")
        db.execute("UPDATE delivery SET alerts = 7 WHERE seq = 2")
        db.execute("UPDATE lane SET key = 7 WHERE id = 2")
        db.execute("UPDATE lane SET last_seq = 'many' WHERE id = 1")


@pytest.mark.parametrize(
    ("damage", "deliveries"), [(schema_garbled, 8), (values_of_another_type, 2)]
)
def test_whatever_a_damaged_row_or_table_holds_the_others_come_back(
    damage: Damage, deliveries: int, tmp_path: Path
) -> None:
    made(tmp_path / "wreck.db", 4)
    damage(tmp_path / "wreck.db")
    result, store = salvaged(tmp_path / "wreck.db", tmp_path / "relay.db")
    assert result.deliveries == deliveries
    store.close()


@pytest.mark.parametrize("value", ["x'ff'", "NULL", "'text'"])
@pytest.mark.parametrize("column", ["payload", "receiver", "fingerprint", "accepted_at"])
def test_a_damaged_row_of_a_wreck_harms_neither_the_others_nor_the_running_storage(
    column: str, value: str, tmp_path: Path
) -> None:
    made(tmp_path / "wreck.db", 4)
    with contextlib.closing(sqlite3.connect(tmp_path / "wreck.db", isolation_level=None)) as db:
        db.execute("PRAGMA writable_schema = ON")
        db.execute(
            "UPDATE sqlite_schema SET sql = replace(sql, ' NOT NULL', '') WHERE name = 'delivery'"
        )
    with contextlib.closing(sqlite3.connect(tmp_path / "wreck.db", isolation_level=None)) as db:
        db.execute(f"UPDATE delivery SET {column} = {value} WHERE lane = 1 AND seq = 3")
    result, store = salvaged(tmp_path / "wreck.db", tmp_path / "relay.db")
    assert result.deliveries + result.unreadable == 8
    assert result.deliveries >= 7
    assert sum(row.accepted for row in store.balance()) == result.deliveries
    assert store.move_times_back(T0 + 99) == 0.0
    store.close()


def test_a_card_under_the_name_of_another_takes_no_place_in_a_salvage(tmp_path: Path) -> None:
    made(tmp_path / "wreck.db", 4)
    with contextlib.closing(sqlite3.connect(tmp_path / "wreck.db", isolation_level=None)) as db:
        db.execute("UPDATE card SET fingerprint = 'another'")
    result, store = salvaged(tmp_path / "wreck.db", tmp_path / "relay.db")
    assert result.cards == 0
    store.close()


def test_all_of_a_sound_file_comes_back_with_its_log_and_only_once(tmp_path: Path) -> None:
    made(tmp_path / "old.db", 20)
    store = SqliteStore(tmp_path / "old.db")
    accept(store, 20, T0 + 20, TELEGRAM)
    (tmp_path / "wreck.db").write_bytes((tmp_path / "old.db").read_bytes())
    (tmp_path / "wreck.db-wal").write_bytes((tmp_path / "old.db-wal").read_bytes())
    store.close()
    result, store = salvaged(tmp_path / "wreck.db", tmp_path / "relay.db")
    assert (result.deliveries, result.cards, result.unreadable) == (41, 20, 0)
    assert set(result.lanes) == set(LANES)
    card = store.card(TELEGRAM, group(0), "")
    assert card is not None
    assert card.shown is not None
    assert card.shown.message == MessageRef("-1001", "", "1")
    store.batch([partial(fold, store, lane, 99) for lane in LANES])
    store.close()
    again, store = salvaged(tmp_path / "wreck.db", tmp_path / "relay.db")
    assert (again.deliveries, again.cards, again.outdated) == (0, 0, 41)
    store.close()


def test_people_come_back_with_a_salvage_and_only_once(tmp_path: Path) -> None:
    made(tmp_path / "wreck.db", 2)
    old = SqliteStore(tmp_path / "wreck.db")
    used = replace(INVITE, used=1)
    old.batch([partial(old.people.create_invite, used), partial(take, old, added=OWN)])
    old.batch([partial(take, old, 8, added=GROUPS)])
    old._db.execute("UPDATE subscription SET body = 'garbage' WHERE id = ?", (GROUPS.id,))
    old.close()
    result, store = salvaged(tmp_path / "wreck.db", tmp_path / "relay.db")
    assert (result.invites, result.subscriptions, result.strangers) == (1, 1, 1)
    assert (store.people.invites(), store.people.subscriptions()) == ((used,), (OWN,))
    assert store.people.known(BOT, start("token")).invite == used
    store.close()
    again, store = salvaged(tmp_path / "wreck.db", tmp_path / "relay.db")
    assert (again.invites, again.subscriptions) == (0, 0)
    assert (store.people.invites(), store.people.subscriptions()) == ((used,), (OWN,))
    store.close()


def crowded(path: Path, chats: int) -> list[ChatEntry]:
    """A storage with a registry of that many chats; its entries in order."""
    entries = [
        ChatEntry(BOT, ChatInfo(f"-{number:05}", "group", "Team" * 50)) for number in range(chats)
    ]
    store = SqliteStore(path)
    store.batch([partial(take, store, 8, entry=entry) for entry in entries])
    store.close()
    return entries


def test_the_registry_and_how_far_bots_have_listened_come_back_and_only_once(
    tmp_path: Path,
) -> None:
    entries = crowded(tmp_path / "wreck.db", 3)
    result, store = salvaged(tmp_path / "wreck.db", tmp_path / "relay.db")
    assert (result.chats, store.people.chats()) == (3, tuple(entries))
    assert store.people.poll_state(BOT) == PollState(9, T0)
    store.batch([partial(take, store, 12)])
    store.close()
    again, store = salvaged(tmp_path / "wreck.db", tmp_path / "relay.db")
    assert (again.chats, store.people.poll_state(BOT).next_update) == (0, 13)
    store.close()


def test_answers_that_waited_are_not_given_after_a_salvage(tmp_path: Path) -> None:
    old = SqliteStore(tmp_path / "wreck.db")
    old.batch([partial(take, old, bot_replies=(SAYING,))])
    old.close()
    _, store = salvaged(tmp_path / "wreck.db", tmp_path / "relay.db")
    assert store.people.bot_replies() == ()
    store.close()


def test_a_registry_with_a_broken_page_is_read_from_both_ends(tmp_path: Path) -> None:
    path = tmp_path / "wreck.db"
    entries = crowded(path, 200)
    at = path.read_bytes().index(entries[100].chat.id.encode())
    overwrite(path, at // 4096 * 4096, random.Random(1).randbytes(4096))
    result, store = salvaged(path, tmp_path / "relay.db")
    found = store.people.chats()
    assert (entries[0] in found, entries[-1] in found) == (True, True)
    assert (150 < len(found) < 200, len(found)) == (True, result.chats)
    assert (set(found) <= set(entries), result.strangers) == (True, 1)
    store.close()


def test_a_chat_and_a_bot_that_say_nothing_any_more_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "wreck.db"
    entries = crowded(path, 3)
    old = SqliteStore(path)
    old._db.execute("UPDATE chat SET body = 'garbage' WHERE chat = ?", (entries[1].chat.id,))
    old._db.execute("UPDATE bot SET body = 'garbage'")
    old.close()
    result, store = salvaged(path, tmp_path / "relay.db")
    assert (result.chats, result.strangers) == (2, 2)
    assert store.people.poll_state(BOT) == PollState()
    store.close()


def test_who_muted_or_moved_since_stays_as_they_are(tmp_path: Path) -> None:
    old = SqliteStore(tmp_path / "wreck.db")
    old.batch([partial(take, old, added=OWN)])
    old.close()
    store = SqliteStore(tmp_path / "relay.db")
    muted = replace(OWN, muted_until=T0 + 60)
    store.batch([partial(take, store, added=muted), partial(salvage, tmp_path / "wreck.db", store)])
    assert store.people.subscriptions() == (muted,)
    store.close()


def test_what_a_chat_has_heard_since_is_not_undone_by_a_salvage(tmp_path: Path) -> None:
    made(tmp_path / "wreck.db", 2)
    store = SqliteStore(tmp_path / "relay.db")
    card = Card(group(0), "", "ops", heard_at=T0 + 100)
    store.batch([partial(store.fold, own(store, TELEGRAM), [CardChange(card, None, urgent=False)])])
    (result,) = store.batch([partial(salvage, tmp_path / "wreck.db", store)])
    assert isinstance(result, Salvaged)
    assert (result.deliveries, result.outdated) == (3, 1)
    assert store.card(TELEGRAM, group(0), "") == card
    store.close()


@pytest.mark.parametrize("damage", [text, a_few_bytes])
def test_what_is_no_storage_gives_nothing_back_and_harms_nothing(
    damage: Damage, tmp_path: Path
) -> None:
    made(tmp_path / "wreck.db", 2)
    damage(tmp_path / "wreck.db")
    events = list[Event]()
    store = SqliteStore(tmp_path / "relay.db", emit=events.append)
    accept(store, 1, T0, TELEGRAM)
    (result,) = store.batch([partial(salvage, tmp_path / "wreck.db", store)])
    assert isinstance(result, NothingToSalvage) or (
        isinstance(result, Salvaged) and result.deliveries == 0
    )
    assert [row.accepted for row in store.balance()] == [1]
    assert events == []
    store.close()
