"""`template render`: the messages as each chat of a receiver would get them, for samples or a
payload.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from relay.cli.base import (
    CANNOT,
    FAULTY,
    GOOD,
    complain,
    config_option,
    output_option,
    say,
    say_drawn,
    say_json,
)
from relay.cli.loading import rules_of
from relay.core.alert import Alert, Notification
from relay.core.card.view import View
from relay.core.routing.lane import Platform, Target
from relay.core.template import sample
from relay.core.template.links import inside, rewrite_hint
from relay.core.template.preview import STEP, views
from relay.core.template.template import Templates, render
from relay.core.webhook.payload import parse
from relay.core.webhook.shape import PayloadError
from relay.platforms.contract import AnyPlatform
from relay.sandbox.page import draw

_SHOWN = ("one", "some resolved", "resolved", "late")


class Shown(Struct, frozen=True):
    """A message as its chat would get it. `failed` says why the template did not make it; else it
    is empty.
    """

    title: str
    platform: Platform
    method: str
    body: dict[str, object]
    failed: str


def arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    rendering = verbs.add_parser(
        "render", help="show the messages that a receiver's chats would get"
    )
    rendering.add_argument(
        "--receiver",
        required=True,
        metavar="NAME",
        help="receiver whose chats and templates are used",
    )
    given = rendering.add_mutually_exclusive_group()
    given.add_argument(
        "--payload", type=Path, metavar="FILE", help="a webhook payload of Alertmanager"
    )
    given.add_argument(
        "--sample",
        action="append",
        choices=tuple(sample.VIEWS),
        help=f"sample to render, may be repeated (default: {', '.join(_SHOWN)})",
    )
    config_option(rendering)
    output_option(rendering)
    rendering.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Renders. Status 1 if a template fails, 2 if there is nothing to render."""
    rules = rules_of(options.config_file)
    if isinstance(rules, int):
        return rules
    targets = rules.routing.targets.get(options.receiver)
    if not targets:
        known = (
            ", ".join(sorted(name for name, chats in rules.routing.targets.items() if chats))
            or "none"
        )
        complain(f"alert-relay: no receiver {options.receiver!r} with a chat; there is {known}")
        return CANNOT
    try:
        notifications = tuple(parse(options.payload.read_bytes(), "")) if options.payload else ()
    except (OSError, PayloadError) as error:
        complain(f"alert-relay: cannot read the payload {options.payload}: {error}")
        return CANNOT
    titles = options.sample or (() if options.payload else _SHOWN)
    shown = [
        _shown(rules.active.templates, target, rules.platforms[target.lane.platform], title, view)
        for target in targets
        for title, view in (
            *((title, sample.VIEWS[title]) for title in titles),
            *_views(notifications, target),
        )
    ]
    _print(shown, options.output)
    for address in _left_out(notifications, targets):
        hint = rewrite_hint(address)
        complain(
            f"alert-relay: links to {address} are left out, it works only inside; write {hint}"
        )
    for failed in dict.fromkeys(each.failed for each in shown if each.failed):
        complain(f"alert-relay: {failed}")
    return FAULTY if any(each.failed for each in shown) else GOOD


def _views(notifications: tuple[Notification, ...], target: Target) -> Iterator[tuple[str, View]]:
    """The cards that the payload makes in a chat that shows nothing yet."""
    for view in views(notifications, target.policy, target.when, time.time()):
        yield notifications[0].group_key, view


def _left_out(
    notifications: tuple[Notification, ...], targets: tuple[Target, ...]
) -> dict[str, None]:
    """The addresses of the payload whose links a chat does not get."""
    urls = {url for part in notifications for url in (part.external_url, *map(_graph, part.alerts))}
    found = (inside(url, target.policy.link_rewrites) for url in sorted(urls) for target in targets)
    return dict.fromkeys(address for address in found if address)


def _graph(alert: Alert) -> str:
    return alert.generator_url


def _shown(
    templates: Templates, target: Target, platform: AnyPlatform, title: str, view: View
) -> Shown:
    view = replace(view, receiver=target.policy.receiver)
    rendered = render(templates, target.policy, view, "card", None, platform.FORM)
    request = platform.request(target.endpoint, target.policy, STEP, rendered.message)
    return Shown(
        title, target.lane.platform, request.name, json.loads(request.body), rendered.failed
    )


def _print(shown: list[Shown], output: str) -> None:
    if output == "json":
        listed = [
            {"platform": each.platform, "method": each.method, "body": each.body} for each in shown
        ]
        say_json(json.dumps(listed, indent=2, ensure_ascii=False))
        return
    colour = sys.stdout.isatty()
    for each in shown:
        say(f"{each.platform}, {each.title}:")
        say_drawn(draw(each.platform, each.body, colour=colour))
        say("")
