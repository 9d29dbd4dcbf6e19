"""A fault of a template."""

from typing import Literal

from msgspec import Struct


class TemplateFault(Struct, frozen=True):
    """A fault of a template, or a `warning`, with its place. Lines and columns count from 1."""

    template: str
    line: int
    column: int
    message: str
    severity: Literal["fault", "warning"] = "fault"
