"""The image is really built, on a local stand-in for the base, and runs as the Dockerfile says."""

import ast
import json
import os
import platform
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.need import absent, need_program

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROOT = Path(__file__).parent.parent.parent
BASE, IMAGE = "localhost/base", "localhost/alert-relay"
USER = "65532"
TOKEN = "a-token-for-this-test"
URL = "http://127.0.0.1:9087"
REACHING = {"index-url", "extra-index-url", "trusted-host", "proxy", "cert", "timeout"}
# Read-only root, the two folders mounted, PID 1, no privileges: what a container engine does with
# these flags.
RUN = """
set -e
root=$1 etc=$2 data=$3; shift 3
mount --bind "$root" "$root"
mkdir -p "$root/etc/alert-relay"
mount --bind "$etc" "$root/etc/alert-relay"
mount --bind "$data" "$root/data"
mount -t proc proc "$root/proc"
mount -o remount,ro,bind "$root"
exec chroot "$root" "$@"
"""


@dataclass
class Buildah:
    """buildah with a storage of its own."""

    folder: Path

    def __call__(self, *words: str | Path) -> str:
        command = [
            "buildah",
            "--root",
            self.folder / "images",
            "--runroot",
            self.folder / "run",
            *words,
        ]
        return run(*command, STORAGE_DRIVER="vfs")


def run(*command: str | Path, **more: str) -> str:
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | more, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def pip_settings() -> str:
    """What this machine tells pip about indexes and certificates; they are no part of the image."""
    settings = {}
    for line in sorted(
        run("pip3", "config", "list").splitlines(), reverse=True
    ):  # what begins with : is stronger
        name, _, value = line.partition("=")
        settings[name.rpartition(".")[2]] = ast.literal_eval(value)
    settings = {name: value for name, value in settings.items() if name in REACHING}
    return "[global]\n" + "".join(f"{name} = {value}\n" for name, value in settings.items())


@pytest.fixture(scope="module")
def buildah(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Buildah]:
    """buildah, holding the stand-in: a Debian with Python."""
    if os.geteuid() != 0:
        absent("images are built by root here: run the tests as root")
    for program in ("buildah", "crun", "mmdebstrap"):
        need_program(program, "--no-install-recommends buildah crun mmdebstrap")
    tool = Buildah(tmp_path_factory.mktemp("buildah"))
    tar = tool.folder / "base.tar"
    packages = "ca-certificates,python3-minimal,python3-venv"
    release = platform.freedesktop_os_release()["VERSION_CODENAME"]
    run("mmdebstrap", "--quiet", "--variant=apt", f"--include={packages}", release, tar)
    container = tool("from", "scratch")
    tool("add", "-q", container, tar, "/")
    tool("commit", "-q", "--rm", container, BASE)
    yield tool
    shutil.rmtree(tool.folder)


@pytest.fixture(scope="module")
def image(buildah: Buildah) -> str:
    settings = buildah.folder / "pip.conf"
    settings.write_text(pip_settings())
    buildah(
        "bud", "--isolation", "chroot", "--network", "host", "--pull-never", "--format", "docker",
        "-v", "/etc/ssl/certs:/etc/ssl/certs:ro", "-v", f"{settings}:/etc/pip.conf:ro",
        "--build-arg", f"BASE_IMAGE={BASE}", "--build-arg", "VERSION=9.9.9", "-t", IMAGE, ".",
    )  # fmt: skip
    return IMAGE


@dataclass
class Container:
    """The image's files, what it says of itself, and two folders to mount."""

    root: Path
    says: dict[str, object]
    config: Path
    data: Path

    def command(self, words: Sequence[str]) -> list[str]:
        """Runs `words` as the image's user, with its environment and nothing of ours."""
        environment = [str(each) for each in self._list("Env")]
        inside = ["env", "-i", *environment, *words]
        return ["unshare", "-m", "-p", "-f", "--kill-child", "sh", "-c", RUN, "run",
                str(self.root), str(self.config), str(self.data),
                *self._as_user(inside)]  # fmt: skip

    def _as_user(self, words: list[str]) -> list[str]:
        user, _, group = str(self.says["User"]).partition(":")
        return ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups",
                "--no-new-privs", "--bounding-set=-all", *words]  # fmt: skip

    def _list(self, key: str) -> list[object]:
        value = self.says[key]
        assert isinstance(value, list)
        return value

    def serve(self) -> list[str]:
        """The image's own command."""
        return self.command(
            [str(word) for key in ("Entrypoint", "Cmd") for word in self._list(key)]
        )

    def health(self) -> list[str]:
        """The image's own check."""
        check = self.says["Healthcheck"]
        assert isinstance(check, dict)
        kind, *words = check["Test"]
        assert kind == "CMD"
        return self.command(words)


@pytest.fixture(scope="module")
def container(buildah: Buildah, image: str) -> Iterator[Container]:
    name = buildah("from", "--pull-never", image)
    says = json.loads(buildah("inspect", "--type", "image", image))["Docker"]["config"]
    config, data = buildah.folder / "config", buildah.folder / "data"
    for folder in (config, data):
        folder.mkdir()
    shutil.chown(data, int(USER), int(USER))
    (config / "relay.yml").write_text("route: {receiver: ops}\nreceivers: [{name: ops}]\n")
    (config / "web.yml").write_text("bearer_token_files: [token]\n")
    (config / "token").write_text(TOKEN)
    yield Container(Path(buildah("mount", name)), says, config, data)
    buildah("rm", name)


@pytest.fixture(scope="module")
def relay(container: Container) -> Iterator[subprocess.Popen[str]]:
    """The image's command, ready."""
    with subprocess.Popen(container.serve(), stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_until_ready(process)
            yield process
        finally:
            process.kill()


def wait_until_ready(process: "subprocess.Popen[str]", within: float = 20.0) -> None:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if status("/-/ready") == 200:
                return
        except urllib.error.URLError:
            time.sleep(0.1)
    process.kill()
    raise AssertionError(process.stderr.read() if process.stderr else "")


def status(path: str, body: bytes | None = None, **headers: str) -> int:
    request = urllib.request.Request(
        URL + path, body, headers={"Content-Type": "application/json", **headers}
    )
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_it_has_a_numeric_user_a_data_volume_and_its_labels(container: Container) -> None:
    assert container.says["User"] == f"{USER}:{USER}"
    assert container.says["Volumes"] == {"/data": {}}
    assert container.says["ExposedPorts"] == {"9087": {}} or container.says["ExposedPorts"] == {
        "9087/tcp": {}
    }
    labels = container.says["Labels"]
    assert isinstance(labels, dict)
    assert labels["org.opencontainers.image.version"] == "9.9.9"
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"


def test_no_tool_that_installs_or_builds_came_along_with_the_program(container: Container) -> None:
    folder = container.root / "opt/alert-relay"
    packages = {
        path.name.partition("-")[0]
        for path in folder.glob("lib/python3*/site-packages/*.dist-info")
    }
    assert "alert_relay" in packages
    assert not packages & {"pip", "setuptools", "wheel", "uv"}
    assert not (container.root / "src").exists()
    assert not (container.root / "usr/bin/gcc").exists()


def test_it_can_speak_to_postgresql(container: Container) -> None:
    python = "/opt/alert-relay/bin/python"
    asked = container.command([python, "-c", "import psycopg.pq; print(psycopg.pq.__impl__)"])
    assert run(*asked).strip() == "binary"


def test_it_is_ready_and_guarded_on_a_read_only_root(relay: "subprocess.Popen[str]") -> None:
    assert relay.poll() is None
    assert status("/alerts", b'{"alerts": []}') == 401
    assert (
        status("/alerts", b'{"version": "4", "alerts": []}', Authorization=f"Bearer {TOKEN}") == 200
    )


def test_its_health_check_passes_while_it_runs(
    relay: "subprocess.Popen[str]", container: Container
) -> None:
    assert relay.poll() is None
    assert subprocess.run(container.health(), capture_output=True, check=False).returncode == 0


def test_nothing_can_be_written_outside_of_the_data_folder(container: Container) -> None:
    python = "/opt/alert-relay/bin/python"
    attempt = subprocess.run(
        container.command([python, "-c", "open('/opt/x', 'w')"]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Read-only file system" in attempt.stderr


@pytest.mark.usefixtures("relay")
def test_what_runs_is_process_1_without_privileges_and_owns_its_data(container: Container) -> None:
    assert (container.data / "relay.db").stat().st_uid == int(USER)


def test_a_sigterm_ends_process_1_at_once_and_well(
    relay: "subprocess.Popen[str]", container: Container
) -> None:
    children = Path(f"/proc/{relay.pid}/task/{relay.pid}/children").read_text().split()
    state = Path(f"/proc/{children[0]}/status").read_text()
    assert f"Uid:\t{USER}\t{USER}\t{USER}\t{USER}" in state
    assert "CapEff:\t0000000000000000" in state
    os.kill(int(children[0]), signal.SIGTERM)
    assert relay.wait(15) == 0
    assert subprocess.run(container.health(), capture_output=True, check=False).returncode != 0
