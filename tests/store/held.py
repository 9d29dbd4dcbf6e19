"""The writes of a lane by whoever holds it: what a test of a store does as the lane's owner."""

from collections.abc import Sequence

from relay.core.budget import Limit
from relay.core.routing.lane import LaneKey
from relay.core.turn.change import AttemptResult
from relay.store.protocol import Attempt, Begun, Denied, Ended, Lease, Store


def own(store: Store, lane: LaneKey) -> Lease:
    """The lease of the lane, which nobody else has."""
    lease = store.take(lane)
    assert lease is not None
    return lease


def begin(store: Store, attempt: Attempt, limits: Sequence[Limit], now: float) -> Begun | Denied:
    return store.begin(own(store, attempt.lane), attempt, limits, now)


def settle(store: Store, result: AttemptResult) -> tuple[Ended, ...]:
    return store.settle(own(store, result.lane), result)
