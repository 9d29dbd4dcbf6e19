"""What a webhook body came to: the door tells the sender in its own protocol."""

from msgspec import Struct


class Committed(Struct, frozen=True):
    """Every delivery that follows from the body is committed and synced."""


class InvalidPayload(Struct, frozen=True):
    """No payload of Alertmanager's: sending it again changes nothing. `text` names the field, never
    its value.
    """

    text: str


class RetryLater(Struct, frozen=True):
    """Something passing: nothing was lost, send it again in `retry_after` seconds."""

    why: str
    retry_after: float


IntakeResult = Committed | InvalidPayload | RetryLater
