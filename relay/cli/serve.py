"""`serve`: runs the relay until it is told to stop."""

import argparse
import asyncio
import gc
import logging
import os
import resource
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from relay import __version__
from relay.app import App, Options
from relay.cli.base import (
    CANNOT,
    GOOD,
    complain,
    config_option,
    storage_folder,
    storage_option,
    storage_url,
)
from relay.cli.environment import ignored_proxy
from relay.core.duration import parse_duration
from relay.inbound.server import MEBIBYTE, RequestLimits
from relay.operate import log
from relay.own_thread import OwnThread
from relay.settings.watch import SECRETS_EVERY, Watch, follow
from relay.store.data_dir import CannotStart
from relay.supervised import supervised

T = TypeVar("T")
_MOST_FILES = 65536
_SHORTEST_LEASE = 1.0  # seconds
_log = logging.getLogger("relay")
# Objects made since the last collection: most objects are freed without one.
_ALLOCATED = 5000
_SETTLED_AFTER = 0.2  # seconds
# Seconds after which a thread that works gives the interpreter to one that waits for it: an answer
# does not wait for all of a turn (https://docs.python.org/3/library/sys.html#sys.setswitchinterval).
_GIL_FOR = 0.0005


def arguments(parser: argparse.ArgumentParser) -> None:
    config_option(parser)
    add = parser.add_argument
    add(
        "--config.auto-reload-interval",
        dest="watch_every",
        type=_seconds,
        default=0.0,
        metavar="DURATION",
        help=(
            "how often to check the configuration and the files it names for changes "
            "(default: never)"
        ),
    )
    storage_option(parser)
    add(
        "--web.listen-address",
        dest="listen",
        default="127.0.0.1:9087",
        metavar="HOST:PORT",
        help="address to listen on; port 0: any free port (default: 127.0.0.1:9087)",
    )
    add(
        "--web.config.file",
        dest="web",
        type=Path,
        metavar="FILE",
        help="file with TLS and authentication",
    )
    add(
        "--web.external-url",
        dest="external",
        default="",
        metavar="URL",
        help="URL under which others reach the relay; its path may prefix every path",
    )
    add(
        "--web.max-body",
        dest="max_body",
        type=_bytes,
        default=128 * MEBIBYTE,
        metavar="BYTES",
        help="largest body of a request (default: 128 MiB)",
    )
    add(
        "--web.allow-unauthenticated",
        dest="open",
        action="store_true",
        help="allow a public address without authentication",
    )
    add(
        "--web.console",
        dest="console",
        action="store_true",
        help="serve the read-only console at / (default: off)",
    )
    add(
        "--web.console.listen-address",
        dest="console_listen",
        default="",
        metavar="HOST:PORT",
        help="address of a separate listener for the console (default: that of the webhooks)",
    )
    add(
        "--storage.lease",
        dest="lease",
        type=_lease,
        default=15.0,
        metavar="DURATION",
        help="on PostgreSQL: time after which others take over the chats of a replica that does not"
        " answer, at least 1s (default: 15s)",
    )
    add(
        "--storage.spool",
        dest="spool",
        type=Path,
        metavar="DIR",
        help="on PostgreSQL: directory on a local disk in which payloads wait while the database is"
        " away (default: none, they are answered with 503)",
    )
    add(
        "--storage.require",
        dest="require",
        choices=("local", "remote"),
        default="local",
        help="on PostgreSQL: where a payload must be stored before it is answered with 200; remote:"
        " on a synchronous standby too, or the answer is 503 (default: local)",
    )
    add("--log.level", dest="level", choices=("debug", "info", "warning", "error"), default="info")
    add("--log.format", dest="form", choices=("logfmt", "json"), default="logfmt")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Serves until it is told to stop. Status 2 if it cannot start."""
    _open_files()
    log.setup(options.level, options.form)
    host, colon, port = options.listen.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        complain(f"--web.listen-address={options.listen}: write HOST:PORT, such as 127.0.0.1:9087")
        return CANNOT
    console_host, colon, console_port = options.console_listen.rpartition(":")
    if options.console_listen and not (
        colon and console_port.isdecimal() and int(console_port) <= 65535
    ):
        complain(
            f"--web.console.listen-address={options.console_listen}: write HOST:PORT, such as "
            "127.0.0.1:9088"
        )
        return CANNOT
    try:
        url = storage_url(options)
    except ValueError as error:
        complain(str(error))
        return CANNOT
    if options.spool and not url:
        complain(
            "--storage.spool is for PostgreSQL (--storage.url-file): without it the storage is"
            " on the local disk already"
        )
        return CANNOT
    if options.require == "remote" and (options.spool or not url):
        complain(
            "--storage.require=remote is for PostgreSQL (--storage.url-file) without a spool:"
            " what is spooled is on one disk"
        )
        return CANNOT
    external = urlsplit(options.external)
    if options.external and not (external.scheme in ("http", "https") and external.hostname):
        complain(
            f"--web.external-url={options.external}: write an address, such as https://example.org/relay"
        )
        return CANNOT
    chosen = Options(
        config_file=options.config_file,
        storage_path=storage_folder(options),
        storage_url=options.url_file or url,
        lease=options.lease,
        spool=options.spool,
        require_remote=options.require == "remote",
        host=host.strip("[]"),
        port=int(port),
        web_config_file=options.web,
        allow_unauthenticated=options.open,
        prefix=external.path.rstrip("/"),
        external_host=external.hostname or "",
        limits=RequestLimits(max_body=options.max_body, all_bodies=2 * options.max_body),
        console=options.console or bool(options.console_listen),
        console_host=console_host.strip("[]"),
        console_port=int(console_port) if options.console_listen else None,
    )
    try:
        asyncio.run(_serve(chosen, options.watch_every))
    except CannotStart as error:
        if options.form == "json":  # a program that reads the log as JSON reads this line too
            _log.error(str(error), extra={"values": ()})
        else:
            complain(str(error))
        return CANNOT
    return GOOD


def _open_files() -> None:
    """Allows as many open files as the machine does: chats that hang must not use up the senders'
    connections.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft == resource.RLIM_INFINITY or soft >= most:
        return
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _described(options: Options) -> tuple[tuple[str, str], ...]:
    config = options.config_file.absolute()
    storage = "PostgreSQL" if options.storage_url else options.storage_path.absolute()
    return ("version", __version__), ("config", str(config)), ("storage", str(storage))


def _seconds(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _lease(text: str) -> float:
    """A call ends before its lease does, so with a short one none would be made."""
    seconds = _seconds(text)
    if seconds < _SHORTEST_LEASE:
        raise argparse.ArgumentTypeError(f"{text!r} is below {_SHORTEST_LEASE:g}s")
    return seconds


def _built(options: Options) -> tuple[Watch, Watch, App]:
    """The watches begin before the first load, so that they miss no change."""
    return Watch(options.config_file), Watch(options.config_file), App(options)


async def _serve(options: Options, watch_every: float) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    hung_up = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, hung_up.set)
    _log.info("starting", extra={"values": _described(options)})
    if proxy := ignored_proxy(os.environ):
        _log.warning(proxy, extra={"values": ()})
    # In a thread, so that signals are heard while files do not answer.
    building = asyncio.create_task(OwnThread("start").run(partial(_built, options), None))
    if not await _unless_stopped(building, stop):
        return
    watch, secrets, app = building.result()
    # objects made by the start stay: later collections skip them, which saves some 20 ms each time
    gc.freeze()
    gc.set_threshold(_ALLOCATED)
    sys.setswitchinterval(_GIL_FOR)
    gc.enable()
    if not await _started(app, stop):
        return
    watching = [
        _watching(partial(_reload_when, hung_up, app)),
        asyncio.create_task(_settle(app)),
        _watching(
            partial(follow, secrets.secrets_changed, SECRETS_EVERY, partial(app.reload, "secret"))
        ),
    ]
    if watch_every:
        reload = partial(app.reload, "file")
        watching.append(_watching(partial(follow, watch.changed, watch_every, reload)))
    await stop.wait()
    _log.info("stopping", extra={"values": ()})
    for task in watching:
        task.cancel()
    await app.stop()


def _watching(work: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
    return asyncio.create_task(supervised("watching the configuration failed", work, log.on_event))


def _bytes(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of bytes, such as 134217728")
    return int(text)


async def _reload_when(hung_up: asyncio.Event, app: App) -> None:
    """Reloads after each SIGHUP. Signals that come during a reload cause one more."""
    while True:
        await hung_up.wait()
        hung_up.clear()
        await app.reload("SIGHUP")


async def _unless_stopped(task: asyncio.Task[T], stop: asyncio.Event) -> bool:
    """Whether the task ended before the relay was told to stop."""
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait((task, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if task.done():
        return True
    _log.info("stopping", extra={"values": ()})
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return False


async def _settle(app: App) -> None:
    """Does what need not be done before the relay is ready."""
    await asyncio.sleep(_SETTLED_AFTER)
    await asyncio.to_thread(app.warm_up)
    gc.freeze()


async def _started(app: App, stop: asyncio.Event) -> bool:
    """Starts the relay; gives up if it is told to stop before it listens. What an earlier run sent
    is written down, however long the storage takes.
    """
    starting = asyncio.create_task(app.start())
    if not await _unless_stopped(starting, stop):
        await app.stop()
        return False
    _log.info("listening", extra={"values": (("address", starting.result()),)})
    return True
