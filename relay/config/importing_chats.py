"""The chats of an alertmanager.yml: its receivers' Telegram and Discord entries, key by key."""

from collections.abc import Iterator

from relay.config.importing_routes import child, items, only, word
from relay.config.source import MappingNode, Node, Position, SequenceNode

Lost = tuple[Position, str]
PLATFORMS = ("telegram_configs", "discord_configs")
GLOBAL = ("telegram_api_url", "telegram_bot_token", "telegram_bot_token_file", "http_config")
_BOTH = ("send_resolved", "http_config")
_KEPT = {
    "telegram_configs": (
        *_BOTH, "chat_id", "chat_id_file", "bot_token", "bot_token_file", "api_url",
        "message_thread_id", "parse_mode",
        "disable_notifications",
    ),
    "discord_configs": (*_BOTH, "webhook_url", "webhook_url_file", "username", "avatar_url"),
}  # fmt: skip
_HTTP = ("proxy_url", "tls_config")
_TLS = ("ca_file", "cert_file", "key_file", "server_name", "insecure_skip_verify")
_TEXTS = ("message", "title", "content")
_BUILT_IN = {"telegram_configs": "telegram.html.j2", "discord_configs": "discord.md.j2"}
_BY_MODE = {"MarkdownV2": "telegram.md2.j2", "Markdown": "telegram.md.j2"}


def has_chats(receiver: Node) -> bool:
    return any(items(child(receiver, key)) for key in PLATFORMS)


def carry(receiver: Node) -> MappingNode:
    """The receiver with its chats alone, in keys that the relay knows."""
    pairs = receiver.pairs if isinstance(receiver, MappingNode) else {}
    kept = {"name": pairs["name"]} if "name" in pairs else {}
    for key in PLATFORMS:
        if key in pairs and items(pairs[key][1]):
            position, listed = pairs[key]
            kept[key] = (
                position,
                SequenceNode(
                    listed.position, tuple(_entry(each, _KEPT[key]) for each in items(listed)), 0
                ),
            )
    return MappingNode(receiver.position, kept, 0)


def carry_global(node: Node | None) -> Node | None:
    """What of `global` concerns the chats."""
    return _entry(node, GLOBAL) if node is not None else None


def _entry(node: Node, keys: tuple[str, ...]) -> Node:
    if not isinstance(node, MappingNode):
        return node
    kept = only(node, keys)
    if "http_config" not in kept.pairs:
        return kept
    position, http = kept.pairs["http_config"]
    return MappingNode(
        kept.position, kept.pairs | {"http_config": (position, _http(http))}, kept.size
    )


def _http(node: Node) -> Node:
    if not isinstance(node, MappingNode):
        return node
    kept = only(node, _HTTP)
    if "tls_config" not in kept.pairs:
        return kept
    position, tls = kept.pairs["tls_config"]
    return MappingNode(
        kept.position,
        kept.pairs
        | {"tls_config": (position, only(tls, _TLS) if isinstance(tls, MappingNode) else tls)},
        0,
    )


def lost(receiver: Node) -> Iterator[Lost]:
    """Keys of its chats that stay behind, with why."""
    for platform in PLATFORMS:
        for entry in items(child(receiver, platform)):
            yield from _lost_keys(entry, platform)


def _lost_keys(entry: Node, platform: str) -> Iterator[Lost]:
    for key, (position, value) in entry.pairs.items() if isinstance(entry, MappingNode) else ():
        if key in _TEXTS and not _is_default(word(value), platform, key):
            name = _BY_MODE.get(word(child(entry, "parse_mode")), _BUILT_IN[platform])
            yield (
                position,
                f"{key}: messages are Jinja2 here, not Go; the built-in {name} is in its place",
            )
        elif key not in (*_KEPT[platform], *_TEXTS):
            yield position, f"{key}: the relay has no such key"
    yield from lost_http(child(entry, "http_config"))


def _is_default(text: str, platform: str, key: str) -> bool:
    """Alertmanager's own template, spelt out (config/notifiers.go)."""
    name = f"{platform.partition('_')[0]}.default.{key}"
    return "".join(text.split()) == f'{{{{template"{name}".}}}}' or not text


def lost_http(node: Node | None) -> Iterator[Lost]:
    """Keys of an `http_config` that the relay has not."""
    for table, known in ((node, _HTTP), (child(node, "tls_config"), _TLS)):
        for key, (position, _) in table.pairs.items() if isinstance(table, MappingNode) else ():
            if key not in known:
                yield position, f"{key}: the relay reaches the chats without it"
