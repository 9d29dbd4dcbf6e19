"""Who works on a lane: one owner at a time, under a lease."""

from typing import Protocol

from relay.core.routing.lane import LaneKey
from relay.store.protocol import Lease


class Leases(Protocol):
    """The leases of this process. Methods raise StoreError."""

    async def take(self, lane: LaneKey) -> Lease | None:
        """Takes the lane; None when somebody else has it, who is told that it has work."""

    async def give_up(self, lease: Lease, until: float | None) -> None:
        """Lets others take the lane, which has work again at `until` (Unix seconds; None: when
        something comes).
        """

    def is_worth_keeping(self, seconds: float) -> bool:
        """Whether a lane that has nothing to do for so long stays with its owner."""

    def is_held(self, lease: Lease) -> bool:
        """Whether a call that begins now ends before the lease does."""


class SoleOwner:
    """The leases where one process owns the storage: it has every lane."""

    async def take(self, lane: LaneKey) -> Lease | None:
        return Lease(lane)

    async def give_up(self, lease: Lease, until: float | None) -> None:
        """Nobody else takes it."""

    def is_worth_keeping(self, seconds: float) -> bool:  # noqa: ARG002 - see Leases
        return True

    def is_held(self, lease: Lease) -> bool:  # noqa: ARG002 - see Leases
        return True
