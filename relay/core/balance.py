"""The balance: the present state of all deliveries accepted for one receiver."""

from msgspec import Struct

from relay.core.routing.lane import Platform


class BalanceRow(Struct, frozen=True):
    """The durable counts of one receiver on one platform, as the store keeps them across restarts.

    `oldest_pending` is when the oldest pending delivery was accepted (Unix seconds), None when none
    is pending.
    """

    platform: Platform
    receiver: str
    accepted: int = 0
    delivered: int = 0
    merged: int = 0
    duplicate: int = 0
    muted: int = 0
    expired: int = 0
    dead: int = 0
    pending: int = 0
    oldest_pending: float | None = None

    @property
    def lost(self) -> int:
        """Accepted deliveries that are in no other count. Anything but 0 is a bug."""
        ended = (
            self.delivered + self.merged + self.duplicate + self.muted + self.expired + self.dead
        )
        return self.accepted - ended - self.pending
