"""What it costs to compose a message and to write its request, beside reading and writing the JSON
of the payload that it came from.

    .venv/bin/python bench/compose.py [ROUNDS]

Each row is one card on one platform: composed (rendered and fitted), then written as a request.
Every round has a card of its own, so that nothing is remembered.
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.payloads import payload
from relay.core.card.card import Card, Head
from relay.core.card.fold import Arriving, fold
from relay.core.card.lane_state import LaneState
from relay.core.card.step import Post, Rank
from relay.core.routing.lane import Endpoint, LaneKey, Platform, Policy, Target
from relay.core.secret import Secret
from relay.core.template import template
from relay.core.text.markup import MarkupName
from relay.core.turn.compose import Composed, compose
from relay.core.turn.decide import Send, Situation
from relay.core.webhook.payload import parse
from relay.platforms import PLATFORMS

ROOT = Path(__file__).parent.parent
ROUNDS = 60
AT = 1_780_000_000.0
_WRITTEN: tuple[tuple[Platform, str, MarkupName, str], ...] = (
    ("telegram", "telegram.html.j2", "html", "111:bench"),
    ("discord", "discord.md.j2", "discord", "http://127.0.0.1:1/api/webhooks/222/bench"),
)


def card(body: bytes, policy: Policy) -> Card:
    """The card that a webhook body comes to in an empty chat."""
    (told,) = parse(body, "")
    head = Head(told.group_labels, told.route_labels, told.external_url, told.reason)
    arriving = Arriving(1, AT, head, told.alerts, last=True, whole=True)
    return fold(Card(told.group, "", receiver=policy.receiver), [arriving], policy).card


def situations(
    platform: Platform, name: str, markup: MarkupName, secret: str, bodies: Sequence[bytes]
) -> list[tuple[Send, Situation]]:
    """Each body as a step to take in a chat of the platform."""
    lane = LaneKey(platform, "http://127.0.0.1:1", "111", "-1001")
    target = Target(Endpoint(lane, Secret(secret)), Policy("ops", name, markup))
    situation = Situation(AT + 1, target, LaneState())
    step = Post(silent=False)
    return [(Send(card(body, target.policy), step, Rank.FIRST), situation) for body in bodies]


def took(work: Callable[[int], object], rounds: int) -> float:
    """The seconds of a processor that a round takes."""
    began = time.process_time()
    for number in range(rounds):
        work(number)
    return (time.process_time() - began) / rounds


def main(rounds: int) -> None:
    """Prints the table."""
    files = (ROOT / "templates").glob("*.j2")
    templates, _ = template.compile({file.name: file.read_text("utf-8") for file in files})
    head = ("alerts", "platform", "compose ms", "request ms", "of bare")
    sys.stdout.write("".join(f"{name:>12}" for name in head) + "\n")
    for alerts in (1, 100):
        bodies = [payload(alerts, group) for group in range(rounds)]
        bare = took(lambda n: json.dumps(json.loads(bodies[n])), rounds)  # noqa: B023 - called at once
        for written in _WRITTEN:
            steps = situations(*written, bodies)
            platform = PLATFORMS[written[0]]
            compose(*steps[0], templates, platform.FORM)
            messages: list[Composed] = []

            def composed(n: int) -> None:
                messages.append(compose(*steps[n], templates, platform.FORM))  # noqa: B023 - likewise

            def asked(n: int) -> None:
                send, situation = steps[n]  # noqa: B023 - likewise
                endpoint, policy = situation.target.endpoint, situation.policy
                platform.request(endpoint, policy, send.step, messages[n].message)  # noqa: B023 - likewise

            composing, asking = took(composed, rounds), took(asked, rounds)
            ratio = (composing + asking) / bare
            row = (alerts, written[0], f"{1e3 * composing:.2f}", f"{1e3 * asking:.2f}")
            sys.stdout.write("".join(f"{cell!s:>12}" for cell in (*row, f"{ratio:.0f}")) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
