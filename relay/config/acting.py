"""Acting in relay.yml: resolves the names of people, roles and receivers, and finds faults."""

import re
from base64 import b64encode
from collections.abc import Iterator

from relay.config.destination import Destinations
from relay.config.people import FORMS, mentioned, who
from relay.config.policy import check_name
from relay.config.report import Report
from relay.config.schema import File
from relay.config.schema_acting import Alertmanager as AlertmanagerModel
from relay.config.schema_acting import (
    ApiHttpConfig,
    BasicAuth,
    Escalate,
    HeartbeatModel,
    HttpHeader,
    Rule,
    StepConfig,
)
from relay.config.schema_receiver import Receiver
from relay.config.source import Loc
from relay.core.action.settings import (
    DAY,
    RIGHTS,
    ActingConfig,
    ActionConfig,
    ActionRule,
    AlertmanagerConfig,
    DiscordBot,
    Escalation,
    EscalationStep,
    Header,
    HeartbeatConfig,
    Person,
)
from relay.core.duration import quote
from relay.core.secret import Secret
from relay.platforms.discord.bot_config import DiscordGlobals, bot_of
from relay.platforms.scalar import nearest

_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, a token
_POLL, _EVERY, _GRACE = 45.0, 60.0, 300.0
_SHORTEST = 1.0


def acting(
    file: File,
    people: dict[str, Person],
    destinations: Destinations,
    declared: frozenset[str],
    notices: str,
    report: Report,
) -> ActingConfig:
    """The acting configuration of the file. Its faults are reported. `declared` are all receivers,
    `notices` is the one told of heartbeats that name none.
    """
    return ActingConfig(
        people=tuple(people.values()),
        actions=_actions(file, people, report),
        alertmanagers=_alertmanagers(file, destinations, report),
        escalations=_escalations(file, people, declared, report),
        heartbeats=_heartbeats(file, destinations, declared, notices, report),
        discord=_discord(file, destinations, report),
    )


def used(file: File) -> Iterator[str]:
    """The receivers that escalations and heartbeats lead to."""
    for receiver in file.receivers:
        for step in receiver.escalate.steps if receiver.escalate else ():
            yield from filter(None, (step.receiver,))
    for heartbeat in file.heartbeats:
        yield from filter(None, (heartbeat.receiver,))


def _discord(file: File, destinations: Destinations, report: Report) -> DiscordBot | None:
    """The Discord bot. Its faults are reported here, once, and not for each of its channels."""
    common: object = file.global_  # made of the globals of the platforms in use
    if not isinstance(common, DiscordGlobals):
        return None
    if common.discord_interactions == "endpoint" and file.actions is None:
        report.warn(
            ("global", "discord_interactions"), 'without "actions" there are no buttons to press'
        )
    return bot_of(common, destinations)


def _actions(file: File, people: dict[str, Person], report: Report) -> ActionConfig | None:
    said = file.actions
    if said is None:
        return None
    loc: Loc = ("actions",)
    if not said.rules:
        report.warn(loc, "there are no rules: every button is refused")
    rules = tuple(
        _rule(rule, people, (*loc, "rules", index), report) for index, rule in enumerate(said.rules)
    )
    if not file.alertmanagers and any(rule.may - {"take"} for rule in rules):
        report.warn(loc, 'silences need "alertmanagers": without it there are no silence buttons')
    _check_updates(file, report)
    default = ActionConfig(rules)
    if said.silences is not None:
        _check_silences(said.silences, (*loc, "silences"), report)
    return default if said.silences is None else ActionConfig(rules, said.silences)


def _check_silences(silences: tuple[float, ...], loc: Loc, report: Report) -> None:
    for at, seconds in enumerate(silences):
        if seconds < _SHORTEST:
            report.fault((*loc, at), "a silence lasts at least 1s")


def _check_updates(file: File, report: Report) -> None:
    """Presses are updates, so a bot of a chat with buttons must receive updates."""
    why = "actions need the bot's updates: write polling or webhook"
    if getattr(file.global_, "telegram_updates", "polling") == "none":
        report.fault(("global", "telegram_updates"), why)
    for index, receiver in enumerate(file.receivers):
        for _, below, entry in receiver.entries():
            if getattr(entry, "updates", None) == "none":
                report.fault(("receivers", index, *below, "updates"), why)


def _rule(rule: Rule, people: dict[str, Person], loc: Loc, report: Report) -> ActionRule:
    for at, word in enumerate(rule.may):
        if word not in RIGHTS:
            hint = nearest(word, RIGHTS) or ": write take, silence or silence_wide"
            report.fault((*loc, "may", at), f"unknown right {quote(word)}{hint}")
    longest = DAY if rule.longest is None else rule.longest
    if longest < _SHORTEST:
        report.fault((*loc, "longest"), "a silence lasts at least 1s")
    if not rule.who:
        report.fault((*loc, "who"), f"a rule needs somebody: {FORMS}")
    named = (who(word, people, (*loc, "who", at), report) for at, word in enumerate(rule.who))
    return ActionRule(
        tuple(each for each in named if each is not None),
        frozenset(word for word in RIGHTS if word in rule.may),
        report.matchers(rule.matchers, (*loc, "matchers")),
        longest,
        rule.who,
    )


def _alertmanagers(
    file: File, destinations: Destinations, report: Report
) -> dict[str, AlertmanagerConfig]:
    found: dict[str, AlertmanagerConfig] = {}
    for index, model in enumerate(file.alertmanagers):
        loc: Loc = ("alertmanagers", index)
        if model.source in found:
            at = (*loc, "source") if "source" in model.model_fields_set else loc
            report.fault(at, f"a second entry for source {quote(model.source)}")
        if not model.urls:
            report.lack((*loc, "urls"), "an Alertmanager needs at least one address")
        if len(set(model.urls)) < len(model.urls):
            report.warn((*loc, "urls"), "a duplicate address")
        interval = _POLL if model.poll_interval is None else model.poll_interval
        _check_shortest(interval, (*loc, "poll_interval"), report)
        found.setdefault(model.source, _alertmanager(model, interval, loc, destinations))
    return found


def _alertmanager(
    model: AlertmanagerModel, interval: float, loc: Loc, destinations: Destinations
) -> AlertmanagerConfig:
    http = destinations.http(model.http_config, loc)
    headers = tuple(_headers(model.http_config, (*loc, "http_config"), destinations))
    return AlertmanagerConfig(model.source, model.urls, interval, http, headers)


def _headers(http: ApiHttpConfig | None, loc: Loc, destinations: Destinations) -> Iterator[Header]:
    if http is None:
        return
    if http.authorization and http.basic_auth:
        destinations.fault((*loc, "basic_auth"), 'write one of "authorization" and "basic_auth"')
    if http.authorization:
        said, at = http.authorization, (*loc, "authorization")
        if said.credentials is None and said.credentials_file is None:
            destinations.lack(at, 'an authorization needs "credentials_file" or "credentials"')
        else:
            found, _ = destinations.secret(
                said.credentials, said.credentials_file, (*at, "credentials")
            )
            yield Header("Authorization", Secret(f"{said.type} {found.reveal() if found else ''}"))
    if http.basic_auth:
        yield Header("Authorization", _basic(http.basic_auth, loc, destinations))
    for name, header in http.http_headers.items():
        at = (*loc, "http_headers", name)
        if not _HEADER.fullmatch(name):
            destinations.fault(at, f"{quote(name)} is not the name of a header")
        for value in _values(header, at, destinations):
            yield Header(name, value)


def _basic(said: BasicAuth, loc: Loc, destinations: Destinations) -> Secret:
    """The `Authorization` header of RFC 7617."""
    password: Secret | None = Secret("")
    if said.password is not None or said.password_file is not None:
        at = (*loc, "basic_auth", "password")
        password, _ = destinations.secret(said.password, said.password_file, at)
    pair = f"{said.username}:{password.reveal() if password else ''}".encode()
    return Secret(f"Basic {b64encode(pair).decode()}")


def _values(header: HttpHeader, loc: Loc, destinations: Destinations) -> Iterator[Secret]:
    yield from map(Secret, header.values)
    yield from header.secrets
    for at, path in enumerate(header.files):
        value = destinations.secret_file(path, (*loc, "files", at))
        yield value or Secret("")


def _check_shortest(seconds: float, loc: Loc, report: Report) -> None:
    if seconds < _SHORTEST:
        report.fault(loc, "at least 1s")


def _escalations(
    file: File, people: dict[str, Person], declared: frozenset[str], report: Report
) -> dict[str, Escalation]:
    found: dict[str, Escalation] = {}
    for index, receiver in enumerate(file.receivers):
        if receiver.escalate is not None:
            loc: Loc = ("receivers", index, "escalate")
            said = _escalation(receiver, receiver.escalate, people, declared, loc, report)
            found.setdefault(receiver.name, said)
    _check_circles(file, found, report)
    return found


def _escalation(
    receiver: Receiver,
    said: Escalate,
    people: dict[str, Person],
    declared: frozenset[str],
    loc: Loc,
    report: Report,
) -> Escalation:
    steps, last = [], 0.0
    if not said.steps:
        report.lack((*loc, "steps"), "an escalation needs at least one step")
    for index, step in enumerate(said.steps):
        at = (*loc, "steps", index)
        if step.after <= last:
            what = "the step before" if index else "0s"
            report.fault((*at, "after"), f"a step must come later than {what}")
        last = max(last, step.after)
        steps.append(_step(step, receiver, people, declared, at, report))
    if said.repeat is not None:
        _check_shortest(said.repeat.every, (*loc, "repeat", "every"), report)
        if said.repeat.times < 0:
            report.fault((*loc, "repeat", "times"), "at least 0")
    if said.taken_for is not None:
        _check_shortest(said.taken_for, (*loc, "taken_for"), report)
    return Escalation(
        report.matchers(said.matchers, (*loc, "matchers")),
        tuple(steps),
        said.repeat.every if said.repeat else 0.0,
        said.repeat.times if said.repeat else 0,
        said.taken_for or 0.0,
    )


def _step(
    step: StepConfig,
    receiver: Receiver,
    people: dict[str, Person],
    declared: frozenset[str],
    loc: Loc,
    report: Report,
) -> EscalationStep:
    if bool(step.mention) == (step.receiver is not None):
        report.lack(loc, 'a step needs one of "mention" and "receiver"')
    if step.receiver == receiver.name:
        report.fault((*loc, "receiver"), "a step must name another receiver than its own")
    elif step.receiver is not None:
        check_name(step.receiver, declared, "receiver", (*loc, "receiver"), report)
    platforms = {platform for platform, _, _ in receiver.entries()}
    found = (
        mentioned(word, people, platforms, (*loc, "mention", index), report)
        for index, word in enumerate(step.mention)
    )
    told = tuple(each for each in found if each is not None)
    return EscalationStep(step.after, told, step.receiver or "")


def _check_circles(file: File, found: dict[str, Escalation], report: Report) -> None:
    """Reports a circle once, at the step that closes it in the order of the file."""
    names = [receiver.name for receiver in file.receivers]
    leads = {
        name: [step.receiver for step in each.steps if step.receiver not in ("", name)]
        for name, each in found.items()
    }
    reported: set[frozenset[str]] = set()
    for index, name in enumerate(names):
        for at, step in enumerate(found[name].steps if name in found else ()):
            way = _way(step.receiver, name, leads) if step.receiver in leads else None
            if way is None or frozenset(way) in reported or step.receiver == name:
                continue
            reported.add(frozenset(way))
            circle = " to ".join(map(quote, (name, *way)))
            loc = ("receivers", index, "escalate", "steps", at, "receiver")
            report.fault(loc, f"escalation in a circle: {circle}")


def _way(start: str, goal: str, leads: dict[str, list[str]]) -> tuple[str, ...] | None:
    """The receivers from `start` to `goal`, both included; None if no step leads there."""
    ways: dict[str, tuple[str, ...]] = {start: (start,)}
    for name in ways_in_order(ways, leads):
        if name == goal:
            return ways[name]
    return None


def ways_in_order(ways: dict[str, tuple[str, ...]], leads: dict[str, list[str]]) -> Iterator[str]:
    """The receivers that can be reached, the nearest first. `ways` grows with them."""
    queue = list(ways)
    while queue:
        name = queue.pop(0)
        yield name
        for after in leads.get(name, []):
            if after not in ways:
                ways[after] = (*ways[name], after)
                queue.append(after)


def _heartbeats(
    file: File,
    destinations: Destinations,
    declared: frozenset[str],
    notices: str,
    report: Report,
) -> tuple[HeartbeatConfig, ...]:
    found: dict[str, HeartbeatConfig] = {}
    for index, model in enumerate(file.heartbeats):
        loc: Loc = ("heartbeats", index)
        if model.name in found:
            report.fault((*loc, "name"), f"a second {quote(model.name)}")
        if not model.matchers:
            advice = 'such as alertname="Watchdog"'
            report.lack((*loc, "matchers"), f"a heartbeat needs matchers, {advice}")
        if model.receiver is not None:
            check_name(model.receiver, declared, "receiver", (*loc, "receiver"), report)
        heartbeat = _heartbeat(model, notices, loc, destinations, report)
        found.setdefault(model.name, heartbeat)
    return tuple(found.values())


def _heartbeat(
    model: HeartbeatModel, notices: str, loc: Loc, destinations: Destinations, report: Report
) -> HeartbeatConfig:
    every = _EVERY if model.every is None else model.every
    grace = _GRACE if model.grace is None else model.grace
    _check_shortest(every, (*loc, "every"), report)
    _check_shortest(grace, (*loc, "grace"), report)
    return HeartbeatConfig(
        model.name,
        report.matchers(model.matchers, (*loc, "matchers")),
        model.source,
        every,
        grace,
        model.by,
        model.receiver or notices,
        _ping_url(model, loc, destinations),
    )


def _ping_url(model: HeartbeatModel, loc: Loc, destinations: Destinations) -> Secret | None:
    if model.ping_url_file is None:
        return None
    at = (*loc, "ping_url_file")
    url = destinations.secret_file(model.ping_url_file, at)
    if url is not None and not re.fullmatch(r"https?://[^\s/]+\S*", url.reveal()):
        destinations.fault(at, "this file holds no address that begins with http:// or https://")
    return url
