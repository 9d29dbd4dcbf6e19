"""The chats of an alertmanager.yml: its receivers' entries of our platforms, key by key."""

from collections.abc import Iterator

from relay.config.importing_routes import child, items, only, word
from relay.config.schema_receiver import entries_key
from relay.config.source import MappingNode, Node, Position, SequenceNode
from relay.platforms.contract import AnyPlatform, Platforms
from relay.platforms.entry import Writing

Lost = tuple[Position, str]
_BOTH = ("send_resolved", "http_config")
_HTTP = ("proxy_url", "tls_config")
_TLS = ("ca_file", "cert_file", "key_file", "server_name", "insecure_skip_verify")
_TEXTS = ("message", "title", "content")


def senders(platforms: Platforms) -> dict[str, AnyPlatform]:
    """The platforms that Alertmanager has a sender for, by the key of its entries."""
    return {entries_key(name): each for name, each in platforms.items() if each.IMPORTED.entry}


def has_chats(receiver: Node, platforms: Platforms) -> bool:
    """Whether a receiver has an entry of one of the platforms."""
    return any(items(child(receiver, key)) for key in senders(platforms))


def carry(receiver: Node, platforms: Platforms) -> MappingNode:
    """The receiver with its chats alone, in keys that the relay knows."""
    pairs = receiver.pairs if isinstance(receiver, MappingNode) else {}
    kept = {"name": pairs["name"]} if "name" in pairs else {}
    for key, platform in senders(platforms).items():
        if key in pairs and items(pairs[key][1]):
            position, listed = pairs[key]
            kept[key] = (
                position,
                SequenceNode(
                    listed.position,
                    tuple(_entry(each, _kept(platform)) for each in items(listed)),
                    0,
                ),
            )
    return MappingNode(receiver.position, kept, 0)


def carry_global(node: Node | None, platforms: Platforms) -> Node | None:
    """What of `global` concerns the chats."""
    return _entry(node, global_keys(platforms)) if node is not None else None


def global_keys(platforms: Platforms) -> tuple[str, ...]:
    """The keys of `global` that are carried over."""
    named = (key for each in platforms.values() for key in each.IMPORTED.globals)
    return (*named, "http_config")


def _kept(platform: AnyPlatform) -> tuple[str, ...]:
    return (*_BOTH, *platform.IMPORTED.entry)


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


def lost(receiver: Node, platforms: Platforms) -> Iterator[Lost]:
    """Keys of its chats that stay behind, with why."""
    for key, platform in senders(platforms).items():
        for entry in items(child(receiver, key)):
            yield from _lost_keys(entry, key, platform)


def _lost_keys(entry: Node, sender: str, platform: AnyPlatform) -> Iterator[Lost]:
    for key, (position, value) in entry.pairs.items() if isinstance(entry, MappingNode) else ():
        if key in _TEXTS and not _is_default(word(value), sender, key):
            name = _writing(platform, word(child(entry, "parse_mode"))).template
            yield (
                position,
                f"{key}: messages are Jinja2 here, not Go; the built-in {name} is in its place",
            )
        elif key not in (*_kept(platform), *_TEXTS):
            yield position, f"{key}: the relay has no such key"
    yield from lost_http(child(entry, "http_config"))


def _writing(platform: AnyPlatform, parse_mode: str) -> Writing:
    """What the built-in template is written in; a word that the relay refuses counts as none."""
    usual = next(iter(platform.WRITINGS.values()))
    return platform.WRITINGS.get(parse_mode, usual) if parse_mode else usual


def _is_default(text: str, sender: str, key: str) -> bool:
    """Alertmanager's own template, spelt out (config/notifiers.go)."""
    name = f"{sender.partition('_')[0]}.default.{key}"
    return "".join(text.split()) == f'{{{{template"{name}".}}}}' or not text


def lost_http(node: Node | None) -> Iterator[Lost]:
    """Keys of an `http_config` that the relay has not."""
    for table, known in ((node, _HTTP), (child(node, "tls_config"), _TLS)):
        for key, (position, _) in table.pairs.items() if isinstance(table, MappingNode) else ():
            if key not in known:
                yield position, f"{key}: the relay reaches the chats without it"
