"""Collects the faults of one file while its meaning is worked out, so that all of them are shown at
once.
"""

from typing import Literal

from msgspec.structs import replace

from relay.config.fault import Fault
from relay.config.matcher_advice import advice_on, instead_of
from relay.config.source import Loc, Position, ScalarNode, Source
from relay.core.routing.matcher import Matcher, MatcherError, parse_noting


class Report:
    """The faults found so far, with their places."""

    def __init__(self, source: Source, incomplete: frozenset[Position]) -> None:
        self.source = source
        self._incomplete = incomplete
        self.faults: list[Fault] = []

    def fault(self, loc: Loc, message: str) -> None:
        """Reports a fault of the value at `loc`."""
        self.faults.append(self.source.fault(self.source.position(loc), message))

    def unreachable(self, loc: Loc, message: str) -> None:
        """Reports that no alert reaches the route at `loc`."""
        fault = self.source.fault(self.source.position(loc), message)
        self.faults.append(replace(fault, kind="unreachable"))

    def lack(self, loc: Loc, message: str) -> None:
        """Reports that something is missing from the value at `loc`, unless a faulty key was left
        out of it.
        """
        if self.source.position(loc) not in self._incomplete:
            self.fault(loc, message)

    def warn(self, loc: Loc, message: str) -> None:
        """Reports a doubt about the key at the end of `loc`."""
        self.faults.append(self.source.fault(self.source.key_position(loc), message, "warning"))

    def missing(self, loc: Loc, message: str, severity: Literal["fault", "warning"]) -> None:
        """Reports that the thing named by the value at `loc` does not exist."""
        self.faults.append(self.source.fault(self.source.position(loc), message, severity))

    def line(self, loc: Loc) -> str:
        """FILE:LINE of the value at `loc`."""
        return f"{self.source.name}:{self.source.position(loc).line + 1}"

    def matchers(self, texts: tuple[str, ...], loc: Loc) -> tuple[Matcher, ...]:
        """The matchers of a list of texts. Invalid ones are reported, with the column inside the
        text.
        """
        found: list[Matcher] = []
        for index, text in enumerate(texts):
            at = (*loc, index)
            try:
                matchers, warning = parse_noting(text)
            except MatcherError as error:
                position = self._inside(at, error.offset)
                instead = instead_of(text)
                why = f"bad matcher: write {instead}" if instead else f"bad matcher: {error}"
                self.faults.append(self.source.fault(position, why))
                continue
            doubt = advice_on(text, matchers, warning)
            if doubt:
                self.warn(at, doubt)
            found += matchers
        return tuple(found)

    def _inside(self, loc: Loc, offset: int) -> Position:
        """The position `offset` characters into the text at `loc`, if the file has the text
        unchanged; else its start.
        """
        position, node = self.source.position(loc), self.source.node(loc)
        if (
            not isinstance(node, ScalarNode)
            or not isinstance(node.value, str)
            or position.line != position.end_line
        ):
            return position
        quotes = position.end_column - position.column - len(node.value)
        if quotes not in (0, 2):  # it has escapes
            return position
        column = position.column + quotes // 2 + offset
        return Position(position.line, column, position.line, column)
