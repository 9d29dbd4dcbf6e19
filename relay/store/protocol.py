"""The transactions of the durable state: one method each, the same for every engine."""

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

MOST_COUNTED = 1000  # cards that wait: beyond it all are as good as many


class StoreError(Exception):
    """The storage does not work now (full, slow, failing); nothing of the transaction was kept."""


class NewerSchema(Exception):  # noqa: N818 - it is a state of the file, told to a person
    """The storage was written by a newer alert-relay; the file is untouched."""


class Fenced(Exception):  # noqa: N818 - it is a state of the lane, of which its former owner hears
    """Another owner has the lane since: nothing of the transaction was kept, and the turn is
    dropped.
    """


class Lease(Struct, frozen=True):
    """The right to work on a lane, under the epoch in which it was taken. Every write of a lane
    carries it; one of an earlier epoch than the lane's raises Fenced.
    """

    lane: LaneKey
    epoch: int = 0


class NewPayload(Struct, frozen=True):
    """A notification, or a part of one, with what follows from it. `body` is the notification,
    encoded; `notification` spares a reading of it. `discarded` alerts go to no chat; `generation`
    is that of the configuration whose routes decided.
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
    """Payloads were kept: the lanes that have work now, and the number of the first of them, on
    which those of the others follow. By it `history` knows a payload.
    """

    lanes: tuple[LaneKey, ...]
    first: int


class Open(Struct, frozen=True):
    """A delivery not folded yet, for the card of `group` and `fingerprint`: another group than the
    notification's where its alerts have their lines there. `alerts` are indexes into the
    notification's alerts; None: all of them. `generation` is that of the configuration that routed
    it. `owner` is another receiver than its own where it is a
    copy for a fallback."""

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
    """Other threads of a lane's chat: how many of their cards wait for a call, each counted up to
    `MOST_COUNTED`, on how many lanes, and the same of those that tell something urgent.
    """

    waiting: int = 0
    lanes: int = 0
    urgent: int = 0
    urgent_lanes: int = 0


class Claim(Struct, frozen=True):
    """A lane as its owner works on it: a page of open deliveries, oldest first, and the cards at
    hand.

    With a page, the cards are those it touches; without one, the card to look at next: of those
    due, the one whose step has the lowest `rank`, then the one that waits longest. `next_due` is
    when the next card is due, None: none is. `more`: further deliveries are open. `waiting` is how
    many cards wait for a call, up to `MOST_COUNTED`, `urgent` how many of them tell something
    urgent that is not told yet, `beside` the same of other threads of the chat; `lines` are what
    the card at hand tells of, when it is a digest or a summary of quiet hours. `woken` are the
    lanes that have work since, because alerts that were accepted have their lines there.
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
    """The call may go: budgets are taken and the attempt stands written as in doubt."""


class Denied(Struct, frozen=True):
    """No call before `until` (Unix seconds): a budget is used up or blocked, or the card is out of
    date.
    """

    until: float


class Attempt(Struct, frozen=True):
    """A call to be made; one that was begun and never settled: what it did is unknown. Among lanes
    that share a budget the one with the lowest `rank` goes first, then the lane whose last call is
    the longest ago, then the one that waits `since` longest (Unix seconds)."""

    lane: LaneKey
    group: GroupId
    fingerprint: str
    step: Step
    rank: Rank = Rank.EDIT
    since: float = 0.0


class Ended(Struct, frozen=True):
    """Deliveries that ended, of the receiver they count under, and why. `latencies`: seconds from
    acceptance, if delivered; then `delivery` is the id of the last, and `payload` its payload's.
    `card`: that of deliveries which were given up.
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
    """The durable state. Each method but `batch` and `close` is one whole transaction and is called
    inside `batch`.

    All methods are synchronous and are called from one thread. They raise StoreError when the
    storage fails.
    """

    @property
    def people(self) -> PeopleStore:
        """The people and chats that bots know, within the same transactions."""

    @property
    def acting(self) -> ActingStore:
        """What people do from a chat, within the same transactions."""

    def batch(self, jobs: Sequence[Callable[[], object]], *, durable: bool = True) -> list[object]:
        """Runs the jobs, commits once and returns their results, or the exception of one that
        raised and left nothing. A commit that is not `durable` is on the disk with the next one
        that is: a power cut before takes it back.

        Raises StoreError when the commit itself fails: then no job left anything behind.
        """

    def sync(self) -> None:
        """Writes a little, so that the commit of this job takes those before it to the disk."""

    def accept(self, payloads: Sequence[NewPayload]) -> Kept:
        """Keeps the notifications and a delivery for each chat of each, with the lane's next
        sequence number. What other lanes must hear of (cards
        on which the alerts have their lines, absent alerts of the group) follows from what was kept
        and is brought to them, in order of acceptance, before any lane folds it."""

    def spread(self) -> tuple[LaneKey, ...]:
        """Brings accepted payloads to all lanes that they concern. Returns the lanes that have work
        now, also those of earlier turns that were not returned.
        """

    def take(self, lane: LaneKey) -> Lease | None:
        """Takes the lane, or None when somebody else has it. Where one process owns the storage it
        has every lane.
        """

    def claim(self, lease: Lease, now: float, page: int, before: Rank | None = None) -> Claim:
        """The lane's state, at most `page` open deliveries in order of acceptance, and the cards at
        hand. With a page to read, what was accepted is brought to all lanes first. With `before` a
        card is at hand only if its step goes before those of that rank."""

    def state(self, lane: LaneKey) -> LaneState:
        """The state of the lane."""

    def soon(self, lane: LaneKey, until: float, most: int) -> tuple[Card, ...]:
        """Cards of the lane that have a call to make now or until then (Unix seconds): the first
        ones of either, at most `most` each.
        """

    def card(self, lane: LaneKey, group: GroupId, fingerprint: str) -> Card | None:
        """One card, if there is one."""

    def fold(
        self, lease: Lease, changes: Sequence[CardChange], now: float | None = None
    ) -> tuple[Ended, ...]:
        """Keeps folded cards and binds their deliveries to them. `now`, here and below, is the end
        of the deliveries that end (Unix seconds).
        """

    def unfold(self, lease: Lease, group: GroupId, fingerprint: str) -> None:
        """Forgets a card that no receiver shows any more: its pending deliveries are open again."""

    def stranded(self, lanes: Sequence[LaneKey]) -> tuple[tuple[LaneKey, Card], ...]:
        """The open cards of other lanes than these."""

    def move(self, lease: Lease, to: Lease, change: CardChange) -> tuple[LaneKey, ...]:
        """Gives a card of a lane to another one, which keeps it as the change says. What is pending
        on it is open again. Returns the lanes that have work now.
        """

    def route_again(self, lease: Lease, seq: int, ways: Sequence[Delivery]) -> tuple[LaneKey, ...]:
        """Adds an open delivery, which nobody will take in, to the lanes of `ways`, but for those
        that were told of the same payload or of something newer. What a copy stands for is to be
        copied once more. A lane that is down tells the others why this comes late. Returns the
        lanes that have work now; `dismiss` is to follow."""

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
        message, None where it has none yet."""

    def episodes(self, source: str, alert: str, since: float) -> tuple[Episode, ...]:
        """The times that an alert (by its fingerprint) fired and that ended since then, the oldest
        first; kept for seven days."""

    def begin(
        self, lease: Lease, attempt: Attempt, limits: Sequence[Limit], now: float
    ) -> Begun | Denied:
        """Takes the budgets and writes the attempt as in doubt, or says when to come again: at once
        when something was accepted for the card that it has not taken in."""

    def settle(self, lease: Lease, result: AttemptResult) -> tuple[Ended, ...]:
        """Keeps the card and lane after an attempt, ends the deliveries that are done, closes the
        attempt.
        """

    def room(self, limits: Sequence[Limit], now: float, seconds: float) -> float:
        """How many calls all these budgets let through in the next seconds."""

    def absorb(self, lease: Lease, how: Absorb, now: float) -> None:
        """Puts the cards that wait for their first message into the lane's digest (see `Absorb`);
        each is rechecked when what it may hold back is over, if nothing comes before."""

    def follow(self, lease: Lease, change: CardChange, now: float) -> None:
        """Keeps the digest, and gives one urgent card that it has shown a message of its own: one
        that it only counts before one that it names, then the oldest.
        """

    def wake_api(self, lease: Lease, since: float, now: float, pause: float) -> tuple[LaneKey, ...]:
        """A call of the lane got through, the first one since then: other lanes of its API whose
        trouble began later may call again, once `pause` seconds have passed since their last call.
        Returns them."""

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
        """Copies what `receiver` has pending on a lane to the lanes of its fallback: all of it,
        what waits for one card (group and fingerprint), what was accepted `before` then. Each
        delivery goes once to each lane; later deliveries of those groups are copied as they
        arrive, until the copied card closes. A lane that got the same alerts of a payload for
        `owner` before gets no copy. A copy counts under `owner`, which is another receiver than
        `receiver` (the default) where these are copies themselves. Returns the lanes that have
        work now."""

    def oldest_uncopied(self, lane: LaneKey, receiver: str, owner: str) -> float | None:
        """The acceptance (Unix seconds) of the oldest pending delivery for `receiver` in the name
        of `owner` that was not copied to a fallback.
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
        """Ends as merged, into that delivery, the pending deliveries of the card that were accepted
        before then, and those that only report absent alerts before the other moment. The oldest of
        each owner stays: it shows how long the card waits.
        """

    def look_again(self, lease: Lease, now: float) -> None:
        """Makes the cards of the lane that wait for a call due, whatever they pause for."""

    def pending_lanes(self) -> tuple[tuple[LaneKey, str], ...]:
        """The lanes with something pending, each with the receivers that it counts under."""

    def expire(
        self, lane: LaneKey, receiver: str, before: float, now: float | None = None
    ) -> tuple[Ended, ...]:
        """Ends, as expired, what `receiver` has pending on the lane since before then and was
        tried: by a call for its card since it was accepted, or because the platform refuses the
        whole chat. Cards keep what they want.
        """

    def shed(
        self, lane: LaneKey, receiver: str, share: int, now: float | None = None
    ) -> tuple[Ended, ...]:
        """Ends, as expired, the oldest of what `receiver` has pending on the lane and was tried, as
        `expire` has it, until the payloads of the rest take `share` bytes at most: one chat that
        takes nothing does not fill the storage. Cards keep what they want.
        """

    def move_times_back(self, now: float) -> float:
        """Before all else in a new run. A clock that was ahead of this one wrote moments that are
        yet to come: they are moved back by as much, so that nothing waits for them. Returns the
        seconds, 0.0 when no clock was ahead."""

    def move_times_on(self, by: float) -> None:
        """The clock goes on so many seconds later: so does all that waits by it. Nobody may own a
        lane meanwhile.
        """

    def in_doubt(self, lane: LaneKey) -> Attempt | None:
        """The attempt on the lane that was begun and not settled."""

    def postpone(self, lease: Lease, group: GroupId, fingerprint: str, until: float | None) -> None:
        """Lets the card wait until then, whatever is due; None: until something comes for it."""

    def recheck(self, now: float) -> None:
        """Makes cards due at `now` that fire and were never shown, or are over and shown as firing:
        the reason that held them back may be in force no more.
        """

    def firing(self, groups: GroupId) -> tuple[Card, ...]:
        """The cards that fire of groups whose keys begin as this one's."""

    def wakes(self) -> tuple[tuple[LaneKey, float], ...]:
        """Lanes that have work, with when (0.0: open deliveries wait, or a call is in doubt)."""

    def down(self) -> tuple[tuple[LaneKey, Down], ...]:
        """The lanes whose chats refuse us, by their keys; of the present configuration or not."""

    def stuck(self, now: float) -> tuple[tuple[LaneKey, Down], ...]:
        """The other lanes that owe something and got nothing through for ten minutes, with why."""

    def balance(self) -> tuple[BalanceRow, ...]:
        """Per platform and receiver: the numbers of accepted, ended (by outcome) and pending
        deliveries.
        """

    def purge(self, before: float, size: int, most: int) -> int:
        """Forgets at most `most` deliveries that ended, the oldest first: those accepted before
        then, and any while the storage holds more than `size` bytes or the disk is full. Payloads
        from which none came go first, but for the newest. With the
        last of a payload or of a closed card goes that as well. While fewer are found than may be,
        the next cards are looked at: each closed one without deliveries is found in the end.
        Returns how many deliveries and cards were forgotten."""

    def newest_generation(self) -> int:
        """The generation of the configuration that was last put in force, by whichever process."""

    def configured(self, sha256: str, now: float) -> int:
        """The generation of the configuration with this digest, which is in force from now on: one
        more than the last, where that was another."""

    def refused(self, refusals: Sequence[Refusal]) -> None:
        """Keeps refused requests; the newest are kept."""

    def history(self, query: HistoryQuery) -> HistoryPage:
        """A page of the history of alerts, the newest first."""

    def traced(self, trace_id: str) -> Trace | Refused:
        """The trace of one payload, by its id or by that of one of its deliveries."""

    def last_heard(self, alertname: str, source: str | None) -> LastHeard:
        """When that alert name (empty: any) came last, and the source (None: all of them)."""

    def standing_now(self) -> StorageStatus:
        """Sources, chats and open cards, in numbers."""

    def per_minute(self, since: float, minutes: int) -> tuple[Minute, ...]:
        """So many minutes from then (Unix seconds) on; the backlog as far as the last 20,000
        deliveries that ended tell it."""

    def open_cards(self, after: int, limit: int) -> tuple[OpenCard, ...]:
        """The cards that are not closed, by their numbers, behind `after`."""

    def close_card(self, number: int, now: float) -> ClosedCard | Refused:
        """Ends what fires on an open card, as if nobody reported it any more. Nobody may own the
        lane meanwhile."""

    def stored_payloads(self, since: float, after: int = 0) -> tuple[StoredPayload, ...]:
        """A page of payloads accepted since then (Unix seconds), the oldest first, after the number
        `after`; empty after the last.
        """

    def backup(self, file: Path) -> None:
        """Writes a consistent copy of the storage to the file, which must not exist. Called outside
        `batch`, from any thread. Raises StoreError and OSError."""

    def queue(self, query: Query) -> Page | Refused:
        """A page of pending or dead deliveries, without dead ones that were retried."""

    def queued(self, delivery_id: str) -> Whole | Refused:
        """One delivery, whatever its state, with its notification."""

    def retry(self, delivery_id: str, now: float) -> Retried | Refused:
        """Accepts a dead delivery anew, unless something newer was told to the same chat of the
        same group; makes a pending one due. A chat that is down is called once more. Nobody may own
        the lane meanwhile."""

    def drop(self, delivery_id: str, now: float) -> Dropped | Refused:
        """Ends a pending delivery as dead; its card is not shown as it is now unless another
        delivery wants it. Nobody may own the lane meanwhile."""

    def close(self) -> None:
        """Ends the use of the storage."""
