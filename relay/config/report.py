"""Gathers the faults of one file while its meaning is worked out, so that all of them are shown at
once.
"""

from typing import Literal

from relay.config.fault import Fault
from relay.config.source import Leaf, Loc, Place, Source
from relay.core.routing.matcher import Matcher, MatcherError, parse_noting


class Report:
    """The faults found so far, and what there is to say where they stand."""

    def __init__(self, source: Source, torn: frozenset[Place]) -> None:
        self.source = source
        self._torn = torn
        self.faults: list[Fault] = []

    def fault(self, loc: Loc, message: str) -> None:
        """Something is wrong with the value at `loc`."""
        self.faults.append(self.source.fault(self.source.place(loc), message))

    def lack(self, loc: Loc, message: str) -> None:
        """Something is missing from the value at `loc`, unless that is because a faulty key was
        left out of it.
        """
        if self.source.place(loc) not in self._torn:
            self.fault(loc, message)

    def warn(self, loc: Loc, message: str) -> None:
        """Something is doubtful at the key that ends `loc`."""
        self.faults.append(self.source.fault(self.source.key_place(loc), message, "warning"))

    def missing(self, loc: Loc, message: str, severity: Literal["fault", "warning"]) -> None:
        """What the value at `loc` names is not there."""
        self.faults.append(self.source.fault(self.source.place(loc), message, severity))

    def line(self, loc: Loc) -> str:
        """FILE:LINE of the value at `loc`."""
        return f"{self.source.name}:{self.source.place(loc).line + 1}"

    def matchers(self, texts: tuple[str, ...], loc: Loc) -> tuple[Matcher, ...]:
        """The matchers of a list of texts; those that are none are reported, with the column inside
        the text.
        """
        found: list[Matcher] = []
        for index, text in enumerate(texts):
            at = (*loc, index)
            try:
                matchers, warning = parse_noting(text)
            except MatcherError as error:
                place = self._inside(at, error.offset)
                self.faults.append(self.source.fault(place, f"bad matcher: {error}"))
                continue
            if warning:
                self.warn(at, warning)
            found += matchers
        return tuple(found)

    def _inside(self, loc: Loc, offset: int) -> Place:
        """`offset` characters into the text at `loc`, where the file has the text as it is; else
        where it begins.
        """
        place, node = self.source.place(loc), self.source.node(loc)
        if (
            not isinstance(node, Leaf)
            or not isinstance(node.value, str)
            or place.line != place.end_line
        ):
            return place
        quotes = place.end_column - place.column - len(node.value)
        if quotes not in (0, 2):  # escapes in it
            return place
        column = place.column + quotes // 2 + offset
        return Place(place.line, column, place.line, column)
