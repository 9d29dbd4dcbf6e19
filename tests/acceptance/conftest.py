"""Whole relays on a fake clock are tried on both engines of the store."""

import os
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import pytest

from relay.store.postgres.store import PostgresStore
from relay.store.protocol import Store
from relay.store.sqlite.store import SqliteStore
from tests import world
from tests.acceptance.processes import start_relay, storages
from tests.postgres import Databases, databases

ENGINES = ("sqlite", pytest.param("postgres", marks=pytest.mark.postgres))
# Worlds of a test that are on PostgreSQL; a property that makes more goes on with SQLite.
MOST = int(os.environ.get("RELAY_POSTGRES_WORLDS", "30"))
_made: list[str] = []


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test of a module that has worlds is one for each engine; the long ones are only where
    `RELAY_POSTGRES_WORLDS` asks for it.
    """
    own = vars(metafunc.module).values()
    has_worlds = any(
        each is start_relay or (isinstance(each, type) and issubclass(each, world.World))
        for each in own
    )
    find = metafunc.definition.get_closest_marker
    is_left_out = find("slow") and "RELAY_POSTGRES_WORLDS" not in os.environ
    is_for_both = not find("sqlite") and not is_left_out
    if has_worlds and is_for_both:
        metafunc.parametrize("engine", ENGINES, indirect=True, scope="module")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """`RELAY_POSTGRES_SHARE` of the tests on PostgreSQL, always the same ones."""
    share = 1000 * float(os.environ.get("RELAY_POSTGRES_SHARE", "1"))
    left = {
        item
        for item in items
        if isinstance(item, pytest.Function)
        and hasattr(item, "callspec")
        and item.callspec.params.get("engine") == "postgres"
        and crc32(item.nodeid.encode()) % 1000 >= share
    }
    if left:
        config.hook.pytest_deselected(items=list(left))
        items[:] = [item for item in items if item not in left]


def pytest_runtest_setup() -> None:
    """Each test has its share of worlds on PostgreSQL."""
    _made.clear()


@pytest.fixture(scope="module", autouse=True)
def engine(request: pytest.FixtureRequest) -> Iterator[None]:
    """What the worlds of these tests have for their store."""
    if getattr(request, "param", "sqlite") == "sqlite":
        yield
        return
    with databases() as made, world.stores(lambda: _store(made)), storages(_Urls(made)):
        yield


class _Urls:
    """The options of relays: those of one folder share a database."""

    def __init__(self, databases: Databases) -> None:
        self._databases = databases

    def __call__(self, folder: Path) -> tuple[str, ...]:
        named = folder / "url"
        if not named.exists():
            named.write_text(self._databases.fresh())
        return f"--storage.url-file={named}", "--storage.lease=2s"


def _store(databases: Databases) -> Store:
    if len(_made) >= MOST:
        return SqliteStore(":memory:")
    _made.append(databases.fresh())
    return PostgresStore(_made[-1], ttl=0.0, by_own_clock=False)
