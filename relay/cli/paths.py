"""How verbs name a chat: the platform and the ids that the configuration has, nothing secret."""

from relay.core.routing.lane import LaneKey


def spell(lane: LaneKey) -> str:
    """`telegram chat -1001 topic 7`, `discord webhook 222 thread 5`: on one line, in words of the
    configuration.
    """
    if lane.platform == "telegram":
        return f"telegram chat {lane.chat}" + (f" topic {lane.thread}" if lane.thread else "")
    return f"discord webhook {lane.account}" + (
        f" thread {lane.thread.removeprefix('name:')}" if lane.thread else ""
    )
