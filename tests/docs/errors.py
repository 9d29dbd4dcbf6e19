"""The tables of docs/errors.md, out of the tables that the platforms decide by: one sentence for
each kind of outcome says what the relay does.
"""

from collections.abc import Mapping
from typing import get_args

from relay.platforms import PLATFORMS
from relay.platforms.answer import OutcomeKind

ACTIONS: Mapping[OutcomeKind, str] = {
    "Delivered": "done: the chat shows it",
    "RateLimited": "no call on the budgets concerned before the time asked; no attempt is counted",
    "Unavailable": "not taken: that message is tried again with growing pauses, others go on",
    "Unknown": "perhaps taken: tried again after 15, 30 and 60 s, marked as perhaps repeated",
    "Moved": "the new chat id is stored and used; a notice",
    "Rejected": "the same text at once without any style, then dead; counted against the template",
    "MessageGone": "a new message",
    "ThreadGone": "the main chat in place of the topic or thread, and a notice; "
    "a new message tries it again, once an hour",
    "ChatDown": "the receiver's `fallback` takes over, a notice; rare probes",
    "ChatDown, for ever": "the receiver's `fallback` takes over, a notice; never called again",
    "ChatDown, left": "the receiver's `fallback` takes over, a notice; rare probes; "
    "a subscription ends",
    "BotDown": "the same for each chat of the bot or webhook, at its next call; rare probes",
    "BotDown, for ever": "the same for each chat of the bot or webhook; "
    "never called again with this secret",
}


def outcomes() -> str:
    """A row for each kind of outcome."""
    rows = (f"| {kind} | {ACTIONS[kind]} |" for kind in get_args(OutcomeKind))
    return "\n".join(("| outcome | what the relay does |", "|---|---|", *rows))


def tables() -> str:
    """A table for each platform."""
    return "\n\n".join(_table(name) for name in PLATFORMS)


def _table(name: str) -> str:
    platform = PLATFORMS[name]
    rows = (
        f"| {row.answer} | {row.meaning} | {row.outcome} | {ACTIONS[row.outcome]} |"
        for row in platform.ERRORS
    )
    head = "| answer | what it means | outcome | what the relay does |"
    return "\n".join((f"## {platform.TITLE}", "", head, "|---|---|---|---|", *rows))
