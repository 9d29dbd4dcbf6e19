"""The chats of an alertmanager.yml: its receivers' entries for our platforms, key by key."""

import re
from collections.abc import Iterator

from relay.config.importing_routes import child, items, only, word
from relay.config.importing_templates import TemplateWriter, is_default
from relay.config.losing import DISCARDING
from relay.config.schema_receiver import entries_key
from relay.config.source import MappingNode, Node, Position, ScalarNode, SequenceNode
from relay.platforms.contract import AnyPlatform, Platforms
from relay.platforms.entry import HttpConfig, Writing

Lost = tuple[Position, str]
_BOTH = ("send_resolved", "http_config")
_HTTP = ("proxy_url", "tls_config")
_TLS = ("ca_file", "cert_file", "key_file", "server_name", "insecure_skip_verify")
_TEXTS = ("message", "title", "content")
_TELEGRAM = "telegram_configs"
_DOUBLED = ("chat",)  # the operator writes chat_id a second time, under its old name
_HARMLESS = ("follow_redirects", "enable_http2")  # the chats' APIs need neither
_UNKNOWN = ": the relay has no such key"


def senders(platforms: Platforms) -> dict[str, AnyPlatform]:
    """The platforms for which Alertmanager has a sender, by the key of its entries."""
    return {entries_key(name): each for name, each in platforms.items() if each.IMPORTED.entry}


def has_chats(receiver: Node, platforms: Platforms) -> bool:
    """Whether a receiver has an entry of one of the platforms."""
    return any(items(child(receiver, key)) for key in senders(platforms))


def carry(
    receiver: Node, platforms: Platforms, writer: TemplateWriter | None = None
) -> MappingNode:
    """The receiver with only its chats, in keys that the relay knows; one without chats gets
    `discard`. With a `writer`, its own messages become templates.
    """
    pairs = receiver.pairs if isinstance(receiver, MappingNode) else {}
    kept = {"name": pairs["name"]} if "name" in pairs else {}
    name = word(child(receiver, "name"))
    if name not in DISCARDING and not has_chats(receiver, platforms):
        position = receiver.position
        kept["discard"] = (position, ScalarNode(position, True, plain=True))  # noqa: FBT003
    for key, platform in senders(platforms).items():
        if key in pairs and items(pairs[key][1]):
            position, listed = pairs[key]
            kept[key] = (
                position,
                SequenceNode(
                    listed.position,
                    tuple(_templated(each, name, key, platform, writer) for each in items(listed)),
                    0,
                ),
            )
    return MappingNode(receiver.position, kept, 0)


def _templated(
    entry: Node, receiver: str, key: str, platform: AnyPlatform, writer: TemplateWriter | None
) -> Node:
    """The entry with only the relay's keys, its chat id as a number, and its template."""
    kept = _entry(entry, _kept(platform))
    if not isinstance(kept, MappingNode):
        return kept
    pairs = dict(kept.pairs)
    chat = pairs.get("chat_id") or (
        entry.pairs.get("chat") if isinstance(entry, MappingNode) and key == _TELEGRAM else None
    )
    if chat is not None:
        pairs["chat_id"] = (chat[0], _number(chat[1]))
    for template in writer.template_of(receiver, entry, key, platform) if writer else ():
        pairs["template"] = (template.position, template)
    return MappingNode(kept.position, pairs, kept.size)


def _number(node: Node) -> Node:
    """A number in quotes as a number."""
    text = word(node)
    if re.fullmatch("-?[1-9][0-9]{0,15}", text):
        return ScalarNode(node.position, int(text), plain=True)
    return node


def carry_global(node: Node | None, platforms: Platforms) -> Node | None:
    """The part of `global` that concerns the chats."""
    return _entry(node, global_keys(platforms)) if node is not None else None


def global_keys(platforms: Platforms) -> tuple[str, ...]:
    """The keys of `global` that an import keeps."""
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


def lost(receiver: Node, platforms: Platforms, *, translated: bool = False) -> Iterator[Lost]:
    """The keys of its chats that are not imported, with why; those of messages unless they are
    `translated`.
    """
    for key, platform in senders(platforms).items():
        for entry in items(child(receiver, key)):
            yield from _lost_keys(entry, key, platform, translated=translated)


def _lost_keys(
    entry: Node, sender: str, platform: AnyPlatform, *, translated: bool
) -> Iterator[Lost]:
    for key, (position, value) in entry.pairs.items() if isinstance(entry, MappingNode) else ():
        if key in _TEXTS and not translated and not is_default(word(value), sender, key):
            name = _writing(platform, word(child(entry, "parse_mode"))).template
            yield (
                position,
                (
                    f"{key}: messages are Jinja2 here, not Go; the built-in {name} is in its place "
                    "(--out=DIR translates it)"
                ),
            )
        elif key not in (*_kept(platform), *_TEXTS, *_DOUBLED):
            yield position, f"{key}: the relay has no such key"
    yield from lost_http(child(entry, "http_config"))


def _writing(platform: AnyPlatform, parse_mode: str) -> Writing:
    """The markup of the built-in template; a word that the relay refuses counts as none."""
    usual = next(iter(platform.WRITINGS.values()))
    return platform.WRITINGS.get(parse_mode, usual) if parse_mode else usual


def lost_http(node: Node | None) -> Iterator[Lost]:
    """The keys of an `http_config` that the relay does not have."""
    for table, known in ((node, _HTTP), (child(node, "tls_config"), _TLS)):
        for key, (position, _) in table.pairs.items() if isinstance(table, MappingNode) else ():
            if key not in known and key not in _HARMLESS:
                yield position, f"{key}{HttpConfig.advice.get(key, _UNKNOWN)}"
