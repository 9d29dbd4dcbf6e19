"""How verbs name a chat: the platform and the ids that the configuration has, nothing secret."""

from relay.core.routing.lane import LaneKey
from relay.platforms import PLATFORMS
from relay.platforms.contract import Platforms


def spell(lane: LaneKey, platforms: Platforms = PLATFORMS) -> str:
    """The chat on one line, in words of the configuration. A storage may hold a chat of a platform
    that is no longer there.
    """
    platform = platforms.get(lane.platform)
    if platform:
        return platform.spell(lane)
    return " ".join(filter(None, (lane.platform, lane.account, lane.chat, lane.thread)))
