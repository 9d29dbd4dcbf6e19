"""The present address of a target: its endpoint with the state of its lane, and the budgets of a
call.
"""

from msgspec.structs import replace

from relay.core.budget import Limit, Limits
from relay.core.card.lane_state import LaneState
from relay.core.routing.lane import Endpoint, Target
from relay.platforms.contract import Platforms


def endpoint_of(target: Target, state: LaneState) -> Endpoint:
    """The endpoint of the target with the state of its lane."""
    lane = target.lane
    thread = "" if state.thread_gone else lane.thread
    moved = replace(lane, chat=state.chat or lane.chat, thread=thread)
    guild = state.guild or target.endpoint.guild
    return replace(target.endpoint, lane=moved, guild=guild, kind=state.kind)


def limits_of(
    target: Target, state: LaneState, rates: Limits, platforms: Platforms
) -> tuple[Limit, ...]:
    """The budgets that every call of the lane takes from."""
    platform = platforms[target.lane.platform]
    return platform.budgets(endpoint_of(target, state), rates, state.channel)
