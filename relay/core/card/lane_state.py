"""The state of a lane: the chat moved, its thread is gone, it is down, or it has been in trouble
since a moment.
"""

from typing import Literal

from msgspec import Struct, field
from msgspec.structs import replace

from relay.core.card.step import Post, Step

Trouble = Literal["unreachable", "rate_limited", "refused", "restarted"]


class Down(Struct, frozen=True):
    """The chat or bot refuses calls: none before `probe_at`, none at all when it is None, and one
    at once when the secret no longer has this mark. `left` is that of `ChatDown`.
    """

    why: str
    since: float
    probe_at: float | None
    secret: str = ""
    left: bool = False


class LaneState(Struct, frozen=True):
    """`chat` replaces the configured chat after a migration; `thread_gone` leaves the thread out,
    but for a new message from `thread_again` on, which tells whether it is open again. `channel`
    and `guild` are the Discord channel and server of the webhook, once answers named them (`guild`
    is "-" when they name none), `kind` is what decides which buttons the chat can have (see
    `contract.kind_of`). `attempts` counts failures since the last success, `failing` names the
    cards that failed first then (see `failures.name_of`); once they are several no call is made
    before `retry_at`, but from `fresh_at` on for a card that never failed. `passed_at`: the
    platform last answered for a card; `recovered_at`: it did so after several had failed.
    `trouble`, its cause and its times explain lateness. `suspected` are words (checksums) that only
    cards held whose calls failed, the last one at `suspected_at` (see `suspicion`); `hung`: one of
    those calls took long.
    """

    chat: str = ""
    thread_gone: bool = False
    thread_again: float = 0.0
    channel: str = ""
    guild: str = field(default="", name="home")  # its name in storages
    down: Down | None = None
    attempts: int = 0
    retry_at: float = 0.0
    trouble: Trouble | None = None
    trouble_since: float = 0.0
    trouble_until: float = 0.0
    trouble_why: str = ""
    failing: tuple[str, ...] = ()
    fresh_at: float = 0.0
    passed_at: float = 0.0
    recovered_at: float = 0.0
    kind: str = ""
    suspected: tuple[int, ...] = ()
    suspected_at: float = 0.0
    hung: bool = False


def taking_over(state: LaneState, left: LaneState) -> LaneState:
    """The state of a lane that gets the messages of another one, `left`: if that one was down, its
    trouble is the reason for their lateness.
    """
    if left.down is None or (state.trouble and not state.trouble_until):
        return state
    return replace(state, trouble="refused", trouble_since=left.down.since, trouble_until=0.0)


def leading(state: LaneState, step: Step, now: float) -> LaneState:
    """The state that decides the address of the step at `now`."""
    again = isinstance(step, Post) and state.thread_again <= now
    return replace(state, thread_gone=state.thread_gone and not again)
