"""What is known of a transaction before it begins: by the job that it does."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import msgspec

from relay.core.budget import Limit
from relay.core.routing.lane import LaneKey
from relay.core.turn.change import AttemptResult
from relay.store.postgres.wire import Cells
from relay.store.protocol import Attempt, Lease

_GIVES_UP = "PostgresStore.give_up"  # it may be somebody else's by now
_encode = msgspec.json.encode


class Kind(NamedTuple):
    """The name that jobs have in common that go alike, the lease under which this one works, and
    values that its statements may have.
    """

    name: str = ""
    lease: Lease | None = None
    given: Mapping[str, Cells] = {}


def kind_of(job: Callable[[], object], rows: Mapping[LaneKey, int]) -> Kind:
    """What the job is: a `partial`. `rows` are the numbers of lanes."""
    arguments: list[Any] = []
    while isinstance(job, partial):
        arguments = [*job.args, *job.keywords.values(), *arguments]
        job = job.func
    name = getattr(job, "__qualname__", "")
    given: dict[str, Cells] = {}
    lease = None
    for at, each in enumerate(arguments):
        match each:
            case Lease():
                lease = each
                given |= {"key": lane_text(each.lane), "lane": rows.get(each.lane)}
            case float():
                given[f"time {at}"] = each
            case Attempt():
                given |= {"group": _encode(each.group).decode(), "fingerprint": each.fingerprint}
            case AttemptResult():
                card = each.change.card
                name += " with a result"
                given |= {
                    "group": _encode(card.group).decode(),
                    "fingerprint": card.fingerprint,
                    "folded": card.folded_seq,
                    "budgets": tuple(sorted(set(each.budgets))),
                    "ended": each.now,
                }
            case [Limit(), *_]:
                given["budgets"] = tuple(sorted({limit.key for limit in each}))
            case _:
                pass
    return Kind(name, None if name == _GIVES_UP else lease, given)


def lane_text(lane: LaneKey) -> str:
    """A lane as a column holds it."""
    return _encode(lane).decode()
