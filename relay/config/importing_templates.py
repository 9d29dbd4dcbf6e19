"""The messages of an alertmanager.yml become template files of the relay."""

import re
from collections.abc import Mapping

from msgspec import Struct

from relay.config.fault import Fault
from relay.config.go.defaults import defaults
from relay.config.go.lexer import GoError
from relay.config.go.parser import Body, parse
from relay.config.go.translate import NotTranslated, translate
from relay.config.importing_routes import child, word
from relay.config.source import Node, ScalarNode, Source
from relay.platforms.contract import AnyPlatform

FOLDER = "templates"
_COMMENT = re.compile(r"\{#.*?#\}", re.DOTALL)
_BLOCKS = {"title": "title", "message": "card", "content": "content"}


class GoTemplates(Struct, frozen=True):
    """The definitions in the template files of an alertmanager.yml, the file of each, and their
    faults. A later definition replaces an earlier one, as in Go.
    """

    defined: dict[str, Body]
    files: dict[str, str]
    faults: tuple[Fault, ...]


def read_templates(sources: Mapping[str, str]) -> GoTemplates:
    """The templates in files, given by name (a path for people) and content."""
    defined, files = dict(defaults()), dict[str, str]()
    faults: list[Fault] = []
    for name, source in sources.items():
        try:
            found = parse(source).defined
        except GoError as error:
            faults.append(Fault(name, error.line, 1, f"not translated: {error}", "warning"))
            continue
        defined |= found
        files |= dict.fromkeys(found, name)
    return GoTemplates(defined, files, tuple(faults))


class TemplateWriter:
    """Translates the messages of entries one by one, and collects the resulting files. Equal ones
    share a file.
    """

    def __init__(self, source: Source, known: GoTemplates) -> None:
        self.files: dict[str, str] = {}
        self.faults: list[Fault] = list(known.faults)
        self._source = source
        self._known = known

    def template_of(
        self, receiver: str, entry: Node, key: str, platform: AnyPlatform
    ) -> tuple[ScalarNode, ...]:
        """The name of the template of an entry, at the position of its first message; nothing if
        the entry has none of its own.
        """
        texts = own_texts(entry, key) | self._redefined(entry, key)
        if not texts:
            return ()
        translated = {name: self._translated(node) for name, node in texts.items()}
        parts = {name: text for name, text in translated.items() if _COMMENT.sub("", text).strip()}
        if not parts:  # nothing of it could be translated, and the built-in one says more
            return ()
        text = _file(parts, alone=key == "telegram_configs")
        wanted = _extension(platform, word(child(entry, "parse_mode")))
        name = self._name(receiver, key.partition("_")[0], wanted, text)
        return (ScalarNode(next(iter(texts.values())).position, name, plain=False),)

    def _redefined(self, entry: Node, key: str) -> dict[str, ScalarNode]:
        """The parts for which Alertmanager takes its default, if a file redefines that."""
        found: dict[str, ScalarNode] = {}
        for name, block in _BLOCKS.items():
            default = default_name(key, name)
            node = child(entry, name)
            if default in self._known.files and is_default(word(node), key, name):
                position = (node or entry).position
                found[block] = ScalarNode(position, f'{{{{ template "{default}" . }}}}', plain=True)
        return found

    def _name(self, receiver: str, platform: str, extension: str, text: str) -> str:
        stem = re.sub(r"[^A-Za-z0-9]+", "-", f"{receiver}-{platform}").strip("-").lower()
        for name, other in self.files.items():
            if other == text and name.endswith(extension):
                return name
        number, name = 1, f"{stem}{extension}"
        while name in self.files:
            number += 1
            name = f"{stem}-{number}{extension}"
        self.files[name] = text
        return name

    def _translated(self, node: ScalarNode) -> str:
        line = node.position.line + 1
        text = str(node.value)
        first = line + (node.position.end_line > node.position.line and "\n" in text)
        try:
            file = parse(text)
        except GoError as error:
            self._fault(self._source.name, first + error.line - 1, f"not translated: {error}")
            return "{# not translated: see the alertmanager.yml #}"
        done = translate(file.body, self._known.defined | file.defined)
        for left in dict.fromkeys(done.left):
            self._note(left, first)
        return done.text

    def _note(self, left: NotTranslated, first: int) -> None:
        file = self._known.files.get(left.template)
        name = file or self._source.name
        line = left.line if file else first + left.line - 1
        self._fault(name, line, f"not translated: {left.source}: {left.why}")

    def _fault(self, name: str, line: int, message: str) -> None:
        self.faults.append(Fault(name, line, 1, message, "warning"))


def own_texts(entry: Node, key: str) -> dict[str, ScalarNode]:
    """The parts of an entry's message that are not Alertmanager's own, by the block that each
    becomes.
    """
    found: dict[str, ScalarNode] = {}
    for name, block in _BLOCKS.items():
        node = child(entry, name)
        text = word(node)
        if isinstance(node, ScalarNode) and text and not is_default(text, key, name):
            found[block] = node
    return found


def is_default(text: str, sender: str, key: str) -> bool:
    """Whether it is Alertmanager's own template, written out (config/notifiers.go)."""
    name = default_name(sender, key)
    return "".join(text.split()) == f'{{{{template"{name}".}}}}' or not text


def default_name(sender: str, key: str) -> str:
    """The name of Alertmanager's own template for a part of a sender's message."""
    return f"{sender.partition('_')[0]}.default.{key}"


def _file(parts: dict[str, str], *, alone: bool) -> str:
    if alone:
        return f"{parts['card'].rstrip()}\n"
    return "".join(
        f"{{% block {name} %}}{text.strip()}{{% endblock %}}\n" for name, text in parts.items()
    )


def _extension(platform: AnyPlatform, parse_mode: str) -> str:
    """The extension of the built-in template in the same markup."""
    usual = next(iter(platform.WRITINGS.values()))
    writing = platform.WRITINGS.get(parse_mode, usual) if parse_mode else usual
    return writing.template[writing.template.index(".") :]
