"""Finds where a configuration loses alerts although nothing in it is wrong."""

from collections.abc import Iterator

from msgspec.structs import replace

from relay.config.config import Config
from relay.config.fault import Fault
from relay.config.report import Report
from relay.config.resolve import ResolvedConfig
from relay.config.schema_receiver import Receiver
from relay.config.source import Loc, MappingNode, Node, Position, SequenceNode
from relay.core.duration import quote

DISCARDING = frozenset({"null", "blackhole"})
"""Names of receivers that discard on purpose, as in many an alertmanager.yml."""
_ADVICE = 'give it one, or write "discard: true" if that is meant'


def losing(config: Config, resolved: ResolvedConfig) -> tuple[Fault, ...]:
    """The faults for which `check-config` fails: no chat at all, or a receiver of last resort (the
    root route's, the one of notices, a fallback) that discards without saying so. A fallback that
    does is a fault of the file for a relay that serves it, too.

    A receiver says so by `discard: true`, or by its name (`DISCARDING`). Faulty keys, which are
    left out, count as present.
    """
    report = Report(config.source, config.incomplete)
    in_fallbacks = Report(config.source, config.incomplete)
    targets = resolved.routing.targets
    silent = {
        receiver.name
        for index, receiver in enumerate(config.file.receivers)
        if not targets.get(receiver.name)
        and not _discards(receiver)
        and not _is_incomplete(config, ("receivers", index))
    }
    if not any(targets.values()) and not _is_incomplete(config, ("receivers",)):
        report.fault(("receivers",), "no receiver has a chat: every alert would be lost")
    for name, loc, why in _last_resorts(config):
        if name in silent:
            where = in_fallbacks if loc[-1] == "fallback" else report
            where.fault(loc, f"the receiver {quote(name)} has no chat: {why} lost; {_ADVICE}")
            silent.discard(name)
    for index, receiver in enumerate(config.file.receivers):
        if receiver.name in silent:
            message = f"the receiver {quote(receiver.name)} has no chat and discards: {_ADVICE}"
            report.warn(("receivers", index, "name"), message)
    return (*(replace(fault, kind="losing") for fault in report.faults), *in_fallbacks.faults)


def _discards(receiver: Receiver) -> bool:
    return receiver.discard or receiver.name in DISCARDING


def _last_resorts(config: Config) -> Iterator[tuple[str, Loc, str]]:
    """Receivers that must not discard silently, the place that makes them so, and what they would
    lose.
    """
    file = config.file
    root, notices = file.route.receiver, file.global_.notices_receiver
    if root is not None:
        yield root, ("route", "receiver"), "alerts that no other route takes are"
    if notices is not None:
        yield notices, ("global", "notices_receiver"), "the relay's own notices are"
    for index, receiver in enumerate(file.receivers):
        at: Loc = ("receivers", index)
        said = [((), receiver), *((below, entry) for _, below, entry in receiver.entries())]
        for below, shared in said:
            if shared.fallback is not None:
                loc = (*at, *below, "fallback")
                yield shared.fallback, loc, "alerts that fall back to it are"


def _is_incomplete(config: Config, loc: Loc) -> bool:
    """Whether anything at or below a path was left out because of a fault."""
    return any(each in config.incomplete for each in _positions(config.source.node(loc)))


def _positions(node: Node | None) -> Iterator[Position]:
    if node is not None:
        yield node.position
    if isinstance(node, MappingNode):
        for _, value in node.pairs.values():
            yield from _positions(value)
    if isinstance(node, SequenceNode):
        for each in node.items:
            yield from _positions(each)
