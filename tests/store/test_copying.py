"""A storage that was copied to the other engine goes on where it stood."""

from contextlib import closing
from functools import partial
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from relay.__main__ import main
from relay.core.alert import GroupId
from relay.store.postgres.copying import _alone, to_postgres, to_sqlite
from relay.store.postgres.database import STORAGE
from relay.store.postgres.store import PostgresStore
from relay.store.protocol import StoreError
from relay.store.sqlite.store import SqliteStore
from tests.build import alert, notification
from tests.postgres import Databases
from tests.world import CHAT, GROUP_CHAT, AtOnce, World, discord_target, telegram_target

pytestmark = pytest.mark.postgres


def group(number: int) -> GroupId:
    return GroupId("", "relay", f"{{}}:{{n={number}}}")


async def told(world: World, number: int, status: str = "firing") -> None:
    await world.post(notification(alert(f"db-{number}", status), group=group(number)))  # type: ignore[arg-type]
    await world.run(world.now - 1_795_000_000.0 + 10)


def cards(world: World) -> list[str]:
    """The messages of the chat but for replies."""
    return [each.text for each in world.telegram.messages(CHAT) if not each.reply_to]


def moved(world: World, store: PostgresStore | SqliteStore) -> World:
    """The same chats, with the copy of the storage."""
    world.store, world.transactions = store, AtOnce(store)
    world.pipeline = world._begun()
    return world


async def test_a_message_is_edited_after_the_move_and_after_the_move_back(
    postgres: Databases, tmp_path: Path
) -> None:
    first, url = tmp_path / "first.db", postgres.fresh()
    world = World(telegram_target(), discord_target(), store=SqliteStore(first))
    for number in range(4):
        await told(world, number)
    await told(world, 0, "resolved")
    books = world.store.balance()
    world.store.close()

    copied = to_postgres(first, url)
    assert copied.books == books
    assert copied.rows["payload"] == 5
    moved(world, PostgresStore(url, ttl=0.0, by_own_clock=False))
    await world.restart()
    await told(world, 1, "resolved")
    await told(world, 9)
    assert len(cards(world)) == 5
    books = world.store.balance()
    assert [row.pending for row in books] == [0, 0]
    world.store.close()

    back = tmp_path / "back.db"
    assert to_sqlite(url, back).books == books
    moved(world, SqliteStore(back))
    await world.restart()
    await told(world, 2, "resolved")
    await told(world, 10)
    over = [text.startswith("🟢 resolved") for text in cards(world)]
    assert over == [True, True, True, False, False, False]
    world.store.close()


async def test_each_table_comes_back_as_it_was(postgres: Databases, tmp_path: Path) -> None:
    first, back, url = tmp_path / "first.db", tmp_path / "back.db", postgres.fresh()
    world = World(telegram_target(), discord_target(), store=SqliteStore(first))
    for number in range(3):
        await told(world, number)
    await told(world, 1, "resolved")
    world.store.close()
    to_postgres(first, url)
    to_sqlite(url, back)
    contents = []
    for file in (first, back):
        with closing(SqliteStore(file)) as store:
            db = store._file._db
            tables = db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
            contents.append(
                {
                    name: sorted(map(repr, db.execute(f"SELECT * FROM {name}").fetchall()))
                    for (name,) in tables
                }
            )
    assert contents[0] == contents[1]


def test_a_target_with_something_in_it_is_left_alone(postgres: Databases, tmp_path: Path) -> None:
    url, file = postgres.fresh(), tmp_path / "relay.db"
    SqliteStore(file).close()
    with closing(PostgresStore(url)) as store:
        store.batch([partial(store.take, GROUP_CHAT)])
    with pytest.raises(StoreError, match="a relay uses the database"):
        to_postgres(file, url)
    with closing(PostgresStore(url)) as store:
        store.server.run("DELETE FROM lease")
    with pytest.raises(StoreError, match="not empty"):
        to_postgres(file, url)


def test_the_verb_says_what_it_copied(
    postgres: Databases, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    named = tmp_path / "url"
    named.write_text(postgres.fresh())
    (tmp_path / "data").mkdir()
    SqliteStore(tmp_path / "data/relay.db").close()
    assert main(["storage", "copy", str(tmp_path / "data"), str(named)]) == 0
    assert capsys.readouterr().out.startswith("copied 0 payloads, 0 deliveries (0 pending)")
    assert main(["storage", "copy", str(named), str(tmp_path / "data")]) == 0


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("url", "url"), "FROM and TO are both addresses"),
        (("data", "nowhere"), "FROM and TO are both directories"),
        (("nowhere", "url"), "nowhere/relay.db does not exist"),
        (("data", "empty"), "empty: the file is empty"),
        (("binary", "data"), "binary: no text, so no address of a PostgreSQL"),
        (("data", "nonsense"), "not a postgresql:// address that libpq can parse"),
        (("data", "gone"), "cannot open the storage: "),
        (("other", "copy"), "there is no storage of alert-relay in this database"),
        (("damaged", "url"), "damaged/relay.db is damaged (file is not a database)"),
    ],
    ids=str,
)
def test_what_cannot_be_copied_is_said_in_one_line_and_left_as_it_was(
    words: tuple[str, str],
    why: str,
    postgres: Databases,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    url = postgres.fresh()
    addresses = {
        "url": url,
        "empty": "\n",
        "nonsense": "mysql://db",
        "gone": make_conninfo(url, dbname="gone"),
        "other": make_conninfo(url, dbname="postgres"),
    }
    for name, address in addresses.items():
        (tmp_path / name).write_text(address)
    for name in ("data", "damaged"):
        (tmp_path / name).mkdir()
        SqliteStore(tmp_path / name / "relay.db").close()
    (tmp_path / "binary").write_bytes(b"\xff")
    (tmp_path / "damaged/relay.db").write_bytes(b"something else" * 1000)
    assert main(["storage", "copy", *words]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert why in said
    assert (tmp_path / "damaged/relay.db").read_bytes() == b"something else" * 1000
    assert not (tmp_path / "nowhere").exists()
    assert not (tmp_path / "copy/relay.db").exists()


def test_no_relay_begins_to_use_a_database_that_is_copied(postgres: Databases) -> None:
    url = postgres.fresh()
    with _alone(url), psycopg.connect(url) as other:
        (free,) = other.execute(f"SELECT pg_try_advisory_xact_lock({STORAGE})").fetchone() or ()
        assert not free
        with pytest.raises(psycopg.errors.LockNotAvailable):
            other.execute("LOCK TABLE progress IN ROW EXCLUSIVE MODE NOWAIT")


def test_a_database_that_goes_away_in_the_middle_is_an_error_of_the_storage(
    postgres: Databases,
) -> None:
    with pytest.raises(StoreError, match="the database: "), _alone(postgres.fresh()) as connection:
        connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
