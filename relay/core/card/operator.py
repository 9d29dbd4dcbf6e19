"""An operator's commands for a card: show it after all, leave it as it is, or close it."""

from msgspec.structs import replace

from relay.core.card.card import Card, mark
from relay.core.card.lane_state import LaneState


def resume(card: Card, now: float) -> Card:
    """The card, due at `now`: a refusal and its failures are forgotten."""
    since = now if card.waiting_since is None else card.waiting_since
    return replace(card, refused="", plain=False, waiting_since=since, failures=None)


def waive(card: Card) -> Card:
    """The card as it is shown, though its state differs. Later changes are shown."""
    return replace(card, refused=mark(card), owed=(), waiting_since=None)


def end(card: Card, now: float) -> Card:
    """The card with all its firing alerts ended at `now`, as if nobody reported them any more. A
    chat that never got the card is not told.
    """
    entries = tuple(
        replace(entry, status="gone", ends_at=now, absent_since=None, held_since=None)
        if entry.status == "firing" or entry.held_since is not None
        else entry
        for entry in card.entries
    )
    told = card.shown is not None or card.absorbed
    return replace(
        card,
        entries=entries,
        change="resolved",
        owed=(),
        refused="",
        waiting_since=(card.waiting_since or now) if told else None,
    )


def probe(state: LaneState, now: float) -> LaneState:
    """The lane with a call allowed at `now`: the pause after failures is forgotten, even one
    without an end.
    """
    down = state.down and replace(state.down, probe_at=now)
    return replace(state, down=down, attempts=0, retry_at=0.0, fresh_at=0.0, failing=())
