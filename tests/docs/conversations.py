"""What people see who write to the bot: their words at the right, its answers drawn as bubbles."""

import msgspec
from msgspec.structs import replace

from relay.core.bot.conversation import respond
from relay.core.bot.people import ChatContext, Invite, hash_of, subscribe
from relay.core.bot.update import BotId, ChatInfo, Command, Topic
from relay.core.card.card import Card
from relay.core.card.fold import fold
from relay.core.routing.lane import LaneKey
from relay.core.routing.matcher import parse
from relay.core.template.sample import VIEWS
from relay.core.template.template import render
from relay.core.template.test_message import view_of_test_message
from relay.core.text.richtext import RichText
from relay.platforms import PLATFORMS
from relay.platforms.telegram.text import write
from relay.sandbox.page import draw
from tests.build import GROUP, POLICY, alert, arriving
from tests.world import TEMPLATES

WIDTH = 60
NOW = VIEWS["one"].now
BOT = BotId("https://api.telegram.org", "111")
ADA = ChatInfo("555", "private", "Ada")
TEAM = ChatInfo("-1001000000001", "supergroup", "On call")
INVITE = Invite(
    "i",
    BOT,
    hash_of("token"),
    "DBA on call",
    parse('team="db", severity="critical"'),
    NOW,
    NOW + 60,
    1,
)
ONE = subscribe(INVITE, ADA, "", 555, "en", NOW, "555")
POLICY_HERE = replace(POLICY, timezone="Europe/Paris")


def drawn() -> str:
    """Two chats, each as one block of text."""
    private = [
        _said("/start 8fJ2...", ADA, ChatContext(BOT, invite=INVITE)),
        _alert(),
        _said("/mute 2h", ADA, ChatContext(BOT, subscriptions=(ONE,))),
        _said(
            "/subscriptions",
            ADA,
            ChatContext(BOT, subscriptions=(replace(ONE, muted_until=NOW + 7200),)),
        ),
        _said("/stop", ADA, ChatContext(BOT, subscriptions=(ONE,))),
        _said("/start 8fJ2...", ADA, ChatContext(BOT)),
    ]
    group = [
        _said("/chatid", TEAM, ChatContext(BOT), topic="7"),
        _said("/alerts", TEAM, ChatContext(BOT, cards=_cards())),
        _said("/alerts severity=critical", TEAM, ChatContext(BOT, cards=_cards())),
    ]
    blocks = ("In private:", private), ("In a group:", group)
    return "\n".join(f"{name}\n```text\n" + "\n".join(chat) + "\n```" for name, chat in blocks)


def _said(text: str, chat: ChatInfo, known: ChatContext, *, topic: str = "") -> str:
    name, _, argument = text.removeprefix("/").partition(" ")
    argument = "token" if name == "start" and known.invite else argument
    command = Command(7, chat, Topic(topic), 555, "en", "9", NOW, name, argument)
    (answer,) = respond(command, known, POLICY_HERE, NOW).bot_replies
    return f"{text:>{WIDTH}}\n{_bubble(answer.text)}"


def _alert() -> str:
    view, lane = (
        view_of_test_message(POLICY_HERE, NOW),
        LaneKey("telegram", BOT.api, BOT.account, ADA.id),
    )
    rendered = render(TEMPLATES, POLICY_HERE, view, "card", None, PLATFORMS[lane.platform].FORM)
    return _bubble(rendered.message.body)


def _bubble(rich: RichText) -> str:
    text, entities = write(rich)
    return draw("telegram", {"text": text, "entities": msgspec.to_builtins(entities)}, WIDTH - 8)


def _cards() -> tuple[Card, ...]:
    told = [
        alert("db-1", name="DiskFull", severity="critical"),
        alert("db-2", name="DiskFull", severity="critical"),
        alert("web-4", name="CertificateExpires"),
    ]
    return (fold(Card(GROUP, "", "ops"), [arriving(1, NOW, *told)], POLICY).card,)
