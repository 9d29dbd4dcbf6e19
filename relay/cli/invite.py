"""`invite create|list|revoke`: links by which people get the alerts that concern them."""

import argparse
import secrets
import time

from msgspec import Struct

from relay.cli.base import (
    CANNOT,
    GOOD,
    complain,
    config_option,
    duration,
    output_option,
    say,
    say_json,
    storage_option,
)
from relay.cli.loading import rules_of
from relay.cli.people_admin import as_json, asked, choose, introduced
from relay.cli.printing import age, table, time_of
from relay.core.bot.account import Bot
from relay.core.bot.people import Invite, hash_of
from relay.core.bot.update import BotId
from relay.core.routing.matcher import Matcher, MatcherError, parse
from relay.store.people_admin import CreateInvite, Invites, ListInvites, RevokeInvite

_TOKEN_BYTES, _ID_BYTES = 24, 4
_MOST_USES = 10_000


class Link(Struct, frozen=True):
    """The links of an invitation: `link` for a person, `group_link` for a group."""

    id: str
    name: str
    matchers: tuple[str, ...]
    link: str
    group_link: str
    expires_at: float
    uses: int


def arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    creating = verbs.add_parser(
        "create", help="print a link; whoever opens it gets the alerts that match"
    )
    add = creating.add_argument
    add(
        "--matchers",
        action="append",
        default=[],
        metavar="MATCHERS",
        help="matchers of the alerts, as in a route (default: all alerts)",
    )
    add(
        "--name",
        required=True,
        metavar="TEXT",
        help="name that people see, such as 'DBA on call'",
    )
    add(
        "--expires",
        type=duration,
        default=86400.0,
        metavar="DURATION",
        help="how long the link is valid (default: 24h)",
    )
    add(
        "--uses", type=_uses, default=1, metavar="N", help="how many people may use it (default: 1)"
    )
    add("--bot", default="", metavar="ID", help="id of the bot, needed if there are several")
    config_option(creating)
    listing = verbs.add_parser("list", help="list the invitations")
    revoking = verbs.add_parser(
        "revoke", help="revoke invitations; people who used them stay subscribed"
    )
    revoking.add_argument("ids", nargs="+", metavar="ID")
    for verb, run in ((creating, create), (listing, list_), (revoking, revoke)):
        storage_option(verb)
        verb.set_defaults(run=run)
    output_option(creating)
    output_option(listing)


def create(options: argparse.Namespace) -> int:
    """Creates an invitation and prints its links, which are shown only this once."""
    try:
        matchers = tuple(matcher for text in options.matchers for matcher in parse(text))
    except MatcherError as error:
        complain(f"alert-relay invite: {error}")
        return CANNOT
    found = _bot(options)
    if isinstance(found, int):
        return found
    bot, username = found
    token, now = secrets.token_urlsafe(_TOKEN_BYTES), time.time()
    invite = Invite(
        id=secrets.token_hex(_ID_BYTES),
        bot=BotId(bot.api, bot.account),
        hash=hash_of(token),
        name=options.name,
        matchers=matchers,
        created_at=now,
        expires_at=now + options.expires,
        uses=options.uses,
    )
    answer = asked(options, CreateInvite(invite))
    if isinstance(answer, int):
        return answer
    _print(_link(invite, username, token), options)
    return GOOD


def _bot(options: argparse.Namespace) -> tuple[Bot, str] | int:
    """The bot that people will talk to and its user name; else the exit status, after a message on
    standard error.
    """
    rules = rules_of(options.config_file, "serve")
    if isinstance(rules, int):
        return rules
    bot = choose(rules.bots, options.bot)
    if not isinstance(bot, str) and bot.updates == "none":
        bot = "this bot receives no updates: set telegram_updates: polling"
    me = bot if isinstance(bot, str) else introduced(bot)
    if isinstance(bot, str) or isinstance(me, str):
        complain(f"alert-relay invite: {me}")
        return CANNOT
    return bot, me.username


def _link(invite: Invite, username: str, token: str) -> Link:
    """https://core.telegram.org/bots/features#deep-linking"""
    address = f"https://t.me/{username}?"
    return Link(
        id=invite.id,
        name=invite.name,
        matchers=tuple(map(str, invite.matchers)),
        link=f"{address}start={token}",
        group_link=f"{address}startgroup={token}",
        expires_at=invite.expires_at,
        uses=invite.uses,
    )


def _print(link: Link, options: argparse.Namespace) -> None:
    if options.output == "json":
        say_json(as_json(link))
        return
    who = "one person or group" if link.uses == 1 else f"{link.uses} people or groups"
    say(
        f"{link.name}: {', '.join(link.matchers) or 'all alerts'}, for {who}, until "
        f"{time_of(link.expires_at)}"
    )
    say(f"for a person: {link.link}")
    say(f"for a group:  {link.group_link}")


def list_(options: argparse.Namespace) -> int:
    """Lists the invitations, expired ones as well."""
    answer = asked(options, ListInvites())
    if not isinstance(answer, Invites):
        return answer if isinstance(answer, int) else CANNOT
    if options.output == "json":
        say_json(as_json(answer))
        return GOOD
    now = time.time()
    head = ("ID", "NAME", "MATCHERS", "USED", "STATE")
    say(
        table(head, [_row(invite, now) for invite in answer.invites])
        if answer.invites
        else "no invitations"
    )
    return GOOD


def _row(invite: Invite, now: float) -> tuple[str, ...]:
    state = f"{age(invite.expires_at - now)} left" if now < invite.expires_at else "expired"
    if invite.used >= invite.uses:
        state = "used up"
    return (
        invite.id,
        invite.name,
        spell(invite.matchers),
        f"{invite.used} of {invite.uses}",
        state,
    )


def spell(matchers: tuple[Matcher, ...]) -> str:
    return ", ".join(map(str, matchers)) or "all alerts"


def revoke(options: argparse.Namespace) -> int:
    """Revokes invitations, one after the other. Returns the worst status."""
    status = GOOD
    for invite_id in options.ids:
        answer = asked(options, RevokeInvite(invite_id))
        status = max(status, answer if isinstance(answer, int) else GOOD)
        if not isinstance(answer, int):
            say(f"{invite_id} revoked")
    return status


def _uses(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= _MOST_USES:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number of people from 1 to {_MOST_USES}"
        )
    return int(text)
