"""Requests about the history and the status of a storage, and their answers."""

from typing import NamedTuple

from msgspec import Struct

from relay.core.card.step import MessageRef
from relay.core.history import ConfigTrace, HistoryRow
from relay.core.routing.lane import LaneKey

MOST_ROWS = 200  # of one page
MOST_READ = 200  # payloads that are read for one page, whatever is found
REFUSALS_KEPT = 1000


class HistoryQuery(Struct, frozen=True, tag="history"):
    """The search: alerts with these labels, accepted `since` then (Unix seconds), for that
    receiver, from that source (None: all), with that outcome. A page begins after `after`, the
    `next` of the page before.
    """

    labels: tuple[tuple[str, str], ...] = ()
    since: float = 0.0
    receiver: str = ""
    outcome: str = ""
    source: str | None = None
    limit: int = MOST_ROWS
    after: str = ""


class HistoryPage(Struct, frozen=True, tag="history_page"):
    """Rows, the newest first, somewhat more than `limit` if a payload has several. `next` is empty
    on the last page; a page may be empty although another follows.
    """

    rows: tuple[HistoryRow, ...]
    next: str


class ShowTrace(Struct, frozen=True, tag="show_trace"):
    """Asks for one payload, by its number or by the id of one of its deliveries."""

    id: str


class AskLastHeard(Struct, frozen=True, tag="ask_last_heard"):
    """Asks when an alert name and a source (None: each) were last heard."""

    alertname: str = ""
    source: str | None = None


class AskStatus(Struct, frozen=True, tag="ask_status"):
    """Asks for the status."""


class ListCards(Struct, frozen=True, tag="list_cards"):
    """Asks for the open cards with numbers above `after`."""

    after: int = 0
    limit: int = MOST_ROWS


class CloseCard(Struct, frozen=True, tag="close_card"):
    """Asks to close a card by hand."""

    number: int


class Backup(Struct, frozen=True, tag="backup"):
    """Asks for a copy of the storage; `file` is the absolute path to write."""

    file: str


class StoredPayload(Struct, frozen=True):
    """An accepted payload. `body` is a notification, or a part of one, encoded."""

    number: int
    accepted_at: float
    source: str
    body: bytes


class ListPayloads(Struct, frozen=True, tag="list_payloads"):
    """Asks for payloads accepted `since` then (Unix seconds), the oldest first, after the number
    `after`.
    """

    since: float
    after: int = 0


class StoredPayloads(Struct, frozen=True, tag="stored_payloads"):
    """A page of payloads. An empty page comes after the last one."""

    payloads: tuple[StoredPayload, ...]


class SourceStatus(Struct, frozen=True):
    """When a source was last heard."""

    source: str
    at: float


class ChatStatus(Struct, frozen=True):
    """A chat by its lane: why it is down (empty: it is up), the receivers of its last and pending
    deliveries, how many are pending, the acceptance of the oldest, when a message last changed in
    it, when the next call is due (None: none is; 0.0: at once) and what that waits for.
    """

    lane: LaneKey
    down: str
    receivers: tuple[str, ...]
    pending: int
    oldest: float | None
    last_message: float | None
    next_call: float | None
    waits: str


class Minute(NamedTuple):
    """The payloads accepted in one minute, those of the deliveries accepted then that have ended,
    and how many were pending at its end.
    """

    payloads: int
    deliveries: int
    backlog: int


class Durability(Struct, frozen=True):
    """How safe a commit is on a PostgreSQL when it is answered: `level` is `remote` (on a
    synchronous standby too) or `local`, empty where there is no PostgreSQL. `lag` is how many bytes
    of its log the nearest standby has not stored yet, None if that is not known.
    """

    level: str = ""
    lag: int | None = None


class SeenReplica(Struct, frozen=True):
    """A process on a PostgreSQL: its host, its version, the seconds since it was last heard of, and
    whether it works for all.
    """

    name: str
    version: str
    silent_for: float
    leads: bool


class StorageStatus(Struct, frozen=True, tag="storage_status"):
    """The storage in numbers: `open_cards` by severity of the worst alert that fires on them.
    `replicas` are those that did not say that they end, empty where there is no PostgreSQL.
    """

    config: ConfigTrace | None
    sources: tuple[SourceStatus, ...]
    heartbeats: tuple[tuple[str, float], ...]
    chats: tuple[ChatStatus, ...]
    open_cards: tuple[tuple[str, int], ...]
    durability: Durability = Durability()
    replicas: tuple[SeenReplica, ...] = ()


class RelayStatus(Struct, frozen=True):
    """The process: its version, its start, its configuration file, and when that was loaded."""

    version: str
    started_at: float
    config_file: str
    sha256: str
    loaded_at: float


class Status(Struct, frozen=True, tag="status"):
    """One screen. `relay` is None if no relay runs on the storage."""

    relay: RelayStatus | None
    storage: StorageStatus


class OpenCard(Struct, frozen=True):
    """An open card. `alerts` are the names of the firing ones, `since` is the first of their
    starts, `message` is its message, None without one; `guild` is the Discord server.
    """

    number: int
    lane: LaneKey
    receiver: str
    source: str
    group_key: str
    alerts: tuple[str, ...]
    firing: int
    severity: str
    since: float
    message: MessageRef | None = None
    guild: str = ""
    in_digest: bool = False


class Cards(Struct, frozen=True, tag="cards"):
    """A page of cards, by their numbers. The next page begins after `next`; 0 on the last."""

    cards: tuple[OpenCard, ...]
    next: int = 0


class ClosedCard(Struct, frozen=True, tag="closed_card"):
    """The card is closed; its chat will get the message."""

    number: int
    lane: LaneKey


class BackedUp(Struct, frozen=True, tag="backed_up"):
    """A copy was written, of that many bytes."""

    file: str
    size: int
