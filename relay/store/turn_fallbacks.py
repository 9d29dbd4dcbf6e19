"""Copies of deliveries that a lane cannot show to the fallbacks of its receivers, within a turn."""

from relay.core.active_config import ActiveConfig
from relay.core.alert import GroupId
from relay.core.routing.lane import LaneKey, Target
from relay.store.protocol import Lease, Store

_MOMENT = 0.01  # seconds: something due so soon is due, however its time was rounded
_Key = tuple[GroupId, str]


def copy_to_fallbacks(
    store: Store, lease: Lease, config: ActiveConfig, card: _Key | None = None
) -> tuple[LaneKey, ...]:
    """Copies the lane's pending deliveries, or those of one card, to the fallbacks of its
    receivers. Copies that are pending here go on along their chain of fallbacks. Returns the lanes
    that have work now.
    """
    return tuple(
        lane
        for target in config.targets(lease.lane)
        for lane in _copy(store, lease, config, target, card, None)
    )


def hand_over(
    store: Store, lease: Lease, config: ActiveConfig, now: float
) -> tuple[tuple[LaneKey, ...], float | None]:
    """Copies deliveries that have waited for `fallback_after` to the fallbacks. Returns the lanes
    that have work now, and when more will have waited so long (Unix seconds; None: nothing waits).
    """
    woken: list[LaneKey] = []
    due: list[float] = []
    for target in config.targets(lease.lane):
        policy, after = target.policy, target.policy.fallback_after
        if not after or not config.routing.targets.get(policy.fallback):
            continue
        woken += _copy(store, lease, config, target, None, now - after + _MOMENT)
        for owner in config.owners(policy.receiver, policy.fallback):
            oldest = store.oldest_uncopied(lease.lane, policy.receiver, owner)
            due += [] if oldest is None else [oldest + after]
    return tuple(woken), min(due, default=None)


def _copy(
    store: Store,
    lease: Lease,
    config: ActiveConfig,
    target: Target,
    card: _Key | None,
    before: float | None,
) -> list[LaneKey]:
    receiver, fallback = target.policy.receiver, target.policy.fallback
    to = [other.lane for other in config.routing.targets.get(fallback, ())]
    if not to:
        return []
    return [
        lane
        for owner in config.owners(receiver, fallback)
        for lane in store.copy_to_fallback(
            lease, receiver, fallback, to, owner=owner, card=card, before=before
        )
    ]
