"""How long finished work is kept."""

from msgspec import Struct


class Retention(Struct, frozen=True):
    """How long finished work is kept, and how much room it may take: seconds and bytes."""

    seconds: float = 7 * 86400.0
    bytes: int = 1 << 30
