"""Alert episodes as acting identifies them: by source, full labels and start."""

from msgspec import Struct

from relay.core.alert import Labels, alert_key

SAME_START = 120.0  # seconds: a start so close is a replica's copy and no other episode


class ShownAlert(Struct, frozen=True):
    """An alert of a card. `starts_at` is Unix seconds; `seq` is the delivery that brought its
    episode to the card, `seen` the acceptance of the last payload that listed it. `fingerprint` is
    that of the payload.
    """

    labels: Labels
    starts_at: float
    firing: bool = True
    seq: int = 0
    seen: float = 0.0
    fingerprint: str = ""

    @property
    def key(self) -> str:
        """The identity of the alert within its source (`alert_key`)."""
        return self.fingerprint or alert_key(self.labels)


def same_episode(known: float, start: float) -> bool:
    """Whether two starts belong to one episode."""
    return abs(start - known) <= SAME_START
