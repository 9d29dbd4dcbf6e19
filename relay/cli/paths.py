"""The names of chats in verbs: the platform and the ids in the configuration, without secrets."""

from relay.core.routing.lane import LaneKey
from relay.platforms import PLATFORMS
from relay.platforms.contract import Platforms


def spell(lane: LaneKey, platforms: Platforms = PLATFORMS) -> str:
    """The chat on one line, in words of the configuration. A storage may have a chat of a platform
    that no longer exists.
    """
    platform = platforms.get(lane.platform)
    if platform:
        return platform.spell(lane)
    return " ".join(filter(None, (lane.platform, lane.account, lane.chat, lane.thread)))
