"""The transactions of the store in SQL, the same for both engines."""

from collections.abc import Callable, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from relay.core.alert import GroupId
from relay.core.balance import BalanceRow
from relay.core.budget import Limit
from relay.core.card.card import Card
from relay.core.card.digest import DIGEST, absorbing
from relay.core.card.lane_state import Down, LaneState, taking_over
from relay.core.card.operator import end as close_by_hand
from relay.core.card.step import MessageRef, Rank
from relay.core.card.view import Episode
from relay.core.event import EndReason, Event, Noted, Settlement
from relay.core.history import LastHeard, Refusal, Trace
from relay.core.routing.lane import LaneKey
from relay.core.routing.route import Delivery
from relay.core.turn.change import AttemptResult, CardChange
from relay.core.turn.decide import Absorb
from relay.store.history import (
    ClosedCard,
    HistoryPage,
    HistoryQuery,
    Minute,
    OpenCard,
    StorageStatus,
    StoredPayload,
)
from relay.store.protocol import (
    Attempt,
    Begun,
    Claim,
    Denied,
    Ended,
    Kept,
    Lease,
    NewPayload,
    StoreError,
)
from relay.store.queue import Dropped, Page, Query, Refused, Retried, Whole
from relay.store.sql import (
    budgets,
    cards,
    history,
    moving,
    overview,
    queue,
    standing,
    unreadable,
    waiting,
)
from relay.store.sql.accept import Part, accept, copy_to_fallback, lane_row, route_again
from relay.store.sql.acting import SqlActing
from relay.store.sql.cards import text
from relay.store.sql.claim import claim
from relay.store.sql.clock_ahead import move_times_back, move_times_on
from relay.store.sql.database import Database
from relay.store.sql.people import SqlPeople
from relay.store.sql.purge import Purge
from relay.store.sql.settlements import (
    DeliveryEnd,
    balance,
    down,
    end,
    end_known,
    pending_lanes,
)
from relay.store.sql.spread import spread, take_woken
from relay.store.sql.unreadable import needed, readable

_MOST_TOLD = 20  # expired cards that are named one by one
_encode = msgspec.json.encode
_lane_key = msgspec.json.Decoder(LaneKey).decode
_lane_state = msgspec.json.Decoder(LaneState).decode
_group = msgspec.json.Decoder(GroupId).decode
_attempt = msgspec.json.Decoder(Attempt).decode
_Pending = tuple[int, str, float, int]  # a delivery: seq, owner, accepted_at, payload


def _message(result: AttemptResult) -> MessageRef | None:
    shown = result.change.card.shown
    return shown.message if shown else None


class SqlStore:
    """The part of `protocol.Store` that is the same for every engine. An engine opens the
    transactions, says who holds a lane, and makes backups.
    """

    def __init__(self, db: Database, emit: Callable[[Event], None]) -> None:
        """`emit` gets reports of damage, in a thread that uses the store."""
        self._emit = emit
        self._db = db
        self._purge = Purge(db)
        self.people = SqlPeople(db)
        self.acting = SqlActing(db)

    def _check_may_send(self) -> None:
        if not self._db.may_send():
            raise StoreError("the disk is full")

    def accept(self, payloads: Sequence[NewPayload]) -> Kept:
        if not self._db.has_room():
            raise StoreError("the disk is full")
        kept = accept(self._db, payloads)
        if all(new.deliveries for new in payloads):
            return kept
        return replace(kept, lanes=tuple(dict.fromkeys((*kept.lanes, *self.spread()))))

    def spread(self) -> tuple[LaneKey, ...]:
        spread(self._db)
        return take_woken(self._db)

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
        self._held(lease)
        spread(self._db)
        part = Part(owner or receiver, card and (text(card[0]), card[1]), before)
        return copy_to_fallback(self._db, lease.lane, receiver, fallback, to, part)

    def oldest_uncopied(self, lane: LaneKey, receiver: str, owner: str) -> float | None:
        return waiting.oldest_uncopied(self._db, self._lane(lane), receiver, owner)

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
        where = (self._held(lease), text(group), fingerprint)
        seqs = waiting.superseded(self._db, *where, before, empty_before)
        return self._end(lease.lane, seqs, DeliveryEnd("merged", "", now, into))

    def look_again(self, lease: Lease, now: float) -> None:
        waiting.look_again(self._db, self._held(lease), now)

    def stuck(self, now: float) -> tuple[tuple[LaneKey, Down], ...]:
        return waiting.stuck(self._db, now)

    def _lane(self, lane: LaneKey) -> int:
        return lane_row(self._db, lane)

    def take(self, lane: LaneKey) -> Lease | None:
        return Lease(lane)

    def _held(self, lease: Lease) -> int:
        """The number of the lane. Every write of a lane passes through here."""
        return self._lane(lease.lane)

    def claim(self, lease: Lease, now: float, page: int, before: Rank | None = None) -> Claim:
        try:
            return claim(self._db, self._held(lease), lease.lane, now, page, before)
        except unreadable.ERRORS as error:
            self._emit(
                Noted("error", "storage has rows that cannot be read", (("err", str(error)),))
            )
            self._end(
                lease.lane,
                unreadable.clear(self._db, self._held(lease)),
                DeliveryEnd("dead", EndReason.UNREADABLE, now),
            )
            return claim(self._db, self._held(lease), lease.lane, now, page, before)

    def state(self, lane: LaneKey) -> LaneState:
        return self._state(self._lane(lane)) or LaneState()

    def soon(self, lane: LaneKey, until: float, most: int) -> tuple[Card, ...]:
        return cards.soon(self._db, self._lane(lane), until, most)

    def card(self, lane: LaneKey, group: GroupId, fingerprint: str) -> Card | None:
        row = self._lane(lane)
        if group == DIGEST and not cards.has_digest(self._db, row):
            return None
        return cards.find(self._db, row, text(group), fingerprint)

    def fold(
        self, lease: Lease, changes: Sequence[CardChange], now: float | None = None
    ) -> tuple[Ended, ...]:
        self._check_may_send()
        for change in changes:
            if not change.folded:
                # A card may come from a storage that is gone; later numbers must be higher.
                self._db.raise_seq(self._held(lease), change.card.folded_seq)
        self._held(lease)
        return tuple(ended for change in changes for ended in self._keep(lease.lane, change, now))

    def _keep(
        self, lane: LaneKey, change: CardChange, now: float | None, *, ended: bool = False
    ) -> tuple[Ended, ...]:
        """Stores a card. `ended`: nothing is pending on it."""
        card, row = change.card, self._lane(lane)
        group = text(card.group)
        cards.keep(self._db, row, change)
        if card.closed_at is not None:
            cards.close(self._db, row, group, card.fingerprint)
        standing.follow(self._db, row, group, card)
        if change.folded:
            where = (row, group, card.fingerprint)
            self._db.executemany(
                "UPDATE delivery SET card ="
                " (SELECT id FROM card WHERE lane = ?1 AND grp = ?2 AND fingerprint = ?3)"
                " WHERE lane = ?1 AND seq = ?4",
                [(*where, seq) for seq in change.folded],
            )
        repeated = self._duplicates(lane, change, now)
        if not change.settled or ended:
            return repeated
        if card.group == DIGEST:
            return repeated + self._counted(lane, row, card, now)
        owners = {seq: owner for seq, owner, *_ in self._pending(row, group, card)}
        if change.muted_by:
            return repeated + self._end_known(
                lane, owners, DeliveryEnd("muted", change.muted_by, now)
            )
        into, message = (card.shown_seq, card.shown.message) if card.shown else (None, None)
        return repeated + self._end_known(
            lane, owners, DeliveryEnd("merged", "", now, into, message)
        )

    def _duplicates(
        self, lane: LaneKey, change: CardChange, now: float | None
    ) -> tuple[Ended, ...]:
        """Ends duplicates, those of one original together."""
        originals = change.originals or (0,) * len(change.duplicates)
        of: dict[int, list[int]] = {}
        for seq, original in zip(change.duplicates, originals, strict=True):
            of.setdefault(original, []).append(seq)
        return tuple(
            ended
            for original, seqs in of.items()
            for ended in self._end(lane, seqs, DeliveryEnd("duplicate", "", now, original or None))
        )

    def _counted(
        self, lane: LaneKey, row: int, digest: Card, now: float | None
    ) -> tuple[Ended, ...]:
        """Ends as merged what is pending on the cards of a digest that shows all of them."""
        owners = {seq: owner for seq, _, _, owner, *_ in cards.pending(self._db, row)}
        cards.digest_shown(self._db, row, 0.0)
        cards.release(self._db, row)
        message = digest.shown.message if digest.shown else None
        return self._end_known(
            lane, owners, DeliveryEnd("merged", EndReason.COUNTED, now, None, message)
        )

    def _pending(self, row: int, group: str, card: Card) -> list[_Pending]:
        """The pending deliveries that the card knows."""
        return self._db.execute(
            "SELECT seq, owner, accepted_at, payload FROM delivery WHERE settlement IS NULL"
            " AND seq <= ? AND card ="
            " (SELECT id FROM card WHERE lane = ? AND grp = ? AND fingerprint = ?) ORDER BY seq",
            (card.folded_seq, row, group, card.fingerprint),
        ).fetchall()

    def unfold(self, lease: Lease, group: GroupId, fingerprint: str) -> None:
        cards.forget(self._db, self._held(lease), text(group), fingerprint)

    def stranded(self, lanes: Sequence[LaneKey]) -> tuple[tuple[LaneKey, Card], ...]:
        return moving.stranded(self._db, lanes)

    def move(self, lease: Lease, to: Lease, change: CardChange) -> tuple[LaneKey, ...]:
        card, rows = change.card, (self._held(lease), self._held(to))
        moving.watch(self._db, *rows, card)
        self.fold(to, [change])
        moving.leave(self._db, *rows, card)
        return lease.lane, to.lane

    def route_again(self, lease: Lease, seq: int, ways: Sequence[Delivery]) -> tuple[LaneKey, ...]:
        row = self._held(lease)
        woken = route_again(self._db, row, seq, ways)
        left = self._state(row)
        for to in {way.lane for way in ways}.intersection(woken):
            state = self._state(self._lane(to))
            if left and state:
                taken = self._db.encoded(taking_over(state, left))
                self._db.execute("UPDATE lane SET state = ? WHERE id = ?", (taken, self._lane(to)))
        return woken

    def _state(self, row: int) -> LaneState | None:
        (state,) = self._db.execute("SELECT state FROM lane WHERE id = ?", (row,)).fetchone()
        return readable(_lane_state, state)

    def dismiss(
        self,
        lease: Lease,
        seqs: Sequence[int],
        settlement: Settlement,
        why: str,
        now: float | None = None,
    ) -> tuple[Ended, ...]:
        cards.unwatch(self._db, self._held(lease), seqs)
        return self._end(lease.lane, seqs, DeliveryEnd(settlement, why, now))

    def _end(self, lane: LaneKey, seqs: Sequence[int], how: DeliveryEnd) -> tuple[Ended, ...]:
        return end(self._db, lane.platform, self._lane(lane), seqs, how)

    def _end_known(
        self, lane: LaneKey, owners: Mapping[int, str], how: DeliveryEnd
    ) -> tuple[Ended, ...]:
        return end_known(self._db, lane.platform, self._lane(lane), owners, how)

    def elsewhere(
        self, lane: LaneKey, card: Card, alerts: Sequence[str]
    ) -> tuple[tuple[str, MessageRef | None], ...]:
        row = self._lane(lane)
        found = standing.elsewhere(self._db, row, text(card.group), card, alerts)
        cards_there = ((alert, cards.find(self._db, row, *where)) for alert, where in found)
        return tuple(
            (alert, there.shown.message if there.shown else None)
            for alert, there in cards_there
            if there is not None
        )

    def episodes(self, source: str, alert: str, since: float) -> tuple[Episode, ...]:
        return standing.episodes(self._db, source, alert, since)

    def begin(
        self, lease: Lease, attempt: Attempt, limits: Sequence[Limit], now: float
    ) -> Begun | Denied:
        lane = self._held(lease)
        self._check_may_send()
        if not spread(self._db):
            return Denied(now)
        if cards.has_news(self._db, lane, text(attempt.group), attempt.fingerprint):
            return Denied(now)
        until = budgets.take_all(self._db, lane, attempt, limits, now)
        if until is not None:
            return Denied(until)
        self._db.execute(
            "INSERT INTO attempt (lane, body) VALUES (?, ?)"
            " ON CONFLICT (lane) DO UPDATE SET body = excluded.body",
            (lane, self._db.encoded(attempt)),
        )
        return Begun()

    def settle(self, lease: Lease, result: AttemptResult) -> tuple[Ended, ...]:
        row = self._held(lease)
        self._db.execute("DELETE FROM attempt WHERE lane = ?", (row,))
        self._db.execute(
            "UPDATE lane SET state = ?, attempts = ? WHERE id = ?",
            (self._db.encoded(result.state), result.state.attempts, row),
        )
        self._db.lanes_may_fail = self._db.lanes_may_fail or result.state.attempts > 0
        budgets.end(self._db, result.budgets, passed=result.passed)
        budgets.settle(self._db, result.renamed, result.blocks)
        if result.digest is not None:
            ended = self._settle_digest(result, row, result.digest)
            for change in result.also:
                ended += self._keep(result.lane, change, result.now)
            return ended
        finished = self._finish(result) if result.shown or result.dead else ()
        over = bool(result.shown or result.dead)  # everything pending on the card has ended
        finished += self._keep(result.lane, result.change, result.now, ended=over)
        for change in result.also:
            finished += self._keep(result.lane, change, result.now)
        return finished

    def _settle_digest(
        self, result: AttemptResult, row: int, names: frozenset[tuple[GroupId, str]]
    ) -> tuple[Ended, ...]:
        self._keep(result.lane, result.change, result.now)
        if result.rang:
            cards.digest_rang(self._db, row)
        pending = cards.pending(self._db, row) if result.shown or result.dead else []
        if result.dead:
            owners = {seq: owner for seq, _, _, owner, *_ in pending}
            return self._end_known(
                result.lane, owners, DeliveryEnd("dead", result.dead, result.now)
            )
        if not result.shown:
            return ()
        named: list[_Pending] = []
        counted: dict[int, str] = {}
        for seq, grp, print_, owner, at, payload in pending:
            if (_group(grp), print_) in names:
                named.append((seq, owner, at, payload))
            else:
                counted[seq] = owner
        cards.digest_named(self._db, row, names)
        cards.digest_shown(self._db, row, result.now)
        cards.release(self._db, row)
        return self._delivered(result, named, EndReason.DIGEST) + self._end_known(
            result.lane,
            counted,
            DeliveryEnd("merged", EndReason.COUNTED, result.now, None, _message(result)),
        )

    def _delivered(
        self, result: AttemptResult, rows: Sequence[_Pending], why: str = ""
    ) -> tuple[Ended, ...]:
        lane, now, row = result.lane, result.now, self._lane(result.lane)
        owners = {seq: owner for seq, owner, *_ in rows}
        self._end_known(lane, owners, DeliveryEnd("delivered", why, now, None, _message(result)))
        latencies: dict[str, list[float]] = {}
        last: dict[str, tuple[str, int]] = {}
        for seq, owner, accepted_at, payload in rows:
            latencies.setdefault(owner, []).append(now - accepted_at)
            last[owner] = (f"{row}/{seq}", payload)
        return tuple(
            Ended(owner, "delivered", len(taken), tuple(taken), "", *last[owner])
            for owner, taken in latencies.items()
        )

    def room(self, limits: Sequence[Limit], now: float, seconds: float) -> float:
        return budgets.room_in_all(self._db, limits, now, seconds)

    def absorb(self, lease: Lease, how: Absorb, now: float) -> None:
        row = self._held(lease)
        before = cards.find(self._db, row, text(DIGEST), "")
        digest = absorbing(before, how.receiver, now, pressed=how.pressed, urgent=how.urgent)
        if digest.shown is None:
            cards.let_go(self._db, row)
        cards.absorb(self._db, row, how.recheck_at, how.beside, urgent=how.urgent)
        rank = Rank.URGENT if how.urgent else Rank.FIRST
        self._keep(lease.lane, CardChange(digest, now, urgent=False, rank=rank), now)

    def follow(self, lease: Lease, change: CardChange, now: float) -> None:
        row = self._held(lease)
        self._keep(lease.lane, change, now)
        cards.follow(self._db, row, now)

    def wake_api(self, lease: Lease, since: float, now: float, pause: float) -> tuple[LaneKey, ...]:
        self._held(lease)
        return budgets.wake_api(self._db, lease.lane, since, now, pause)

    def _finish(self, result: AttemptResult) -> tuple[Ended, ...]:
        card, lane = result.change.card, result.lane
        rows = self._pending(self._lane(lane), text(card.group), card)
        if not rows:
            return ()
        owners = {seq: owner for seq, owner, *_ in rows}
        if result.dead:
            return self._end_known(lane, owners, DeliveryEnd("dead", result.dead, result.now))
        last, *_ = rows[-1]
        del owners[last]
        merged = self._end_known(
            lane, owners, DeliveryEnd("merged", "", result.now, last, _message(result))
        )
        return merged + self._delivered(result, rows[-1:])

    def move_times_back(self, now: float) -> float:
        return move_times_back(self._db, now)

    def move_times_on(self, by: float) -> None:
        move_times_on(self._db, by)

    def in_doubt(self, lane: LaneKey) -> Attempt | None:
        found = self._db.execute(
            "SELECT body FROM attempt WHERE lane = ?", (self._lane(lane),)
        ).fetchone()
        return needed(_attempt, found[0]) if found else None

    def postpone(self, lease: Lease, group: GroupId, fingerprint: str, until: float | None) -> None:
        self._db.execute(
            "UPDATE card SET ready = 0, due = ? WHERE lane = ? AND grp = ? AND fingerprint = ?",
            (until, self._held(lease), text(group), fingerprint),
        )

    def recheck(self, now: float) -> None:
        cards.recheck(self._db, now)

    def firing(self, groups: GroupId) -> tuple[Card, ...]:
        return cards.firing(self._db, groups)

    def wakes(self) -> tuple[tuple[LaneKey, float], ...]:
        rows = self._db.execute(
            "SELECT key, CASE WHEN EXISTS (SELECT 1 FROM delivery INDEXED BY delivery_open WHERE "
            "lane = lane.id AND card IS NULL AND settlement IS NULL) THEN 0.0"
            " WHEN EXISTS (SELECT 1 FROM attempt WHERE lane = lane.id) THEN 0.0"
            " WHEN EXISTS (SELECT 1"
            " FROM card INDEXED BY card_ready WHERE lane = lane.id AND ready = 1) THEN 0.0 ELSE"
            " (SELECT min(due) FROM card INDEXED BY card_future WHERE lane = lane.id AND ready = 0"
            " AND due IS NOT NULL) END FROM lane"
        ).fetchall()
        return tuple((needed(_lane_key, key), at) for key, at in rows if at is not None)

    def down(self) -> tuple[tuple[LaneKey, Down], ...]:
        return down(self._db)

    def balance(self) -> tuple[BalanceRow, ...]:
        return balance(self._db)

    def pending_lanes(self) -> tuple[tuple[LaneKey, str], ...]:
        return pending_lanes(self._db)

    def expire(
        self, lane: LaneKey, receiver: str, before: float, now: float | None = None
    ) -> tuple[Ended, ...]:
        row = self._lane(lane)
        refused = self.state(lane).down is not None
        late = waiting.overdue(self._db, row, receiver, before, refused=refused)
        told = [*late][:_MOST_TOLD]
        found: list[Ended] = []
        for number in told:
            ended = self._end(lane, late[number], DeliveryEnd("expired", EndReason.EXPIRED, now))
            card = waiting.lost_card(self._db, number)
            found += [replace(each, card=card) for each in ended]
        others = [seq for number in late if number not in told for seq in late[number]]
        return (
            *found,
            *self._end(lane, others, DeliveryEnd("expired", EndReason.EXPIRED, now)),
        )

    def shed(
        self, lane: LaneKey, receiver: str, share: int, now: float | None = None
    ) -> tuple[Ended, ...]:
        row = self._lane(lane)
        refused = self.state(lane).down is not None
        seqs = waiting.beyond_share(self._db, row, receiver, share, refused=refused)
        return self._end(lane, seqs, DeliveryEnd("expired", EndReason.SHARE, now))

    def purge(self, before: float, size: int, most: int) -> int:
        return self._purge.some(before, size, most)

    def newest_generation(self) -> int:
        return history.newest_generation(self._db)

    def configured(self, sha256: str, now: float) -> int:
        return history.configured(self._db, sha256, now)

    def refused(self, refusals: Sequence[Refusal]) -> None:
        history.refused(self._db, refusals)

    def history(self, query: HistoryQuery) -> HistoryPage:
        spread(self._db)
        return history.page(self._db, query)

    def traced(self, trace_id: str) -> Trace | Refused:
        spread(self._db)
        return history.show(self._db, trace_id)

    def last_heard(self, alertname: str, source: str | None) -> LastHeard:
        return history.last_heard(self._db, alertname, source)

    def standing_now(self) -> StorageStatus:
        return overview.status(self._db)

    def per_minute(self, since: float, minutes: int) -> tuple[Minute, ...]:
        return overview.per_minute(self._db, since, minutes)

    def open_cards(self, after: int, limit: int) -> tuple[OpenCard, ...]:
        return overview.open_cards(self._db, after, limit)

    def close_card(self, number: int, now: float) -> ClosedCard | Refused:
        found = overview.open_card(self._db, number)
        if found is None:
            return Refused(f"no card {number} is open: `alert-relay cards list` has their numbers")
        lane, card = found
        ended = close_by_hand(card, now)
        untold = ended.waiting_since is None  # its pending deliveries are not to be told any more
        self._keep(lane, CardChange(ended, now, urgent=False, settled=untold), now)
        return ClosedCard(number, lane)

    def stored_payloads(self, since: float, after: int = 0) -> tuple[StoredPayload, ...]:
        return history.stored_payloads(self._db, since, after)

    def queue(self, query: Query) -> Page | Refused:
        return queue.page(self._db, query)

    def queued(self, delivery_id: str) -> Whole | Refused:
        return queue.show(self._db, delivery_id)

    def retry(self, delivery_id: str, now: float) -> Retried | Refused:
        spread(self._db)
        return queue.retry(self._db, delivery_id, now)

    def drop(self, delivery_id: str, now: float) -> Dropped | Refused:
        return queue.drop(self._db, delivery_id, now)
