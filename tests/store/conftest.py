"""The engines of the store: what every one of them must do is run on each."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from relay.store.postgres.store import PostgresStore
from relay.store.sqlite.store import SqliteStore
from tests.postgres import Databases, databases, pooled

Engine = SqliteStore | PostgresStore
Reopen = Callable[[], Engine]
ENGINES = (
    "sqlite",
    pytest.param("postgres", marks=pytest.mark.postgres),
    pytest.param("pgbouncer", marks=[pytest.mark.postgres, pytest.mark.medium]),
)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Databases]:
    """A PostgreSQL that makes databases."""
    with databases() as made:
        yield made


@pytest.fixture(scope="session")
def pgbouncer() -> Iterator[Callable[[], str]]:
    """Databases behind a PgBouncer in transaction mode."""
    with pooled() as fresh:
        yield fresh


@pytest.fixture(params=ENGINES)
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Reopen]:
    """Opens the storage; again for what a new process would see."""
    engine = str(request.param)
    url = ""
    if engine == "postgres":
        url = request.getfixturevalue("postgres").fresh()
    elif engine == "pgbouncer":
        url = request.getfixturevalue("pgbouncer")()
    opened: list[Engine] = []

    def open_again() -> Engine:
        for store in opened:
            store.close()
        # A new process has not to wait for the leases of the last one.
        opened[:] = [
            PostgresStore(url, ttl=0.0, by_own_clock=False)
            if url
            else SqliteStore(tmp_path / "relay.db")
        ]
        return opened[0]

    yield open_again
    for store in opened:
        store.close()


@pytest.fixture
def store(reopen: Reopen) -> Engine:
    """A storage that is new."""
    return reopen()
