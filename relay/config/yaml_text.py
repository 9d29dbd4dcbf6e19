"""Writes plain values as YAML that the relay's own reader, and Alertmanager's, read back as the
same values.
"""

import re

import yaml

from relay.config.source import Plain

# Other texts get quotes: a reader of YAML 1.1 may take them for a number, a date or a boolean.
_WORD = re.compile(r"[A-Za-z/_][A-Za-z0-9_./-]*(?::[A-Za-z0-9_./-]+)*")


class _Dumper(yaml.SafeDumper):
    """Indents lists in mappings, and writes no aliases."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - PyYAML's signature
        super().increase_indent(flow=flow, indentless=False)

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None if _WORD.fullmatch(text) else "'" if "\n" not in text else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


_Dumper.add_representer(str, _text)


def write(value: Plain) -> str:
    """The value as YAML, keys in their order."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
