"""The history of alerts as values: the end of each delivery, discarded alert and refused request,
and when a source was last heard.
"""

from typing import Literal, get_args

from msgspec import Struct

from relay.core.alert import GroupId
from relay.core.card.step import MessageRef
from relay.core.event import EndReason, Settlement
from relay.core.routing.lane import LaneKey

Outcome = Literal[
    Settlement, "pending", "discarded", "refused", "pressed", "held", "digest", "fallback"
]
"""How a row of the history ended; the last three stand beside another one."""
OUTCOMES: tuple[str, ...] = get_args(Outcome)
IN_DIGEST = (EndReason.DIGEST, EndReason.COUNTED)


class DeliveryTrace(Struct, frozen=True, tag="delivery"):
    """A delivery. `alerts` are the first different names of its alerts, `count` is how many it has.
    It counts under `owner`; a copy for a fallback has another `receiver`. `route` is the position
    and place of the route that led here, empty if an alert has its line on a card of the chat
    already.

    `into` is the delivery into which it was merged, or which it repeats. `message` is the address
    of the message that shows it, `guild` its Discord server. `held`: one of its alerts fires after
    its end was told, and waits. `absorbed`: the lane's digest tells of its card. `waits`: what
    keeps a pending delivery from its chat. `copied`: a copy was made for the fallback. `retried`:
    the delivery that an operator had made of it.
    """

    id: str
    payload: int
    at: float
    source: str
    alerts: tuple[str, ...]
    count: int
    lane: LaneKey
    receiver: str
    owner: str
    route: str
    settlement: Settlement | Literal["pending"]
    why: str = ""
    ended_at: float | None = None
    into: str = ""
    message: MessageRef | None = None
    guild: str = ""
    held: bool = False
    absorbed: bool = False
    waits: str = ""
    copied: bool = False
    retried: str = ""


class DiscardTrace(Struct, frozen=True, tag="discarded"):
    """Alerts of a payload that reached only receivers without chats, by `route`."""

    payload: int
    at: float
    source: str
    alerts: tuple[str, ...]
    count: int
    receiver: str
    route: str


class Refusal(Struct, frozen=True, tag="refused"):
    """A refused request: when (Unix seconds), its source, the HTTP status and reason, the size of
    its body in bytes, and its sender. `id` is 0 until it is stored.
    """

    at: float
    source: str
    code: int
    why: str
    size: int
    peer: str
    id: int = 0


class PressTrace(Struct, frozen=True, tag="pressed"):
    """A button that a person pressed: when (Unix seconds), who on which platform (`name` is empty
    for an anonymous person), in which chat, what was asked (`verb`), for which alerts (their keys
    within `source`), the result, and the answer that the person got.
    """

    id: int
    at: float
    source: str
    platform: str
    person: str
    name: str
    chat: str
    verb: str
    result: str
    answer: str
    keys: tuple[str, ...] = ()


HistoryRow = DeliveryTrace | DiscardTrace | Refusal | PressTrace


class ConfigTrace(Struct, frozen=True):
    """A configuration that was in force: its number, the digest of its file, and since when."""

    generation: int
    sha256: str
    since: float


class Trace(Struct, frozen=True, tag="trace"):
    """A payload, or a part of one, and everything that followed from it. `config` is None if an
    earlier version accepted it. `state` is `spread` once every lane has heard of it.
    """

    id: int
    at: float
    group: GroupId
    firing: int
    resolved: int
    alerts: tuple[str, ...]
    config: ConfigTrace | None
    deliveries: tuple[DeliveryTrace, ...]
    discarded: tuple[DiscardTrace, ...]


class LastHeard(Struct, frozen=True, tag="last_heard"):
    """When an alert name (None: never, as far as is known), the sources and the heartbeats were
    last heard, Unix seconds. `unheard` is the source that was asked for and never posted; `sources`
    are then all others.
    """

    alertname: str
    at: float | None
    payload: int | None
    sources: tuple[tuple[str, float], ...]
    heartbeats: tuple[tuple[str, float], ...]
    unheard: str | None = None


def outcome_of(row: HistoryRow) -> str:
    """The word for how a row ended."""
    match row:
        case DeliveryTrace(settlement=settlement):
            return settlement
        case DiscardTrace():
            return "discarded"
        case Refusal():
            return "refused"
        case PressTrace():
            return "pressed"


def outcomes_of(row: HistoryRow) -> frozenset[str]:
    """Every word by which the row is found: how it ended, and the words that may stand
    beside that.
    """
    words = {outcome_of(row)}
    if isinstance(row, DeliveryTrace):
        words |= {"held"} if row.held else set()
        words |= {"digest"} if row.absorbed or row.why in IN_DIGEST else set()
        words |= {"fallback"} if row.receiver != row.owner else set()
    return frozenset(words)
