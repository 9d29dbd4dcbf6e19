"""What one message costs, step by step: statements, transactions, syncs, hops between threads, and
the processor's time.

    .venv/bin/python bench/budget.py [MESSAGES] [RATE]

The relay runs in this process, with its storage on this disk; the payloads, of one alert each and a
group each, come from another process, which is the chat API as well. A step is measured in the
thread in which it runs, wrapped in a clock; `rest` is what is left of its thread. Figures are for
each message; of a run at a steady rate, in which caches are cold, they are about twice those of one
as fast as it goes (RATE 0).
"""

import asyncio
import os
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench import running
from bench.server_process import ROOT
from relay.app import App, Options
from relay.delivery import pipeline
from relay.inbound.intake import Intake
from relay.operate import log
from relay.store.sqlite.store import SqliteStore

MESSAGES, RATE = 300, 60.0
_STEPS = (
    ("loop", "accept: parse, route, encode"),
    ("loop", "log, metrics, notices"),
    ("loop", "compose"),
    ("writer", "accept"),
    ("writer", "turn"),
    ("writer", "begin"),
    ("writer", "other"),
)


class Counts:
    """What was counted and timed so far. `of` is the step that the writer's thread is in."""

    def __init__(self) -> None:
        self.seconds: defaultdict[tuple[str, str], float] = defaultdict(float)
        self.statements: Counter[str] = Counter()
        self.transactions: Counter[str] = Counter()
        self.synced: Counter[str] = Counter()
        self.hops = 0
        self.of = "other"

    def timed(self, step: tuple[str, str], work: Callable[..., Any]) -> Callable[..., Any]:
        """The work, on a clock of its thread."""

        def wrapped(*arguments: Any, **named: Any) -> Any:
            began = time.thread_time()
            try:
                return work(*arguments, **named)
            finally:
                self.seconds[step] += time.thread_time() - began

        return wrapped

    def clear(self) -> None:
        for each in (self.seconds, self.statements, self.transactions, self.synced):
            each.clear()
        self.hops = 0


def _step_of(jobs: Sequence[Callable[[], object]]) -> str:
    """The step that a transaction belongs to, by its first job."""
    job = jobs[0]
    while isinstance(job, partial):
        job = job.func
    name = getattr(job, "__name__", "")
    return {"accept": "accept", "take_turn": "turn", "begin": "begin"}.get(name, "other")


def _wrap_store(counts: Counts) -> None:
    batch = SqliteStore.batch

    def counted(
        store: SqliteStore, jobs: Sequence[Callable[[], object]], *, durable: bool = True
    ) -> list[object]:
        counts.of, db = _step_of(jobs), store._file._db  # noqa: SLF001 - its statements are counted
        before = db.total_changes  # type: ignore[attr-defined]  # of sqlite3's connection
        work = counts.timed(("writer", counts.of), partial(batch, store, jobs, durable=durable))
        try:
            results: list[object] = work()
        finally:
            counts.transactions[counts.of] += 1
            changed = db.total_changes > before  # type: ignore[attr-defined]  # likewise
            counts.synced[counts.of] += durable and (changed or store.sync in jobs)
            counts.of = "other"
        return results

    setattr(SqliteStore, "batch", counted)  # noqa: B010 - mypy would not have it otherwise


def _wrap(counts: Counts) -> None:
    """Each step gets its clock."""
    _wrap_store(counts)
    for owner, name, step in (
        (Intake, "_accept_now", _STEPS[0][1]),
        (App, "_emit", _STEPS[1][1]),
        (pipeline, "compose", _STEPS[2][1]),
    ):
        setattr(owner, name, counts.timed(("loop", step), getattr(owner, name)))


def _counting_hops(counts: Counts, app: App, loop: asyncio.AbstractEventLoop) -> None:
    wake, inbox = loop.call_soon_threadsafe, app._writer._inbox  # noqa: SLF001 - hops are counted

    class Inbox:
        """The writer's inbox, counting what is put into it."""

        get, get_nowait, qsize = inbox.get, inbox.get_nowait, inbox.qsize

        def put(self, item: Any) -> None:
            counts.hops += 1
            inbox.put(item)

    def woken(*arguments: Any, **named: Any) -> asyncio.Handle:
        counts.hops += 1
        return wake(*arguments, **named)

    setattr(app._writer, "_inbox", Inbox())  # noqa: B010, SLF001
    setattr(loop, "call_soon_threadsafe", woken)  # noqa: B010


def _processor(thread: threading.Thread) -> float:
    return time.clock_gettime(time.pthread_getcpuclockid(thread.ident or 0))


async def measure(messages: int, rate: float) -> str:
    """Runs it; the table."""
    counts = Counts()
    _wrap(counts)
    other = await asyncio.create_subprocess_exec(
        sys.executable, __file__, "drive", str(messages), str(rate), cwd=ROOT,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert other.stdin is not None  # noqa: S101 - it is a pipe
    assert other.stdout is not None  # noqa: S101 - likewise
    with tempfile.TemporaryDirectory(dir=ROOT) as folder:
        config = Path(folder) / "relay.yml"
        config.write_text(running.CONFIG % (await other.stdout.readline()).decode().strip())
        app = App(Options(config, Path(folder) / "data", port=0))
        address = await app.start()
        await asyncio.to_thread(app.warm_up)
        _counting_hops(counts, app, asyncio.get_running_loop())
        app._store._file._db.set_trace_callback(  # type: ignore[attr-defined]  # noqa: SLF001
            lambda _sql: counts.statements.update((counts.of,))
        )
        threads = {"loop": threading.current_thread(), "writer": app._writer._thread}  # noqa: SLF001
        counts.clear()
        before = {name: _processor(thread) for name, thread in threads.items()}
        other.stdin.write(f"http://{address}\n".encode())
        if await other.stdout.readline() != b"done\n":
            raise SystemExit("the other process failed")
        took = {name: _processor(thread) - before[name] for name, thread in threads.items()}
        table = _table(counts, took, messages)
        await app.stop()
    await other.wait()
    return table


def _table(counts: Counts, took: dict[str, float], messages: int) -> str:
    head = f"{'thread':<8}{'step':<32}{'us':>8}"
    lines = [f"{head}{'statements':>12}{'transactions':>14}{'synced':>8}"]
    for thread, seconds_of_it in took.items():
        left = seconds_of_it
        for where, step in _STEPS:
            if where != thread:
                continue
            seconds = counts.seconds[where, step]
            left -= seconds
            counted = ""
            if thread == "writer":
                numbers = (counts.statements[step], counts.transactions[step], counts.synced[step])
                a, b, c = (number / messages for number in numbers)
                counted = f"{a:>12.1f}{b:>14.2f}{c:>8.2f}"
            lines.append(f"{thread:<8}{step:<32}{1e6 * seconds / messages:>8.0f}{counted}")
        lines.append(f"{thread:<8}{'rest':<32}{1e6 * left / messages:>8.0f}")
    totals = (counts.statements, counts.transactions, counts.synced)
    a, b, c = (each.total() / messages for each in totals)
    all_of_it = 1e6 * sum(took.values()) / messages
    lines.append(f"{'':<8}{'all':<32}{all_of_it:>8.0f}{a:>12.1f}{b:>14.2f}{c:>8.2f}")
    lines.append(f"hops between threads: {counts.hops / messages:.1f}")
    return "\n".join(lines) + "\n"


async def drive(messages: int, rate: float) -> None:
    """The other process: says where the API is, is told where the relay is, posts, and waits for
    all messages.
    """
    async with running.chat_api() as api:
        sys.stdout.write(f"{api.url}\n")
        sys.stdout.flush()
        relay = running.Running(sys.stdin.readline().strip(), os.getpid())
        await running.post(relay, running.bodies(messages), rate, 16)
        await running.delivered(api, messages)
        await asyncio.sleep(0.05)  # what follows the last message
    sys.stdout.write("done\n")


def main(messages: int = MESSAGES, rate: float = RATE) -> None:
    """Prints the table; the relay's log goes where nobody reads it."""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        log.setup("info", "logfmt", nowhere)
        table = asyncio.run(measure(messages, rate))
    sys.stdout.write(table)


if __name__ == "__main__":
    if sys.argv[1:2] == ["drive"]:
        asyncio.run(drive(int(sys.argv[2]), float(sys.argv[3])))
    else:
        main(*(kind(text) for kind, text in zip((int, float), sys.argv[1:], strict=False)))
