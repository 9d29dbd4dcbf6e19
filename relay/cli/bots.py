"""`bots`: each bot of the configuration, how it receives updates, and what prevents that."""

import argparse

from msgspec import Struct

from relay.cli.api_calls import called
from relay.cli.base import FAULTY, GOOD, config_option, output_option, say, say_json
from relay.cli.loading import rules_of
from relay.cli.people_admin import as_json
from relay.cli.printing import age, table
from relay.clock import steady_clock
from relay.core.bot.account import Bot
from relay.platforms.telegram import bot as telegram_bot
from relay.platforms.telegram.bot import Refusal


class Seen(Struct, frozen=True):
    """A bot according to Telegram. `pending` updates wait; `error` says what is wrong, and `remedy`
    what to do.
    """

    bot: str
    username: str
    mode: str
    webhook: str
    pending: int
    error: str
    remedy: str


def arguments(parser: argparse.ArgumentParser) -> None:
    config_option(parser)
    output_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Asks Telegram about each bot. Status 1 if something is wrong with one."""
    rules = rules_of(options.config_file, "serve")
    if isinstance(rules, int):
        return rules
    seen = [_look(bot) for bot in rules.bots]
    if options.output == "json":
        say_json(as_json(seen))
    elif seen:
        rows = [
            (each.bot, f"@{each.username}", each.mode, str(each.pending), each.error or "-")
            for each in seen
        ]
        say(table(("BOT", "NAME", "MODE", "PENDING", "LAST ERROR"), rows))
        for each in seen:
            if each.remedy:
                say(f"{each.bot}: {each.remedy}")
    else:
        say("the configuration has no Telegram bot")
    return FAULTY if any(each.remedy for each in seen) else GOOD


def _look(bot: Bot) -> Seen:
    me, info = called(telegram_bot.get_me(bot)), called(telegram_bot.get_webhook_info(bot))
    if isinstance(me, Refusal):
        return _refused(bot, me)
    if isinstance(info, Refusal):
        return _refused(bot, info)
    found = telegram_bot.webhook_info(info)
    error = f"{found.error} ({age(steady_clock()() - found.error_at)} ago)" if found.error else ""
    remedy = _remedy(bot, found.url)
    return Seen(
        bot.account,
        telegram_bot.me(me).username,
        bot.updates,
        found.url,
        found.pending,
        error,
        remedy,
    )


def _refused(bot: Bot, refusal: Refusal) -> Seen:
    return Seen(bot.account, "", bot.updates, "", 0, refusal.why, telegram_bot.remedy(refusal))


def _remedy(bot: Bot, url: str) -> str:
    """The remedy for a difference between the configuration and Telegram."""
    if bot.updates == "webhook" and url != telegram_bot.webhook_url(bot):
        return f"its webhook is {url or 'not set'}: the relay sets it when it starts"
    if bot.updates == "polling" and url:
        return f"a webhook takes its updates ({url}): alert-relay setup telegram --delete-webhook"
    return ""
