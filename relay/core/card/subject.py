"""The subject of an alert: the labels that name the thing that is ill, not the exporter that
reported it. One function, `subject`, serves heads, lines, replies, digests, notices, links and the
answers of the bot.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from functools import lru_cache
from typing import Protocol

from msgspec import Struct

from relay.core.alert import Labels
from relay.core.card.exporter import scraped, shown_value
from relay.core.label_names import (
    KUBE,
    LAST_PART,
    MACHINE,
    MANNER,
    MEASURING,
    NEVER,
    OTHER,
    PART,
    PLACE,
    SERVICE,
    THING,
    is_named_by,
    tier,
)
from relay.core.text.richtext import clean

_NAMED = frozenset({"alertname", "severity"})  # the head of the card shows them
_ALIASES = ("instance", "nodename", "host", "hostname", "host_name", "instance_name")
# Labels of the scraped target, used if the labels say nothing else.
_LAST_RESORT = ("service", "job", "pod", "container", "instance", "namespace", "endpoint", "id")
_DIGITS = re.compile(r"([0-9]{1,15})")
_NUMBER = re.compile(r"[-+0-9.,eE%]{1,30}")
_LONGEST = 60  # characters of a value; a longer one loses its middle
_LONGEST_SEVERITY = 20
_MOST_WHO, _MOST_PARTS, _MOST_WHERE = 3, 2, 3
_ALL_REMEMBERED = 2000  # characters of the labels of an alert whose subject is remembered
_MOST_GROUPED = 4  # labels: those of a group made by more of them say nothing


class Labelled(Protocol):
    """An alert in the form of a card or of a view."""

    @property
    def labels(self) -> Labels:
        """Its labels."""
        ...

    @property
    def annotations(self) -> Labels:
        """Its annotations."""
        ...


class Subject(Struct, frozen=True):
    """The subject of an alert, or of all alerts of a card, as short values of one line. `what` are
    the alert names, each once; `who` is ill, `where` it is; `rest` are further labels as
    `name=value` that tell it from others.
    """

    what: tuple[str, ...]
    who: tuple[str, ...]
    where: tuple[str, ...]
    rest: tuple[str, ...] = ()

    @property
    def telling(self) -> str:
        """The most telling value; empty when there is none."""
        return next(iter((*self.who, *self.where, *self.rest)), "")

    @property
    def values(self) -> tuple[str, ...]:
        """All values in their order."""
        return (*self.who, *self.where, *self.rest)


def subject(
    alerts: Sequence[Labelled], group: Mapping[str, str] | None = None, ignores: Iterable[str] = ()
) -> Subject:
    """The subject that all the alerts share. `group` are the labels by which their group is made;
    labels named by `ignores` make no difference.
    """
    if not alerts:
        return Subject((), (), ())
    if len(alerts) > 1:
        return _shared(alerts, group or {}, ignores)
    labels = alerts[0].labels
    told = (tuple(labels.items()), tuple(group or ()), frozenset(ignores))
    few = sum(map(len, labels)) + sum(map(len, labels.values())) <= _ALL_REMEMBERED
    return _single(*told) if few else _single.__wrapped__(*told)


@lru_cache(maxsize=512)  # a card is told several times
def _single(
    labels: tuple[tuple[str, str], ...], group: tuple[str, ...], ignores: frozenset[str]
) -> Subject:
    """The subject of one alert."""
    return _shared((_Labelled(dict(labels)),), dict.fromkeys(group, ""), ignores)


def _shared(
    alerts: Sequence[Labelled], group: Mapping[str, str], ignores: Iterable[str]
) -> Subject:
    names = dict.fromkeys(one_line(alert.labels.get("alertname", "")) for alert in alerts)
    first = alerts[0].labels
    others = alerts[1:]
    common = {
        name
        for name, value in first.items()
        if value and (not others or all(alert.labels.get(name) == value for alert in others))
    }
    # A label that is the exporter's on one alert is so on all of them: a card has one kind of head.
    aside = frozenset[str]().union(*[scraped(alert.labels) for alert in alerts])
    by = set(group) if len(group) <= _MOST_GROUPED else set()
    made = _made(first, common - aside, set(ignores), by)
    if not made.values and len(alerts) == 1:
        made = _made(first, common, set(ignores), by)
    return Subject(tuple(names), made.who, made.where, made.rest)


def differences(alerts: Sequence[Labelled], ignores: Iterable[str] = ()) -> list[Subject]:
    """For each alert of a group the values that it does not share with all others; empty for a
    single alert.
    """
    if len(alerts) == 1:
        return [Subject((one_line(alerts[0].labels.get("alertname", "")),), (), ())]
    ignored = set(ignores)
    common = {
        name
        for name, value in (alerts[0].labels.items() if alerts else ())
        if all(alert.labels.get(name) == value for alert in alerts)
    }
    told = [
        _made(alert.labels, alert.labels.keys() - common - scraped(alert.labels), ignored, set())
        for alert in alerts
    ]
    seen: dict[tuple[str, ...], int] = {}
    for alert, made in zip(alerts, told, strict=True):
        key = (alert.labels.get("alertname", ""), *made.values)
        seen[key] = seen.get(key, 0) + 1
    result: list[Subject] = []
    for alert, made in zip(alerts, told, strict=True):
        name = one_line(alert.labels.get("alertname", ""))
        alike = seen[(alert.labels.get("alertname", ""), *made.values)] > 1
        full = made
        if alike or not made.values:
            full = _scraped_too(alert.labels, common, ignored, made)
        result.append(Subject((name,), full.who, full.where, full.rest))
    return _copies(alerts, told, result, common | ignored)


def _copies(
    alerts: Sequence[Labelled], told: Sequence["_Made"], lines: list[Subject], aside: Set[str]
) -> list[Subject]:
    """The lines, with the replica named in those that would read the same, and without the
    exporter's labels, which tell nothing apart.
    """
    seen = Counter((line.what, line.values) for line in lines)
    for at, (alert, made) in enumerate(zip(alerts, told, strict=True)):
        line = lines[at]
        if seen[line.what, line.values] > 1:
            names = sorted((NEVER - _NAMED - aside) & alert.labels.keys())
            rest = tuple(f"{name}={short(alert.labels[name])}" for name in names)
            if rest:
                lines[at] = Subject(line.what, made.who, made.where, (*made.rest, *rest))
    return lines


def who(labels: Labels) -> str:
    """The name of the label that says who is ill; empty if there is none."""
    left = [name for name in labels if labels[name] and name not in scraped(labels)]
    found = sorted((tier(name), name) for name in left if tier(name)[0] <= MACHINE)
    return found[0][1] if found else ""


def where(labels: Labels) -> str:
    """The most telling label value for the place of an alert; empty if there is none."""
    return subject((_Labelled(labels),)).telling


class _Labelled(Struct, frozen=True):
    labels: Labels
    annotations: Labels = {}


def natural(value: str) -> tuple[tuple[int, str], ...]:
    """A sort key in which `node-2` stands before `node-10`."""
    parts = _DIGITS.split(value[: _LONGEST * 4])
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in parts if part)


def one_line(value: str) -> str:
    """The value without line breaks, for a place that has room for one line."""
    return value if value.isprintable() else " ".join(clean(value).split())


def short(value: str, limit: int = _LONGEST) -> str:
    """The value on one line; a long one without its middle."""
    if len(value) <= limit and value.isprintable():
        return value
    line = one_line(value[: 4 * limit] + value[-limit:] if len(value) > 5 * limit else value)
    if len(line) <= limit:
        return line
    end = limit // 2 - 1
    return f"{line[: limit - end - 1]}…{line[-end:]}"


def severity_word(severity: str) -> str:
    """The word of a severity on one line, shortened in its middle, since the name and who is ill
    stand behind it.
    """
    return short(severity.strip(), _LONGEST_SEVERITY)


class _Made(Struct, frozen=True):
    who: tuple[str, ...] = ()
    where: tuple[str, ...] = ()
    rest: tuple[str, ...] = ()

    @property
    def values(self) -> tuple[str, ...]:
        return (*self.who, *self.where, *self.rest)


def _made(labels: Labels, names: Iterable[str], ignores: set[str], group: set[str]) -> _Made:
    """The labels of those names, each in the place where it tells most."""
    alert = labels.get("alertname", "")
    ranked = sorted(
        [
            (_rank(alert, name, labels[name]), name)
            for name in names
            if labels.get(name) and name not in NEVER and name not in ignores
        ]
    )
    by_tier: dict[int, list[str]] = {}
    for (kind, _), name in ranked:
        by_tier.setdefault(kind, []).append(name)
    chosen = _chosen(by_tier)
    places = [*by_tier.get(PLACE, ())]
    if not chosen and not places:
        chosen = [name for name in by_tier.get(MANNER, ()) if name not in MEASURING][:1]
    if group:
        aside = {*chosen, *places, "job"}
        places += [name for _, name in ranked if name in group and name not in aside]
    told_where = [name for name in places if name not in chosen][:_MOST_WHERE]
    told: list[str] = []
    at: list[str] = []
    rest: list[str] = []
    for name in chosen:
        value = _named(labels, name)
        if value in told:
            rest.append(f"{name}={value}")
        else:
            told.append(value)
    for name in told_where:
        value = _named(labels, name)
        if value in at:
            rest.append(f"{name}={value}")
        else:
            at.append(value)
    shown = {*chosen, *told_where}
    last = chosen[-1] if chosen else ""
    machine = next((name for name in chosen if tier(name)[0] == MACHINE), last)
    for (kind, _), name in ranked:
        if name in shown:
            continue
        # Of one label only: between two values nobody would see which one changed.
        twin = machine if name in _ALIASES else last if kind == SERVICE else ""
        value = shown_value(labels, name)
        if not twin or value != shown_value(labels, twin):
            rest.append(f"{one_line(name)}={short(value)}")
    return _Made(tuple(told), tuple(at), tuple(rest))


def _rank(alert: str, name: str, value: str) -> tuple[int, int]:
    """How telling a label is. One that nobody knows names a part of the thing if the alert's name
    speaks of it.
    """
    known = tier(name)
    if known[0] == OTHER and not _NUMBER.fullmatch(value) and is_named_by(alert, name):
        return LAST_PART
    return known


def _named(labels: Labels, name: str) -> str:
    """The value as a head shows it: a bare number with the name of its label."""
    value = short(shown_value(labels, name))
    return f"{one_line(name)}={value}" if value.isdecimal() else value


def _chosen(by_tier: dict[int, list[str]]) -> list[str]:
    """The labels that say who is ill: a thing of Kubernetes or another thing, or the machine, and
    its part.
    """
    kube, things = by_tier.get(KUBE, []), by_tier.get(THING, [])
    machines, parts = by_tier.get(MACHINE, []), by_tier.get(PART, [])
    most = 1 if "mountpoint" in parts else _MOST_PARTS  # its device says nothing more
    found = [*kube[:2], *things[: 1 if kube else 2], *(() if kube else machines[:1])]
    found = [*found, *parts[:most]][:_MOST_WHO]
    if not found:
        others = by_tier.get(OTHER, [])
        found = others[:2] if others else by_tier.get(SERVICE, [])[:1]
        if others and by_tier.get(SERVICE):
            found = [by_tier[SERVICE][0], *others[:1]]
    return found


def _scraped_too(labels: Labels, common: Set[str], ignores: set[str], made: _Made) -> _Made:
    """Labels of the scraped target that are shown nevertheless: the alerts differ in nothing but
    their exporter or replica.
    """
    left = [
        name
        for name in _LAST_RESORT
        if labels.get(name) and name not in common and name not in ignores
    ]
    shown = [f"{name}={short(labels[name])}" for name in left]
    new = [
        text for text in shown if text not in made.rest and text.partition("=")[2] not in made.who
    ]
    if made.values:
        return _Made(made.who, made.where, (*made.rest, *new))
    return _Made(tuple(short(labels[name]) for name in left[:1]), (), tuple(new[1:]))
