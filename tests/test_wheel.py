"""An installed wheel is whole: it holds every file of the package, and runs away from the
checkout.
"""

import re
import signal
import subprocess
import sys
import urllib.request
import zipfile
from pathlib import Path

import pytest

from tests.need import absent

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
CONFIG = """route: {receiver: ops}
receivers:
  - name: ops
    discord_configs: [{webhook_url: "https://discord.com/api/webhooks/1/token"}]
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as the image builds it: with the pinned setuptools, from a copy of what belongs to the
    package.
    """
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "relay", "templates", "README.md", "LICENSE"):
        if (ROOT / name).exists():
            subprocess.run(["cp", "-r", ROOT / name, source], check=True)
    pip = venv(folder / "build")
    fetch(pip, "--require-hashes", "-r", ROOT / "requirements-build.txt")
    run(pip, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder, source)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def program(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of a virtual environment that holds nothing but the wheel and the pinned
    requirements.
    """
    python = venv(tmp_path_factory.mktemp("installed"))
    fetch(python, "--require-hashes", "-r", ROOT / "requirements.txt")
    run(python, "-m", "pip", "install", "-q", "--no-deps", wheel)
    return python.with_name("alert-relay")


def venv(folder: Path) -> Path:
    run(Path(sys.executable), "-m", "venv", folder)
    return folder / "bin/python"


def fetch(python: Path, *words: str | Path) -> None:
    done = subprocess.run(
        [python, "-m", "pip", "install", "-q", *words], capture_output=True, text=True, check=False
    )
    if "No matching distribution" in done.stderr:
        absent("the package index cannot be reached: the wheel's requirements cannot be installed")
    assert done.returncode == 0, done.stderr


def run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_holds_every_file_of_the_package_and_every_template(wheel: Path) -> None:
    held = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("relay/")}
    files = [
        path
        for path in (ROOT / "relay").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    assert held == {str(path.relative_to(ROOT)) for path in files} | {
        f"relay/templates/{path.name}" for path in (ROOT / "templates").iterdir()
    }


def test_an_installed_relay_checks_a_configuration_with_its_own_templates(
    program: Path, tmp_path: Path
) -> None:
    (tmp_path / "relay.yml").write_text(CONFIG)
    said = run(program, "check-config", tmp_path / "relay.yml")
    templates = len(list((ROOT / "templates").iterdir()))
    assert f" - {templates} templates\n" in said


def test_an_installed_relay_serves(program: Path, tmp_path: Path) -> None:
    (tmp_path / "relay.yml").write_text(CONFIG)
    command = [str(program), "serve", "--config.file=relay.yml", "--web.listen-address=127.0.0.1:0"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as relay:
        assert relay.stderr is not None
        try:
            address = next(
                found[1] for line in relay.stderr if (found := re.search("address=(.+)", line))
            )
            with urllib.request.urlopen(f"http://{address}/-/ready", timeout=10) as answer:
                assert answer.status == 200
        finally:
            relay.send_signal(signal.SIGTERM)
        assert relay.wait(15) == 0
