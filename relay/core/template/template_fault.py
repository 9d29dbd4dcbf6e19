"""A fault of a template."""

from msgspec import Struct


class TemplateFault(Struct, frozen=True):
    """What is wrong with a template, and where; lines and columns count from 1."""

    template: str
    line: int
    column: int
    message: str
