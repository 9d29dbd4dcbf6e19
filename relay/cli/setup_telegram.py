"""`setup telegram`: checks a bot, finds its chats as people write there, and adds them as a
receiver.
"""

import argparse
import re
import select
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from relay.cli.api_calls import called
from relay.cli.base import CANNOT, FAULTY, complain, duration, say
from relay.cli.printing import safe
from relay.cli.setup_plan import Failed, Plan, beside
from relay.config.extending import Addition, pair, present
from relay.core.bot.account import Bot
from relay.core.bot.update import ChatInfo, Command, Membership, Migrated, Seen, Topic, Update
from relay.core.routing.lane import HttpOptions
from relay.core.secret import Secret
from relay.platforms.http import Request
from relay.platforms.telegram import bot as telegram_bot
from relay.platforms.telegram.bot import Refusal, Result
from relay.platforms.telegram.config import BOT_TOKEN
from relay.platforms.telegram.updates import updates

_API = "https://api.telegram.org"
_CHAT = re.compile(r"(-?[1-9][0-9]{0,15})(?:/([1-9][0-9]{0,9}))?")
_LOOK_EVERY = 2.0  # seconds
_PAGE = 100  # updates in one answer
Chat = tuple[str, str]  # chat id, topic id or empty


def arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--bot-token-file",
        dest="secret_file",
        type=Path,
        metavar="FILE",
        help="file with the token (default: asked for)",
    )
    add(
        "--chat",
        action="append",
        default=[],
        type=_chat,
        metavar="ID[/TOPIC]",
        help="chat to add, may be repeated (default: chosen from those found)",
    )
    add(
        "--receiver",
        default="telegram",
        metavar="NAME",
        help="name of the receiver (default: telegram)",
    )
    add(
        "--wait",
        type=duration,
        default=300.0,
        metavar="DURATION",
        help="how long to look for chats (default: 5m)",
    )
    add(
        "--delete-webhook",
        action="store_true",
        help="delete a webhook that takes the bot's updates",
    )
    add(
        "--telegram.api-url",
        dest="api",
        default="",
        metavar="URL",
        help=f"default: the configuration's, else {_API}",
    )


def plan(options: argparse.Namespace, token: str) -> Plan | Failed:
    """The receiver for the chats that were named or chosen."""
    found = BOT_TOKEN.fullmatch(token)
    if found is None:
        complain(
            "alert-relay setup: not a bot token: BotFather's tokens begin with digits and a colon"
        )
        return Failed(CANNOT)
    path: Path = options.config_file
    known = (
        present(path.read_text(encoding="utf-8")) if path.exists() and path.stat().st_size else {}
    )
    api = options.api or known.get("telegram_api_url", _API)
    bot = Bot(api, found[1], Secret(token), HttpOptions(), "none", "")
    me = _call(telegram_bot.get_me(bot))
    if me is None:
        return Failed(FAULTY)
    shown = telegram_bot.me(me)
    say(f"bot @{safe(shown.username)} ({safe(shown.name)}), id {bot.account}")
    if not _free(bot, options, wanted=not options.chat):
        return Failed(FAULTY)
    chats = list(options.chat) or _choose(bot, shown.username, options.wait)
    if not chats:
        complain("alert-relay setup: no chat was chosen: name one with --chat=ID")
        return Failed(FAULTY)
    secret_path = options.secret_file or path.with_name(f"{options.receiver}.token")
    return Plan(
        _addition(options, known, api, beside(path, secret_path), chats), token, secret_path
    )


def _addition(
    options: argparse.Namespace,
    known: dict[str, str],
    api: str,
    token_file: str,
    chats: Iterable[Chat],
) -> Addition:
    """The entries of the chats. A setting that the file has for all bots is left out; one that
    differs is in the entries.
    """
    wanted = {"telegram_bot_token_file": token_file} | (
        {"telegram_api_url": api} if api != _API else {}
    )
    others = known.keys() & {"telegram_bot_token", "telegram_bot_token_file"}
    own: list[str] = []
    if others and known.get("telegram_bot_token_file") != token_file:
        own.append(pair("bot_token_file", token_file))
        del wanted["telegram_bot_token_file"]
    if known.get("telegram_api_url", api) != api:
        own.append(pair("api_url", api))
    entries = tuple(
        (f"chat_id: {chat}", *((f"message_thread_id: {topic}",) if topic else ()), *own)
        for chat, topic in chats
    )
    globals_ = tuple(pair(key, value) for key, value in wanted.items())
    return Addition(options.receiver, "telegram_configs", entries, globals_)


def _call(request: Request) -> Result | None:
    """The answer; None after printing why there is none."""
    answer = called(request)
    if isinstance(answer, Refusal):
        complain(f"alert-relay setup: {answer.why}; {telegram_bot.remedy(answer)}")
        return None
    return answer


def _free(bot: Bot, options: argparse.Namespace, *, wanted: bool) -> bool:
    """Whether nothing else takes the bot's updates, if they are needed; a webhook is deleted if
    that was allowed.
    """
    info = _call(telegram_bot.get_webhook_info(bot))
    if info is None:
        return False
    url = telegram_bot.webhook_info(info).url
    if not url:
        return True
    if not options.delete_webhook and sys.stdin.isatty():
        options.delete_webhook = (
            input(f"A webhook takes its updates: {safe(url)}. Delete it? [y/N] ").lower() == "y"
        )
    if options.delete_webhook:
        say(f"deleting the webhook {safe(url)}")
        return _call(telegram_bot.delete_webhook(bot)) is not None
    if wanted:
        complain(
            f"alert-relay setup: a webhook takes its updates ({safe(url)}): delete it with "
            "--delete-webhook"
        )
    return not wanted


def _choose(bot: Bot, username: str, seconds: float) -> list[Chat]:
    """Lists chats as they appear until some are chosen, or the time is over; then all that appeared
    are taken.
    """
    say(
        f"Add @{username} to your group and write /start there; in a channel, make it an "
        "administrator."
    )
    terminal = sys.stdin.isatty()
    if terminal:
        say("Chats appear here. Write their numbers, such as 1 or 1,3, and press Enter.")
    appeared: dict[Chat, None] = {}
    until, since = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        answer = _call(telegram_bot.get_updates(bot, since, 0))
        if answer is None:
            return []
        found = updates(answer.value, username)
        for chat, line in _chats(found):
            if chat not in appeared:
                appeared[chat] = None
                say(f"  {len(appeared)}. {line}")
        if len(found) >= _PAGE:  # only then are they confirmed: waiting updates are for the relay
            since = max(update.id for update in found) + 1
        elif appeared and not terminal:
            return list(appeared)
        elif terminal and select.select([sys.stdin], [], [], _LOOK_EVERY)[0]:
            chosen = _chosen(sys.stdin.readline(), list(appeared))
            if chosen:
                return chosen
        elif not terminal:
            time.sleep(min(_LOOK_EVERY, max(0.0, until - time.monotonic())))
    return []


def _chosen(line: str, appeared: list[Chat]) -> list[Chat]:
    numbers = [int(word) for word in re.findall("[0-9]+", line)]
    if not numbers or not all(0 < number <= len(appeared) for number in numbers):
        say(f"write numbers from 1 to {len(appeared)}" if appeared else "no chat has appeared yet")
        return []
    return [appeared[number - 1] for number in dict.fromkeys(numbers)]


def _chats(found: Iterable[Update]) -> Iterator[tuple[Chat, str]]:
    """The chats in the updates, each with its line, without those that the bot has left."""
    gone = {
        update.chat.id for update in found if isinstance(update, Membership) and not update.is_in
    }
    for update in found:
        match update:
            case Command(chat=chat, topic=topic) | Seen(chat=chat, topic=topic) if (
                chat.id not in gone
            ):
                yield (chat.id, topic.id), _described(chat, topic, "")
            case Membership(chat=chat, standing=standing, writes=writes) if chat.id not in gone:
                yield (
                    (chat.id, ""),
                    _described(chat, Topic(), standing if writes else f"{standing}, may not write"),
                )
            case Migrated(chat=chat):
                yield (chat.id, ""), _described(chat, Topic(), "")
            case _:
                pass


def _described(chat: ChatInfo, topic: Topic, standing: str) -> str:
    parts = [chat.kind, chat.id]
    if topic.id:
        parts.append(f"topic {topic.id} {topic.title}".strip())
    return safe(" · ".join(filter(None, (*parts, chat.title, standing))))


def _chat(text: str) -> Chat:
    found = _CHAT.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a chat id: write a number, such as -1001234567890 or -100123/7"
        )
    return found[1], found[2] or ""
