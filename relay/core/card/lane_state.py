"""The state of a lane: its chat moved, its thread is gone, it is down, or it is in trouble."""

from typing import Literal

from msgspec import Struct, field
from msgspec.structs import replace

from relay.core.card.step import Post, Step

Trouble = Literal["unreachable", "rate_limited", "refused", "restarted"]


class Down(Struct, frozen=True):
    """The chat or bot refuses calls: none is made before `probe_at` (None: none at all), except at
    once when the secret no longer has the mark `secret`. `left` is as in `ChatDown`.
    """

    why: str
    since: float
    probe_at: float | None
    secret: str = ""
    left: bool = False


class LaneState(Struct, frozen=True):
    """What the relay learnt of a lane.

    `chat` replaces the configured chat after a migration. `thread_gone` leaves the thread out,
    except that a new message from `thread_again` on tries whether it is open again. `channel` and
    `guild` are the Discord channel and server of the webhook, once an answer named them (`guild` is
    "-" if it names none); `kind` decides which buttons the chat can have (`contract.kind_of`).

    `attempts` counts failures since the last success, `failing` are the cards that failed since
    (`failures.name_of`). Once there are several, no call is made before `retry_at`, except from
    `fresh_at` on for a card that never failed. `passed_at`: the platform last answered for a card;
    `recovered_at`: it did so after several had failed; `fault_at`: a card at fault last failed.
    `trouble`, its cause and its times explain lateness. `suspected` are checksums of words that
    only cards with failed calls held, the last one at `suspected_at` (core/card/suspicion.py);
    `hung`: one of those calls took long.
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
    fault_at: float = 0.0


def taking_over(state: LaneState, left: LaneState) -> LaneState:
    """The state of a lane that takes over the messages of the lane `left`. If that one was down,
    its trouble explains their lateness.
    """
    if left.down is None or (state.trouble and not state.trouble_until):
        return state
    return replace(state, trouble="refused", trouble_since=left.down.since, trouble_until=0.0)


def leading(state: LaneState, step: Step, now: float) -> LaneState:
    """The state that decides the address of the step at `now`."""
    again = isinstance(step, Post) and state.thread_again <= now
    return replace(state, thread_gone=state.thread_gone and not again)
