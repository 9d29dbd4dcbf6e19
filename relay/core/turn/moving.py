"""Moving: the open cards of a Discord webhook go to the bot that has taken over its channel."""

from msgspec.structs import replace

from relay.core.active_config import ActiveConfig
from relay.core.card.card import Card
from relay.core.card.digest import DIGEST, QUIET
from relay.core.card.lane_state import LaneState
from relay.core.card.step import Rank
from relay.core.routing.lane import LaneKey, Target
from relay.core.turn.change import CardChange


def leads_to(config: ActiveConfig, lane: LaneKey, state: LaneState, receiver: str) -> Target | None:
    """The receiver's target that has taken over a lane which is no longer configured: that of the
    bot beside the same webhook, or else in the same channel.
    """
    found = [
        target
        for target in config.routing.targets.get(receiver, ())
        if target.lane.platform == lane.platform and target.lane.chat
    ]
    beside = [each for each in found if each.endpoint.former and each.endpoint.former.lane == lane]
    here = (state.channel, lane.thread)
    same = [each for each in found if (each.lane.chat, each.lane.thread) == here]
    return next(iter((*beside, *same)), None)


def moved(card: Card, known: Card | None, target: Target, now: float) -> CardChange | None:
    """The card for its new lane; `known` is the card that this lane already has of it. It is posted
    once more, silently, since people were told. The webhook edits the former message to say where
    the card goes on; if that message is gone, the new one links back. None: nobody was told.
    """
    message = card.shown.message if card.shown else None
    if card.group in (DIGEST, QUIET) or (message is None and not card.absorbed):
        return None
    left = message if target.endpoint.former else None
    if known is not None and known.closed_at is None:
        return CardChange(replace(known, left=left), now, urgent=False)
    fresh = replace(
        card,
        entries=tuple(replace(entry, joined_seq=0) for entry in card.entries),
        shown=None,
        shown_seq=0,
        folded_seq=known.folded_seq if known else 0,
        counted_seq=0,
        owed=(),
        doubt=False,
        absorbed=False,
        announced=True,
        plain=False,
        refused="",
        failures=None,
        previous=None if left else message,
        left=left,
    )
    return CardChange(fresh, now, urgent=False, rank=Rank.FOLLOW)
