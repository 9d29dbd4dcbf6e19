"""Reads the configuration and every file it names, and hands them to the core to judge."""

import glob
import stat
from collections.abc import Collection
from pathlib import Path

from relay.config.config import parse
from relay.config.destination import Mode
from relay.config.fault import Fault, ordered
from relay.config.files import FileNames, Files, file_names
from relay.config.resolve import Rules, decided, resolve
from relay.config.template_check import TemplateCheck
from relay.core.secret import Secret
from relay.platforms import PLATFORMS
from relay.platforms.contract import Platforms
from relay.regular_file import read_regular
from relay.settings import template_check as template_check_process

_Same = tuple[int, int]
_HERE = Path(__file__).parents[1]
# An installed package holds the built-in templates, a checkout has them beside it.
BUILTIN = next(
    folder for folder in (_HERE / "templates", _HERE.parent / "templates") if folder.is_dir()
)
MOST_CONFIG = 64 << 20
_MOST_SECRET = 64 << 10
_MOST_TEMPLATE = 1 << 20


def load(
    path: Path, mode: Mode, platforms: Platforms = PLATFORMS
) -> tuple[Rules | None, tuple[Fault, ...]]:
    """The rules of a configuration file, or None with all its faults; warnings come in both cases.

    A file that cannot be read is a fault as well: nothing is raised.
    """
    try:
        # A file to check may come through a pipe; one to serve is read again and again.
        data = path.read_bytes() if mode == "check" else read_regular(path, MOST_CONFIG)
    except (OSError, ValueError) as error:
        return None, (Fault(str(path), 1, 1, f"cannot read the configuration: {_why(error)}"),)
    config, faults = parse(str(path), data, platforms)
    if config is None:
        return None, ordered(faults, str(path))
    files = read_files(file_names(config.file), path.parent)
    resolved, more = resolve(config, files, mode)
    faults = ordered(
        (*faults, *more, *_template_faults(resolved.template_check, files, str(path))), str(path)
    )
    return decided(resolved, faults), faults


def _template_faults(template_check: TemplateCheck, files: Files, path: str) -> tuple[Fault, ...]:
    try:
        return tuple(map(files.located, template_check_process.faults(template_check)))
    except OSError as error:
        return (Fault(path, 1, 1, f"cannot check the templates: {_why(error)}"),)


def read_files(names: FileNames, folder: Path) -> Files:
    """What the configuration's files hold; what cannot be read is a problem in words, by its
    name.
    """
    secrets: dict[str, Secret] = {}
    templates: dict[str, Path] = {}
    problems: dict[str, str] = {}
    for name in sorted(names.secrets):
        try:
            secrets[name] = Secret(_read(folder / name, _MOST_SECRET).strip())
        except (OSError, ValueError) as error:
            problems[name] = _why(error)
    for name in sorted(names.certificates):
        if not (folder / name).is_file():
            problems[name] = "no such file"
    secret_files = {
        same
        for name in names.secrets | names.certificates
        if (same := _same(folder / name)) is not None
    }
    sources: dict[str, str] = {}
    for pattern in names.templates:
        problem = _find(pattern, folder, templates, secret_files) or _read_all(templates, sources)
        if problem:
            problems[pattern] = problem
    builtin = {path.name: path for path in sorted(BUILTIN.glob("*.j2"))}
    return Files(
        folder=str(folder.absolute()),
        secrets=secrets,
        templates=sources,
        builtin={name: path.read_text(encoding="utf-8") for name, path in builtin.items()},
        paths={name: str(path) for name, path in {**builtin, **templates}.items()},
        problems=problems,
    )


def _find(
    pattern: str, folder: Path, templates: dict[str, Path], secret_files: Collection[_Same]
) -> str:
    """Puts the files of a pattern among the others, by file name; says what is wrong, or
    nothing. A template shows what its file holds, so no other file may pass for one.
    """
    try:
        paths = [Path(path) for path in glob.glob(str(folder / pattern))]  # noqa: PTH207 - absolute patterns
    except (ValueError, OSError) as error:
        return _why(error)
    for path in sorted(paths):
        problem = _unfit(path, secret_files)
        if problem:
            return f"{path.name} {problem}"
        if templates.setdefault(path.name, path) != path:
            return f"two templates have the name {path.name}"
    return "" if paths else "no such file"


def _unfit(path: Path, secret_files: Collection[_Same]) -> str:
    """Why the file may not be a template, or nothing."""
    try:
        found = path.stat()
    except OSError as error:
        return f"cannot be read: {_why(error)}"
    if not stat.S_ISREG(found.st_mode):
        return "is not a regular file"
    if (found.st_dev, found.st_ino) in secret_files:
        return "is a secret file too: no template may show it"
    if path.resolve().suffix != ".j2":
        return (
            "is a link to a file whose name does not end in .j2"
            if path.suffix == ".j2"
            else "has a name that does not end in .j2"
        )
    return ""


def _same(path: Path) -> _Same | None:
    """What tells whether two paths lead to one file; None when there is none."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def _read_all(templates: dict[str, Path], sources: dict[str, str]) -> str:
    for name, path in templates.items():
        if name not in sources:
            try:
                sources[name] = _read(path, _MOST_TEMPLATE)
            except (OSError, ValueError) as error:
                return f"{name}: {_why(error)}"
    return ""


def _read(path: Path, most: int) -> str:
    return read_regular(path, most).decode()


def _why(error: OSError | ValueError) -> str:
    """What went wrong, without the path that the reader of the fault sees already."""
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    if isinstance(error, FileNotFoundError):
        return "no such file"
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
