"""Alert episodes as acting knows them: by source, full labels and start."""

from hashlib import blake2b

import msgspec
from msgspec import Struct

from relay.core.alert import Labels

SAME_START = 120.0  # seconds: a start no further away is a replica's copy, not another episode


def alert_key(labels: Labels) -> str:
    """What an alert is known by within its source: a hash of all its labels. A payload's own
    fingerprint may be anything, and `identity_ignores` has no say here.
    """
    return blake2b(msgspec.json.encode(sorted(labels.items())), digest_size=16).hexdigest()


class ShownAlert(Struct, frozen=True):
    """An alert of a card. `starts_at` is Unix seconds; `seq` is the delivery with which its episode
    came to the card, `seen` the acceptance of the last payload that listed it.
    """

    labels: Labels
    starts_at: float
    firing: bool = True
    seq: int = 0
    seen: float = 0.0

    @property
    def key(self) -> str:
        """See `alert_key`."""
        return alert_key(self.labels)


def same_episode(known: float, start: float) -> bool:
    """Whether two starts are those of one episode."""
    return abs(start - known) <= SAME_START
