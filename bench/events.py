"""What an event costs whose log line nobody reads, beside the counting that it asks for.

    .venv/bin/python bench/events.py

Each row is one kind of event, handed to log and metrics at the default log level; `of bare` is that
time beside one increment of a counter of prometheus_client.
"""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from prometheus_client import CollectorRegistry, Counter

from relay.core.event import Accepted, Answered, Called, Event, Noted, Settled
from relay.operate import log
from relay.operate.metrics import Metrics

TIMES, ROUNDS = 5_000, 9
EVENTS: tuple[Event, ...] = (
    Answered(200, 0.002, "", "POST", "/alerts", "127.0.0.1"),
    Accepted("", '{}:{alertname="Disk"}', 1, 0, 0, 1),
    Called("telegram", "ops", "sendMessage", 200, 0.05, "", ""),
    Settled("telegram", "ops", "delivered", 1, (0.2,)),
    Noted("debug", "request refused"),
)


def seconds(work: Callable[[], object]) -> float:
    """The seconds of a processor that one call takes: the least of some rounds."""
    rounds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(TIMES):
            work()
        rounds.append((time.process_time() - began) / TIMES)
    return min(rounds)


def main() -> None:
    """Sets the log up as a relay does."""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        log.setup("info", "logfmt", nowhere)
        compare()


def compare() -> None:
    """Prints the table; the log goes where nobody reads it."""
    metrics = Metrics()
    metrics.prime([("telegram", "ops")])
    bare = seconds(Counter("bare", "To compare with.", registry=CollectorRegistry()).inc)
    sys.stdout.write("".join(f"{name:>11}" for name in ("event", "log us", "both us", "of bare")))
    sys.stdout.write("\n")
    for event in EVENTS:
        logged = seconds(lambda: log.on_event(event))  # noqa: B023 - called at once
        both = logged + seconds(lambda: metrics.on_event(event))  # noqa: B023 - likewise
        cells = (type(event).__name__, f"{1e6 * logged:.2f}", f"{1e6 * both:.2f}")
        sys.stdout.write("".join(f"{cell:>11}" for cell in (*cells, f"{both / bare:.1f}")) + "\n")


if __name__ == "__main__":
    main()
