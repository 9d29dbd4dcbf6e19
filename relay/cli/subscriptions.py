"""`subscriptions list|remove`: the alerts that people get by an invitation."""

import argparse
import time

from relay.cli.base import CANNOT, GOOD, output_option, say, say_json, storage_option
from relay.cli.invite import spell
from relay.cli.people_admin import as_json, asked
from relay.cli.printing import age, table, time_of
from relay.core.bot.people import Subscription
from relay.store.people_admin import ListSubscriptions, RemoveSubscription, Subscriptions


def arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    listing = verbs.add_parser("list", help="list the subscriptions")
    removing = verbs.add_parser("remove", help="end subscriptions; their chats get no message")
    removing.add_argument("ids", nargs="+", metavar="ID")
    for verb, run in ((listing, list_), (removing, remove)):
        storage_option(verb)
        verb.set_defaults(run=run)
    output_option(listing)


def list_(options: argparse.Namespace) -> int:
    answer = asked(options, ListSubscriptions())
    if not isinstance(answer, Subscriptions):
        return answer if isinstance(answer, int) else CANNOT
    if options.output == "json":
        say_json(as_json(answer))
        return GOOD
    now = time.time()
    head = ("ID", "WHO", "CHAT", "NAME", "MATCHERS", "SINCE", "STATE")
    rows = [_row(each, now) for each in answer.subscriptions]
    say(table(head, rows) if rows else "no subscriptions")
    return GOOD


def _row(each: Subscription, now: float) -> tuple[str, ...]:
    chat = f"{each.chat} topic {each.topic}" if each.topic else each.chat
    state = f"muted until {time_of(each.muted_until)}" if now < each.muted_until else "in force"
    return (
        each.id,
        each.who,
        chat,
        each.name,
        spell(each.matchers),
        age(now - each.created_at),
        state,
    )


def remove(options: argparse.Namespace) -> int:
    """Ends subscriptions, one after the other. Returns the worst status."""
    status = GOOD
    for subscription_id in options.ids:
        answer = asked(options, RemoveSubscription(subscription_id))
        status = max(status, answer if isinstance(answer, int) else GOOD)
        if not isinstance(answer, int):
            say(f"{subscription_id} ended")
    return status
