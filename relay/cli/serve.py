"""`serve`: runs the relay until it is told to stop."""

import argparse
import asyncio
import gc
import logging
import os
import signal
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from relay import __version__
from relay.app import App, Options
from relay.cli.base import CANNOT, GOOD, complain, config_option
from relay.cli.environment import ignored_proxy
from relay.core.duration import parse_duration
from relay.inbound.server import MEBIBYTE, RequestLimits
from relay.operate import log
from relay.settings.watch import SECRETS_EVERY, Watch, follow
from relay.store.data_dir import CannotStart

_log = logging.getLogger("relay")
_SETTLED_AFTER = 0.2  # seconds


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
    add(
        "--storage.path",
        dest="storage",
        type=Path,
        default=Path("data"),
        metavar="DIR",
        help="storage directory (default: data/)",
    )
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
        type=int,
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
    add("--log.level", dest="level", choices=("debug", "info", "warning", "error"), default="info")
    add("--log.format", dest="form", choices=("logfmt", "json"), default="logfmt")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Serves; status 2 when it cannot start."""
    log.setup(options.level, options.form)
    host, colon, port = options.listen.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        complain(f"--web.listen-address={options.listen}: write HOST:PORT, such as 127.0.0.1:9087")
        return CANNOT
    external = urlsplit(options.external)
    if options.external and not (external.scheme in ("http", "https") and external.hostname):
        complain(
            f"--web.external-url={options.external}: write an address, such as https://example.org/relay"
        )
        return CANNOT
    chosen = Options(
        config_file=options.config_file,
        storage_path=options.storage,
        host=host.strip("[]"),
        port=int(port),
        web_config_file=options.web,
        allow_unauthenticated=options.open,
        prefix=external.path.rstrip("/"),
        limits=RequestLimits(max_body=options.max_body),
    )
    try:
        asyncio.run(_serve(chosen, options.watch_every))
    except CannotStart as error:
        if options.form == "json":  # what reads the log as JSON reads this line too
            _log.error(str(error), extra={"values": ()})
        else:
            complain(str(error))
        return CANNOT
    return GOOD


def _described(options: Options) -> tuple[tuple[str, str], ...]:
    config, storage = options.config_file.absolute(), options.storage_path.absolute()
    return ("version", __version__), ("config", str(config)), ("storage", str(storage))


def _seconds(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


async def _serve(options: Options, watch_every: float) -> None:
    watch, secrets = (
        Watch(options.config_file),
        Watch(options.config_file),
    )  # before the first load: none is missed
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    reloads: set[asyncio.Task[tuple[str, ...]]] = set()

    def reload() -> None:
        task = asyncio.ensure_future(app.reload("SIGHUP"))
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, reload)
    _log.info("starting", extra={"values": _described(options)})
    if proxy := ignored_proxy(os.environ):
        _log.warning(proxy, extra={"values": ()})
    app = App(options)
    # what a start made stays: no later collection goes through it, for some 20 ms each time
    gc.freeze()
    gc.enable()
    if not await _started(app, stop):
        return
    watching = [
        asyncio.create_task(_settle(app)),
        asyncio.create_task(
            follow(secrets.secrets_changed, SECRETS_EVERY, partial(app.reload, "secret"))
        ),
    ]
    if watch_every:
        watching.append(
            asyncio.create_task(follow(watch.changed, watch_every, partial(app.reload, "file")))
        )
    await stop.wait()
    _log.info("stopping", extra={"values": ()})
    for task in watching:
        task.cancel()
    await app.stop()


async def _settle(app: App) -> None:
    """What need not be done before the relay is ready."""
    await asyncio.sleep(_SETTLED_AFTER)
    await asyncio.to_thread(app.warm_up)
    gc.freeze()


async def _started(app: App, stop: asyncio.Event) -> bool:
    """Starts; gives up when told to stop before it listens: what an earlier run sent is written
    down however long the storage takes."""
    starting, stopping = asyncio.create_task(app.start()), asyncio.create_task(stop.wait())
    await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        _log.info("stopping", extra={"values": ()})
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await app.stop()
        return False
    stopping.cancel()
    _log.info("listening", extra={"values": (("address", starting.result()),)})
    return True
