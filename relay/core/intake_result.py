"""The result of a webhook body; the server answers with the HTTP status of each."""

from msgspec import Struct


class Committed(Struct, frozen=True):
    """Every delivery that follows from the body is committed and synced."""


class InvalidPayload(Struct, frozen=True):
    """The body is not a payload of Alertmanager and will not become one by repetition. `text` names
    the field, never its value.
    """

    text: str


class RetryLater(Struct, frozen=True):
    """A temporary failure: nothing was stored, and the sender should repeat the body in
    `retry_after` seconds. `away`: the storage failed.
    """

    why: str
    retry_after: float
    away: bool = False


IntakeResult = Committed | InvalidPayload | RetryLater
