"""Only checked packages are installed: every requirement is one version with its hashes, and
nothing else is installed.
"""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
REQUIREMENTS = sorted(path.name for path in ROOT.glob("requirements*.txt"))
INSTALLING = ("run", "Dockerfile", ".ci/ship-tools", ".ci/run")
PINNED = re.compile(r"[\w.-]+==[\w.!+]+( ; [^#]+?)?( --hash=sha256:[0-9a-f]{64})+")
PACKAGES = re.compile(r"\bpip\b.*?\b(install|download|wheel)\b")


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_each_requirement_is_one_version_with_its_hashes(name: str) -> None:
    lines = list(whole_lines((ROOT / name).read_text(encoding="utf-8")))
    assert lines
    assert loose(lines) == []


@pytest.mark.parametrize("name", INSTALLING)
def test_nothing_is_installed_but_what_the_hashes_name(name: str) -> None:
    lines = list(whole_lines((ROOT / name).read_text(encoding="utf-8")))
    assert unchecked(lines) == []
    named = {word for line in lines for word in re.findall(r"requirements[\w-]*\.txt", line)}
    assert named <= set(REQUIREMENTS)


def test_every_file_of_requirements_is_installed_by_one_of_these() -> None:
    told = "".join((ROOT / name).read_text(encoding="utf-8") for name in INSTALLING)
    assert [name for name in REQUIREMENTS if name not in told] == []


@pytest.mark.parametrize(
    "line",
    [
        "a",
        "a==1",
        "a>=1 --hash=sha256:" + "0" * 64,
        "a==1.* --hash=sha256:" + "0" * 64,
        "a==1 --hash=md5:" + "0" * 32,
        "a @ https://example.org/a.whl --hash=sha256:" + "0" * 64,
        "-e .",
        "--index-url https://example.org/simple",
    ],
)
def test_a_loose_requirement_is_noticed(line: str) -> None:
    assert loose(["a==1 ; python_version < '3.12' --hash=sha256:" + "0" * 64, line]) == [line]


@pytest.mark.parametrize(
    "command",
    [
        "pip install -r requirements.txt",
        "uv pip install --python x -r requirements.txt",
        "python -m pip install --no-deps a",
        "pip install /wheel/a.whl",
        "pip wheel --no-deps .",
    ],
)
def test_an_unchecked_installation_is_noticed(command: str) -> None:
    kept = "pip install --require-hashes -r requirements.txt && pip install --no-deps /wheel/*.whl"
    assert unchecked([f"RUN {kept} && {command}"]) == [command]


def whole_lines(text: str) -> Iterator[str]:
    """The lines that are no comments, each with those that go on from it."""
    for line in re.sub(r" *\\\n *", " ", text).splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            yield line.strip()


def loose(lines: list[str]) -> list[str]:
    """The requirements that leave a choice."""
    return [line for line in lines if not PINNED.fullmatch(line)]


def unchecked(lines: list[str]) -> list[str]:
    """The commands that may take a package whose hash nobody named. A build of our own takes
    nothing from outside when it looks for no dependencies and has its tools already."""
    commands = [command.strip() for line in lines for command in re.split(r"&&|\|\||;", line)]
    return [
        command for command in commands if PACKAGES.search(command) and not _is_checked(command)
    ]


def _is_checked(command: str) -> bool:
    words = shlex.split(command)
    if "--require-hashes" in words:
        return True
    verb = next(word for word in words if word in ("install", "download", "wheel"))
    named = [word for word in words[words.index(verb) + 1 :] if not word.startswith("-")]
    ours = "--no-deps" in words and all(word.startswith((".", "/")) for word in named)
    return ours and (verb != "wheel" or "--no-build-isolation" in words)
