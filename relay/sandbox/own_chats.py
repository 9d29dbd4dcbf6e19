"""The chats of a configuration in the local Telegram and Discord: there is a local one for every
chat id and webhook, and every call goes there.
"""

from msgspec import Struct
from msgspec.structs import replace

from relay.core.action.settings import ActingConfig
from relay.core.active_config import ActiveConfig
from relay.core.routing.lane import Endpoint, HttpOptions, LaneKey, Target
from relay.core.secret import Secret
from relay.sandbox.discord import Discord
from relay.sandbox.discord_chats import Thread
from relay.sandbox.telegram import Telegram
from relay.sandbox.telegram_chats import ChatKind

_SECRET = "demo"  # noqa: S105 - no secret: the sandbox's own
_FIRST_BOT, _FIRST_CHAT, _FIRST_WEBHOOK = 1_000_001, -1_009_000_000_001, 900_000_000_000_000_001


class OwnChats(Struct, frozen=True):
    """A configuration that leads to the local chats, and the original of each of its lanes."""

    active: ActiveConfig
    before: dict[LaneKey, LaneKey]


def lead_to_sandbox(active: ActiveConfig, url: str) -> OwnChats:
    """The configuration with every chat in the sandbox at this address. It contains no secret,
    proxy or address of the file, nor anything that acts on an Alertmanager. Ids in files that are
    missing are made up.
    """
    numbers = _Numbers()
    before: dict[LaneKey, LaneKey] = {}

    def led(target: Target) -> Target:
        endpoint = _endpoint(target.lane, url, numbers)
        before[endpoint.lane] = target.lane
        return replace(target, endpoint=endpoint)

    targets = {receiver: tuple(map(led, each)) for receiver, each in active.routing.targets.items()}
    bots = tuple(
        replace(
            bot, api=url, account=numbers.bot(bot.account), token=_token(numbers.bot(bot.account)),
            http=HttpOptions(), updates="none", webhook_url="",
        )
        for bot in active.bots
    )  # fmt: skip
    routing = replace(active.routing, targets=targets)
    led_active = replace(active, routing=routing, bots=bots, acting=ActingConfig())
    return OwnChats(led_active, before)


class _Numbers:
    """Ids in the platform's form for those of the file; made up for any that is not a number."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, str], int] = {}

    def bot(self, account: str) -> str:
        return account if account.isdecimal() else self._make("bot", account, _FIRST_BOT, 1)

    def chat(self, chat: str) -> str:
        known = chat.removeprefix("-").isdecimal()
        return chat if known else self._make("chat", chat, _FIRST_CHAT, -1)

    def webhook(self, account: str) -> str:
        return account if account.isdecimal() else self._make("hook", account, _FIRST_WEBHOOK, 1)

    def _make(self, kind: str, name: str, first: int, step: int) -> str:
        known = [each for each in self._made if each[0] == kind]
        return str(self._made.setdefault((kind, name), first + step * len(known)))


def _endpoint(lane: LaneKey, url: str, numbers: _Numbers) -> Endpoint:
    if lane.platform == "telegram":
        bot = numbers.bot(lane.account)
        moved = LaneKey("telegram", url, bot, numbers.chat(lane.chat), lane.thread)
        return Endpoint(moved, _token(bot))
    webhook = numbers.webhook(lane.chat or lane.account)  # a bot's channel has a webhook here
    secret = Secret(f"{url}/api/webhooks/{webhook}/{_SECRET}")
    return Endpoint(LaneKey("discord", url, webhook, "", lane.thread), secret)


def _token(bot: str) -> Secret:
    return Secret(f"{bot}:{_SECRET}")


def set_up(chats: OwnChats, telegram: Telegram, discord: Discord) -> None:
    """Makes the bots, chats, channels and webhooks of the configuration, and removes all others."""
    telegram.chats.clear()
    telegram.bots.clear()
    discord.channels.clear()
    discord.webhooks.clear()
    names: dict[LaneKey, list[str]] = {}
    for receiver, targets in chats.active.routing.targets.items():
        for target in targets:
            names.setdefault(target.lane, []).append(receiver)
    titles = {lane: ", ".join(dict.fromkeys(receivers)) for lane, receivers in names.items()}
    for lane, name in titles.items():
        shared = sum(each == name for each in titles.values()) > 1
        title = f"{name} {lane.chat or lane.account}" if shared else name
        if lane.platform == "telegram":
            _telegram(lane, title, telegram)
        else:
            _discord(lane, title, discord)
    telegram.revision += 1


def _telegram(lane: LaneKey, title: str, telegram: Telegram) -> None:
    token = f"{lane.account}:{_SECRET}"
    if token not in telegram.bots:
        telegram.add_bot(token, f"bot_{lane.account}")
    number = int(lane.chat)
    chat = telegram.chats.get(number) or telegram.add_chat(number, _kind(lane.chat), title)
    if lane.thread:
        chat.topics = {**(chat.topics or {}), int(lane.thread): title}


def _kind(chat: str) -> ChatKind:
    """The kind of a chat by its id: https://core.telegram.org/api/bots/ids."""
    if chat.startswith("-100"):
        return "supergroup"
    return "group" if chat.startswith("-") else "private"


def _discord(lane: LaneKey, title: str, discord: Discord) -> None:
    number = int(lane.account)
    forum = lane.thread.startswith("name:")
    if number not in discord.webhooks:
        discord.add_channel(number, title, "forum" if forum else "text")
        discord.add_webhook(number, _SECRET, number)
    if lane.thread.isdecimal():
        thread = int(lane.thread)
        discord.channels[number].threads[thread] = Thread(thread, f"thread {thread}")
