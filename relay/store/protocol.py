"""The transactions of the store, one method each, the same for every engine."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from relay.core.alert import GroupId, Notification
from relay.core.balance import BalanceRow
from relay.core.budget import Limit
from relay.core.card.card import Card
from relay.core.card.digest import Line
from relay.core.card.lane_state import Down, LaneState
from relay.core.card.step import MessageRef, Rank, Step
from relay.core.card.view import Episode
from relay.core.event import Settlement
from relay.core.history import LastHeard, Refusal, Trace
from relay.core.routing.lane import LaneKey
from relay.core.routing.route import Delivery, Discarded
from relay.core.turn.change import AttemptResult, CardChange
from relay.core.turn.decide import Absorb
from relay.store.acting import ActingStore
from relay.store.history import (
    ClosedCard,
    HistoryPage,
    HistoryQuery,
    Minute,
    OpenCard,
    StorageStatus,
    StoredPayload,
)
from relay.store.people import PeopleStore
from relay.store.queue import Dropped, Page, Query, Refused, Retried, Whole

MOST_COUNTED = 1000  # waiting cards; beyond that they are not counted


class StoreError(Exception):
    """The storage does not work now (full, slow, failing). Nothing of the transaction was
    stored.
    """


class NewerSchema(Exception):  # noqa: N818 - a state of the file, told to a person
    """A newer alert-relay wrote the storage; the file is unchanged."""


class Fenced(Exception):  # noqa: N818 - a state of the lane
    """The lane was taken by another owner: nothing of the transaction was stored, and the turn is
    dropped.
    """


class Lease(Struct, frozen=True):
    """The right to work on a lane, with the epoch in which it was taken. Every write of a lane
    carries it; a write with an earlier epoch than the lane's raises Fenced.
    """

    lane: LaneKey
    epoch: int = 0


class NewPayload(Struct, frozen=True):
    """A notification, or a part of one, with its deliveries. `body` is the encoded notification;
    `notification` saves decoding it. `discarded` alerts go to no chat; `generation` is that of the
    configuration that routed it.
    """

    group: GroupId
    body: bytes
    accepted_at: float
    deliveries: tuple[Delivery, ...]
    last: bool = True
    notification: Notification | None = None
    discarded: tuple[Discarded, ...] = ()
    generation: int = 0


class Kept(Struct, frozen=True):
    """Payloads were stored: the lanes that have work now, and the number of the first payload,
    after which the others are numbered. The history knows a payload by its number.
    """

    lanes: tuple[LaneKey, ...]
    first: int


class Open(Struct, frozen=True):
    """A delivery that is not folded yet, for the card of `group` and `fingerprint`; that is another
    group than the notification's if its alerts have their lines there. `alerts` are indexes into
    the notification's alerts; None: all of them. `generation` is that of the configuration that
    routed it. `owner` differs from `receiver` if it is a copy for a fallback.
    """

    seq: int
    receiver: str
    owner: str
    group: GroupId
    fingerprint: str
    alerts: tuple[int, ...] | None
    accepted_at: float
    notification: Notification
    generation: int = 0


class Beside(Struct, frozen=True):
    """The other threads of a lane's chat: how many of their cards wait for a call (counted up to
    `MOST_COUNTED`), on how many lanes, and both for cards with something urgent.
    """

    waiting: int = 0
    lanes: int = 0
    urgent: int = 0
    urgent_lanes: int = 0


class Claim(Struct, frozen=True):
    """A lane for its owner: a page of open deliveries, the oldest first, and the cards to work on.

    With a page, the cards are those that it touches; without one, it is the next card: of those
    due, the one whose step has the lowest `rank`, then the one that waits longest. `next_due` is
    when the next card is due, None if none is. `more`: further deliveries are open. `waiting` is
    how many cards wait for a call, up to `MOST_COUNTED`, `urgent` how many of them have something
    urgent that is not told yet, `beside` the same for other threads of the chat. `lines` are those
    of the card if it is a digest or a summary of quiet hours. `woken` are the lanes that got work
    because accepted alerts have their lines there.
    """

    lane: LaneKey
    state: LaneState
    page: tuple[Open, ...]
    cards: tuple[Card, ...]
    next_due: float | None
    more: bool = False
    waiting: int = 0
    urgent: int = 0
    beside: Beside = Beside()
    lines: tuple[Line, ...] = ()
    rank: Rank = Rank.EDIT
    called_at: float = 0.0
    woken: tuple[LaneKey, ...] = ()


class Begun(Struct, frozen=True):
    """The call may be made: budgets are taken, and the attempt is stored as in doubt."""


class Denied(Struct, frozen=True):
    """No call before `until` (Unix seconds): a budget is used up or blocked, or the card is out of
    date.
    """

    until: float


class Attempt(Struct, frozen=True):
    """A call to be made, or one that was begun and never settled, whose effect is unknown. Among
    lanes that share a budget the one with the lowest `rank` goes first, then the lane whose last
    call is the longest ago, then the one that waits longest (`since`, Unix seconds).
    """

    lane: LaneKey
    group: GroupId
    fingerprint: str
    step: Step
    rank: Rank = Rank.EDIT
    since: float = 0.0


class Ended(Struct, frozen=True):
    """Deliveries that ended, by the receiver that they count under, and why. `latencies`: seconds
    from acceptance, if delivered; `delivery` is then the id of the last, and `payload` that of its
    payload. `card`: the card of deliveries that were given up.
    """

    receiver: str
    settlement: Settlement
    count: int
    latencies: tuple[float, ...] = ()
    why: str = ""
    delivery: str = ""
    payload: int = 0
    card: Card | None = None


class Store(Protocol):
    """The store. Each method except `batch` and `close` is one whole transaction and is called
    within `batch`.

    All methods are synchronous and are called from one thread. They raise StoreError if the storage
    fails.
    """

    @property
    def people(self) -> PeopleStore:
        """The people and chats that bots know, in the same transactions."""

    @property
    def acting(self) -> ActingStore:
        """What people do from a chat, in the same transactions."""

    def batch(self, jobs: Sequence[Callable[[], object]], *, durable: bool = True) -> list[object]:
        """Runs the jobs, commits once, and returns their results; for a job that raised, which
        leaves nothing, its exception. A commit that is not `durable` reaches the disk with the next
        durable one; a power cut before that undoes it.

        Raises StoreError if the commit itself fails; then no job left anything.
        """

    def sync(self) -> None:
        """Writes a little, so that the commit of this job brings earlier commits to the disk."""

    def accept(self, payloads: Sequence[NewPayload]) -> Kept:
        """Stores the notifications and a delivery for each chat of each, with the lane's next
        sequence number. What other lanes need to know (cards on which the alerts have their lines,
        absent alerts of the group) follows from the stored payloads; it is spread to them in order
        of acceptance before any lane folds it.
        """

    def spread(self) -> tuple[LaneKey, ...]:
        """Spreads accepted payloads to all lanes that they concern. Returns the lanes that have
        work now, with those of earlier turns that were not returned yet.
        """

    def take(self, lane: LaneKey) -> Lease | None:
        """Takes the lane; None if another process has it. A process that owns the storage has every
        lane.
        """

    def claim(self, lease: Lease, now: float, page: int, before: Rank | None = None) -> Claim:
        """The lane's state, at most `page` open deliveries in order of acceptance, and the cards to
        work on. With a page to read, accepted payloads are spread to all lanes first. With `before`
        only a card whose step goes before those of that rank is returned.
        """

    def state(self, lane: LaneKey) -> LaneState:
        """The state of the lane."""

    def soon(self, lane: LaneKey, until: float, most: int) -> tuple[Card, ...]:
        """Cards of the lane whose calls are due now or until then (Unix seconds): the first ones of
        each, at most `most` each.
        """

    def card(self, lane: LaneKey, group: GroupId, fingerprint: str) -> Card | None:
        """One card, or None."""

    def fold(
        self, lease: Lease, changes: Sequence[CardChange], now: float | None = None
    ) -> tuple[Ended, ...]:
        """Stores folded cards and binds their deliveries to them. `now`, here and below, is when
        the deliveries that end have ended (Unix seconds).
        """

    def unfold(self, lease: Lease, group: GroupId, fingerprint: str) -> None:
        """Removes a card that no receiver shows any more: its pending deliveries are open again."""

    def stranded(self, lanes: Sequence[LaneKey]) -> tuple[tuple[LaneKey, Card], ...]:
        """The open cards of all lanes but these."""

    def move(self, lease: Lease, to: Lease, change: CardChange) -> tuple[LaneKey, ...]:
        """Gives a card of a lane to another lane, in the form of `change`. Its pending deliveries
        are open again. Returns the lanes that have work now.
        """

    def route_again(self, lease: Lease, seq: int, ways: Sequence[Delivery]) -> tuple[LaneKey, ...]:
        """Adds an open delivery that no card will take in to the lanes of `ways`, except those that
        were told of the same payload or of something newer. If it is a copy, its source is copied
        once more. A lane that is down tells the others why this comes late. Returns the lanes that
        have work now; `dismiss` has to follow.
        """

    def dismiss(
        self,
        lease: Lease,
        seqs: Sequence[int],
        settlement: Settlement,
        why: str,
        now: float | None = None,
    ) -> tuple[Ended, ...]:
        """Ends open deliveries that no card will take in. A group without a card on the lane is no
        longer watched.
        """

    def elsewhere(
        self, lane: LaneKey, card: Card, alerts: Sequence[str]
    ) -> tuple[tuple[str, MessageRef | None], ...]:
        """Those of the alerts (fingerprints) that fire on another card of the lane, with its
        message, None if it has none yet.
        """

    def episodes(self, source: str, alert: str, since: float) -> tuple[Episode, ...]:
        """The times that an alert (by its fingerprint) fired and that ended since then, the oldest
        first. They are kept for seven days.
        """

    def begin(
        self, lease: Lease, attempt: Attempt, limits: Sequence[Limit], now: float
    ) -> Begun | Denied:
        """Takes the budgets and stores the attempt as in doubt, or returns when to try again: at
        once if something was accepted for the card that it has not taken in.
        """

    def settle(self, lease: Lease, result: AttemptResult) -> tuple[Ended, ...]:
        """Stores the card and lane after an attempt, ends the deliveries that are done, and closes
        the attempt.
        """

    def room(self, limits: Sequence[Limit], now: float, seconds: float) -> float:
        """How many calls all these budgets allow together in the next seconds."""

    def absorb(self, lease: Lease, how: Absorb, now: float) -> None:
        """Puts the cards that wait for their first message into the lane's digest
        (`decide.Absorb`). Each is rechecked when what may hold it back is over, if nothing comes
        earlier.
        """

    def follow(self, lease: Lease, change: CardChange, now: float) -> None:
        """Stores the digest, and gives one urgent card that it has shown a message of its own: one
        that it only counts before one that it names, then the oldest.
        """

    def wake_api(self, lease: Lease, since: float, now: float, pause: float) -> tuple[LaneKey, ...]:
        """After a call of the lane got through, the first one since `since`: other lanes of its API
        whose trouble began later may call again, once `pause` seconds have passed since their last
        call. Returns them.
        """

    def copy_to_fallback(
        self,
        lease: Lease,
        receiver: str,
        fallback: str,
        to: Sequence[LaneKey],
        *,
        owner: str = "",
        card: tuple[GroupId, str] | None = None,
        before: float | None = None,
    ) -> tuple[LaneKey, ...]:
        """Copies pending deliveries of `receiver` on a lane to the lanes of its fallback: all of
        them; those of one card (group and fingerprint); or those accepted `before` then. Each
        delivery goes once to each lane. Later deliveries of those groups are copied as they arrive,
        until the copied card closes. A lane that got the same alerts of a payload for `owner`
        before gets no copy. A copy counts under `owner`, which differs from `receiver` (the
        default) if these are copies themselves. Returns the lanes that have work now.
        """

    def oldest_uncopied(self, lane: LaneKey, receiver: str, owner: str) -> float | None:
        """The acceptance (Unix seconds) of the oldest pending delivery for `receiver` under `owner`
        that was not copied to a fallback.
        """

    def supersede(
        self,
        lease: Lease,
        group: GroupId,
        fingerprint: str,
        before: float,
        empty_before: float,
        into: int | None = None,
        now: float | None = None,
    ) -> tuple[Ended, ...]:
        """Ends as merged into `into` the pending deliveries of the card that were accepted before
        `before`, and those accepted before `empty_before` that only report absent alerts. The
        oldest of each owner stays, since it shows how long the card waits.
        """

    def look_again(self, lease: Lease, now: float) -> None:
        """Makes the waiting cards of the lane due, whatever their pauses."""

    def pending_lanes(self) -> tuple[tuple[LaneKey, str], ...]:
        """The lanes with pending deliveries, each with the receivers that those count under."""

    def expire(
        self, lane: LaneKey, receiver: str, before: float, now: float | None = None
    ) -> tuple[Ended, ...]:
        """Ends as expired what `receiver` has had pending on the lane since before `before` and
        what was tried: by a call for its card since its acceptance, or because the platform refuses
        the whole chat. Cards keep their wanted state.
        """

    def shed(
        self, lane: LaneKey, receiver: str, share: int, now: float | None = None
    ) -> tuple[Ended, ...]:
        """Ends as expired the oldest tried deliveries (as in `expire`) that `receiver` has pending
        on the lane, until the payloads of the rest take at most `share` bytes, so that one chat
        that accepts nothing does not fill the storage. Cards keep their wanted state.
        """

    def move_times_back(self, now: float) -> float:
        """Called before everything else in a new run. If a clock ahead of this one wrote times in
        the future, moves them back by as much, so that nothing waits for them. Returns the seconds,
        0.0 if no clock was ahead.
        """

    def move_times_on(self, by: float) -> None:
        """Moves everything that waits by the clock on by so many seconds, as the clock is. Nobody
        may work on a lane meanwhile.
        """

    def in_doubt(self, lane: LaneKey) -> Attempt | None:
        """The attempt on the lane that was begun and not settled."""

    def postpone(self, lease: Lease, group: GroupId, fingerprint: str, until: float | None) -> None:
        """Lets the card wait until then, whatever is due; None: until something arrives for it."""

    def recheck(self, now: float) -> None:
        """Makes cards due at `now` that fire and were never shown, or have ended and are shown as
        firing: the reason that held them back may no longer apply.
        """

    def firing(self, groups: GroupId) -> tuple[Card, ...]:
        """The firing cards of groups whose keys begin like this one's."""

    def wakes(self) -> tuple[tuple[LaneKey, float], ...]:
        """The lanes that have work, with when (0.0: open deliveries wait, or a call is in
        doubt).
        """

    def down(self) -> tuple[tuple[LaneKey, Down], ...]:
        """The lanes whose chats are down, by their keys, in the present configuration or not."""

    def stuck(self, now: float) -> tuple[tuple[LaneKey, Down], ...]:
        """The other lanes that have had nothing delivered for ten minutes although deliveries are
        due, with why.
        """

    def balance(self) -> tuple[BalanceRow, ...]:
        """Per platform and receiver: the numbers of accepted, ended (by outcome) and pending
        deliveries.
        """

    def purge(self, before: float, size: int, most: int) -> int:
        """Forgets at most `most` ended deliveries, the oldest first: those accepted before
        `before`, and any while the storage holds more than `size` bytes or the disk is full.
        Payloads without deliveries go first, except the newest. A payload or closed card goes with
        its last delivery. If fewer than `most` are found, some cards are checked too, so that each
        closed one without deliveries is found in the end. Returns how many deliveries and cards
        were forgotten.
        """

    def newest_generation(self) -> int:
        """The generation of the configuration that was last put in force, by any process."""

    def configured(self, sha256: str, now: float) -> int:
        """Puts the configuration with this digest in force and returns its generation: one more
        than the last, unless that had the same digest.
        """

    def refused(self, refusals: Sequence[Refusal]) -> None:
        """Stores refused requests. Only the newest are kept."""

    def history(self, query: HistoryQuery) -> HistoryPage:
        """A page of the history of alerts, the newest first."""

    def traced(self, trace_id: str) -> Trace | Refused:
        """The trace of one payload, by its id or by that of one of its deliveries."""

    def last_heard(self, alertname: str, source: str | None) -> LastHeard:
        """When that alert name (empty: any) last came, from the source (None: from each of
        them).
        """

    def standing_now(self) -> StorageStatus:
        """Sources, chats and open cards, in numbers."""

    def per_minute(self, since: float, minutes: int) -> tuple[Minute, ...]:
        """The numbers of so many minutes from `since` (Unix seconds). The backlog is computed from
        the last 20,000 deliveries that ended.
        """

    def open_cards(self, after: int, limit: int) -> tuple[OpenCard, ...]:
        """The open cards by their numbers, after `after`."""

    def close_card(self, number: int, now: float) -> ClosedCard | Refused:
        """Ends the firing alerts of an open card, as if nobody reported them any more. Nobody may
        work on the lane meanwhile.
        """

    def stored_payloads(self, since: float, after: int = 0) -> tuple[StoredPayload, ...]:
        """A page of payloads accepted since then (Unix seconds), the oldest first, after the number
        `after`; empty after the last.
        """

    def backup(self, file: Path) -> None:
        """Writes a consistent copy of the storage to the file, which must not exist. Called outside
        `batch`, from any thread. Raises StoreError and OSError.
        """

    def queue(self, query: Query) -> Page | Refused:
        """A page of pending or dead deliveries, without dead ones that were retried."""

    def queued(self, delivery_id: str) -> Whole | Refused:
        """One delivery, whatever its state, with its notification."""

    def retry(self, delivery_id: str, now: float) -> Retried | Refused:
        """Accepts a dead delivery anew, unless the same chat was told something newer of the same
        group; makes a pending one due. A chat that is down is called once more. Nobody may work on
        the lane meanwhile.
        """

    def drop(self, delivery_id: str, now: float) -> Dropped | Refused:
        """Ends a pending delivery as dead. The present state of its card is not shown unless
        another delivery needs it. Nobody may work on the lane meanwhile.
        """

    def close(self) -> None:
        """Closes the storage."""
