"""What it costs to read a webhook body and to route it, beside the bare decoding of its JSON.

    .venv/bin/python bench/parse.py

Each row is one body: as Alertmanager writes it, and with a field that it does not know, which goes
the patient way. `of bare` is the reading beside `msgspec.json.decode`.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import msgspec

from bench.payloads import payload
from relay.core.routing.lane import Endpoint, LaneKey, Policy, Target
from relay.core.routing.matcher import Matcher
from relay.core.routing.route import Route, Routing, deliveries
from relay.core.secret import Secret
from relay.core.webhook.payload import parse

ROUNDS = 9


def seconds(work: Callable[[], object], times: int) -> float:
    """The seconds of a processor that one call takes: the least of some rounds."""
    rounds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(times):
            work()
        rounds.append((time.process_time() - began) / times)
    return min(rounds)


def routing() -> Routing:
    """A tree of 20 teams, of which the payloads' alerts reach none."""
    lane = LaneKey("telegram", "http://127.0.0.1:1", "111", "-1001")
    target = Target(Endpoint(lane, Secret("111:bench")), Policy("ops", "telegram.html.j2", "html"))
    teams = tuple(
        Route("ops", (Matcher("team", "=", f"t{n}"), Matcher("severity", "=~", "critical|page")))
        for n in range(20)
    )
    return Routing(Route("ops", routes=teams), {"ops": (target,)})


def main() -> None:
    """Prints the table."""
    head = ("alerts", "body", "bare us", "parse us", "of bare", "route us")
    sys.stdout.write("".join(f"{name:>10}" for name in head) + "\n")
    tree = routing()
    for alerts in (1, 100):
        known = payload(alerts, 1)
        for name, body in (("known", known), ("odd", known[:-1] + b', "x": 1}')):
            times = 2_000 // alerts
            bare = seconds(lambda: msgspec.json.decode(body), times)  # noqa: B023 - called at once
            parsed = seconds(lambda: list(parse(body, "")), times)  # noqa: B023 - likewise
            (told,) = parse(body, "")
            routed = seconds(lambda: deliveries(tree, told), times)  # noqa: B023 - likewise
            cells = (str(alerts), name, *(f"{1e6 * each:.1f}" for each in (bare, parsed)))
            row = (*cells, f"{parsed / bare:.1f}", f"{1e6 * routed:.1f}")
            sys.stdout.write("".join(f"{cell:>10}" for cell in row) + "\n")


if __name__ == "__main__":
    main()
