"""One file per chat platform: a step becomes a request, a response becomes an outcome. Pure."""

from msgspec.structs import replace

from relay.core.budget import Limit, Limits
from relay.core.card.lane_state import LaneState
from relay.core.routing.lane import Endpoint, Platform, Target
from relay.platforms.contract import PlatformFile
from relay.platforms.discord import messages as discord
from relay.platforms.telegram import messages as telegram

PLATFORMS: dict[Platform, PlatformFile] = {"telegram": telegram, "discord": discord}


def platform_of(name: Platform) -> PlatformFile:
    """The file of a platform."""
    return PLATFORMS[name]


def limits_of(target: Target, state: LaneState, rates: Limits) -> tuple[Limit, ...]:
    """The budgets that every call of the lane takes from."""
    platform = platform_of(target.lane.platform)
    return platform.budgets(endpoint_of(target, state), rates, state.channel)


def endpoint_of(target: Target, state: LaneState) -> Endpoint:
    """How the target is called, with what its lane learnt."""
    lane = target.lane
    thread = "" if state.thread_gone else lane.thread
    moved = replace(lane, chat=state.chat or lane.chat, thread=thread)
    return replace(target.endpoint, lane=moved, home=state.home or target.endpoint.home)
