"""The common part of the verbs about people and chats: requests to the relay, and the choice of a
bot.
"""

import argparse

import msgspec

from relay.cli.api_calls import called
from relay.cli.base import CANNOT, FAULTY, complain, storage_of
from relay.cli.printing import safe
from relay.cli.prompts import ask
from relay.core.bot.account import Bot
from relay.operate.admin_socket import Failed
from relay.platforms.telegram import bot as telegram_bot
from relay.platforms.telegram.bot import Me, Refusal
from relay.store.data_dir import CannotStart
from relay.store.people_admin import Chats, Invites, RosterRequest, Subscriptions
from relay.store.queue import Refused


def asked(
    options: argparse.Namespace, request: RosterRequest
) -> Chats | Invites | Subscriptions | int:
    """The answer; else the exit status, after a message on standard error."""
    try:
        answer = ask(storage_of(options), request)
    except CannotStart as error:
        answer = Failed(str(error))
    if isinstance(answer, Chats | Invites | Subscriptions):
        return answer
    why = answer.why if isinstance(answer, Failed | Refused) else "unexpected answer"
    complain(f"alert-relay: {safe(why)}")
    return FAULTY if isinstance(answer, Refused) else CANNOT


def choose(bots: tuple[Bot, ...], account: str) -> Bot | str:
    """The bot with that id, or the only one; else what is wrong."""
    found = [bot for bot in bots if account in ("", bot.account)]
    if len(found) == 1:
        return found[0]
    known = ", ".join(bot.account for bot in bots)
    if not bots:
        return "the configuration has no Telegram bot"
    return (
        f"which bot: --bot={' or --bot='.join(bot.account for bot in bots)}"
        if found
        else f"the configuration has only the bots {known}"
    )


def introduced(bot: Bot) -> Me | str:
    """The bot's names, or why they are unknown and what to do."""
    answer = called(telegram_bot.get_me(bot))
    if isinstance(answer, Refusal):
        return f"{answer.why}; {telegram_bot.remedy(answer)}"
    return telegram_bot.me(answer)


def as_json(value: object) -> str:
    """The value as JSON."""
    return msgspec.json.format(msgspec.json.encode(value)).decode()
