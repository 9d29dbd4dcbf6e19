"""Converts alertmanager.yml to relay.yml: the chats, their part of the route tree, and what was
lost.
"""

import re
from collections.abc import Iterator, Mapping

from msgspec import Struct
from msgspec.structs import replace

from relay.config import importing_chats as chats
from relay.config import importing_routes as routes
from relay.config.config import parse, secret_keys
from relay.config.fault import Fault, ordered
from relay.config.files import Files
from relay.config.importing_kinds import other_kind
from relay.config.importing_routes import child, items, word
from relay.config.importing_slack import as_discord
from relay.config.importing_templates import FOLDER, TemplateWriter, read_templates
from relay.config.resolve import resolve
from relay.config.source import (
    Loc,
    MappingNode,
    Node,
    Plain,
    Position,
    ScalarNode,
    SequenceNode,
    Source,
    in_order,
    plain,
    position_of,
    without,
)
from relay.config.yaml_text import write
from relay.config.yaml_tree import read
from relay.platforms.contract import Platforms
from relay.platforms.telegram.config import BOT_TOKEN

URL = "http://127.0.0.1:9087/alerts"
RECEIVER = "alert-relay"
_HEAD = (
    "# yaml-language-server: $schema=relay.schema.json\n"
    "# Names of files are relative to this one.\n"
)
# The snippet ends with the webhook, so that this belongs to it.
_COMMENT = """\
        # Needed only with --web.config.file: a file with one of the tokens of its
        # bearer_token_files.
        # http_config:
        #   authorization:
        #     credentials_file: alert-relay.token
"""
_NOTICES = (
    "the relay's own notices go to this receiver, which has no chat: name another receiver as "
    'global "notices_receiver"'
)
_ROUNDS = 10
SECRETS = "secrets"
_IDS = frozenset(
    {"chat_id", "chat_id_file", "bot_token", "bot_token_file", "webhook_url", "webhook_url_file",
     "telegram_bot_token", "telegram_bot_token_file"}
)  # fmt: skip
_SECRETS = (
    (("bot_token", "telegram_bot_token"), BOT_TOKEN, "telegram"),
    (("webhook_url",), re.compile(r"https://[^/\s]+/api/(?:v[0-9]+/)?webhooks/([0-9]+)/[\w-]+/?"),
     "discord"),
)  # fmt: skip
"""Keys whose values go into files, the form of a valid one with its id, and the name of the
file.
"""


class ImportedFile(Struct, frozen=True):
    """A file beside relay.yml, by its path from there. Only its owner can read a `secret`."""

    path: str
    text: str
    secret: bool


class Imported(Struct, frozen=True):
    """The result of an import.

    `config` is relay.yml as text. `snippet` is the route that replaces the one in alertmanager.yml
    and the receiver to add to it; `emptied` are the receivers that lose their chats to the relay.
    `losses` are the parts that were not imported, as warnings with their positions; `missing` are
    those for which the file has only placeholders: relay.yml keeps them, with a fault at each.
    `files` are the templates and secrets that it names.
    """

    config: str
    snippet: str
    emptied: tuple[str, ...]
    losses: tuple[Fault, ...]
    missing: tuple[Fault, ...] = ()
    files: tuple[ImportedFile, ...] = ()


class NotImported(ValueError):  # noqa: N818 - it carries the file's faults to the one who can mend them
    """The file has `faults` that Alertmanager would refuse as well, or nothing to import."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__(f"{len(faults)} faults")
        self.faults = faults


def convert(
    name: str,
    data: bytes,
    builtin: dict[str, str],
    platforms: Platforms,
    go_templates: Mapping[str, str] | None = None,
) -> Imported:
    """Imports as much as possible. The resulting configuration has no faults except missing ids and
    secrets. Raises NotImported.

    `name` is the file's name as faults show it, `builtin` the sources of the built-in templates by
    name. With `go_templates`, the files that it names, messages are translated and secrets are put
    into files; without, both stay as they are.
    """
    source, faults = read(name, data, secret_keys(platforms))
    other = other_kind(source)
    if other is not None:
        raise NotImported((source.fault(*other),))
    source = replace(source, root=as_discord(source.root))
    known = None if go_templates is None else read_templates(go_templates)
    writer = None if known is None else TemplateWriter(source, known)
    receivers = items(child(source.root, "receivers"))
    talking = tuple(
        word(child(each, "name")) for each in receivers if chats.has_chats(each, platforms)
    )
    if faults or not talking:
        where = source.key_position(("receivers",))
        raise NotImported(faults or (source.fault(where, _no_chats(source.root, platforms)),))
    draft = _draft(source, frozenset(talking), platforms, writer)
    templates = dict.fromkeys(writer.files if writer else (), "")
    files = Files(builtin=builtin, templates=templates)
    finished, dropped, missing = _settle(draft, source, files, platforms)
    lost = [
        source.fault(position, text, "warning")
        for position, text in (
            *_lost(source, draft, frozenset(talking), platforms, translated=writer is not None),
            *dropped,
        )
    ]
    config, secrets = plain(finished), tuple[ImportedFile, ...]()
    written = {} if writer is None else writer.files
    if writer is not None and isinstance(config, dict):
        config, secrets = _in_files(config)
        config = {**({"templates": [f"{FOLDER}/*.j2"]} if written else {}), **config}
        lost += writer.faults
    return Imported(
        config=_HEAD + write(config),
        snippet=write(_snippet(source.root, platforms)) + _COMMENT,
        emptied=talking,
        losses=ordered(lost, name),
        missing=ordered((source.fault(*each) for each in missing), name),
        files=(
            *(ImportedFile(f"{FOLDER}/{each}", text, False) for each, text in written.items()),  # noqa: FBT003
            *secrets,
        ),
    )


def _no_chats(root: Node | None, platforms: Platforms) -> str:
    senders = " or ".join(chats.senders(platforms))
    webhooks = any(child(each, "webhook_configs") for each in items(child(root, "receivers")))
    more = ": webhook_configs of another relay need their chats written by hand" if webhooks else ""
    return f"no receiver has {senders}{more}"


def _in_files(config: dict[str, Plain]) -> tuple[dict[str, Plain], tuple[ImportedFile, ...]]:
    """The configuration with file names in place of its inline secrets, and these files. A value
    that is not a secret, such as a placeholder, stays.
    """
    found: dict[str, ImportedFile] = {}

    def moved(value: Plain) -> Plain:
        if isinstance(value, list):
            return [moved(each) for each in value]
        if not isinstance(value, dict):
            return value
        pairs: dict[str, Plain] = {}
        for key, each in value.items():
            name = _secret_name(key, each) if isinstance(each, str) else ""
            if name:
                found.setdefault(name, ImportedFile(name, f"{each}\n", True))  # noqa: FBT003
                pairs[f"{key}_file"] = name
            else:
                pairs[key] = moved(each)
        return pairs

    changed = {key: moved(value) for key, value in config.items()}
    return changed, tuple(found.values())


def _secret_name(key: str, value: str) -> str:
    """The file for a secret, named by its id; nothing for a value that is not a secret."""
    for keys, form, name in _SECRETS:
        found = form.fullmatch(value)
        if key in keys and found:
            return f"{SECRETS}/{name}-{found[1]}"
    return ""


def _draft(
    source: Source, talking: frozenset[str], platforms: Platforms, writer: TemplateWriter | None
) -> MappingNode:
    """The keys of relay.yml, each value with its position in alertmanager.yml."""
    root, position = source.root, source.position(())
    tree = routes.carry(child(root, "route") or ScalarNode(position, None, plain=True), talking)
    named = {name for _, name in routes.names(tree, "receiver")}
    muted = {
        name
        for key in ("mute_time_intervals", "active_time_intervals")
        for _, name in routes.names(tree, key)
    }
    intervals = [
        each
        for key in (
            "time_intervals",
            "mute_time_intervals",
        )  # the second is the old name of the first
        for each in items(child(root, key))
        if word(child(each, "name")) in muted
    ]
    receivers = [
        chats.carry(each, platforms, writer)
        for each in items(child(root, "receivers"))
        if word(child(each, "name")) in named
    ]
    parts: dict[str, Node | None] = {
        "global": chats.carry_global(child(root, "global"), platforms),
        "time_intervals": SequenceNode(position, tuple(intervals), 0) if intervals else None,
        "route": tree if child(root, "route") else None,
        "receivers": SequenceNode(position, tuple(receivers), 0),
    }
    return MappingNode(
        position, {key: (position, node) for key, node in parts.items() if node is not None}, 0
    )


def _tidy(draft: MappingNode) -> MappingNode:
    """The draft without empty keys, and without receivers that no route leads to."""
    named = {name for _, name in routes.names(child(draft, "route") or draft, "receiver")}
    position, receivers = draft.pairs["receivers"]
    led_to = tuple(each for each in items(receivers) if word(child(each, "name")) in named)
    kept = {
        key: pair
        for key, pair in draft.pairs.items()
        if not isinstance(pair[1], MappingNode) or pair[1].pairs
    }
    return MappingNode(
        draft.position,
        kept | {"receivers": (position, SequenceNode(receivers.position, led_to, 0))},
        0,
    )


def _lost(
    source: Source,
    draft: MappingNode,
    talking: frozenset[str],
    platforms: Platforms,
    *,
    translated: bool,
) -> Iterator[tuple[Position, str]]:
    """The parts that are known to be lost before the relay's own check."""
    kept = {word(child(each, "name")) for each in items(child(draft, "receivers"))}
    texts = False
    for receiver in items(child(source.root, "receivers")):
        name = child(receiver, "name")
        if not chats.has_chats(receiver, platforms) or name is None:
            continue
        if word(name) not in kept:
            yield name.position, f"no route leads to {word(name)}"
            continue
        for position, text in chats.lost(receiver, platforms, translated=translated):
            texts = texts or "Jinja2" in text
            yield position, text
    yield from chats.lost_http(child(child(source.root, "global"), "http_config"))
    yield from routes.lost(child(source.root, "route") or draft)
    if word(child(child(draft, "route"), "receiver")) not in talking:
        yield source.position(("route", "receiver")), _NOTICES
    if texts and items(child(source.root, "templates")):
        yield (
            source.key_position(("templates",)),
            "templates: Go templates stay with Alertmanager (--out=DIR translates them)",
        )


def _settle(
    draft: MappingNode, source: Source, files: Files, platforms: Platforms
) -> tuple[MappingNode, list[tuple[Position, str]], list[tuple[Position, str]]]:
    """The draft without the parts that the relay's own check refuses, the faults of these, and the
    faults of parts that stay.

    Only a key of a chat or an unreachable route is left out: leaving out more would change where
    alerts go. An id or a secret that is missing, or is a placeholder, stays, so that the result
    cannot be served by mistake.
    """
    dropped: list[tuple[Position, str]] = []
    for _ in range(_ROUNDS):
        found = _wrong(draft, files, platforms)
        written = replace(source, root=draft)
        wrong = {loc: fault for loc, fault in found.items() if not _stays(loc, written)}
        if not wrong:
            missing = [(position_of(draft, loc), each.message) for loc, each in found.items()]
            return _tidy(draft), dropped, missing
        fatal = {loc: fault for loc, fault in wrong.items() if not _may_go(loc, fault, platforms)}
        if fatal:
            raise NotImported(
                tuple(
                    source.fault(position_of(draft, loc), fault.message)
                    for loc, fault in fatal.items()
                )
            )
        for loc in sorted(wrong, key=in_order, reverse=True):
            key = f"{loc[-1]}: " if isinstance(loc[-1], str) else ""
            dropped.append((position_of(draft, loc), key + wrong[loc].message))
            kept = without(draft, loc)
            draft = kept if isinstance(kept, MappingNode) else draft
    raise NotImported(
        (source.fault(source.position(()), "too little of this file can be converted"),)
    )


def _wrong(draft: Node, files: Files, platforms: Platforms) -> dict[Loc, Fault]:
    """The faults that the relay's check finds in the draft as a file, by the paths of the
    values.
    """
    data = write(plain(draft)).encode()
    config, faults = parse("relay.yml", data, platforms)
    more = resolve(config, files, "check")[1] if config else ()
    written, _ = read("relay.yml", data)
    return {
        _loc_at(written.root, fault.line - 1, fault.column - 1): fault
        for fault in (*faults, *more)
        if fault.severity == "fault"
    }


def _stays(loc: Loc, draft: Source) -> bool:
    """Whether a fault is about an id or a secret, or about a chat that lacks one."""
    match loc:
        case ("receivers", int(), str(), int()):
            return isinstance(draft.node(loc), MappingNode)
        case ("receivers", int(), str(), int(), str(key), *_) | ("global", str(key), *_):
            return key in _IDS
        case _:
            return False


def _may_go(loc: Loc, fault: Fault, platforms: Platforms) -> bool:
    match loc:
        case ("receivers", int(), str(key), int(), *_):
            return key in chats.senders(platforms)
        case ("global", str(), *_):
            return True
        case ("route", *_, "routes", int()):
            return fault.kind == "unreachable"
        case _:
            return False


def _loc_at(root: Node | None, line: int, column: int) -> Loc:
    """The path of the outermost value that begins at a position, else of the text around it."""
    around: Loc = ()
    for loc, position in _walk(root, ()):
        start = position.line, position.column
        if loc and start == (line, column):
            return loc
        if start <= (line, column) <= (position.end_line, position.end_column):
            around = loc
    return around


def _walk(node: Node | None, loc: Loc) -> Iterator[tuple[Loc, Position]]:
    if node is not None:
        yield loc, node.position
    if isinstance(node, MappingNode):
        for key, (_, value) in node.pairs.items():
            yield from _walk(value, (*loc, key))
    for index, each in enumerate(items(node)):
        yield from _walk(each, (*loc, index))


def _snippet(root: Node | None, platforms: Platforms) -> Plain:
    """The part for Alertmanager: everything goes to the relay and, if other receivers are left, to
    them as before.
    """
    before, receivers = child(root, "route"), items(child(root, "receivers"))
    name = RECEIVER
    while any(word(child(each, "name")) == name for each in receivers):
        name += "-chats"
    grouping = [key for key in routes.GROUPING if child(before, key) is not None]
    route: dict[str, Plain] = {
        "receiver": name,
        **{key: _plain(child(before, key)) for key in grouping},
    }
    if any(_has_more(each, platforms) for each in receivers):
        route["routes"] = [{"receiver": name, "continue": True}, _plain(before)]
    webhook: Plain = {"url": URL, "send_resolved": True}
    return {"route": route, "receivers": [{"name": name, "webhook_configs": [webhook]}]}


def _has_more(receiver: Node, platforms: Platforms) -> bool:
    """Whether it notifies anybody beside the chats."""
    pairs = receiver.pairs if isinstance(receiver, MappingNode) else {}
    return any(
        key.endswith("_configs") and key not in chats.senders(platforms) and items(pairs[key][1])
        for key in pairs
    )


def _plain(node: Node | None) -> Plain:
    return None if node is None else plain(node)
