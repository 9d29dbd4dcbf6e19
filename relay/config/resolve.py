"""Resolves a configuration: looks up every name and finds every fault of meaning."""

from collections.abc import Iterator

from msgspec import Struct

from relay.config import acting
from relay.config.config import Config
from relay.config.destination import Destinations, Mode, is_foreign
from relay.config.fallbacks import check_fallbacks
from relay.config.fault import Fault, faulty
from relay.config.files import Files
from relay.config.people import people_of
from relay.config.policy import KnownNames, check_ignores, check_name, personal
from relay.config.report import Report
from relay.config.schema import File, RouteTest
from relay.config.schema import Period as PeriodConfig
from relay.config.schema import Retention as RetentionConfig
from relay.config.schema import Route as RouteConfig
from relay.config.schema_receiver import Receiver
from relay.config.source import Loc
from relay.config.template_uses import TemplateCheck
from relay.config.tree import RouteTreeBuilder
from relay.core.action.settings import ActingConfig
from relay.core.bot.account import Bot
from relay.core.budget import Limits, Rate
from relay.core.duration import quote
from relay.core.retention import Retention
from relay.core.routing.explain import reached
from relay.core.routing.interval import Period, TimeInterval
from relay.core.routing.lane import LaneKey, Policy, Target
from relay.core.routing.route import Route, Routing, differing, walk
from relay.core.template.built_in import BUILT_IN, LENDING
from relay.platforms.contract import Platforms


class ResolvedConfig(Struct, frozen=True):
    """A configuration with its names resolved. It may still have faults; `template_check` is the
    check of its templates, which is still to be done.

    `platforms` are those in use, `personal` is the policy of chats that subscribe. `tests` is the
    number of tests in the file.
    """

    platforms: Platforms
    routing: Routing
    limits: Limits
    intervals: dict[str, TimeInterval]
    retention: Retention
    notices_receiver: str
    bots: tuple[Bot, ...]
    personal: Policy
    tests: int
    template_check: TemplateCheck
    acting: ActingConfig
    sha256: str


def resolve(config: Config, files: Files, mode: Mode) -> tuple[ResolvedConfig, tuple[Fault, ...]]:
    """The meaning of the configuration, and all its faults except those of its templates.

    Mode `check` is for a machine without the secrets: a missing secret file is only a warning.
    """
    file, report = config.file, Report(config.source, config.incomplete)
    people = people_of(file, report)
    names = KnownNames(
        config.declared,
        _intervals(file, report),
        frozenset({*files.builtin, *files.templates}),
        people,
    )
    _check_twice(file, report)
    _check_patterns(file, files, report)
    check_ignores(file.global_.identity_ignores, ("global", "identity_ignores"), report)
    destinations = Destinations(file, files, mode, names, report)
    targets = {
        receiver.name: destinations.targets(receiver, ("receivers", index))
        for index, receiver in enumerate(file.receivers)
    }
    notices = _notices(file, names, report)
    _check_shared(file, targets, report)
    _check_last_resort(file, targets, report)
    check_fallbacks(file, targets, report)
    _check_discards(file, targets, report)
    root = _routes(config, names, notices, report)
    draft = ResolvedConfig(
        platforms=file.platforms,
        routing=Routing(root, targets),
        limits=_limits(file),
        intervals=names.intervals,
        retention=_retention(file.retention),
        notices_receiver=notices,
        bots=tuple(destinations.bots.values()),
        personal=personal(file),
        tests=len(file.tests),
        template_check=_template_check(files, targets, personal(file), mode),
        acting=acting.acting(file, people, destinations, config.declared, notices, report),
        sha256=config.sha256,
    )
    return draft, tuple(report.faults)


def _template_check(
    files: Files, targets: dict[str, tuple[Target, ...]], own: Policy, mode: Mode
) -> TemplateCheck:
    """The templates to check. For serving, built-in templates that nobody uses are not compiled,
    and those used in their own markup are not tried: the project's tests show that they work.
    """
    policies = [own, *(target.policy for each in targets.values() for target in each)]
    uses = dict.fromkeys(
        (policy.template, policy.markup)
        for policy in policies[1:]
        if not is_foreign(policy.template, policy.markup, files)  # another fault reports that
    )
    builtin = files.builtin
    if mode == "serve":
        used = {policy.template for policy in policies}.union(LENDING)
        builtin = {name: source for name, source in builtin.items() if name in used}
        uses = {
            use: None for use in uses if use[0] in files.templates or BUILT_IN.get(use[0]) != use[1]
        }
    return TemplateCheck(tuple(builtin.items()), tuple(files.templates.items()), tuple(uses))


def _routes(config: Config, names: KnownNames, notices: str, report: Report) -> Route:
    """Checks the tree. Checks of the whole tree are made only if all of it was understood, tests as
    far as they do not depend on the rest.
    """
    tree, before = RouteTreeBuilder(names, report), len(report.faults)
    root = tree.build(config.file.route)
    understood = not faulty(tuple(report.faults[before:]))
    judged = tree.sound and config.routes_whole and config.file.route.receiver is not None
    for index, test in _sound_tests(config.file, names, report):
        if judged and (understood or test.at is None):
            _run_test(index, test, root, names, report)
    if not config.routes_whole:
        return root
    if config.file.route.receiver is None:
        report.lack(
            ("route",), 'missing key "receiver": it gets the alerts that no other route matches'
        )
        return root
    if tree.sound:
        tree.check_reach(root)
    if understood:
        _check_used(config.file, {*_named(config.file.route), notices}, report)
    return root


def _named(route: RouteConfig) -> Iterator[str]:
    yield from filter(None, (route.receiver,))
    for child in route.routes:
        yield from _named(child)


def _check_twice(file: File, report: Report) -> None:
    _once("receivers", [receiver.name for receiver in file.receivers], report)
    _once("time_intervals", [interval.name for interval in file.time_intervals], report)


def _once(key: str, names: list[str], report: Report) -> None:
    seen: dict[str, Loc] = {}
    for index, name in enumerate(names):
        loc = (key, index, "name")
        if name in seen:
            report.fault(loc, f"a second {quote(name)}: the first is at {report.line(seen[name])}")
        seen.setdefault(name, loc)


def _check_patterns(file: File, files: Files, report: Report) -> None:
    for index, pattern in enumerate(file.templates):
        if pattern in files.problems:
            report.fault(("templates", index), f"{pattern}: {files.problems[pattern]}")


def _notices(file: File, names: KnownNames, report: Report) -> str:
    name = file.global_.notices_receiver
    if name is not None:
        check_name(name, names.receivers, "receiver", ("global", "notices_receiver"), report)
    return name or file.route.receiver or ""


def _check_last_resort(file: File, targets: dict[str, tuple[Target, ...]], report: Report) -> None:
    """Reports a receiver of last resort (the root route's, the one of notices) whose chats do not
    take every label value.
    """
    places: dict[str, Loc] = {file.route.receiver or "": ("route", "receiver")}
    places.setdefault(file.global_.notices_receiver or "", ("global", "notices_receiver"))
    for name, loc in places.items():
        found = targets.get(name, ())
        if found and not any(
            all(matcher.op == "!=" for matcher in target.when) for target in found
        ):
            message = (
                f'every chat of {quote(name)} is chosen by a label: one needs a "default", as '
                f"the last resort"
            )
            report.fault(loc, message)


def _check_discards(file: File, targets: dict[str, tuple[Target, ...]], report: Report) -> None:
    for index, receiver in enumerate(file.receivers):
        if receiver.discard and targets[receiver.name]:
            message = f"the receiver {quote(receiver.name)} has chats: it cannot discard"
            report.fault(("receivers", index, "discard"), message)


def _check_shared(file: File, targets: dict[str, tuple[Target, ...]], report: Report) -> None:
    """Warns if two receivers share a chat and their `per` differs. A shared chat shows the alerts
    of both on one card of their group, unless one of them wants a card for each alert.
    """
    first: dict[LaneKey, Target] = {}
    for index, receiver in enumerate(file.receivers):
        for target in targets.get(receiver.name, ()):
            other = first.setdefault(target.lane, target)
            if other.policy.per != target.policy.per:
                report.warn(
                    ("receivers", index, "name"),
                    f"{quote(receiver.name)} and {quote(other.policy.receiver)} share a chat, and"
                    f" `per` differs: some alerts have cards of their own there, others share one",
                )


def _check_used(file: File, used: set[str], report: Report) -> None:
    used |= set(acting.used(file))
    used |= {fallback for receiver in file.receivers for fallback in _fallbacks(receiver)}
    for index, receiver in enumerate(file.receivers):
        if receiver.name not in used:
            report.warn(
                ("receivers", index, "name"),
                f"no route leads to the receiver {quote(receiver.name)}",
            )


def _fallbacks(receiver: Receiver) -> Iterator[str]:
    for said in (receiver, *(entry for _, _, entry in receiver.entries())):
        if said.fallback is not None:
            yield said.fallback


def _sound_tests(file: File, names: KnownNames, report: Report) -> Iterator[tuple[int, RouteTest]]:
    """The file's own tests that can be run, with their numbers."""
    for index, test in enumerate(file.tests):
        loc = ("tests", index)
        known = [
            check_name(name, names.receivers, "receiver", (*loc, "receivers", at), report)
            for at, name in enumerate(test.receivers)
        ]
        if test.muted and test.at is None:
            report.lack((*loc, "muted"), '"muted" needs "at", the time of the test')
        elif all(known):
            yield index, test


def _run_test(index: int, test: RouteTest, root: Route, names: KnownNames, report: Report) -> None:
    """Runs one test. The order of receivers does not count."""
    wrong = _test_result(test, root, names.intervals)
    if wrong:
        message = f"test {quote(test.name)} failed: the alert {wrong}"
        report.fault(("tests", index, "receivers"), message)


def _test_result(test: RouteTest, root: Route, intervals: dict[str, TimeInterval]) -> str:
    """How the receivers differ from the expected ones; empty if they do not."""
    if test.at is None:
        return differing((route.receiver for route in walk(root, test.labels)), test.receivers)
    found = reached(root, test.labels, intervals, test.at)
    wrong = differing(
        (each.receiver for each in found if bool(each.muted) == test.muted), test.receivers
    )
    others = "; ".join(f"{each.receiver} is {each.muted}" for each in found if each.muted)
    if not wrong:
        return ""
    return f"{wrong} at that time; {others or 'nothing is muted'}"


def _limits(file: File) -> Limits:
    found: dict[str, dict[str, Rate]] = {}
    for name, platform in file.platforms.items():
        said = getattr(file.limits, name)
        rates = {key: getattr(said, key) for key in platform.RATES}
        found[name] = {key: rate for key, rate in rates.items() if rate is not None}
    return Limits({name: rates for name, rates in found.items() if rates})


def _retention(config: RetentionConfig) -> Retention:
    default = Retention()
    return Retention(
        default.seconds if config.time is None else config.time,
        default.bytes if config.size is None else config.size,
    )


def _intervals(file: File, report: Report) -> dict[str, TimeInterval]:
    for index, interval in enumerate(file.time_intervals):
        for at, period in enumerate(interval.time_intervals):
            for number, times in enumerate(period.times):
                if times.start_time >= times.end_time:
                    loc = ("time_intervals", index, "time_intervals", at, "times", number)
                    report.fault(
                        loc, "end_time is not after start_time: write a night as two entries"
                    )
    return {
        interval.name: TimeInterval(interval.name, tuple(map(_period, interval.time_intervals)))
        for interval in file.time_intervals
    }


def _period(config: PeriodConfig) -> Period:
    return Period(
        minutes=tuple((times.start_time, times.end_time) for times in config.times),
        weekdays=config.weekdays,
        days=config.days_of_month,
        months=config.months,
        years=config.years,
        zone=config.location,
    )
