"""Bots in the local Discord, called as the relay calls them."""

import pytest

from relay.core.card.outcome import BotDown, ChatDown, Delivered, MessageGone, Outcome, Rejected
from relay.core.card.step import Edit, MessageRef, Post, Reply, Step
from relay.core.routing.lane import Endpoint, LaneKey, Policy
from relay.core.secret import Secret
from relay.core.text.message import Button, Message
from relay.core.text.richtext import RichText
from relay.delivery.transport import Transport
from relay.platforms import discord
from relay.platforms.http import Response
from tests.sandbox.client import FORUM_CHANNEL, HOOK, TEXT_CHANNEL, Client

BOT_TOKEN = "MTIzNDU2Nzg5MDEyMw.abcdef.xxxxxxxxxxxxxxxxxxxxxxxxxxx"
WITH = Message(RichText("A fires"), buttons=((Button("✋ Take", "1t.abc"),),))
POLICY = Policy("ops", "card.j2", "discord")


class Bot:
    """The relay's own requests, sent to the local Discord."""

    def __init__(self, client: Client, token: str = BOT_TOKEN) -> None:
        client.sandbox.discord.add_bot(BOT_TOKEN, 1234567890123, 900001)
        self.client = client
        self.api = f"{client.sandbox.url}/api/v10"
        self.token = Secret(token)

    async def does(
        self, step: Step | None, message: Message = WITH, chat: str = "", thread: str = ""
    ) -> Outcome:
        lane = LaneKey("discord", self.api, "1234567890123", chat or str(TEXT_CHANNEL), thread)
        return await self.sends(Endpoint(lane, self.token), step, message)

    async def sends(self, endpoint: Endpoint, step: Step | None, message: Message) -> Outcome:
        transport = Transport()
        request = (
            discord.probe(endpoint)
            if step is None
            else discord.request(endpoint, POLICY, step, message)
        )
        response = await transport.send(request)
        await transport.close()
        assert isinstance(response, Response)
        return discord.outcome(endpoint.lane, step, response)


async def test_a_message_of_the_bot_has_buttons_and_loses_them_with_an_edit(
    client: Client,
) -> None:
    bot = Bot(client)
    posted = await bot.does(Post(silent=False))
    assert isinstance(posted, Delivered)
    ref = posted.message
    assert (ref.chat, ref.thread) == (str(TEXT_CHANNEL), "")
    (message,) = client.sandbox.discord.messages(TEXT_CHANNEL)
    assert message.shown.body["components"]
    assert await bot.does(Edit(ref), Message(RichText("over"))) == Delivered(ref)
    assert message.shown.body["components"] == []


async def test_a_reply_refers_to_its_message_and_a_thread_is_a_channel(client: Client) -> None:
    bot = Bot(client)
    posted = await bot.does(Post(silent=False), thread="700")
    assert isinstance(posted, Delivered)
    assert (posted.message.chat, posted.message.thread) == (str(TEXT_CHANNEL), "700")
    reply = Reply(posted.message, "repeated", silent=False)
    assert isinstance(await bot.does(reply, thread="700"), Delivered)
    _, message = client.sandbox.discord.messages(TEXT_CHANNEL)
    reference = {"message_id": posted.message.id, "fail_if_not_exists": False}
    assert message.shown.body["message_reference"] == reference
    assert message.thread == 700


async def test_a_forum_gets_a_post_that_is_edited_where_it_stands(client: Client) -> None:
    bot = Bot(client)
    chat = str(FORUM_CHANNEL)
    posted = await bot.does(Post(silent=False), chat=chat, thread="name:Alerts")
    assert isinstance(posted, Delivered)
    ref = posted.message
    assert ref.thread == ref.id
    assert await bot.does(Edit(ref), chat=chat, thread="name:Alerts") == Delivered(ref)


@pytest.mark.parametrize(
    ("chat", "token", "kind"),
    [("", "other", BotDown), ("12345", BOT_TOKEN, ChatDown)],
)
async def test_what_cannot_be_reached_is_told(
    client: Client, chat: str, token: str, kind: type[Outcome]
) -> None:
    assert isinstance(await Bot(client, token).does(Post(silent=False), chat=chat), kind)


async def test_a_channel_that_the_bot_may_not_see_is_told_and_probed(client: Client) -> None:
    bot = Bot(client)
    assert isinstance(await bot.does(None), Delivered)
    client.sandbox.discord.channels[TEXT_CHANNEL].hidden_from_bots = True
    assert isinstance(await bot.does(None), ChatDown)
    gone = Edit(MessageRef(str(TEXT_CHANNEL), "", "55"))
    client.sandbox.discord.channels[TEXT_CHANNEL].hidden_from_bots = False
    assert isinstance(await bot.does(gone), MessageGone)


async def test_a_webhook_that_a_person_made_refuses_buttons_and_an_applications_own_takes_them(
    client: Client,
) -> None:
    bot = Bot(client)
    url = Secret(f"{client.sandbox.url}/api/webhooks/{HOOK}/secret")
    hook = Endpoint(LaneKey("discord", client.sandbox.url, str(HOOK), ""), url)
    assert isinstance(await bot.sends(hook, Post(silent=False), WITH), Rejected)
    client.sandbox.discord.webhooks[HOOK].application = "900001"
    assert isinstance(await bot.sends(hook, Post(silent=False), WITH), Delivered)
