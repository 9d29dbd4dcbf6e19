"""Intake: a webhook body becomes committed deliveries before it is answered; nothing is rendered or
folded here.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import islice
from weakref import WeakValueDictionary

import msgspec
from msgspec.structs import replace

from relay.active_config import CurrentConfig
from relay.core.active_config import ActiveConfig
from relay.core.alert import Notification
from relay.core.event import Accepted, Event, Noted
from relay.core.intake_result import Committed, IntakeResult, InvalidPayload, RetryLater
from relay.core.payload import PayloadError, parse
from relay.core.routing.lane import LaneKey
from relay.core.routing.route import Delivery, Routed, Routing, deliveries
from relay.store.protocol import NewPayload, StoreError
from relay.store.writer import Writer

LARGE = 128 * 1024  # bytes of a body that is parsed beside the event loop
_PARTS_AT_ONCE = 16
_BUSIEST = 5000  # transactions waiting for the disk above which a sender is asked to come again
_RETRY_AFTER = 5
_SPREAD_AFTER = 0.25  # seconds for which a turn may bring it to other lanes before we do


class Intake:
    """Takes webhook bodies."""

    def __init__(
        self,
        writer: Writer,
        wake: Callable[[Iterable[LaneKey]], None],
        clock: Callable[[], float],
        emit: Callable[[Event], None],
        config: CurrentConfig,
    ) -> None:
        self._writer = writer
        self._wake = wake
        self._clock = clock
        self._emit = emit
        self._config = config
        # Who holds one is taking a large body of that source; later ones of the source wait for it.
        self._orders: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._spreading: asyncio.Task[None] | None = None

    async def accept(self, source: str, body: bytes) -> IntakeResult:
        """Taken only when every delivery that follows from the body is committed and synced."""
        if self._writer.backlog > _BUSIEST:
            return RetryLater("overloaded", _RETRY_AFTER)
        order = self._orders.setdefault(source, asyncio.Lock())
        try:
            async with order:
                if len(body) >= LARGE:
                    await self._accept_large(source, body, self._clock())
                    return Committed()
            # No other of its source gets between here and the queue of the writer.
            config = self._config.current
            await self._commit(_arrivals(parse(body, source), config, self._clock()))
        except PayloadError as error:
            return InvalidPayload(str(error))
        except StoreError as error:
            self._emit(Noted("error", "storage failed", (("at", "accept"), ("err", str(error)))))
            return RetryLater("storage failed", _RETRY_AFTER)
        return Committed()

    async def _accept_large(self, source: str, body: bytes, at: float) -> None:
        """In a thread, and part by part. Nothing is folded before the last part is there."""
        parts = await asyncio.to_thread(parse, body, source)
        config = self._config.current
        lanes: set[LaneKey] = set()
        try:
            with self._writer.ahead():
                while parsed := await asyncio.to_thread(
                    _arrivals, islice(parts, _PARTS_AT_ONCE), config, at
                ):
                    lanes.update(await self._keep(parsed))
        finally:
            self._wake(lanes)

    async def post(self, notification: Notification, receiver: str) -> None:
        """Takes a notification of the relay's own, past the routes, for the chats of one
        receiver.
        """
        config = self._config.current
        targets = config.routing.targets.get(receiver, ())
        chats = tuple(Delivery(target.lane, receiver, "", None, "notices") for target in targets)
        try:
            new = _new_payload(notification, Routed(chats), "", config.generation, self._clock())
            await self._commit([new])
        except StoreError as error:
            self._emit(Noted("error", "storage failed", (("at", "accept"), ("err", str(error)))))

    async def _commit(self, parsed: list[tuple[NewPayload, Accepted]]) -> None:
        self._wake(await self._keep(parsed))

    async def _keep(self, taken: list[tuple[NewPayload, Accepted]]) -> tuple[LaneKey, ...]:
        kept = await self._writer.accept([new_payload for new_payload, _ in taken])
        for number, (_, accepted) in enumerate(taken, kept.first):
            self._emit(replace(accepted, id=number))
        if self._spreading is None or self._spreading.done():
            self._spreading = asyncio.create_task(self._spread())
        return kept.lanes

    async def _spread(self) -> None:
        """What was accepted reaches other lanes than those of its routes by the next turn of any
        lane; where all of these are busy, by this."""
        await asyncio.sleep(_SPREAD_AFTER)
        with suppress(StoreError):
            self._wake(await self._writer.spread())


def _arrivals(
    parts: Iterable[Notification], config: ActiveConfig, at: float
) -> list[tuple[NewPayload, Accepted]]:
    return [
        _new_payload(part, *_routed(config.routing, part), config.generation, at) for part in parts
    ]


def _routed(routing: Routing, part: Notification) -> tuple[Routed, str]:
    """Where the part goes. A bug of ours in routing loses nothing: everything goes to the root
    receiver, and the fault is told."""
    try:
        return deliveries(routing, part), ""
    except Exception as error:  # noqa: BLE001 - see above
        root = routing.targets.get(routing.root.receiver, ())
        ways = tuple(Delivery(t.lane, t.policy.receiver, "", None, "root") for t in root)
        return Routed(ways), repr(error)


def _new_payload(
    part: Notification, routed: Routed, fault: str, generation: int, at: float
) -> tuple[NewPayload, Accepted]:
    firing = sum(alert.status == "firing" for alert in part.alerts)
    new_payload = NewPayload(
        part.group,
        msgspec.json.encode(part),
        at,
        routed.deliveries,
        last=part.part == part.parts - 1,
        notification=part,
        discarded=routed.discarded,
        generation=generation,
    )
    return new_payload, Accepted(
        part.source,
        part.group_key,
        firing,
        len(part.alerts) - firing,
        sum(len(each.alerts) for each in routed.discarded),
        len(routed.deliveries),
        fault,
        tuple((each.receiver, len(each.alerts)) for each in routed.discarded),
    )
