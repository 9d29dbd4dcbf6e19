"""Tries what a person typed into the console in a separate process: a template with an alert, a
configuration with stored payloads. Nothing in force changes.

`python -m relay.settings.playground` is the process: it reads a request from standard input and
writes the answer to standard output, both as msgpack. Time and memory are bounded as for the check
of templates.
"""

import sys
from collections.abc import Callable, Iterator

import msgspec
from msgspec import Struct

from relay.config.config import parse
from relay.config.fault import Fault, faulty
from relay.config.files import Files, file_names
from relay.config.losing import losing
from relay.config.resolve import ResolvedConfig, resolve
from relay.config.template_check import together
from relay.config.template_uses import Sources, TemplateCheck
from relay.core.alert import Notification
from relay.core.card.view import View
from relay.core.routing.diff import CountedAlert, ReceiverChange, Recorded, RoutingSide, diff
from relay.core.routing.lane import Policy
from relay.core.template import sample, template
from relay.core.template.preview import views
from relay.core.template.template import Templates, check, render, warnings
from relay.core.template.template_fault import TemplateFault
from relay.core.text.markup import MarkupName
from relay.core.text.message import Message
from relay.platforms import PLATFORMS
from relay.settings.bounded import Bounds, bound_memory, bound_time, output_of

NAME = "playground.j2"
MOST_SHOWN = 5  # cards of one payload
_BOUNDS = Bounds(seconds=15, mebibytes=512, patience=40.0)
_NOT_READ = "not read for a comparison"


class TryTemplate(Struct, frozen=True, tag="template"):
    """Asks for the messages that a template makes on each platform that accepts its markup: of a
    sample, or of a payload (a notification, encoded as JSON) at `now` (Unix seconds).
    """

    source: str
    markup: MarkupName
    builtin: Sources
    language: str
    timezone: str
    now: float
    sample: str = ""
    payload: bytes = b""


class Made(Struct, frozen=True):
    """A message as a platform would get it. `failed` says why the template did not make it."""

    platform: str
    message: Message
    failed: str = ""


class TemplateTried(Struct, frozen=True, tag="template_tried"):
    """The faults of the template, and the messages that it made."""

    faults: tuple[TemplateFault, ...]
    made: tuple[Made, ...]


class TryConfig(Struct, frozen=True, tag="config"):
    """Asks for the differences that a new configuration makes for payloads (each a notification,
    encoded as JSON, with its time of acceptance). Of the files that the two configurations name
    only `templates` exist, by file name.
    """

    file: str
    old: bytes
    new: bytes
    builtin: dict[str, str]
    templates: dict[str, str]
    payloads: tuple[tuple[float, bytes], ...]


class ConfigTried(Struct, frozen=True, tag="config_tried"):
    """The faults of the new file, or its differences for the payloads: `nobody` would reach nobody
    any more; `unmatched` routes took none; `busy` chats would get more in a minute than they take.
    """

    faults: tuple[Fault, ...]
    compared: bool = False
    payloads: int = 0
    alerts: int = 0
    names: int = 0
    changes: tuple[ReceiverChange, ...] = ()
    nobody: tuple[CountedAlert, ...] = ()
    unmatched: tuple[str, ...] = ()
    busy: tuple[str, ...] = ()


class Ended(Struct, frozen=True, tag="ended"):
    """The process gave no answer: it exceeded its limits, or did not start."""


PlaygroundRequest = TryTemplate | TryConfig
Answer = TemplateTried | ConfigTried | Ended
_answer: Callable[[bytes], Answer] = msgspec.msgpack.Decoder(Answer).decode


def carry_out(attempt: PlaygroundRequest) -> Answer:
    """The answer of a separate process. Called from a thread, since it may take the whole time."""
    request = msgspec.msgpack.encode(attempt)
    try:
        return _answer(output_of("relay.settings.playground", request, _BOUNDS.patience))
    except (OSError, msgspec.DecodeError):
        return Ended()


def answer(attempt: PlaygroundRequest) -> TemplateTried | ConfigTried:
    """The answer, made in this process."""
    match attempt:
        case TryTemplate():
            return _template(attempt)
        case TryConfig():
            return _config(attempt)


def _template(attempt: TryTemplate) -> TemplateTried:
    own = ((NAME, attempt.source),)
    templates = together(TemplateCheck(attempt.builtin, own))
    if NAME not in templates.by_name:
        return TemplateTried(template.compile(dict(own))[1], ())
    faults = (
        *check(templates, NAME, attempt.markup),
        *warnings(templates, NAME, attempt.markup),
    )
    made = tuple(messages(templates, NAME, attempt))
    return TemplateTried(tuple(dict.fromkeys(faults)), made)


def messages(templates: Templates, name: str, attempt: TryTemplate) -> Iterator[Made]:
    """The messages that the template of that name makes of the attempt's sample or payload."""
    policy = Policy(
        "playground", name, attempt.markup, language=attempt.language, timezone=attempt.timezone
    )
    for platform in _platforms(attempt.markup):
        form = PLATFORMS[platform].FORM
        for view in _views(attempt, policy):
            rendered = render(templates, policy, view, "card", None, form)
            yield Made(platform, rendered.message, rendered.failed)


def _views(attempt: TryTemplate, policy: Policy) -> Iterator[View]:
    if not attempt.payload:
        yield sample.VIEWS[attempt.sample]
        return
    told = msgspec.json.decode(attempt.payload, type=Notification)
    for at, view in enumerate(views((told,), policy, (), attempt.now)):
        if at < MOST_SHOWN:
            yield view


def _platforms(markup: MarkupName) -> tuple[str, ...]:
    """The platforms that accept this markup."""
    match markup:
        case "discord":
            return ("discord",)
        case "markdownv2" | "markdown":
            return ("telegram",)
        case _:
            return tuple(PLATFORMS)


def _config(attempt: TryConfig) -> ConfigTried:
    new, faults = _resolved(attempt, attempt.new)
    old, wrong = _resolved(attempt, attempt.old)
    if new is None or faulty(faults):
        return ConfigTried(faults)
    if old is None or faulty(wrong):
        return ConfigTried((*faults, *(each for each in wrong if each.severity == "fault")))
    found = diff(_side(old), _side(new), _recorded(attempt))
    return ConfigTried(
        faults=faults,
        compared=True,
        payloads=found.payloads,
        alerts=found.episodes,
        names=found.names,
        changes=found.receivers,
        nobody=found.nobody,
        unmatched=tuple(
            f"{each.place} {{{', '.join(map(str, each.matchers))}}}" for each in found.unmatched
        ),
        busy=tuple(PLATFORMS[each.lane.platform].spell(each.lane) for each in found.busy),
    )


def _resolved(attempt: TryConfig, data: bytes) -> tuple[ResolvedConfig | None, tuple[Fault, ...]]:
    config, faults = parse(attempt.file, data, PLATFORMS)
    if config is None:
        return None, faults
    named = file_names(config.file)
    files = Files(
        templates=attempt.templates,
        builtin=attempt.builtin,
        problems=dict.fromkeys((*named.secrets, *named.certificates), _NOT_READ),
    )
    resolved, more = resolve(config, files, "check")
    lost = losing(config, resolved)
    told = (fault for fault in (*faults, *more, *lost) if _NOT_READ not in fault.message)
    return resolved, tuple(dict.fromkeys(told))


def _side(config: ResolvedConfig) -> RoutingSide:
    limits = {
        target.lane: config.platforms[target.lane.platform].budgets(target.endpoint, config.limits)
        for target in config.routing.all_targets
    }
    return RoutingSide(config.routing, config.intervals, limits)


def _recorded(attempt: TryConfig) -> Iterator[Recorded]:
    decode = msgspec.json.Decoder(Notification).decode
    for at, body in attempt.payloads:
        yield Recorded(at, decode(body))


def main() -> None:
    """Answers the request on standard input."""
    attempt = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=PlaygroundRequest)
    bound_memory(_BOUNDS.mebibytes)
    bound_time(_BOUNDS.seconds)
    sys.stdout.buffer.write(msgspec.msgpack.encode(answer(attempt)))


if __name__ == "__main__":
    main()
