"""What is known of a transaction before it begins: by the job that it does."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import msgspec

from relay.core.budget import Limit
from relay.core.card.card import Card
from relay.core.routing.lane import LaneKey
from relay.core.routing.route import Delivery
from relay.core.turn.change import AttemptResult
from relay.store.postgres.pipelined import Cells
from relay.store.protocol import Attempt, Lease, NewPayload

# Jobs of single statements, which need no transaction; a lane may be somebody else's meanwhile.
_SINGLE = (
    "PostgresLeases._taken",
    *(
        f"PostgresStore.{name}"
        for name in (
            "take",
            "ring",
            "give_up",
            "renew",
            "look",
            "take_lead",
            "give_up_lead",
            "leave",
        )
    ),
)
_encode = msgspec.json.encode


class Kind(NamedTuple):
    """The name that jobs have in common that go alike, the lease under which this one works, and
    values that its statements may have. `single`: it needs no transaction.
    """

    name: str = ""
    lease: Lease | None = None
    given: Mapping[str, Cells] = {}
    single: bool = False


def kind_of(job: Callable[[], object], rows: Mapping[LaneKey, int]) -> Kind:
    """What the job is: a `partial`. `rows` are the numbers of lanes."""
    arguments: list[Any] = []
    while isinstance(job, partial):
        arguments = [*job.args, *job.keywords.values(), *arguments]
        job = job.func
    name = getattr(job, "__qualname__", "")
    if name in _SINGLE:
        return Kind(name, single=True)
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
                name += " with a result"
                given |= told_of(each.change.card)
                given |= {
                    "budgets": tuple(sorted(set(each.budgets))),
                    "ended": each.now,
                }
            case [Limit(), *_]:
                given["budgets"] = tuple(sorted({limit.key for limit in each}))
            case _:
                pass
    return Kind(name, lease, given)


def told_of(card: Card) -> dict[str, Cells]:
    """The values of a card that its statements have."""
    alert = card.entries[0].fingerprint if card.entries else None
    return {
        "group": _encode(card.group).decode(),
        "fingerprint": card.fingerprint,
        "folded": card.folded_seq,
        "source": card.group.source,
        "alert": alert,
    }


def told_of_way(new: NewPayload, way: Delivery) -> dict[str, Cells]:
    """The values of the card that a delivery is for, where that is the one of its group."""
    told = new.notification
    if told is None or not told.alerts:
        return {}
    at = way.alerts[0] if way.alerts else 0
    return {
        "group": _encode(new.group).decode(),
        "fingerprint": way.fingerprint,
        "source": new.group.source,
        "alert": told.alerts[at].fingerprint,
    }


def lane_text(lane: LaneKey) -> str:
    """A lane as a column holds it."""
    return _encode(lane).decode()
