"""Opens the database file: checked, upgraded to our schema, every commit synced."""

import sqlite3
from pathlib import Path

from relay.store.data_dir import LOG_LIMIT
from relay.store.protocol import NewerSchema
from relay.store.sqlite.connection import Connect, Connection, damaged, trouble

# The schema, step by step: a storage of version n has had the first n. What was released never
# changes; the next version is one more step.
STEPS = tuple(
    path.read_text(encoding="utf-8")
    for path in sorted(
        (Path(__file__).parent / "schema").glob("*.sql"), key=lambda path: int(path.stem)
    )
)
_LAST_SCHEMA = 1000  # a higher number is damage and no version
_SETTINGS = (
    # No second connection can write or checkpoint (https://sqlite.org/wal.html#walresetbug), and
    # the index of the log is kept in memory, which needs no file, no handle and no room.
    "PRAGMA locking_mode=EXCLUSIVE",
    # Savepoints spill to memory, since /tmp may be missing or full.
    "PRAGMA temp_store=MEMORY",
    # The log is truncated after a burst.
    f"PRAGMA journal_size_limit={LOG_LIMIT}",
)


def open_checked(
    connect: Connect, path: str, synchronous: str, log_pages: int, steps: tuple[str, ...] = STEPS
) -> Connection:
    """A connection to a file that is sound and has had all `steps`; its log is written back after
    `log_pages`.

    Raises NewerSchema, or sqlite3.Error: SQLITE_CORRUPT or SQLITE_NOTADB if the file is damaged.
    """
    db = connect(path)
    try:
        for setting in (*_SETTINGS, f"PRAGMA wal_autocheckpoint={log_pages}"):
            db.execute(setting)
        version = _version_if_sound(db, len(steps))
        if version == 0:
            db.execute("PRAGMA auto_vacuum=INCREMENTAL")  # so that a file that grew can shrink
        db.execute("PRAGMA journal_mode=WAL")
        db.execute(f"PRAGMA synchronous={synchronous}")
        for number, step in enumerate(steps[version:], version + 1):
            db.executescript(f"BEGIN; {step} PRAGMA user_version={number}; COMMIT;")
            # The log of a step may be larger than all later ones, and a small disk needs the room.
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except BaseException:
        db.close()
        raise
    return db


def _version_if_sound(db: Connection, newest: int) -> int:
    """How many steps the file has had: none if it is new. Nothing is written to it; a file that
    cannot even be read is damaged.
    """
    try:
        return _version(db, newest)
    except UnicodeDecodeError as error:  # SQLite quotes text that it cannot decode
        raise damaged("its tables have unreadable names") from error
    except sqlite3.Error as error:
        raise (damaged(str(error)) if trouble(error) == "refused" else error) from error


def _version(db: Connection, newest: int) -> int:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if newest < version < _LAST_SCHEMA:
        raise NewerSchema(
            f"the storage has schema {version}, this alert-relay knows {newest}: upgrade it"
        )
    (said,) = db.execute("PRAGMA integrity_check(1)").fetchone()
    (tables,) = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if said != "ok" or not (0 < version <= newest if tables else version == 0):
        raise damaged(said)
    return int(version)


def move_aside(path: Path, at: str) -> Path:
    """Renames the file and its log, for `alert-relay queue salvage`. Returns the new path."""
    to = path.with_name(f"{path.name}.damaged-{at}")
    number = 1
    while to.exists():
        number += 1
        to = path.with_name(f"{path.name}.damaged-{at}-{number}")
    for suffix in ("-wal", "-journal", ""):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(to.with_name(to.name + suffix))
    return to
