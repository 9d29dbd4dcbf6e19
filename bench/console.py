"""What the console costs with much kept: the time of each page beside that of a probe, and what
open live pages do to accepting.

    .venv/bin/python bench/console.py [DELIVERIES] [CARDS]

A storage with that many deliveries (100,000) of that many open cards (10,000) is made of what a
relay wrote for one alert. `serve --web.console` then runs on it. Everything is on loopback.
"""

import asyncio
import contextlib
import http
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent.parent))

import aiohttp

from bench.payloads import payload
from bench.running import Running, bodies, chat_api, delivered, post, relay_options, running
from bench.server_process import ROOT

LIVE, EVERY = 50, 5.0  # open pages, and the seconds after which each renews itself
PAGES = (
    "/", "/chats", "/history", "/history?labels=alertname%3DHostHighCpu0", "/history?outcome=dead",
    "/history?labels=alertname%3DNope", "/a/7", "/explain?labels=alertname%3DHostHighCpu0",
    "/templates", "/configuration",
)  # fmt: skip
_DAY = 86_400.0


class Sizes(NamedTuple):
    """How much is kept, how often each page is asked for, and for how long and how often at which
    rate payloads are posted with and without live pages.
    """

    deliveries: int = 100_000
    cards: int = 10_000
    times: int = 20
    seconds: float = 8.0
    rounds: int = 4
    rate: int = 100


def fill(file: Path, sizes: Sizes) -> None:
    """Makes many cards and deliveries of the one of each that the storage holds."""
    db = sqlite3.connect(file)
    db.execute("PRAGMA synchronous = OFF")
    card, columns = _row(db, "card")
    told, kept = _row(db, "delivery")
    body, held = _row(db, "payload")
    each, now = max(1, sizes.deliveries // sizes.cards), time.time()
    for number in range(2, sizes.cards + 2):
        values = {**card, "id": number, "grp": _other(card["grp"], number)}
        values |= {name: _other(card[name], number) for name in ("line", "body")}
        _insert(db, "card", columns, {**values, "message": str(number), "ready": 0, "due": None})
    for number in range(2, sizes.cards * each + 2):
        at, of = now - _DAY * (1 - number / (sizes.cards * each)), number % sizes.cards + 2
        _insert(db, "payload", held, {**body, "id": number, "accepted_at": at})
        db.execute("INSERT INTO payload_name VALUES (?, ?)", (f"HostHighCpu{of % 500}", number))
        values = {**told, "seq": number, "payload": number, "card": of, "accepted_at": at}
        values |= {"grp": _other(told["grp"], of), "ended_at": at + 1}
        _insert(db, "delivery", kept, values)
    db.execute("UPDATE lane SET last_seq = ?", (sizes.cards * each + 2,))
    db.execute("UPDATE progress SET value = ?", (sizes.cards * each + 1,))
    db.execute("ANALYZE")
    db.commit()
    db.close()


def _row(db: sqlite3.Connection, table: str) -> tuple[dict[str, object], list[str]]:
    found = db.execute(f"SELECT * FROM {table} LIMIT 1")  # noqa: S608 - ours
    columns = [column[0] for column in found.description]
    return dict(zip(columns, found.fetchone(), strict=True)), columns


def _insert(
    db: sqlite3.Connection, table: str, columns: list[str], values: dict[str, object]
) -> None:
    places = ", ".join("?" * len(columns))
    db.execute(f"INSERT INTO {table} VALUES ({places})", [values[name] for name in columns])  # noqa: S608 - ours


def _other(value: object, number: int) -> object:
    """The same of another group."""
    if isinstance(value, bytes):
        return value.replace(b"benched", f"benched{number}".encode())
    return str(value).replace("benched", f"benched{number}")


@contextlib.asynccontextmanager
async def filled(sizes: Sizes) -> AsyncIterator[Running]:
    """A relay with its console, on a full storage."""
    with tempfile.TemporaryDirectory(dir=ROOT) as folder:
        async with chat_api() as api:
            async with running(*relay_options(folder, api.url)) as first:
                await post(first, [payload(1, 0, "benched")], 0, 1)
                await delivered(api, 1)
                await asyncio.sleep(1)
            await asyncio.to_thread(fill, Path(folder) / "data" / "relay.db", sizes)
            async with running(*relay_options(folder, api.url), "--web.console") as full:
                await asyncio.sleep(2)
                yield full


async def pages(server: Running, sizes: Sizes) -> list[str]:
    """What the first view takes of a processor; then a line for each page: its median and slowest
    milliseconds, and how many times a probe.
    """
    async with aiohttp.ClientSession() as session:
        before = server.processor()
        (first,) = await _took(session, f"{server.url}/", 1)
        cost = 1000 * (server.processor() - before)
        lines = [f"first /  {first:.1f} ms, {cost:.0f} ms of a processor"]
        probe = statistics.median(await _took(session, f"{server.url}/-/healthy", sizes.times))
        for path in PAGES:
            took = await _took(session, server.url + path, sizes.times)
            middle, worst = statistics.median(took), max(took)
            lines.append(
                f"page {path:<44} {middle:6.1f} ms, slowest {worst:6.1f} ms"
                f" = {middle / probe:.1f} x a probe"
            )
    return lines


async def _took(session: aiohttp.ClientSession, url: str, times: int) -> list[float]:
    took: list[float] = []
    for _ in range(times):
        began = time.perf_counter()
        async with session.get(url) as answer:
            await answer.read()
            if answer.status != http.HTTPStatus.OK:
                raise SystemExit(f"{url}: {answer.status}")
        took.append(1000 * (time.perf_counter() - began))
    return took


async def live(server: Running, sizes: Sizes) -> str:
    """How long an accept takes with so many open live pages beside it, and without, in turns; and
    what of a processor these pages take alone.
    """
    beside: list[float] = []
    alone: list[float] = []
    number = int(sizes.rate * sizes.seconds)
    idle = await _busy(server, sizes.seconds)  # before anything is posted that is to be delivered
    async with _looking(server, sizes):
        share = await _busy(server, sizes.seconds) - idle
    for _ in range(sizes.rounds):
        alone += await post(server, bodies(number), sizes.rate, 16)
        async with _looking(server, sizes):
            beside += await post(server, bodies(number), sizes.rate, 16)
    middle, without = (1000 * statistics.median(each) for each in (beside, alone))
    late, late_without = (1000 * _late(each) for each in (beside, alone))
    return (
        f"live  accept {middle:.2f} ms beside {LIVE} pages, {without:.2f} alone ="
        f" {middle / without:.2f} x; p99 {late:.1f} and {late_without:.1f} ms ="
        f" {late / late_without:.2f} x; the pages alone take {share:.1%} of a processor"
    )


@contextlib.asynccontextmanager
async def _looking(server: Running, sizes: Sizes) -> AsyncIterator[None]:
    """Open pages, of another process, so that they do not hold up who posts."""
    looking = await asyncio.create_subprocess_exec(sys.executable, __file__, server.url)
    try:
        await asyncio.sleep(min(EVERY, sizes.seconds))
        yield
    finally:
        looking.terminate()
        await looking.wait()


async def _busy(server: Running, seconds: float) -> float:
    """What of a processor the server takes."""
    before = server.processor()
    await asyncio.sleep(seconds)
    return (server.processor() - before) / seconds


def _late(took: list[float]) -> float:
    return statistics.quantiles(took, n=100)[98]


async def _look(url: str) -> None:
    await asyncio.gather(*(_looks(url, at) for at in range(LIVE)))


async def _looks(url: str, at: int) -> None:
    """An open page: it renews itself now and then, as console.js does."""
    await asyncio.sleep(EVERY * at / LIVE)
    async with aiohttp.ClientSession() as session:
        while True:
            async with session.get(f"{url}/") as answer:
                await answer.read()
            await asyncio.sleep(EVERY)


async def main(sizes: Sizes) -> None:
    """Prints all of it."""
    async with filled(sizes) as server:
        for line in (*await pages(server, sizes), await live(server, sizes)):
            sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1].startswith("http"):
        asyncio.run(_look(sys.argv[1]))
    else:
        asyncio.run(main(Sizes(*map(int, sys.argv[1:]))))
