"""The queue for operators: pending and dead deliveries, and the results of commands on them."""

from typing import Literal

from msgspec import Struct

from relay.core.alert import GroupId, Notification
from relay.core.event import Settlement
from relay.core.routing.lane import LaneKey

QueueState = Literal["pending", "dead"]
MOST_LISTED = 200  # deliveries in one page
LARGEST_SHOWN = 4 << 20  # bytes of a notification that can be shown


class Query(Struct, frozen=True, tag="list"):
    """The deliveries to list: those that count under `receiver` (empty: all) in that state (None:
    pending ones, then dead ones). A page begins after `after`, the `next` of the page before, and
    has at most `MOST_LISTED` deliveries.
    """

    receiver: str = ""
    state: QueueState | None = None
    after: str = ""
    limit: int = MOST_LISTED


class Queued(Struct, frozen=True):
    """A delivery. `id` is short and does not change. It counts under `receiver`; for a copy that
    replaces a chat that is down, `fallback` is the receiver of its own chat.

    `alerts` are the first different names of its alerts, `count` is how many alerts it has. `why`:
    what keeps a pending one from its chat, or how it ended. `attempts` calls failed since the chat
    last accepted something of its card; the next is made at `retry_at` (Unix seconds; None: as soon
    as possible, or never).
    """

    id: str
    state: Settlement | Literal["pending"]
    lane: LaneKey
    receiver: str
    fallback: str
    group: GroupId
    alerts: tuple[str, ...]
    count: int
    accepted_at: float
    why: str
    attempts: int
    retry_at: float | None


class Page(Struct, frozen=True, tag="page"):
    """A page of deliveries, by receiver, then chat, the oldest first. `pending` and `dead` are the
    totals for the receiver that was asked for; if it never had a delivery, `others` are the
    receivers that had. `next` is empty on the last page.
    """

    deliveries: tuple[Queued, ...]
    pending: int
    dead: int
    next: str
    others: tuple[str, ...] = ()


class Whole(Struct, frozen=True, tag="delivery"):
    """One delivery with the part of its notification for its chat; None if that has more than
    `LARGEST_SHOWN` of its `size` bytes.
    """

    delivery: Queued
    notification: Notification | None
    size: int


class Retried(Struct, frozen=True, tag="retried"):
    """A dead delivery was accepted anew, as `new`; a pending one (`new` is `id`) is due at once."""

    id: str
    new: str
    lane: LaneKey
    receiver: str


class Dropped(Struct, frozen=True, tag="dropped"):
    """A pending delivery ended as dead."""

    id: str
    lane: LaneKey
    receiver: str


class Refused(Struct, frozen=True, tag="refused"):
    """The command changed nothing; one line with the reason and the remedy."""

    why: str
