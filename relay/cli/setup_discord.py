"""`setup discord`: checks a webhook and adds it as a receiver."""

import argparse
from pathlib import Path

import msgspec

from relay.cli.api_calls import exchange
from relay.cli.base import CANNOT, FAULTY, complain, say
from relay.cli.setup_plan import Failed, Plan, beside
from relay.config.extending import Addition, pair
from relay.core.routing.lane import Endpoint, LaneKey
from relay.platforms.discord import messages as discord
from relay.platforms.discord.webhook import Webhook, parse_webhook
from relay.platforms.http import NoAnswer


class _Shown(msgspec.Struct):
    """https://docs.discord.com/developers/resources/webhook#webhook-object"""

    name: str | None = None
    channel_id: str = ""


def arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--webhook-url-file",
        dest="secret_file",
        type=Path,
        metavar="FILE",
        help="file with the URL (default: asked for)",
    )
    add(
        "--receiver",
        default="discord",
        metavar="NAME",
        help="name of the receiver (default: discord)",
    )
    add("--thread-name", default="", metavar="TITLE", help="title of the post, for a forum channel")


def plan(options: argparse.Namespace, text: str) -> Plan | Failed:
    """The receiver for the webhook, after a call has shown that it exists."""
    try:
        webhook = parse_webhook(text)
    except ValueError as error:
        complain(f"alert-relay setup: {error}")
        return Failed(CANNOT)
    shown = _look(webhook)
    if isinstance(shown, str):
        complain(f"alert-relay setup: the webhook cannot be reached: {shown}")
        return Failed(FAULTY)
    say(
        f"webhook {webhook.id} ({shown.name or 'without a name'}) posts to channel "
        f"{shown.channel_id}"
    )
    path = options.secret_file or options.config_file.with_name(f"{options.receiver}.webhook")
    entry = [pair("webhook_url_file", beside(options.config_file, path))]
    if options.thread_name:
        entry.append(pair("thread_name", options.thread_name))
    return Plan(Addition(options.receiver, "discord_configs", (tuple(entry),)), text, path)


def _look(webhook: Webhook) -> _Shown | str:
    endpoint = Endpoint(LaneKey("discord", webhook.api, webhook.id, ""), webhook.url)
    response = exchange(discord.probe(endpoint))
    if isinstance(response, NoAnswer):
        return response.why
    if response.status != 200:
        return (
            f"Discord answers {response.status}: copy the URL from the channel's settings "
            f"(Integrations)"
        )
    try:
        return msgspec.json.decode(response.body, type=_Shown)
    except msgspec.DecodeError:
        return "the answer is not Discord's"
