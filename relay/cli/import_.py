"""`import`: makes a relay configuration from an alertmanager.yml, and says what Alertmanager then
needs.
"""

import argparse
import glob
import os
from pathlib import Path

from relay.cli.base import CANNOT, FAULTY, GOOD, complain, say
from relay.config.fault import render
from relay.config.files import FileNames
from relay.config.importing import Imported, ImportedFile, NotImported, convert
from relay.config.importing_chats import senders
from relay.config.importing_routes import child, items, word
from relay.config.yaml_tree import read as read_yaml
from relay.platforms import PLATFORMS
from relay.settings.load import load, read_files

_MOST = 1 << 20  # bytes of a template
CONFIG = "relay.yml"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Prints relay.yml on standard output, or writes it into a folder with the templates and "
        "secrets that it names; on standard error, what could not be converted, and the route and "
        "receiver that alertmanager.yml then needs."
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="an alertmanager.yml")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="write relay.yml, templates and secrets into this folder",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Imports. Status 1 if the file has faults or no chats, 2 if it cannot be read, or a file of
    the result exists already.
    """
    path: Path = options.file
    try:
        data = path.read_bytes()
    except OSError as error:
        complain(f"alert-relay: cannot read {path}: {error.strerror}")
        return CANNOT
    builtin = read_files(FileNames(frozenset(), (), frozenset()), path.parent).builtin
    templates = _templates(path, data) if options.out is not None else None
    try:
        imported = convert(str(path), data, builtin, PLATFORMS, templates)
    except NotImported as error:
        complain("\n".join(map(render, error.faults)))
        return FAULTY
    if options.out is None:
        say(imported.config.rstrip())
    elif problem := _written(imported, options.out):
        complain(f"alert-relay: {problem}")
        return CANNOT
    complain(_left(imported, options.out))
    if options.out is not None and (listed := _faulty_templates(options.out)):
        complain(listed)
    return GOOD


def _templates(path: Path, data: bytes) -> dict[str, str]:
    """The template files that an alertmanager.yml names, by their paths. Files that are not there
    are looked for beside it.
    """
    source, _ = read_yaml(str(path), data)
    found: dict[str, str] = {}
    for pattern in map(word, items(child(source.root, "templates"))):
        near = glob.glob(str(path.parent / pattern))  # noqa: PTH207 - absolute patterns
        beside = glob.glob(str(path.parent / Path(pattern).name))  # noqa: PTH207
        for each in sorted(near or beside):
            file = Path(each)
            if file.is_file() and file.stat().st_size <= _MOST:
                found[each] = file.read_text(encoding="utf-8", errors="replace")
    return found


def _written(imported: Imported, folder: Path) -> str:
    """Writes all files. Returns why it cannot; then no existing file has changed."""
    files = (ImportedFile(CONFIG, imported.config, secret=False), *imported.files)
    there = [each.path for each in files if (folder / each.path).exists()]
    if there:
        return f"{folder / there[0]} exists already: name an empty folder with --out"
    try:
        for each in files:
            path = folder / each.path
            path.parent.mkdir(parents=True, exist_ok=True)
            mode = 0o600 if each.secret else 0o644
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
                file.write(each.text)
    except OSError as error:
        return f"cannot write {error.filename}: {error.strerror}"
    return ""


def _left(imported: Imported, folder: Path | None) -> str:
    """What is left for the user to do."""
    listed = "\n".join(map(render, imported.losses)) or "Everything was converted."
    head = f"Not converted, or to be checked ({len(imported.losses)}):\n" if imported.losses else ""
    return (
        f"{_made(imported, folder)}{head}{listed}\n\n{_missing(imported)}"
        f"In alertmanager.yml, remove {' and '.join(senders(PLATFORMS))} from "
        f"{', '.join(imported.emptied)}.\n"
        "Replace its route with this one, and add this receiver.\n\n"
        f"{imported.snippet}"
    )


def _made(imported: Imported, folder: Path | None) -> str:
    if folder is None:
        return ""
    names = [CONFIG, *(each.path for each in imported.files)]
    return "".join(f"Wrote {folder / name}\n" for name in names) + "\n"


def _faulty_templates(folder: Path) -> str:
    """What is wrong with the templates that were written, such as markup that never ends: the
    platform refuses such a message from Alertmanager too.
    """
    _, faults = load(folder / CONFIG, "check")
    found = [
        each for each in faults if each.severity == "fault" and each.file != str(folder / CONFIG)
    ]
    if not found:
        return ""
    listed = "\n".join(map(render, found))
    return f"\nTo be mended before {CONFIG} can be served ({len(found)}):\n{listed}"


def _missing(imported: Imported) -> str:
    if not imported.missing:
        return ""
    faults = "\n".join(map(render, imported.missing))
    count = len(imported.missing)
    return (
        f"Missing, and to be written into {CONFIG} before it can be served ({count}):\n{faults}\n\n"
    )
