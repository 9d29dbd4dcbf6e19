"""Intake: a webhook body becomes committed deliveries before it is answered; nothing is rendered or
folded here.
"""

import asyncio
import hashlib
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice
from weakref import WeakValueDictionary

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from relay.active_config import CurrentConfig
from relay.core.action.heartbeat import sort_out
from relay.core.active_config import ActiveConfig
from relay.core.alert import Notification
from relay.core.event import Accepted, Event, Noted
from relay.core.intake_result import Committed, IntakeResult, InvalidPayload, RetryLater
from relay.core.overtaken import HeardLast, apart, is_overtaken, last_heard
from relay.core.routing.lane import LaneKey
from relay.core.routing.route import Delivery, Routed, Routing, deliveries
from relay.core.template.links import inside, rewrite_hint
from relay.core.webhook.payload import parse
from relay.core.webhook.shape import PayloadError
from relay.store.history import StoredPayload
from relay.store.late import Overtaken, accept_late, read
from relay.store.protocol import Kept, NewPayload, Store, StoreError
from relay.store.spool import Spooled
from relay.store.writer import Writer

LARGE = 128 * 1024  # bytes of a body above which it is parsed in a thread
_PARTS_AT_ONCE = 16
_BUSIEST = 5000  # waiting transactions above which a sender is asked to try again later
_RETRY_AFTER = 5
FAILS_FOR = 10.0  # seconds for which a storage that failed is expected to fail again
_MOST_WARNED = 20
_LEFT_OUT = "links are left out: the address works only inside"
COMMITTED = Committed()
_TELL_AFTER = 0.005  # seconds until log and metrics learn what was accepted
_SEEN_FOR = 0.02  # seconds for which the storage's files are expected to be there
_SAME_FOR = 60.0  # seconds for which a large body that comes again is the same one
_SPREAD_AFTER = 0.25  # seconds that a turn has to spread payloads before the intake does


HeardBeat = tuple[str, tuple[str, ...]]
"""A heartbeat's name and the values of its `by` labels."""


def _not_kept(_beats: Sequence[HeardBeat], _at: float) -> None:
    """Stores no heartbeats."""


class Seen(Struct, frozen=True):
    """The times known from committed payloads that are not older than `since` (Unix seconds), up to
    the number `after`.
    """

    since: float
    after: int = 0
    said: HeardLast = HeardLast()

    def with_(self, committed: Sequence[StoredPayload]) -> "Seen":
        """The same with these payloads."""
        after = max((each.number for each in committed), default=self.after)
        return Seen(self.since, max(after, self.after), last_heard(self.said, read(committed)))


class _LastLarge(Struct, frozen=True):
    """The hash of a body, and when it was committed (seconds of the monotonic clock)."""

    body: bytes
    at: float


class Intake:
    """Accepts webhook bodies."""

    def __init__(
        self,
        writer: Writer,
        wake: Callable[[Iterable[LaneKey]], None],
        clock: Callable[[], float],
        emit: Callable[[Event], None],
        config: CurrentConfig,
        is_there: Callable[[], bool] = lambda: True,
        heard: Callable[[Sequence[HeardBeat], float], None] = _not_kept,
    ) -> None:
        """`is_there` tells whether the storage is still where the next start looks for it. `heard`
        stores heartbeats, in the store's thread.
        """
        self._heard = heard
        self._writer = writer
        self._wake = wake
        self._clock = clock
        self._emit = emit
        self._config = config
        self._is_there = is_there
        self._failed_at = self._seen_at = -math.inf
        self._inside: set[str] = set()
        # Held while a large body of the source is read; later bodies of the source wait for it.
        self._orders: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        # The last body of a source, if it was large.
        self._last_large: dict[str, _LastLarge] = {}
        self._in_order: set[asyncio.Future[IntakeResult]] = set()
        self._stopped = False
        self._spreads_at: asyncio.TimerHandle | None = None  # when the intake spreads next
        self._spreading: asyncio.Task[None] | None = None
        self._untold: list[tuple[list[tuple[NewPayload, Accepted]], int]] = []

    def accept(self, source: str, body: bytes) -> "asyncio.Future[IntakeResult]":
        """Committed only when every delivery that follows from the body is committed and synced. If
        the caller is cancelled the commit goes on.
        """
        if self.is_overloaded:
            return _done(RetryLater("overloaded", _RETRY_AFTER))
        if len(body) >= LARGE or source in self._orders:
            waiting = asyncio.ensure_future(self._accept_in_order(source, body))
            self._in_order.add(waiting)
            waiting.add_done_callback(self._in_order.discard)
            return waiting
        return self._accept_now(source, body)

    async def _accept_in_order(self, source: str, body: bytes) -> IntakeResult:
        order = self._orders.setdefault(source, asyncio.Lock())
        async with order:
            if len(body) >= LARGE:
                return await self._accept_large_once(source, body, self._clock())
        # Nothing else of its source gets in between here and the queue of the writer.
        return await self._accept_now(source, body)

    def _accept_now(self, source: str, body: bytes) -> "asyncio.Future[IntakeResult]":
        if self._last_large:
            self._last_large.pop(source, None)
        config, now, beats = self._config.current, self._clock(), list[HeardBeat]()
        try:
            taken = _arrivals(_sorted_out(parse(body, source), config, beats), config, now)
        except PayloadError as error:
            return _done(InvalidPayload(str(error)))
        if beats:
            storing = asyncio.ensure_future(self._hear(beats, now))
            self._in_order.add(storing)
            storing.add_done_callback(self._in_order.discard)
            if not taken:
                return storing
        return self._commit(taken)

    async def _hear(self, beats: Sequence[HeardBeat], at: float) -> IntakeResult:
        """Stores heartbeats as they arrive, whatever arrived before."""
        try:
            await self._writer.run(partial(self._heard, tuple(beats), at))
        except StoreError as error:
            return self._failed(error)
        return self._kept()

    async def _accept_large_once(self, source: str, body: bytes, at: float) -> IntakeResult:
        """Accepts the body, unless it is the one that was accepted last from its source, a moment
        ago: a sender whose time ran out meanwhile sends it again, and again with less time.
        """
        last = _LastLarge(await asyncio.to_thread(_digest, body), time.monotonic())
        known = self._last_large.pop(source, None)
        if known and known.body == last.body and last.at < known.at + _SAME_FOR:
            self._last_large[source] = known
            self._emit(Noted("info", "the same body was accepted already", (("source", source),)))
            return self._kept()
        result = await self._accept_large(source, body, at)
        if result == COMMITTED:
            self._last_large[source] = _LastLarge(last.body, time.monotonic())
        return result

    async def _accept_large(self, source: str, body: bytes, at: float) -> IntakeResult:
        try:
            await self._accept_in_parts(source, body, at)
        except PayloadError as error:
            return InvalidPayload(str(error))
        except StoreError as error:
            return self._failed(error)
        return self._kept()

    def _kept(self) -> IntakeResult:
        """The result of a commit: nothing is durable in files that somebody removed."""
        now = time.monotonic()
        if now >= self._seen_at + _SEEN_FOR:
            self._seen_at = now if self._is_there() else -math.inf
        seen = self._seen_at > -math.inf
        return COMMITTED if seen else RetryLater("the storage is gone", _RETRY_AFTER)

    @property
    def why_not(self) -> str:
        """Why a payload would be refused now, as far as is known; empty if it would not."""
        if not self._is_there():
            return "the storage is gone: restart the relay"
        if self.is_overloaded:
            return "overloaded"
        return "storage failed" if self._clock() < self._failed_at + FAILS_FOR else ""

    async def _accept_in_parts(self, source: str, body: bytes, at: float) -> None:
        """Accepts the body in a thread, part by part. Nothing is folded before the last part is
        stored.
        """
        parts = await asyncio.to_thread(parse, body, source)
        config = self._config.current
        lanes: set[LaneKey] = set()
        beats = list[HeardBeat]()
        parts = _sorted_out(parts, config, beats)

        def read() -> "asyncio.Task[list[tuple[NewPayload, Accepted]]]":
            some = islice(parts, _PARTS_AT_ONCE)
            return asyncio.create_task(asyncio.to_thread(_arrivals, some, config, at))

        reading = read()
        try:
            with self._writer.ahead():
                while parsed := await reading:
                    reading = read()  # meanwhile
                    lanes.update(await self._keep(parsed))
        finally:
            reading.cancel()
            reading.add_done_callback(_forget)
            self._wake(lanes)
        if beats:
            await self._writer.run(partial(self._heard, tuple(beats), at))

    @property
    def is_overloaded(self) -> bool:
        """Whether too many transactions wait."""
        return self._writer.backlog > _BUSIEST

    async def stop(self) -> None:
        """Emits what is left and ends its tasks, before the writer closes. The next run spreads
        what was not spread; a body that was not accepted whole was not answered with 200.
        """
        self.tell()
        self._stopped = True
        if self._spreads_at is not None:
            self._spreads_at.cancel()
        left: list[asyncio.Future[IntakeResult] | asyncio.Task[None]] = list(self._in_order)
        if self._spreading is not None:
            left.append(self._spreading)
        for each in left:
            each.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def take_up(self, spooled: Spooled, seen: Seen, store: Store) -> Seen:
        """Accepts a body that waited in the spool, part by part. It does not change alerts about
        which something later is committed, as far as `seen` tells. Returns the times known then. A
        part that is accepted twice is a duplicate. Raises PayloadError and StoreError.
        """
        config, beats, lanes = self._config.current, list[HeardBeat](), set[LaneKey]()
        self._last_large.pop(spooled.source, None)
        parsed = await asyncio.to_thread(parse, spooled.body, spooled.source)
        parts = _sorted_out(parsed, config, beats)
        try:
            while some := await asyncio.to_thread(lambda: list(islice(parts, _PARTS_AT_ONCE))):
                kept, seen = await self._keep_late(some, spooled.at, seen, store)
                lanes.update(kept.lanes)
        finally:
            self._wake(lanes)
        if beats:
            await self._writer.run(partial(self._heard, tuple(beats), spooled.at))
        return seen

    async def _keep_late(
        self, parts: Sequence[Notification], at: float, seen: Seen, store: Store
    ) -> tuple[Kept, Seen]:
        while True:
            config = self._config.current
            left = [each for part in parts for each in apart(part, at, seen.said)]
            taken = _arrivals(left, config, at)
            payloads = [payload for payload, _ in taken]
            is_news = partial(_overtakes, parts, at)
            try:
                kept, committed = await self._writer.run(
                    partial(accept_late, store, payloads, seen.since, seen.after, is_news)
                )
            except Overtaken as error:
                seen = seen.with_(error.payloads)
                continue
            self._told(taken, kept.first)
            return kept, seen.with_(committed)

    async def post(self, notification: Notification, receiver: str) -> None:
        """Accepts a notification of the relay's own for the chats of one receiver, without routing
        it.
        """
        config = self._config.current
        targets = config.routing.targets.get(receiver, ())
        chats = tuple(Delivery(target.lane, receiver, "", None, "notices") for target in targets)
        await self._commit([_new_payload(notification, Routed(chats), "", self._clock(), config)])

    def _commit(self, taken: list[tuple[NewPayload, Accepted]]) -> "asyncio.Future[IntakeResult]":
        """The result of the commit. Its event is emitted and its lanes are woken even if the caller
        is cancelled.
        """
        result: asyncio.Future[IntakeResult] = asyncio.get_running_loop().create_future()

        def ended(committed: "asyncio.Future[Kept]") -> None:
            try:
                kept = committed.result()
            except StoreError as error:
                outcome: IntakeResult = self._failed(error)
            except Exception as error:  # noqa: BLE001 - a bug, which the caller has to get
                if not result.cancelled():
                    result.set_exception(error)
                return
            else:
                outcome = self._kept()
                self._wake(kept.lanes)
                self._tell_later(taken, kept.first)
            if not result.cancelled():
                result.set_result(outcome)

        self._writer.accept([payload for payload, _ in taken]).add_done_callback(ended)
        return result

    async def _keep(self, taken: list[tuple[NewPayload, Accepted]]) -> tuple[LaneKey, ...]:
        kept = await self._writer.accept([payload for payload, _ in taken])
        self._told(taken, kept.first)
        return kept.lanes

    def _tell_later(self, taken: list[tuple[NewPayload, Accepted]], first: int) -> None:
        """Emits events later: answers and turns go before the log, which is written for several
        payloads at once.
        """
        if not self._untold:
            asyncio.get_running_loop().call_later(_TELL_AFTER, self.tell)
        self._untold.append((taken, first))

    def tell(self) -> None:
        """Emits the events of everything accepted so far, which otherwise happens a moment
        later.
        """
        untold, self._untold = self._untold, []
        for taken, first in untold:
            self._told(taken, first)

    def _told(self, taken: list[tuple[NewPayload, Accepted]], first: int) -> None:
        for number, (_, accepted) in enumerate(taken, first):
            self._emit(replace(accepted, id=number))
            self._warn(accepted.inside)
        if self._spreads_at is None and not self._stopped:
            loop = asyncio.get_running_loop()
            self._spreads_at = loop.call_later(_SPREAD_AFTER, self._spread_now)

    def _warn(self, inside: tuple[str, ...]) -> None:
        """Warns once for each address whose links are left out, with the remedy."""
        for address in inside:
            if address not in self._inside and len(self._inside) < _MOST_WARNED:
                self._inside.add(address)
                values = (("address", address), ("write", rewrite_hint(address)))
                self._emit(Noted("warning", _LEFT_OUT, values))

    def _spread_now(self) -> None:
        self._spreads_at = None
        self._spreading = asyncio.create_task(self._spread())

    async def _spread(self) -> None:
        """Spreads what was accepted to lanes beside those of its routes. The next turn of any lane
        does that; if all lanes are busy, the intake does.
        """
        with suppress(StoreError):
            self._wake(await self._writer.spread())

    def _failed(self, error: StoreError) -> RetryLater:
        self._failed_at = self._clock()
        self._emit(Noted("error", "storage failed", (("at", "accept"), ("err", str(error)))))
        return RetryLater("storage failed", _RETRY_AFTER, away=True)


def _forget(reading: "asyncio.Task[object]") -> None:
    """What was read ahead is not needed: an earlier part was refused."""
    if not reading.cancelled():
        reading.exception()


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=16).digest()


def _done(result: IntakeResult) -> "asyncio.Future[IntakeResult]":
    done: asyncio.Future[IntakeResult] = asyncio.get_running_loop().create_future()
    done.set_result(result)
    return done


def _overtakes(
    parts: Sequence[Notification], at: float, committed: Sequence[StoredPayload]
) -> bool:
    """Whether one of the parts, accepted `at`, would change something about which `committed` knows
    something later.
    """
    said = last_heard(HeardLast(), read(committed))
    return any(is_overtaken(part, at, said) for part in parts)


def _sorted_out(
    parts: Iterable[Notification], config: ActiveConfig, beats: list[HeardBeat]
) -> Iterator[Notification]:
    """The parts without heartbeats, which are added to `beats`."""
    configs = config.acting.heartbeats
    for part in parts:
        found, rest = sort_out(configs, part.source, part.alerts) if configs else ((), ())
        if not configs or len(rest) == len(part.alerts):
            yield part
            continue
        beats += found
        if rest or part.parts > 1:
            yield replace(part, alerts=tuple(part.alerts[at] for at in rest))


def _arrivals(
    parts: Iterable[Notification], config: ActiveConfig, at: float
) -> list[tuple[NewPayload, Accepted]]:
    return [_new_payload(part, *_routed(config.routing, part), at, config) for part in parts]


def _routed(routing: Routing, part: Notification) -> tuple[Routed, str]:
    """Where the part goes. If routing fails because of a bug, nothing is lost: everything goes to
    the root receiver, and the fault is reported.
    """
    try:
        return deliveries(routing, part), ""
    except Exception as error:  # noqa: BLE001 - see the docstring
        root = routing.targets.get(routing.root.receiver, ())
        ways = tuple(Delivery(t.lane, t.policy.receiver, "", None, "root") for t in root)
        return Routed(ways), repr(error)


def _new_payload(
    part: Notification, routed: Routed, fault: str, at: float, config: ActiveConfig
) -> tuple[NewPayload, Accepted]:
    firing = [alert.status for alert in part.alerts].count("firing")
    new_payload = NewPayload(
        part.group,
        msgspec.json.encode(part),
        at,
        routed.deliveries,
        last=part.part == part.parts - 1,
        notification=part,
        discarded=routed.discarded,
        generation=config.generation,
    )
    return new_payload, Accepted(
        part.source,
        part.group_key,
        firing,
        len(part.alerts) - firing,
        sum(len(each.alerts) for each in routed.discarded),
        len(routed.deliveries),
        fault,
        _left_out(part, config.routing, routed.deliveries),
        tuple((each.receiver, len(each.alerts)) for each in routed.discarded),
    )


def _left_out(
    part: Notification, routing: Routing, reached: tuple[Delivery, ...]
) -> tuple[str, ...]:
    """The addresses of Alertmanager and Prometheus whose links some chat does not get."""
    urls = [part.external_url, *(alert.generator_url for alert in part.alerts[:1])]
    policies = (
        target.policy
        for delivery in reached
        for target in routing.targets.get(delivery.receiver, ())
        if target.lane == delivery.lane
    )
    rewrites = {policy.link_rewrites for policy in policies}
    found = (inside(url, each) for url in urls if url for each in rewrites)
    return tuple(dict.fromkeys(address for address in found if address))
