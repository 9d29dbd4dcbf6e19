"""What the pictures show: each scene as one chat on each platform would get it."""

import json
from collections.abc import Iterable
from urllib.parse import urlsplit

from msgspec import Struct

from relay.core.card.digest import DigestView
from relay.core.card.step import MessageRef, Post, Reply, ReplyKind
from relay.core.card.view import View
from relay.core.routing.lane import Policy, Target
from relay.core.template import template
from relay.core.text.message import Message
from relay.platforms import discord, telegram
from relay.platforms.http import Request
from relay.sandbox.discord import Discord
from relay.sandbox.telegram import Telegram
from tests.sandbox import telegram_parser
from tests.world import CHANNEL, CHAT, HOOK, HOOK_TOKEN, TEMPLATES, TOKEN
from tests.world import discord_target as _discord_target
from tests.world import telegram_target as _telegram_target


class Shown(Struct, frozen=True):
    """A message of a scene: a card or a digest, or a reply to the one before; posted at `at`, Unix
    seconds."""

    what: View | DigestView
    at: float
    reply: ReplyKind | None = None
    silent: bool = False


class Scene:
    """Two chats that get the same messages."""

    def __init__(self, name: str = "on call") -> None:
        """The chats, empty."""
        self.telegram = Telegram(parser=telegram_parser)
        self.telegram.add_bot(TOKEN, "relay_bot")
        self.telegram.add_chat(CHAT, "supergroup", name)
        self.discord = Discord()
        self.discord.add_channel(CHANNEL, name.replace(" ", "-"))
        self.discord.add_webhook(HOOK, HOOK_TOKEN, CHANNEL)

    def show(self, shown: Iterable[Shown], language: str = "en") -> "Scene":
        """Post the messages on both platforms."""
        cards: dict[str, MessageRef] = {}
        for each in shown:
            for target in (_telegram_target(), _discord_target()):
                card = cards.get(target.lane.platform)
                ref = self._send(target, each, card, language)
                if each.reply is None:
                    cards[target.lane.platform] = ref
        return self

    def _send(
        self, target: Target, each: Shown, card: MessageRef | None, language: str
    ) -> MessageRef:
        message = _message(target.lane.platform, each, language)
        step: Post | Reply = Post(silent=each.silent)
        if each.reply and card:
            step = Reply(card, each.reply, silent=each.silent)
        platform = telegram if target.lane.platform == "telegram" else discord
        request = platform.request(target.endpoint, target.policy, step, message)
        return self._answer(target.lane.platform, request, each.at)

    def _answer(self, platform: str, request: Request, at: float) -> MessageRef:
        url = urlsplit(request.url.reveal())
        query = dict(part.split("=", 1) for part in url.query.split("&") if part)
        headers = {"Content-Type": request.content_type, **dict(request.headers)}
        sandbox = self.telegram if platform == "telegram" else self.discord
        reply = sandbox.handle(request.verb, url.path, query, headers, request.body, at)
        assert reply.status == 200, reply.body
        answer = json.loads(reply.body)
        if platform == "telegram":
            return MessageRef(str(CHAT), "", str(answer["result"]["message_id"]))
        return MessageRef(str(CHANNEL), "", str(answer["id"]))


def _message(platform: str, each: Shown, language: str) -> Message:
    name = "telegram.html.j2" if platform == "telegram" else "discord.md.j2"
    form = telegram.FORM if platform == "telegram" else discord.FORM
    policy = Policy(
        "ops", name, template.BUILT_IN[name], timezone="Europe/Paris", language=language
    )
    if isinstance(each.what, DigestView):
        return template.render_digest(TEMPLATES, policy, each.what, form).message
    if each.reply:
        return template.render(TEMPLATES, policy, each.what, "reply", each.reply, form).message
    return template.render(TEMPLATES, policy, each.what, "card", None, form).message
