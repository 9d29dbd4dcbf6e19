"""Buttons under messages on both platforms, and Discord's channels as the bot reaches them."""

import json

import pytest

from relay.core.budget import Limits
from relay.core.card.outcome import BotDown, ChatDown, Delivered, MessageGone, Outcome, RateLimited
from relay.core.card.step import Edit, MessageRef, Post, Reply, Step
from relay.core.routing.lane import Endpoint, LaneKey, Policy
from relay.core.secret import Secret
from relay.core.text.message import Attachment, Button, Mention, Message
from relay.core.text.richtext import RichText
from relay.platforms import discord, telegram
from relay.platforms.http import Request, Response
from tests.platforms.specs import faults

BUTTONS = (
    (Button("✋ Take", "1t.abc"), Button("🔕 1 h", "1s.abc", "danger")),
    (Button("long", "x" * 101),),
)
BARE = Message(RichText("A fires"))
WITH = Message(RichText("A fires"), buttons=BUTTONS)
POLICY = Policy("ops", "card.j2", "discord")
API = "https://discord.com/api/v10"
TOKEN = "MTIzNDU2Nzg5MDEyMw.abcdef.xxxxxxxxxxxxxxxxxxxxxxxxxxx"
BOT = LaneKey("discord", API, "1234567890123", "777")
IN_THREAD = LaneKey("discord", API, "1234567890123", "777", "888")
FORUM = LaneKey("discord", API, "1234567890123", "777", "name:Alerts")
HOOK = LaneKey("discord", "https://discord.com", "99", "")
TELEGRAM = LaneKey("telegram", "https://api.telegram.org", "7", "-1001")
REF = MessageRef("777", "", "42")
POST, EDIT, REPLY = Post(silent=True), Edit(REF), Reply(REF, "repeated", silent=False)


def sent(lane: LaneKey, step: Step, message: Message = WITH) -> Request:
    hook = "https://discord.com/api/webhooks/99/tok"
    secret = {"telegram": "7:abc", "discord": TOKEN if lane.chat else hook}[lane.platform]
    platform = telegram if lane.platform == "telegram" else discord
    request: Request = platform.request(Endpoint(lane, Secret(secret)), POLICY, step, message)
    return request


def body(request: Request) -> dict[str, object]:
    found = json.loads(request.body)
    assert isinstance(found, dict)
    return found


ROW = {
    "type": 1,
    "components": [
        {"type": 2, "label": "✋ Take", "custom_id": "1t.abc", "style": 2},
        {"type": 2, "label": "🔕 1 h", "custom_id": "1s.abc", "style": 4},
    ],
}


@pytest.mark.specs
@pytest.mark.parametrize("lane", [BOT, IN_THREAD, FORUM, HOOK, TELEGRAM])
@pytest.mark.parametrize("message", [BARE, WITH])
@pytest.mark.parametrize("step", [POST, EDIT, REPLY])
def test_every_call_keeps_the_specification(lane: LaneKey, message: Message, step: Step) -> None:
    assert faults(sent(lane, step, message)) == []


@pytest.mark.parametrize("step", [POST, EDIT])
def test_a_telegram_keyboard_goes_with_the_message_and_with_every_edit(step: Step) -> None:
    keyboard = body(sent(TELEGRAM, step))["reply_markup"]
    assert keyboard == {
        "inline_keyboard": [
            [
                {"text": "✋ Take", "callback_data": "1t.abc"},
                {"text": "🔕 1 h", "callback_data": "1s.abc", "style": "danger"},
            ]
        ]
    }
    assert "reply_markup" not in body(sent(TELEGRAM, step, BARE))


def test_a_webhook_that_has_buttons_says_so_and_one_that_has_none_is_as_before() -> None:
    assert "with_components=true" in sent(HOOK, POST).url.reveal()
    assert body(sent(HOOK, POST))["components"] == [ROW]
    assert body(sent(HOOK, EDIT))["components"] == [ROW]
    for step in (POST, EDIT):
        assert "components" not in body(sent(HOOK, step, BARE))
        assert "with_components" not in sent(HOOK, step, BARE).url.reveal()


def test_the_bot_posts_to_the_channel_with_its_token() -> None:
    request = sent(BOT, POST)
    assert (request.verb, request.url.reveal()) == ("POST", f"{API}/channels/777/messages")
    assert ("Authorization", f"Bot {TOKEN}") in request.headers
    said = body(request)
    assert said["components"] == [ROW]
    assert said["flags"] == 4096
    assert said["allowed_mentions"] == {"users": [], "roles": [], "parse": []}
    assert "username" not in said


def test_an_edit_of_the_bot_takes_the_buttons_away_when_there_are_none() -> None:
    request = sent(BOT, EDIT, BARE)
    assert (request.verb, request.url.reveal()) == ("PATCH", f"{API}/channels/777/messages/42")
    assert body(request)["components"] == []
    assert request.repeatable


def test_a_reply_of_the_bot_is_a_real_one() -> None:
    said = body(sent(BOT, REPLY, BARE))
    assert said["message_reference"] == {"message_id": "42", "fail_if_not_exists": False}
    assert "flags" not in said
    threaded = sent(BOT, Reply(MessageRef("777", "888", "9"), "joined", silent=True), BARE)
    assert threaded.url.reveal() == f"{API}/channels/888/messages"


def test_threads_and_forum_posts_are_channels_of_their_own() -> None:
    assert sent(IN_THREAD, POST).url.reveal() == f"{API}/channels/888/messages"
    forum = sent(FORUM, POST)
    assert forum.url.reveal() == f"{API}/channels/777/threads"
    assert body(forum)["name"] == "Alerts"
    at = Edit(MessageRef("777", "900", "900"))
    assert sent(FORUM, at).url.reveal() == f"{API}/channels/900/messages/900"


def test_a_file_goes_with_a_message_of_the_bot() -> None:
    message = Message(RichText("x"), file=Attachment("a.txt", "all"), buttons=BUTTONS)
    request = sent(BOT, POST, message)
    assert request.content_type.startswith("multipart/form-data")
    assert b'"custom_id":"1t.abc"' in request.body


def test_mentions_of_the_bot_are_those_of_the_configuration() -> None:
    message = Message(RichText("@everyone <@5>"), mentions=(Mention("role", "111", "leads"),))
    said = body(sent(BOT, POST, message))
    assert said["allowed_mentions"] == {"users": [], "roles": ["111"], "parse": []}


def came(lane: LaneKey, step: Step | None, status: int, answer: object) -> Outcome:
    return discord.outcome(lane, step, Response(status, {}, json.dumps(answer).encode()))


@pytest.mark.parametrize(
    ("lane", "step", "answer", "where"),
    [
        (BOT, POST, {"id": "55", "channel_id": "777"}, MessageRef("777", "", "55")),
        (IN_THREAD, POST, {"id": "55", "channel_id": "888"}, MessageRef("777", "888", "55")),
        (FORUM, POST, {"id": "900", "parent_id": "777"}, MessageRef("777", "900", "900")),
        (BOT, EDIT, {"id": "42", "channel_id": "777"}, REF),
        (BOT, REPLY, {"id": "56", "channel_id": "777"}, MessageRef("777", "", "56")),
        (BOT, None, {"id": "777", "type": 0}, MessageRef("777", "", "")),
    ],
)
def test_where_a_message_of_the_bot_stands(
    lane: LaneKey, step: Step | None, answer: object, where: MessageRef
) -> None:
    assert came(lane, step, 200, answer) == Delivered(where)


@pytest.mark.parametrize(
    ("status", "answer", "kind"),
    [
        (401, {"code": 0, "message": "401: Unauthorized"}, BotDown),
        (403, {"code": 50001, "message": "Missing Access"}, ChatDown),
        (403, {"code": 50013, "message": "Missing Permissions"}, ChatDown),
        (404, {"code": 10003, "message": "Unknown Channel"}, ChatDown),
        (404, {"code": 10008, "message": "Unknown Message"}, MessageGone),
        (429, {"message": "slow", "retry_after": 1.5, "global": False}, RateLimited),
    ],
)
def test_what_answers_to_the_bot_mean(status: int, answer: object, kind: type[Outcome]) -> None:
    assert isinstance(came(BOT, EDIT, status, answer), kind)


def test_the_bot_has_a_budget_in_each_channel_and_one_for_its_address() -> None:
    keys = [limit.key for limit in discord.budgets(Endpoint(BOT, Secret(TOKEN)), Limits())]
    assert keys == [
        f"discord:{API}:webhook:1234567890123:777",
        f"discord:{API}:channel:777",
        f"discord:{API}:address",
    ]


def test_the_bot_is_probed_by_its_channel_and_needs_no_server_for_its_replies() -> None:
    endpoint = Endpoint(BOT, Secret(TOKEN))
    assert discord.probe(endpoint).url.reveal() == f"{API}/channels/777"
    assert not discord.needs_guild(endpoint, REPLY)
    assert discord.spell(BOT) == "discord channel 777"
