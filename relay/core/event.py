"""Events of the relay as frozen values. Metrics, log and notices listen to them, and so does the
demo. Code that acts on alerts never does.
"""

from enum import StrEnum
from typing import Literal

from msgspec import Struct

from relay.core.bot.update import Sort
from relay.core.routing.lane import Platform

Settlement = Literal["delivered", "merged", "duplicate", "muted", "expired", "dead"]
FailureReason = Literal[
    "authError", "rateLimited", "clientError", "serverError", "contextDeadlineExceeded", "other"
]  # Alertmanager's notify/util.go


class EndReason(StrEnum):
    """Why a delivery ended without a message of its own, if the platform did not say so itself. The
    store and the log hold the values; `sentence` makes the text for people.
    """

    ROUTED_AGAIN = "routed_again"
    RECEIVER_REMOVED = "receiver_removed"
    DROPPED = "dropped"
    SUBSCRIPTION_ENDED = "subscription_ended"
    EXPIRED = "expire_after"
    SHARE = "retention_size"
    UNREADABLE = "unreadable"
    DIGEST = "digest"
    COUNTED = "counted_in_digest"
    MUTED = "muted_by_its_chat"


_SENTENCES = {
    EndReason.ROUTED_AGAIN.value: "routed once more",
    EndReason.DROPPED.value: "dropped by the operator",
    EndReason.EXPIRED.value: "it waited longer than expire_after",
    EndReason.MUTED.value: "muted by its chat",
    EndReason.SHARE.value: "its chat had used up its part of retention.size",
}


def sentence(why: str) -> str:
    """The text for people. The platform's own words stay as they are."""
    return _SENTENCES.get(why, why)


class Answered(Struct, frozen=True):
    """A webhook request was answered with HTTP status `code` after `seconds`. `why` is empty unless
    it was refused. `path` and `peer` (the sender's address) are as the sender gave them; `size` is
    the announced length of its body in bytes. `stranger`: the address is public and nothing from it
    was accepted yet.
    """

    code: int
    seconds: float
    why: str = ""
    method: str = ""
    path: str = ""
    peer: str = ""
    stranger: bool = False
    size: int = 0


class RequestRefused(Struct, frozen=True):
    """A request for another path than /alerts, or with another method, was refused. The fields are
    those of `Answered`.
    """

    code: int
    why: str
    method: str
    path: str
    peer: str
    stranger: bool
    size: int = 0


class Accepted(Struct, frozen=True):
    """A notification was committed. `discarded` is how many of its alerts reached only receivers
    without entries, `discarded_by` how many for each of those. `id` is its id in the history.
    `fault`: routing failed because of a bug, and all alerts went to the root receiver. `inside` are
    the addresses of its links that a chat leaves out, since they work only inside.
    """

    source: str
    group_key: str
    firing: int
    resolved: int
    discarded: int
    deliveries: int
    fault: str = ""
    inside: tuple[str, ...] = ()
    discarded_by: tuple[tuple[str, int], ...] = ()
    id: int = 0


class Called(Struct, frozen=True):
    """A platform API call ended. `code` is the HTTP status, 0 without an answer; `reason` is empty
    on success.
    """

    platform: Platform
    receiver: str
    method: str
    code: int
    seconds: float
    reason: FailureReason | Literal[""]
    why: str


class Settled(Struct, frozen=True):
    """Deliveries of one receiver ended.

    `latencies` are the seconds from acceptance to API success of the delivered ones; `delivery` is
    then the last of them, and `id` its notification's. `lost` is the head of the card that will not
    be shown, such as `warning KubeJobFailed · invoice-export · billing`, if it is known; `urgent`:
    its severity is among the highest.
    """

    platform: Platform
    receiver: str
    settlement: Settlement
    count: int
    latencies: tuple[float, ...] = ()
    why: str = ""
    delivery: str = ""
    id: int = 0
    lost: str = ""
    urgent: bool = False


class ChatChanged(Struct, frozen=True):
    """A chat went down (401, 403, 404, chat not found) or came up again."""

    platform: Platform
    receiver: str
    up: bool
    why: str


class ChatMoved(Struct, frozen=True):
    """A group became a supergroup with the id `chat`. If `chat` is empty, a thread is gone and the
    main chat takes its place. `place` is FILE:LINE of the entry to change.
    """

    platform: Platform
    receiver: str
    place: str
    chat: str


class Contradicted(Struct, frozen=True):
    """Two Alertmanagers (their external URLs) keep contradicting each other about one group."""

    group_key: str
    first: str
    second: str


class TemplateFailed(Struct, frozen=True):
    """A template failed at run time; the built-in plain text was sent in its place."""

    template: str
    why: str


class Loaded(Struct, frozen=True):
    """The configuration was read at `at` (Unix seconds). It is in force, or was rejected with that
    many `faults`, warnings not counted. `why` is what caused the load; `receivers` and `chats` are
    the counts in force, `sha256` is the digest of the file. `first` is the first fault with its
    place.
    """

    ok: bool
    at: float
    faults: int
    why: str = ""
    receivers: int = 0
    chats: int = 0
    sha256: str = ""
    first: str = ""


class StorageDamaged(Struct, frozen=True):
    """The storage could not be read. It was moved to `moved_to`, and an empty one was started."""

    moved_to: str
    why: str


class StorageLost(Struct, frozen=True):
    """The files of the storage are missing from its folder, or were cut, and nothing more is
    accepted; or, with `there`, they are back.
    """

    there: bool
    folder: str


class ClockChanged(Struct, frozen=True):
    """The wall clock was set. It is now `wall_ahead` seconds ahead of the steady clock (negative:
    behind it; 0: as good as equal).
    """

    wall_ahead: float


class Heard(Struct, frozen=True):
    """An update of a bot was handled; `sort` is the result."""

    sort: Sort


class BotListens(Struct, frozen=True):
    """A bot started to receive updates, or stopped; if it stopped, `why` and `remedy` are set."""

    account: str
    listens: bool
    why: str = ""
    remedy: str = ""


class EscalationSettled(Struct, frozen=True):
    """A step of an escalation of the receiver was due, and is done."""

    receiver: str


class PressAnswered(Struct, frozen=True):
    """Somebody pressed a button: `kind` is what the button does, `outcome` the result."""

    kind: str
    outcome: str


class Noted(Struct, frozen=True):
    """Any other line of the log: a short `message` and its values."""

    level: Literal["debug", "info", "warning", "error"]
    message: str
    values: tuple[tuple[str, str | int | float], ...] = ()


Event = (
    Answered
    | RequestRefused
    | Accepted
    | Called
    | Settled
    | ChatChanged
    | ChatMoved
    | Contradicted
    | TemplateFailed
    | Loaded
    | StorageDamaged
    | ClockChanged
    | StorageLost
    | Heard
    | BotListens
    | EscalationSettled
    | PressAnswered
    | Noted
)
