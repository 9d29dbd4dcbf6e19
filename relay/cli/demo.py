"""`demo`: the relay's main job without an account, token or network: a relay, a local Telegram and
Discord, one incident.
"""

import argparse
import asyncio
import os
import tempfile
import time
from pathlib import Path

import aiohttp

from relay.app import App, Options
from relay.cli.base import CANNOT, FAULTY, GOOD, complain, say
from relay.cli.demo_own import OwnDemo, play_own
from relay.cli.demo_shown import LOOK_EVERY, Drawn, versions
from relay.core.balance import BalanceRow
from relay.core.event import Called, Event
from relay.operate import log
from relay.sandbox import incident
from relay.sandbox.server import Sandbox, start

PATIENCE = 60.0  # seconds for the chats to settle after the incident


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--once",
        action="store_true",
        help="exit after the incident, with status 1 if an alert was lost",
    )
    parser.add_argument(
        "--page-port",
        type=_port,
        default=0,
        metavar="PORT",
        help="port of the page (default: any free port)",
    )
    parser.add_argument(
        "--config.file",
        dest="config_file",
        type=Path,
        metavar="FILE",
        help="play on this configuration, its templates and routes (default: one made for it)",
    )
    parser.add_argument(
        "--payload",
        action="append",
        type=Path,
        default=[],
        metavar="FILE",
        help="with --config.file: post these payloads of Alertmanager, may be repeated",
    )
    parser.add_argument(
        "--alertmanager.url",
        dest="alertmanager",
        metavar="URL",
        help="with --config.file: post the alerts that fire in this Alertmanager",
    )
    parser.add_argument(
        "--web.listen-address",
        dest="address",
        type=_host_and_port,
        metavar="HOST:PORT",
        help="with --config.file: listen here for a real Alertmanager (default: any free port)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Plays the incident. Status 1 if anything was lost, 2 if there is no port for the page."""
    log.setup("error", "logfmt")
    if options.config_file is not None:
        return play_own(
            OwnDemo(
                config=options.config_file,
                once=options.once,
                page_port=options.page_port,
                payloads=tuple(options.payload),
                alertmanager=options.alertmanager or "",
                address=options.address,
            )
        )
    if options.payload or options.alertmanager or options.address:
        complain("alert-relay demo: name your configuration with --config.file=FILE as well")
        return CANNOT
    with tempfile.TemporaryDirectory(prefix="alert-relay-demo-") as folder:
        return asyncio.run(_demo(Path(folder), once=options.once, port=options.page_port))


def _port(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > len("65535") or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: write a number from 0 to 65535")
    return int(text)


def _host_and_port(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host:
        raise argparse.ArgumentTypeError(f"{text!r}: write HOST:PORT, such as 127.0.0.1:9087")
    return host.strip("[]"), _port(port)


class _Tally:
    """The counts of the relay's events."""

    def __init__(self) -> None:
        self.calls = 0
        self.retried = 0

    def listen(self, event: Event) -> None:
        """Counts the calls, and those that have to be repeated."""
        if isinstance(event, Called):
            self.calls += 1
            self.retried += bool(event.reason)


async def _demo(folder: Path, *, once: bool, port: int) -> int:
    try:
        sandbox, tally = await start(port=port), _Tally()
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        complain(
            f"alert-relay demo: cannot listen on --page-port={port}: {why}; name another "
            "one, or none"
        )
        return CANNOT
    incident.set_up_chats(sandbox.telegram, sandbox.discord)
    config = folder / "relay.yml"
    config.write_text(incident.config(sandbox.url, sandbox.url), encoding="utf-8")
    app = App(Options(config, folder / "data", port=0), (tally.listen,))
    try:
        address = await app.start()
        say(
            f"The relay listens on http://{address}/alerts; the chats are at {sandbox.url}/ as "
            "they change."
        )
        say(
            f"Playing {incident.LENGTH:.0f} seconds of two teams' night, in which the platforms "
            "fail for some time.\n"
        )
        posted = await _play(sandbox, address)
        rows = await _come_to_rest(app, sandbox)
        lost = _summary(sandbox, tally, rows, posted)
        if not once:
            say(f"\nThe chats stay at {sandbox.url}/ until you press Ctrl-C.")
            await asyncio.Event().wait()
    finally:
        await app.stop()
        await sandbox.stop()
    return FAULTY if lost else GOOD


async def _play(sandbox: Sandbox, address: str) -> int:
    """Posts the incident while the chats are drawn. Returns how many notifications were answered
    with 200.
    """
    began, drawn = time.time(), Drawn(sandbox, time.time())
    incident.schedule(sandbox.faults, began)
    watching = asyncio.create_task(drawn.watch())
    posted = 0
    async with aiohttp.ClientSession() as session:
        for beat in incident.SCRIPT:
            await asyncio.sleep(max(0.0, began + beat.at - time.time()))
            drawn.remark(f"Alertmanager: {incident.RULES[beat.rule].name[:24]}: {beat.reason}")
            async with session.post(
                f"http://{address}/alerts", json=incident.payload(beat, began)
            ) as response:
                posted += response.status == 200
    await asyncio.sleep(max(0.0, began + incident.LENGTH - time.time()))
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    drawn.look()
    return posted


async def _come_to_rest(app: App, sandbox: Sandbox) -> tuple[BalanceRow, ...]:
    """Waits until nothing is pending and the chats no longer change."""
    drawn, until = Drawn(sandbox, time.time(), seen=True), time.time() + PATIENCE
    while time.time() < until:
        await asyncio.sleep(LOOK_EVERY)
        changed = drawn.look()
        rows = await app.balance()
        if not changed and not sum(row.pending for row in rows):
            break
    return rows


def _summary(sandbox: Sandbox, tally: _Tally, rows: tuple[BalanceRow, ...], posted: int) -> int:
    shown = "\n".join(text for _, _, text in versions(sandbox))
    named = {(beat.rule, each) for beat in incident.SCRIPT for each in beat.firing + beat.resolved}
    unseen = sum(each.partition(":")[0] not in shown for _, each in named)  # without its port
    total = BalanceRow(
        "telegram", "all", *(sum(getattr(row, name) for row in rows) for name in _COUNTS)
    )
    lost = total.lost + total.pending + unseen + len(incident.SCRIPT) - posted
    say(
        f"received={posted} notifications, {len(named)} alerts: {total.accepted} deliveries to 4 "
        "chats"
    )
    say(
        f"delivered={total.delivered} merged={total.merged} duplicate={total.duplicate} "
        f"dead={total.dead}"
    )
    say(f"calls={tally.calls} retried={tally.retried} (answers 429 and 502, and time-outs)")
    say(f"lost={lost}")
    return lost


_COUNTS = ("accepted", "delivered", "merged", "duplicate", "muted", "expired", "dead", "pending")
