"""Fallbacks: from receiver to receiver, to an end in another chat."""

from collections.abc import Iterator, Mapping

from msgspec import Struct

from relay.config.report import Report
from relay.config.schema import File
from relay.config.source import Loc
from relay.core.duration import quote
from relay.core.routing.lane import Target


class _Fallback(Struct, frozen=True):
    """One `fallback` key: the receiver that has it, the receiver that it names, and its place."""

    of: str
    to: str
    loc: Loc


def check_fallbacks(file: File, targets: Mapping[str, tuple[Target, ...]], report: Report) -> None:
    """Reports fallbacks that lead back to their start, and those to the chat that they should
    replace. Unknown names are reported elsewhere.
    """
    said = tuple(_said(file))
    leads = {each.of: [other.to for other in said if other.of == each.of] for each in said}
    circles: set[frozenset[str]] = set()
    for each in said:
        path = _path_back(each, leads)
        if path == (each.of,):
            report.fault(each.loc, f"{quote(each.of)} cannot be its own fallback")
        elif path and frozenset(path) not in circles:
            circles.add(frozenset(path))
            names = ", ".join(map(quote, (*path, each.of)))
            report.fault(each.loc, f"these fallbacks lead in a circle: {names}")
        elif not path:
            _check_chat(each, targets, report)


def _said(file: File) -> Iterator[_Fallback]:
    for index, receiver in enumerate(file.receivers):
        loc: Loc = ("receivers", index)
        for below, shared in (((), receiver), *((b, e) for _, b, e in receiver.entries())):
            if shared.fallback is not None:
                yield _Fallback(receiver.name, shared.fallback, (*loc, *below, "fallback"))


def _path_back(begin: _Fallback, leads: Mapping[str, list[str]]) -> tuple[str, ...]:
    """The receivers from the first back to itself; empty if no way leads back."""
    visited = {begin.to}
    ways: list[tuple[str, ...]] = [(begin.of, begin.to)]
    while ways:
        way = ways.pop()
        if way[-1] == begin.of:
            return way[:-1]
        for name in leads.get(way[-1], ()):
            if name == begin.of or name not in visited:
                visited.add(name)
                ways.append((*way, name))
    return ()


def _check_chat(
    fallback: _Fallback, targets: Mapping[str, tuple[Target, ...]], report: Report
) -> None:
    """Reports a fallback to the same chat, which accepts no messages for another receiver
    either.
    """
    own = {
        target.lane
        for target in targets.get(fallback.of, ())
        if target.policy.fallback == fallback.to
    }
    others = {target.lane for target in targets.get(fallback.to, ())}
    if others and own and others <= own:
        report.warn(
            fallback.loc,
            f"{quote(fallback.to)} leads to the same chat: name a receiver with another chat",
        )
