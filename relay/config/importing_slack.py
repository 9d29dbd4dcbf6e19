"""Slack entries that post to Discord's Slack-compatible address become entries of Discord."""

import re

from relay.config.importing_routes import child, items, word
from relay.config.source import MappingNode, Node, Position, ScalarNode, SequenceNode

_ADDRESS = re.compile(
    r"(https://(?:(?:ptb|canary)\.)?discord(?:app)?\.com/api/(?:v[0-9]+/)?webhooks/[^/\s]+/[^/\s]+)"
    r"/slack/?"
)
# Keys of a slack entry and the corresponding keys of ours.
_KEPT = {"send_resolved": "send_resolved", "http_config": "http_config", "username": "username",
         "title": "title", "text": "message", "icon_url": "avatar_url"}  # fmt: skip


def as_discord(root: Node | None) -> Node | None:
    """The file with such entries moved to `discord_configs`; everything else stays as it is."""
    receivers = child(root, "receivers")
    if not isinstance(root, MappingNode) or not isinstance(receivers, SequenceNode):
        return root
    common = word(child(child(root, "global"), "slack_api_url"))
    changed = tuple(_receiver(each, common) for each in receivers.items)
    position = root.pairs["receivers"][0]
    listed = SequenceNode(receivers.position, changed, receivers.size)
    return MappingNode(root.position, {**root.pairs, "receivers": (position, listed)}, root.size)


def _receiver(receiver: Node, common: str) -> Node:
    slack = items(child(receiver, "slack_configs"))
    if not isinstance(receiver, MappingNode) or not slack:
        return receiver
    moved = [_entry(each, found) for each in slack if (found := _webhook(each, common))]
    if not moved:
        return receiver
    left = tuple(each for each in slack if not _webhook(each, common))
    place, node = receiver.pairs["slack_configs"]
    pairs = {key: pair for key, pair in receiver.pairs.items() if key != "slack_configs"}
    if left:
        pairs["slack_configs"] = (place, SequenceNode(node.position, left, len(left)))
    before = items(child(receiver, "discord_configs"))
    both = SequenceNode(node.position, (*before, *moved), 0)
    return MappingNode(receiver.position, {**pairs, "discord_configs": (place, both)}, 0)


def _webhook(entry: Node, common: str) -> str:
    """The webhook that the entry posts to, without the suffix for Slack's messages."""
    found = _ADDRESS.fullmatch(word(child(entry, "api_url")) or common)
    return found[1] if found else ""


def _entry(entry: Node, url: str) -> Node:
    """The entry with those parts of its messages that have a counterpart. Slack's sender does not
    report resolved alerts unless told to.
    """
    pairs: dict[str, tuple[Position, Node]] = {}
    place = entry.position
    address = child(entry, "api_url")
    at = place if address is None else address.position
    pairs["webhook_url"] = (at, ScalarNode(at, url, plain=False))
    pairs["send_resolved"] = (place, ScalarNode(place, False, plain=True))  # noqa: FBT003
    for key, name in _KEPT.items():
        if isinstance(entry, MappingNode) and key in entry.pairs:
            pairs[name] = entry.pairs[key]
    return MappingNode(place, pairs, len(pairs))
