"""Alert episodes as acting knows them: by source, full labels and start."""

from msgspec import Struct

from relay.core.alert import Labels

_OFFSET, _PRIME, _SIZE, _SEPARATOR = 0xCBF29CE484222325, 0x100000001B3, 1 << 64, 0xFF
SAME_START = 120.0  # seconds: a start no further away is a replica's copy, not another episode


def alert_key(labels: Labels) -> str:
    """Alertmanager's fingerprint of a label set, by which an alert is known within its source
    (github.com/prometheus/common model/signature.go: FNV-1a of the sorted labels).
    `identity_ignores` has no say here.
    """
    total = _OFFSET
    for name, value in sorted(labels.items()):
        for byte in (*name.encode(), _SEPARATOR, *value.encode(), _SEPARATOR):
            total = ((total ^ byte) * _PRIME) % _SIZE
    return f"{total:016x}"


class ShownAlert(Struct, frozen=True):
    """An alert of a card. `starts_at` is Unix seconds; `seq` is the delivery with which its episode
    came to the card, `seen` the acceptance of the last payload that listed it. `fingerprint` is
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
        """What the alert is known by within its source (see `alert_key`)."""
        return self.fingerprint or alert_key(self.labels)


def same_episode(known: float, start: float) -> bool:
    """Whether two starts are those of one episode."""
    return abs(start - known) <= SAME_START
