"""A storage outlives the program that made it: each version is brought to the next, and nothing in
it is lost.
"""

import contextlib
import sqlite3
from pathlib import Path

import pytest

from relay.core.event import Event
from relay.store.sqlite.connection import connect
from relay.store.sqlite.open_file import STEPS, open_checked
from relay.store.sqlite.store import SqliteStore
from tests.store import keeping
from tests.world import CHANNEL

VERSIONS = range(1, len(STEPS) + 1)
SECOND = "ALTER TABLE bot ADD COLUMN name TEXT NOT NULL DEFAULT 'relay_bot';"


def open_with(path: Path, *steps: str) -> tuple[int, list[str]]:
    """The version of the file and what it knows of bots, after it was opened by a program with
    these steps.
    """
    with contextlib.closing(open_checked(connect, str(path), "FULL", 1000, steps)) as db:
        (version,) = db.execute("PRAGMA user_version").fetchone()
        return version, [row[-1] for row in db.execute("SELECT * FROM bot")]


@pytest.mark.medium
@pytest.mark.parametrize("version", VERSIONS)
async def test_a_storage_of_each_version_is_read_whole_and_goes_on(
    version: int, tmp_path: Path
) -> None:
    keeping.restore(
        (keeping.KEPT / f"{version}.sql").read_text(encoding="utf-8"), tmp_path / "relay.db"
    )
    events: list[Event] = []
    store = SqliteStore(tmp_path / "relay.db", emit=events.append)
    world = keeping.kept_world(store)
    world.now += 126
    assert sum(row.pending for row in world.balance()) > 20
    assert store.people.invites() == (keeping.INVITE,)
    assert store.people.subscriptions() == (keeping.SUBSCRIPTION,)
    assert [entry.chat for entry in store.people.chats()] == [keeping.TEAM]
    assert [outgoing.bot_reply for outgoing in store.people.bot_replies()] == [keeping.SAYING]
    await world.restart()
    await world.run(until=3 * 3600)
    assert events == []
    assert sum(row.pending for row in world.balance()) == 0
    assert "db-9" in world.discord.transcript(CHANNEL)
    store.close()


@pytest.mark.parametrize("version", VERSIONS)
def test_what_a_kept_storage_is_made_of_is_what_its_steps_make(
    version: int, tmp_path: Path
) -> None:
    """A step that was released stays as it is: change the schema by one more, and keep a storage of
    it.
    """
    keeping.restore(
        (keeping.KEPT / f"{version}.sql").read_text(encoding="utf-8"), tmp_path / "kept.db"
    )
    open_checked(connect, str(tmp_path / "made.db"), "FULL", 1000, STEPS[:version]).close()
    assert schema(tmp_path / "kept.db") == schema(tmp_path / "made.db")


def schema(path: Path) -> list[tuple[str, str]]:
    with contextlib.closing(sqlite3.connect(path)) as db:
        return db.execute(
            "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name"
        ).fetchall()


def test_an_older_storage_gets_the_steps_that_it_lacks(tmp_path: Path) -> None:
    path = tmp_path / "relay.db"
    assert open_with(path, STEPS[0]) == (1, [])
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("INSERT INTO bot VALUES ('111', '{}')")
        db.commit()
    assert open_with(path, STEPS[0], SECOND) == (2, ["relay_bot"])
    assert open_with(path, STEPS[0], SECOND) == (2, ["relay_bot"])


def test_a_step_that_fails_leaves_the_storage_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "relay.db"
    assert open_with(path, STEPS[0]) == (1, [])
    with pytest.raises(sqlite3.OperationalError):
        open_with(path, STEPS[0], f"{SECOND} INSERT INTO nowhere VALUES (1);")
    assert open_with(path, STEPS[0], SECOND) == (2, [])
