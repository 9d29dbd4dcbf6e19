"""The common part of all verbs: a parser whose errors are one line, options that several verbs
have, and plain output.
"""

import argparse
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from relay.cli.printing import shown, shown_json
from relay.core.duration import parse_duration
from relay.core.secret import Secret
from relay.store.data_dir import CannotStart

GOOD, FAULTY, CANNOT = 0, 1, 2
CONFIG_VARIABLE = "ALERT_RELAY_CONFIG_FILE"
URL_VARIABLE = "ALERT_RELAY_STORAGE_URL"
STORAGE_VARIABLE = "ALERT_RELAY_STORAGE_PATH"


class Parser(argparse.ArgumentParser):
    """An argument parser that reports wrong use in one line, with the way to the help."""

    def error(self, message: str) -> NoReturn:
        """Ends with status 2."""
        self.exit(CANNOT, shown(f"{self.prog}: {message}; see {self.prog} --help\n"))


def say(text: str) -> None:
    """Writes lines on standard output, in a form that is safe for a terminal; at once, also into a
    pipe.
    """
    sys.stdout.write(f"{shown(text)}\n")
    sys.stdout.flush()


def say_json(text: str) -> None:
    """JSON on standard output."""
    sys.stdout.write(f"{shown_json(text)}\n")


def say_drawn(text: str) -> None:
    """Writes a drawing, or a line, with our own colours on standard output, at once."""
    sys.stdout.write(f"{shown(text, styled=True)}\n")
    sys.stdout.flush()


def complain(text: str) -> None:
    """Writes lines on standard error."""
    sys.stderr.write(f"{shown(text)}\n")


def duration(text: str) -> float:
    """The type of an option that takes a duration above zero, in seconds."""
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if not seconds:
        raise argparse.ArgumentTypeError(f"{text!r} is not above zero")
    return seconds


def config_option(parser: argparse.ArgumentParser) -> None:
    """Adds `--config.file`, for verbs that need the configuration."""
    parser.add_argument(
        "--config.file",
        dest="config_file",
        type=Path,
        default=Path(os.environ.get(CONFIG_VARIABLE) or "relay.yml"),
        metavar="FILE",
        help=f"configuration file (default: ${CONFIG_VARIABLE}, else relay.yml)",
    )


def output_option(parser: argparse.ArgumentParser) -> None:
    """Adds `-o simple|json`, for verbs that list something."""
    parser.add_argument(
        "-o",
        "--output",
        choices=("simple", "json"),
        default="simple",
        help="output format (default: simple)",
    )


def storage_option(parser: argparse.ArgumentParser) -> None:
    """Adds `--storage.path`, for verbs that ask about the storage."""
    parser.add_argument(
        "--storage.path",
        dest="storage",
        type=Path,
        metavar="DIR",
        help=f"storage directory (default: ${STORAGE_VARIABLE}, else data/; in a storage directory "
        "that one)",
    )
    parser.add_argument(
        "--storage.url-file",
        dest="url_file",
        type=Path,
        metavar="FILE",
        help="file with the postgresql:// address of a storage that several replicas share "
        f"(default: ${URL_VARIABLE})",
    )


@dataclass(frozen=True)
class Address:
    """A PostgreSQL that replicas share. Its text may contain a password."""

    url: Secret

    def __str__(self) -> str:
        return "PostgreSQL"


Storage = Path | Address


def storage_of(options: argparse.Namespace) -> Storage:
    """The storage of a verb's options. Raises CannotStart."""
    try:
        url = storage_url(options)
    except ValueError as error:
        raise CannotStart(str(error)) from error
    return Address(Secret(url)) if url else storage_folder(options)


def storage_folder(options: argparse.Namespace) -> Path:
    """The folder of `--storage.path`, or its default."""
    named: Path | None = options.storage
    return named or _storage()


def storage_url(options: argparse.Namespace) -> str:
    """The address of the PostgreSQL in the file of `--storage.url-file` or in the environment;
    empty: the storage is a folder. Warns if a folder is named as well, which is not used then.
    Raises ValueError for a file that cannot be read or is empty.
    """
    told = os.environ.get(URL_VARIABLE, "").strip()
    if options.storage is not None and (options.url_file or told):
        other = f"--storage.url-file={options.url_file}" if options.url_file else f"${URL_VARIABLE}"
        complain(f"--storage.path={options.storage} is not used: {other} names the storage")
    if options.url_file is None:
        return told
    try:
        url = str(options.url_file.read_text(encoding="utf-8")).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"--storage.url-file={options.url_file}: {error}") from None
    if not url:  # else the storage would be a folder
        raise ValueError(f"--storage.url-file={options.url_file}: the file is empty")
    return url


def _storage() -> Path:
    named = os.environ.get(STORAGE_VARIABLE)
    return Path(named or ("." if Path("relay.db").is_file() else "data"))
