"""Leases: a lane has one owner at a time."""

from typing import Protocol

from relay.core.routing.lane import LaneKey
from relay.store.protocol import Lease


class Leases(Protocol):
    """The leases of this process. Methods raise StoreError."""

    async def take(self, lane: LaneKey) -> Lease | None:
        """Takes the lane. None if another process has it; that one learns that the lane has
        work.
        """

    async def give_up(self, lease: Lease, until: float | None) -> None:
        """Lets others take the lane, which has work again at `until` (Unix seconds; None: when
        something arrives).
        """

    def is_worth_keeping(self, seconds: float) -> bool:
        """Whether the process keeps a lane that has nothing to do for so many seconds."""

    def is_held(self, lease: Lease) -> bool:
        """Whether a call that begins now ends before the lease does."""


class SoleOwner:
    """The leases of the one process that owns the storage: it has every lane."""

    async def take(self, lane: LaneKey) -> Lease | None:
        return Lease(lane)

    async def give_up(self, lease: Lease, until: float | None) -> None:
        """Does nothing: no other process takes it."""

    def is_worth_keeping(self, seconds: float) -> bool:  # noqa: ARG002 - see Leases
        return True

    def is_held(self, lease: Lease) -> bool:  # noqa: ARG002 - see Leases
        return True
