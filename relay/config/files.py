"""The files that a configuration names, and their contents."""

from collections.abc import Iterator

from msgspec import Struct

from relay.config.fault import Fault
from relay.config.schema import File
from relay.config.schema_acting import secret_files as acting_files
from relay.core.secret import Secret
from relay.core.template.template_fault import TemplateFault
from relay.platforms.entry import HttpConfig


class FileNames(Struct, frozen=True):
    """The files of a configuration, as it names them: secret files, template patterns, certificate
    files.
    """

    secrets: frozenset[str]
    templates: tuple[str, ...]
    certificates: frozenset[str]


class Files(Struct, frozen=True):
    """The files that were read. Keys are the names in the configuration; white space around secrets
    is removed.

    `templates` are sources by file name, `builtin` the built-in ones, `paths` their paths.
    `problems` tells why a secret file, pattern or certificate is missing. Relative names begin in
    `folder`.
    """

    folder: str = ""
    secrets: dict[str, Secret] = {}
    templates: dict[str, str] = {}
    builtin: dict[str, str] = {}
    paths: dict[str, str] = {}
    problems: dict[str, str] = {}

    def path(self, name: str) -> str:
        """The path of a file that the configuration names; empty for an empty name."""
        return name if not name or name.startswith("/") else f"{self.folder}/{name}"

    def located(self, fault: TemplateFault) -> Fault:
        """The fault of a template with the path of its file."""
        name = fault.template
        lines = self.templates.get(name, self.builtin.get(name, "")).splitlines()
        excerpt = lines[fault.line - 1] if 0 < fault.line <= len(lines) else ""
        return Fault(
            self.paths.get(name, name),
            fault.line,
            fault.column,
            fault.message,
            fault.severity,
            excerpt,
        )


def file_names(file: File) -> FileNames:
    return FileNames(frozenset(_secrets(file)), file.templates, frozenset(_certificates(file)))


def _secrets(file: File) -> Iterator[str]:
    for platform in file.platforms.values():
        yield from platform.global_secret_files(file.global_)
    for receiver in file.receivers:
        for name, _, entry in receiver.entries():
            yield from file.platforms[name].secret_files(entry)
    yield from acting_files(file.alertmanagers, file.heartbeats)


def _certificates(file: File) -> Iterator[str]:
    configs: list[HttpConfig | None] = [file.global_.http_config]
    for receiver in file.receivers:
        configs += [entry.http_config for _, _, entry in receiver.entries()]
    configs += [each.http_config for each in file.alertmanagers]
    for config in filter(None, configs):
        tls = config.tls_config
        yield from filter(None, (tls.ca_file, tls.cert_file, tls.key_file))
