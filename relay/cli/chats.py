"""`chats`: the groups and channels that the bots are in, with the ids that the configuration
needs.
"""

import argparse
import time

from relay.cli.base import CANNOT, GOOD, output_option, say, say_json, storage_option
from relay.cli.people_admin import as_json, asked
from relay.cli.printing import age, table
from relay.core.bot.people import ChatEntry
from relay.store.people_admin import Chats, ListChats


def arguments(parser: argparse.ArgumentParser) -> None:
    storage_option(parser)
    output_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    answer = asked(options, ListChats())
    if not isinstance(answer, Chats):
        return answer if isinstance(answer, int) else CANNOT
    if options.output == "json":
        say_json(as_json(answer))
        return GOOD
    now = time.time()
    head = ("BOT", "CHAT", "TYPE", "TITLE", "STANDING", "TOPICS", "HEARD")
    rows = [_row(each, now) for each in answer.chats]
    say(
        table(head, rows) if rows else "no chats yet: add the bot to a group and write /start there"
    )
    return GOOD


def _row(each: ChatEntry, now: float) -> tuple[str, ...]:
    standing = each.standing if each.writes else f"{each.standing}, may not write"
    topics = ", ".join(f"{topic.id} {topic.title}".strip() for topic in each.topics)
    chat = each.chat
    return (
        each.bot.account,
        chat.id,
        chat.kind,
        chat.title,
        standing,
        topics,
        f"{age(now - each.seen_at)} ago",
    )
