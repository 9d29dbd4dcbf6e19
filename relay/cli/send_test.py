"""`send-test`: one marked test message to each chat of a receiver, sent like every other
message.
"""

import argparse
import asyncio
import os
import time
from typing import assert_never

import msgspec
from msgspec import Struct

from relay.cli.base import (
    CANNOT,
    FAULTY,
    GOOD,
    complain,
    config_option,
    output_option,
    say,
    say_json,
)
from relay.cli.environment import ignored_proxy
from relay.cli.loading import rules_of
from relay.core.active_config import ActiveConfig
from relay.core.card.outcome import (
    BotDown,
    ChatDown,
    Delivered,
    MessageGone,
    Moved,
    Outcome,
    RateLimited,
    Rejected,
    ThreadGone,
    Unavailable,
    Unknown,
)
from relay.core.card.step import MessageRef, Post
from relay.core.duration import quote
from relay.core.routing.lane import LaneKey, Platform, Policy, Target
from relay.core.template.template import render
from relay.core.template.test_message import banner, view_of_test_message
from relay.delivery.transport import Transport
from relay.platforms.contract import AnyPlatform, Platforms
from relay.platforms.scalar import nearest


class Tested(Struct, frozen=True):
    """The result of one chat's test. `place` is FILE:LINE of its entry; `error` and `remedy` are
    empty if all went well.
    """

    receiver: str
    platform: Platform
    account: str
    chat: str
    thread: str
    place: str
    delivered: bool
    message: MessageRef | None = None
    error: str = ""
    remedy: str = ""


def arguments(parser: argparse.ArgumentParser) -> None:
    config_option(parser)
    output_option(parser)
    parser.add_argument(
        "--receiver", required=True, metavar="NAME", help="the receiver whose chats get the message"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Sends the messages and prints the results. Status 1 if a chat did not get its message as it
    should be.
    """
    rules = rules_of(options.config_file, "serve")
    if isinstance(rules, int):
        return rules
    known = rules.routing.targets
    targets = _chats(known.get(options.receiver, ()))
    if not targets:
        lack = (
            "has no chats: its alerts are discarded"
            if options.receiver in known
            else "is not in the configuration"
        )
        near = "" if options.receiver in known else nearest(options.receiver, known)
        complain(f"alert-relay send-test: the receiver {quote(options.receiver)} {lack}{near}")
        return CANNOT
    if proxy := ignored_proxy(os.environ):
        complain(f"alert-relay send-test: {proxy}")
    tested = asyncio.run(
        _test_all(targets, rules.active, rules.platforms, simple=options.output == "simple")
    )
    if options.output == "json":
        say_json(msgspec.json.format(msgspec.json.encode(tested)).decode())
    return FAULTY if any(each.error for each in tested) else GOOD


def _chats(targets: tuple[Target, ...]) -> tuple[Target, ...]:
    """Each chat once, even if several values of a label lead to it."""
    found: dict[tuple[LaneKey, Policy], Target] = {}
    for target in targets:
        found.setdefault((target.lane, target.policy), target)
    return tuple(found.values())


async def _test_all(
    targets: tuple[Target, ...], active: ActiveConfig, platforms: Platforms, *, simple: bool
) -> list[Tested]:
    transport, tested = Transport(), []
    try:
        for target in targets:
            platform = platforms[target.lane.platform]
            tested.append(await _test(target, active, platform, transport))
            if simple:
                _print(platform.spell(target.lane), tested[-1])
    finally:
        await transport.close()
    return tested


async def _test(
    target: Target, active: ActiveConfig, platform: AnyPlatform, transport: Transport
) -> Tested:
    policy = msgspec.structs.replace(target.policy, mentions=())
    step = Post(silent=policy.silent)
    rendered = render(
        active.templates,
        policy,
        view_of_test_message(policy, time.time()),
        "card",
        None,
        platform.FORM,
    )
    request = platform.request(
        target.endpoint, policy, step, platform.with_banner(rendered.message, banner(policy))
    )
    outcome = platform.outcome(target.lane, step, await transport.send(request))
    error, remedy = _judged(outcome, target, platform)
    if rendered.failed and not error:
        error = f"the template failed, the built-in plain text was sent: {rendered.failed}"
        remedy = f"correct the template {policy.template}"
    return _tested(target, outcome, error, remedy)


def _tested(target: Target, outcome: Outcome, error: str, remedy: str) -> Tested:
    lane = target.lane
    message = outcome.message if isinstance(outcome, Delivered) else None
    return Tested(
        receiver=target.policy.receiver,
        platform=lane.platform,
        account=lane.account,
        chat=lane.chat,
        thread=lane.thread,
        place=target.place,
        delivered=message is not None,
        message=message,
        error=error,
        remedy=remedy,
    )


def _print(chat: str, tested: Tested) -> None:
    result = "delivered" if tested.delivered else "failed   "
    where = f"{chat} ({tested.place})"
    said = f"message {tested.message.id}" if tested.message else tested.error
    say(f"{result}  {where}: {said}")
    if tested.message and tested.error:
        say(f"           but {tested.error}")
    if tested.remedy:
        say(f"           remedy: {tested.remedy}")


def _judged(outcome: Outcome, target: Target, platform: AnyPlatform) -> tuple[str, str]:
    """What is wrong and what the operator can do; both empty if the message was accepted."""
    match outcome:
        case Delivered():
            return "", ""
        case RateLimited(retry_after):
            return (
                "too many calls",
                f"nothing is wrong with the chat: run this again in {retry_after:g} s",
            )
        case Unavailable(why):
            return (
                why,
                (
                    "try again later; if it stays, check api_url, http_config, DNS and firewall on "
                    "this machine"
                ),
            )
        case Unknown(why):
            return why, "look into the chat before you run this again: it may have the message"
        case Moved(chat):
            return "the group became a supergroup", f"write chat_id: {chat} at {target.place}"
        case Rejected(why):
            return (
                why,
                (
                    "see what was sent: alert-relay template render "
                    f"--receiver={target.policy.receiver}"
                ),
            )
        case MessageGone(why):
            return why, "run this again"
        case ThreadGone(why) | ChatDown(why) | BotDown(why):
            return why, platform.remedy(outcome, target.place)
        case _:
            assert_never(outcome)
