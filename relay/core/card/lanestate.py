"""What a lane has learnt of its chat: moved, thread gone, down, or in trouble since when."""

from typing import Literal

from msgspec import Struct

from relay.core.card.step import MessageRef

Trouble = Literal["unreachable", "rate_limited", "restarted"]


class Down(Struct, frozen=True):
    """The chat or bot refuses us: no call before `probe_at`, none at all when it is None; one at once when the secret
    is no longer the one with this mark."""

    why: str
    since: float
    probe_at: float | None
    secret: str = ""


class LaneState(Struct, frozen=True):
    """`chat` replaces the configured chat after a migration; `thread_gone` leaves the thread out. `channel` and `home`
    are the Discord channel and server of the webhook, once answers told them (`home` is "-" when they tell none).
    `attempts` counts failures since the last success, and no call is made before `retry_at`: what keeps one card from
    the chat keeps all of them. `trouble` and its times explain lateness.
    """

    chat: str = ""
    thread_gone: bool = False
    channel: str = ""
    home: str = ""
    down: Down | None = None
    attempts: int = 0
    retry_at: float = 0.0
    trouble: Trouble | None = None
    trouble_since: float = 0.0
    trouble_until: float = 0.0


def place(state: LaneState, chat: str, thread: str) -> MessageRef:
    """Where a new message of the lane goes: chat and thread with what was learnt; the id is empty."""
    return MessageRef(state.chat or chat, "" if state.thread_gone else thread, "")
