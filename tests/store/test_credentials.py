"""A password of the database that is changed while the relay runs."""

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from relay.store.postgres.connection import DatabaseAddress, parsed
from relay.store.postgres.store import PostgresStore
from relay.store.protocol import Kept, StoreError
from tests.build import TELEGRAM
from tests.postgres import Cluster, cluster
from tests.store.test_store import new_payload

_AUTHENTICATION = "local all relay trust\nlocal all app scram-sha-256\n"


class Guarded:
    """A server that asks the role `app` for its password."""

    def __init__(self, server: Cluster) -> None:
        self._server = server
        (server.data / "pg_hba.conf").write_text(_AUTHENTICATION)
        self._do("SELECT pg_reload_conf()")
        self._do("CREATE ROLE app LOGIN PASSWORD 'first'")
        self._do("CREATE DATABASE app OWNER app")

    def url(self, password: str) -> str:
        return make_conninfo(self._server.url("app"), user="app", password=password)

    def change(self, password: str) -> None:
        """The role has a new one, and its connections end."""
        self._do(f"ALTER ROLE app PASSWORD '{password}'")
        self._do("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'")

    def _do(self, sql: str) -> None:
        with psycopg.connect(self._server.url(), autocommit=True) as connection:
            connection.execute(sql.encode())


@pytest.fixture
def guarded() -> Iterator[Guarded]:
    with cluster() as server:
        yield Guarded(server)


@pytest.mark.postgres
@pytest.mark.medium
def test_a_changed_password_is_taken_from_the_file_without_a_restart(
    guarded: Guarded, tmp_path: Path
) -> None:
    named = tmp_path / "url"
    named.write_text(guarded.url("first") + "\n")
    with closing(PostgresStore(named)) as store:
        accept = partial(store.accept, [new_payload(TELEGRAM)])
        assert isinstance(store.batch([accept])[0], Kept)
        guarded.change("second")
        store.batch([accept])  # by a connection that is gone
        (refused,) = store.batch([accept])
        assert isinstance(refused, StoreError)
        assert "password authentication failed" in str(refused)
        assert "first" not in str(refused)
        named.write_text(guarded.url("second") + "\n")
        assert isinstance(store.batch([accept])[0], Kept)


def test_of_a_file_that_is_written_anew_the_credentials_are_taken(tmp_path: Path) -> None:
    named = tmp_path / "url"
    named.write_text("postgresql://relay:one@db1,db2:5433/alerts?sslmode=verify-full")
    address = DatabaseAddress(named)
    first = address.settings()
    named.write_text("postgresql://rotated:two@elsewhere/other?sslrootcert=/run/ca.crt")
    assert address.settings() == first | {
        "user": "rotated", "password": "two", "sslrootcert": "/run/ca.crt"
    }  # fmt: skip


@pytest.mark.parametrize(
    "password",
    ["geh@im", "geh/im", "geh@/im", "geh/i@m", "geh?i@m", "geh?i/m", "geh%im", "geh im", "geh@[im"],
)
def test_a_password_that_is_not_written_for_an_address_is_never_taken_for_a_host(
    password: str,
) -> None:
    """Errors name the host, the port and the database."""
    with pytest.raises(ValueError, match=r"write @ : / .* as %40 %3A %2F") as caught:
        DatabaseAddress(f"postgresql://relay:{password}@db.example.org/relay")
    assert "geh" not in str(caught.value)


def test_an_address_has_any_password_in_the_form_for_addresses() -> None:
    address = DatabaseAddress("postgres://relay:%40%3A%2F%3F%23%25@db1,db2/relay?host=@run")
    assert address.settings()["password"] == "@:/?#%"
    assert parsed("host=db password='p@ss/w?rd'")["password"] == "p@ss/w?rd"


@pytest.mark.parametrize("told", [None, "", "\n", "postgresql://[relay"])
def test_while_the_file_has_no_address_the_last_one_holds(told: str | None, tmp_path: Path) -> None:
    named = tmp_path / "url"
    named.write_text("postgresql://relay:one@db1/alerts")
    address = DatabaseAddress(named)
    first = address.settings()
    if told is None:
        named.unlink()
    else:
        named.write_text(told)
    assert address.settings() == first
    with pytest.raises((ValueError, OSError)):
        DatabaseAddress(named)
