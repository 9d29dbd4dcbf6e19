"""Reads the configuration and every file it names, and passes their contents to the pure part."""

import glob
import stat
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from relay.config.config import parse
from relay.config.destination import Mode
from relay.config.fault import Fault, faulty, ordered
from relay.config.files import FileNames, Files, file_names
from relay.config.losing import losing
from relay.config.resolve import ResolvedConfig, resolve
from relay.config.template_uses import TemplateCheck
from relay.core.secret import Secret
from relay.platforms import PLATFORMS
from relay.platforms.contract import Platforms
from relay.regular_file import read_regular

if TYPE_CHECKING:
    from relay.config.rules import Rules

_Same = tuple[int, int]
_HERE = Path(__file__).parents[1]
# An installed package contains the built-in templates; in a checkout they are beside it.
BUILTIN = next(
    folder for folder in (_HERE / "templates", _HERE.parent / "templates") if folder.is_dir()
)
MOST_CONFIG = 64 << 20
_MOST_SECRET = 64 << 10
_MOST_TEMPLATE = 1 << 20


def load(
    path: Path, mode: Mode, platforms: Platforms = PLATFORMS, *, strict: bool = False
) -> "tuple[Rules | None, tuple[Fault, ...]]":
    """The rules of a configuration file, or None, with its faults and warnings.

    A file that cannot be read is a fault as well: nothing is raised. A file that loses alerts
    (`losing`) is faulty only with `strict`: `check-config` does not approve it, but a relay that
    has served it goes on.
    """
    from relay.config.rules import decided  # noqa: PLC0415 - see `load_routing`

    resolved, files, faults = _resolved(path, mode, platforms)
    if not strict:
        faults = _without_losing(faults)
    if resolved is None:
        return None, faults
    wrong = _template_faults(resolved.template_check, files, str(path))
    faults = ordered((*faults, *wrong), str(path))
    return decided(resolved, faults), faults


def load_routing(
    path: Path, mode: Mode = "check", platforms: Platforms = PLATFORMS
) -> tuple[ResolvedConfig | None, tuple[Fault, ...]]:
    """What a configuration means apart from its templates, which are neither compiled nor tried, or
    None with its faults. The template engine is not even imported, which is most of the time of a
    load.
    """
    resolved, _, faults = _resolved(path, mode, platforms)
    faults = _without_losing(faults)
    return (None if faulty(faults) else resolved), faults


def _resolved(
    path: Path, mode: Mode, platforms: Platforms
) -> tuple[ResolvedConfig | None, Files, tuple[Fault, ...]]:
    try:
        # A file to check may come through a pipe; one to serve is read again and again.
        data = path.read_bytes() if mode == "check" else read_regular(path, MOST_CONFIG)
    except (OSError, ValueError) as error:
        why = f"cannot read the configuration: {_why(error)}"
        return None, Files(), (Fault(str(path), 1, 1, why),)
    config, faults = parse(str(path), data, platforms)
    if config is None:
        return None, Files(), ordered(faults, str(path))
    files = read_files(file_names(config.file), path.parent)
    resolved, more = resolve(config, files, mode)
    lost = losing(config, resolved)
    said = {(fault.file, fault.line, fault.column) for fault in faults}
    more = tuple(each for each in more if (each.file, each.line, each.column) not in said)
    return resolved, files, ordered((*faults, *more, *lost), str(path))


def _without_losing(faults: tuple[Fault, ...]) -> tuple[Fault, ...]:
    return tuple(fault for fault in faults if fault.kind != "losing")


def _template_faults(template_check: TemplateCheck, files: Files, path: str) -> tuple[Fault, ...]:
    from relay.settings import template_check as process  # noqa: PLC0415 - see `load_routing`

    try:
        return tuple(map(files.located, process.faults(template_check)))
    except OSError as error:
        return (Fault(path, 1, 1, f"cannot check the templates: {_why(error)}"),)


def read_files(names: FileNames, folder: Path) -> Files:
    """The contents of the configuration's files; for a file that cannot be read the problem in
    words, by its name.
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


_OF_GO = ", and Go's templates are not read: alert-relay import translates them"


def _find(
    pattern: str, folder: Path, templates: dict[str, Path], secret_files: Collection[_Same]
) -> str:
    """Adds the files of a pattern to the others, by file name; returns the fault, or nothing. A
    template shows the contents of its file, so no other file may pass for one.
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
    if paths:
        return ""
    return f"no such file{_OF_GO if pattern.endswith('.tmpl') else ''}"


def _unfit(path: Path, secret_files: Collection[_Same]) -> str:
    """Why the file may not be a template, or nothing."""
    try:
        path.name.encode()
    except UnicodeEncodeError:
        return "has a name that is not UTF-8"
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
            else f"has a name that does not end in .j2{_OF_GO if path.suffix == '.tmpl' else ''}"
        )
    return ""


def _same(path: Path) -> _Same | None:
    """A value that is equal for two paths to one file; None if there is no file."""
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
    return read_regular(path, most).decode().removeprefix("\ufeff")


def _why(error: OSError | ValueError) -> str:
    """The cause of an error, without the path, which the fault names already."""
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    if isinstance(error, FileNotFoundError):
        return "no such file"
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
