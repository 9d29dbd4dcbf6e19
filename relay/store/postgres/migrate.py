"""Bringing a database to our version, step by step, while other processes may try the same."""

from pathlib import Path

from relay.store.postgres.connection import Connection
from relay.store.protocol import NewerSchema, StoreError

# A database of version n has had the first n. What was released never changes.
STEPS = tuple(
    path.read_text(encoding="utf-8")
    for path in sorted(
        (Path(__file__).parent / "schema").glob("*.sql"), key=lambda path: int(path.stem)
    )
)
_LOCK = 7_203_461_186  # the advisory lock of those that migrate


def check(connection: Connection, steps: tuple[str, ...] = STEPS) -> None:
    """Raises StoreError for a database without our tables, or with those of an earlier version,
    NewerSchema for a later one, and psycopg.Error. Changes nothing.
    """
    found = connection.execute("SELECT to_regclass('schema_version')").fetchone()
    if found and found[0]:
        found = connection.execute("SELECT max(version) FROM schema_version").fetchone()
    version = int(found[0] or 0) if found else 0
    if not version:
        raise StoreError(
            "there is no storage of alert-relay in this database: name the one that the replicas"
            " use (the first of them makes the tables)"
        )
    _check_not_newer(version, steps)
    if version < len(steps):
        raise StoreError(
            f"the storage has schema {version}, this alert-relay needs {len(steps)}: the first"
            " replica of this version brings it there"
        )


def _check_not_newer(version: int, steps: tuple[str, ...]) -> None:
    if version > len(steps):
        raise NewerSchema(
            f"the storage has schema {version}, this alert-relay knows {len(steps)}: upgrade it"
        )


def migrate(connection: Connection, steps: tuple[str, ...] = STEPS) -> int:
    """Brings the database to our version in one transaction, and gives the version that it had.
    Raises NewerSchema and psycopg.Error.
    """
    with connection.transaction():
        connection.execute("SET LOCAL lock_timeout = '10s'")
        connection.execute(f"SELECT pg_advisory_xact_lock({_LOCK})".encode())
        connection.execute("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)")
        found = connection.execute("SELECT max(version) FROM schema_version").fetchone()
        version = int(found[0] or 0) if found else 0
        _check_not_newer(version, steps)
        for number, step in enumerate(steps[version:], version + 1):
            connection.execute(step.encode())
            connection.execute("INSERT INTO schema_version VALUES ($1)", (number,))
    return version
