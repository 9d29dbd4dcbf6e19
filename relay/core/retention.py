"""How long finished work is kept."""

from msgspec import Struct


class Retention(Struct, frozen=True):
    """How long finished work is kept (seconds), and how much room it may take (bytes)."""

    seconds: float = 7 * 86400.0
    bytes: int = 1 << 30
