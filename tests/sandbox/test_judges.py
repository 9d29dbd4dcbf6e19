"""Independent judges: three public libraries drive the sandbox as they drive the real platforms,
and must not notice.

Their models parse every answer, their exception types say what every error is to them, and their
own limiters believe the headers. The sandbox is no private fiction as long as they find it
conforming.
"""

import asyncio
import datetime as dt
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable

import aiogram
import aiogram.methods
import aiohttp
import pytest
import telegram
import telegram.error
from aiogram import exceptions as refused
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.types import BufferedInputFile, EphemeralMessageParameters, ReplyParameters
from telegram.request import HTTPXRequest

from relay.sandbox import server
from relay.sandbox.faults import FaultKind
from relay.sandbox.rates import Bucket, Window
from tests.sandbox.client import (
    CHANNEL,
    FORUM,
    FORUM_HOOK,
    GROUP,
    HOOK,
    TEXT_CHANNEL,
    TOKEN,
    Client,
)

with (
    warnings.catch_warnings()
):  # discord.py imports it for voice, https://docs.python.org/3.11/library/audioop.html
    warnings.filterwarnings("ignore", "'audioop' is deprecated", DeprecationWarning)
    import discord
    import discord.http

pytestmark = pytest.mark.slow
PERSON, ROLE, STRANGER = 700_000_000_000_000_011, 700_000_000_000_000_012, 700_000_000_000_000_013
MARKUP = "<b>disk</b> <i>full</i> <code>/var</code> <tg-spoiler>x</tg-spoiler>"


class SendPoem(aiogram.methods.TelegramMethod[bool]):
    """A method that no server knows."""

    __returning__ = bool
    __api_method__ = "sendPoem"


@pytest.fixture
async def gram(client: Client) -> AsyncIterator[aiogram.Bot]:
    """aiogram, pointed at the sandbox."""
    session = AiohttpSession(api=TelegramAPIServer.from_base(client.sandbox.url), timeout=2)
    connections = await session.create_session()
    yield aiogram.Bot(TOKEN, session=session)
    await connections.close()  # the bot's own end sleeps for a quarter of a second


@pytest.fixture
async def ptb(client: Client, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[telegram.Bot]:
    """python-telegram-bot, pointed at the sandbox."""
    monkeypatch.setenv(
        "PTB_TIMEDELTA", "1"
    )  # the type of `retry_after` that its next version has; else it warns
    async with telegram.Bot(
        TOKEN, base_url=f"{client.sandbox.url}/bot", request=HTTPXRequest(read_timeout=2)
    ) as bot:
        yield bot


@pytest.fixture
async def hook(client: Client, monkeypatch: pytest.MonkeyPatch) -> discord.Webhook:
    """A webhook of discord.py, pointed at the sandbox."""
    monkeypatch.setattr(discord.http.Route, "BASE", f"{client.sandbox.url}/api/v10")
    return discord.Webhook.partial(HOOK, "secret", session=client.session)


async def test_aiogram_reads_a_message_through_its_life(client: Client, gram: aiogram.Bot) -> None:
    sent = await gram.send_message(
        FORUM, MARKUP, parse_mode="HTML", message_thread_id=7, disable_notification=True
    )
    assert [(e.type, e.offset, e.length) for e in sent.entities or ()] == [
        ("bold", 0, 4),
        ("italic", 5, 4),
        ("code", 10, 4),
        ("spoiler", 15, 1),
    ]
    assert (sent.text, sent.message_thread_id, sent.is_topic_message) == (
        "disk full /var x",
        7,
        True,
    )
    assert (sent.chat.is_forum, sent.from_user and sent.from_user.is_bot) == (True, True)
    assert sent.model_extra == {}
    answer = await gram.send_message(
        FORUM,
        "yes",
        message_thread_id=7,
        reply_parameters=ReplyParameters(message_id=sent.message_id),
    )
    assert answer.reply_to_message is not None
    assert answer.reply_to_message.message_id == sent.message_id
    client.clock.now += 5
    edited = await gram.edit_message_text("calm", chat_id=FORUM, message_id=sent.message_id)
    assert isinstance(edited, aiogram.types.Message)
    assert (edited.text, edited.edit_date) == ("calm", int(client.clock.now))
    assert await gram.delete_message(FORUM, sent.message_id) is True


async def test_aiogram_sends_reads_edits_and_deletes_a_message_that_one_person_sees(
    client: Client, gram: aiogram.Bot
) -> None:
    own = EphemeralMessageParameters(receiver_user_id=12)
    sent = await gram.send_message(GROUP, "For how long?", ephemeral_message_parameters=own)
    assert (sent.message_id, sent.ephemeral_message_id) == (0, 1)
    assert sent.receiver_user is not None
    assert sent.receiver_user.id == 12
    assert await gram.edit_ephemeral_message_text(GROUP, 12, 1, text="Done.")
    assert client.sandbox.telegram.chats[GROUP].ephemerals[1].text == "Done."
    assert await gram.delete_ephemeral_message(GROUP, 12, 1)
    with pytest.raises(refused.TelegramBadRequest):
        await gram.delete_ephemeral_message(GROUP, 12, 1)
    assert client.sandbox.telegram.messages(GROUP) == []
    client.sandbox.telegram.knows_ephemerals = False
    with pytest.raises(refused.TelegramNotFound):
        await gram.delete_ephemeral_message(GROUP, 12, 1)
    await gram.send_message(GROUP, "For how long?", ephemeral_message_parameters=own)
    assert len(client.sandbox.telegram.messages(GROUP)) == 1  # to everyone
    assert "unknown parameter" in client.sandbox.telegram.remarks[-1].what


async def test_aiogram_reads_bots_chats_files_and_channels(gram: aiogram.Bot) -> None:
    assert (await gram.get_me()).username == "relay_bot"
    assert (await gram.get_chat(FORUM)).title == "Forum"
    assert (await gram.get_chat_member(GROUP, 100)).status == "member"
    assert await gram.get_updates() == []
    assert (await gram.get_webhook_info()).url == ""
    list_of_all = BufferedInputFile(b"alerts", "alerts.txt")
    sent = await gram.send_document(GROUP, list_of_all, caption="*all*", parse_mode="MarkdownV2")
    assert sent.document is not None
    assert (sent.document.file_name, sent.document.file_size, sent.caption) == (
        "alerts.txt",
        6,
        "all",
    )
    news = await gram.send_message(CHANNEL, "news")
    assert news.sender_chat is not None
    assert news.sender_chat.id == CHANNEL


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda bot: bot.send_message(1, "x"), refused.TelegramBadRequest, "chat not found"),
        (
            lambda bot: bot.send_message(GROUP, "<b>", parse_mode="HTML"),
            refused.TelegramBadRequest,
            "parse entities",
        ),
        (
            lambda bot: bot.send_message(GROUP, "x" * 4097),
            refused.TelegramBadRequest,
            "message is too long",
        ),
        (
            lambda bot: bot.send_message(FORUM, "x", message_thread_id=9),
            refused.TelegramBadRequest,
            "thread not found",
        ),
        (
            lambda bot: bot.edit_message_text("x", chat_id=GROUP, message_id=9),
            refused.TelegramBadRequest,
            "message to edit not found",
        ),
        (lambda bot: bot(SendPoem()), refused.TelegramNotFound, "method not found"),
        (
            lambda bot: bot.set_webhook("http://example.org"),
            refused.TelegramBadRequest,
            "HTTPS URL must be provided",
        ),
    ],
)
async def test_aiogram_raises_its_own_type_for_each_refusal(
    gram: aiogram.Bot,
    call: Callable[[aiogram.Bot], Awaitable[object]],
    error: type[refused.TelegramAPIError],
    words: str,
) -> None:
    with pytest.raises(error, match=words):
        await call(gram)


async def test_aiogram_is_told_to_wait_to_move_to_leave_and_that_its_token_is_void(
    client: Client, gram: aiogram.Bot
) -> None:
    client.sandbox.faults.add("telegram", str(GROUP), "429", count=1, seconds=7)
    with pytest.raises(refused.TelegramRetryAfter) as wait:
        await gram.send_message(GROUP, "x")
    assert wait.value.retry_after == 7
    client.sandbox.telegram.upgrade(GROUP, -1_000_000_000_777)
    with pytest.raises(refused.TelegramMigrateToChat) as moved:
        await gram.send_message(GROUP, "x")
    assert moved.value.migrate_to_chat_id == -1_000_000_000_777
    client.sandbox.telegram.kick(FORUM)
    with pytest.raises(refused.TelegramForbiddenError, match="bot was kicked"):
        await gram.send_message(FORUM, "x")
    await gram.set_webhook("https://example.org/telegram", secret_token="s")
    with pytest.raises(refused.TelegramConflictError):
        await gram.get_updates()
    client.sandbox.telegram.bots[TOKEN].revoked = True
    with pytest.raises(refused.TelegramUnauthorizedError):
        await gram.get_me()


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("500", refused.TelegramServerError),
        ("502", refused.ClientDecodeError),
        ("not json", refused.ClientDecodeError),
        ("ok false", refused.TelegramAPIError),
        ("cut before", refused.TelegramNetworkError),
        ("cut after", refused.TelegramNetworkError),
    ],
)
async def test_aiogram_meets_every_fault_as_it_would_there(
    client: Client, gram: aiogram.Bot, kind: FaultKind, error: type[Exception]
) -> None:
    client.sandbox.faults.add("telegram", str(GROUP), kind, count=1)
    with pytest.raises(error):
        await gram.send_message(GROUP, "x")
    assert (await gram.send_message(GROUP, "y")).text == "y"


async def test_python_telegram_bot_knows_every_field_of_every_answer(
    client: Client, ptb: telegram.Bot
) -> None:
    sent = await ptb.send_message(FORUM, MARKUP, parse_mode="HTML", message_thread_id=7)
    answer = await ptb.send_message(
        FORUM,
        "yes",
        message_thread_id=7,
        reply_parameters=telegram.ReplyParameters(sent.message_id),
    )
    client.clock.now += 5
    edited = await ptb.edit_message_text("calm", FORUM, sent.message_id)
    file = await ptb.send_document(GROUP, b"alerts", filename="alerts.txt", caption="all")
    assert isinstance(edited, telegram.Message)
    assert [message.api_kwargs for message in (sent, answer, edited, file)] == [{}, {}, {}, {}]
    assert sent.text_html == MARKUP.replace("tg-spoiler>", 'span class="tg-spoiler">', 1).replace(
        "/tg-spoiler", "/span"
    )
    assert answer.reply_to_message == sent
    assert edited.edit_date == dt.datetime.fromtimestamp(int(client.clock.now), dt.UTC)
    assert file.document is not None
    assert file.document.file_name == "alerts.txt"
    chat = await ptb.get_chat(FORUM)
    assert (chat.title, chat.api_kwargs) == ("Forum", {})


async def test_python_telegram_bot_raises_its_own_type_for_each_refusal(
    client: Client, ptb: telegram.Bot
) -> None:
    with pytest.raises(telegram.error.BadRequest, match="an't parse entities"):
        await ptb.send_message(GROUP, "a_b", parse_mode="MarkdownV2")
    client.sandbox.faults.add("telegram", str(GROUP), "429", count=1, seconds=9)
    with pytest.raises(telegram.error.RetryAfter) as wait:
        await ptb.send_message(GROUP, "x")
    assert wait.value.retry_after == dt.timedelta(seconds=9)
    client.sandbox.telegram.upgrade(GROUP, -1_000_000_000_777)
    with pytest.raises(telegram.error.ChatMigrated) as moved:
        await ptb.send_message(GROUP, "x")
    assert moved.value.new_chat_id == -1_000_000_000_777
    client.sandbox.telegram.kick(CHANNEL)
    with pytest.raises(telegram.error.Forbidden, match="bot was kicked from the channel chat"):
        await ptb.send_message(CHANNEL, "x")
    client.sandbox.faults.add("telegram", "*", "502", count=1)
    with pytest.raises(telegram.error.NetworkError):
        await ptb.send_message(FORUM, "x")
    client.sandbox.telegram.bots[TOKEN].revoked = True
    with pytest.raises(telegram.error.InvalidToken):
        await ptb.get_me()


async def test_discord_py_reads_a_message_through_its_life(
    client: Client, hook: discord.Webhook
) -> None:
    embed = discord.Embed(
        title="Disk", description="full", colour=0xFF0000, timestamp=discord.utils.utcnow()
    )
    embed.add_field(name="instance", value="db-1").set_footer(text="ops").set_author(name="prod")
    whom = discord.AllowedMentions(
        everyone=False, users=[discord.Object(PERSON)], roles=[discord.Object(ROLE)]
    )
    sent = await hook.send(
        f"<@{PERSON}> <@&{ROLE}> <@{STRANGER}>",
        wait=True,
        username="Alerts",
        embed=embed,
        allowed_mentions=whom,
        silent=True,
        file=discord.File(__file__, "alerts.txt"),
    )
    (shown,) = sent.embeds
    assert (shown.title, shown.fields[0].value, shown.footer.text, shown.author.name) == (
        "Disk",
        "db-1",
        "ops",
        "prod",
    )
    assert (sent.author.display_name, sent.author.bot, sent.webhook_id) == ("Alerts", True, HOOK)
    assert ([user.id for user in sent.mentions], sent.raw_role_mentions, sent.flags.silent) == (
        [PERSON],
        [ROLE],
        True,
    )
    assert [file.filename for file in sent.attachments] == ["alerts.txt"]
    client.clock.now += 60
    edited = await sent.edit(
        content="calm", embeds=[], allowed_mentions=discord.AllowedMentions.none()
    )
    assert (edited.content, edited.embeds, edited.edited_at is not None) == ("calm", [], True)
    assert (await hook.fetch_message(sent.id)).content == "calm"
    await sent.delete()
    with pytest.raises(discord.NotFound) as gone:
        await hook.fetch_message(sent.id)
    assert gone.value.code == 10008


async def test_discord_py_writes_into_threads_and_forums(
    client: Client, hook: discord.Webhook
) -> None:
    quiet = discord.Object(700)
    sent = await hook.send("in a thread", wait=True, thread=quiet)
    assert (await hook.fetch_message(sent.id, thread=quiet)).content == "in a thread"
    assert (await hook.edit_message(sent.id, content="calm", thread=quiet)).channel.id == 700
    posts = discord.Webhook.partial(FORUM_HOOK, "secret", session=client.session)
    post = await posts.send("a post", wait=True, thread_name="Disk")
    assert (
        await posts.send("below it", wait=True, thread=discord.Object(post.channel.id))
    ).channel == post.channel
    told = await hook.fetch()
    assert (told.channel_id, told.name, told.type) == (
        TEXT_CHANNEL,
        "Alerts",
        discord.WebhookType.incoming,
    )


@pytest.mark.parametrize(
    ("call", "error", "status", "code"),
    [
        (lambda hook: hook.send("x" * 2001, wait=True), discord.HTTPException, 400, 50035),
        (lambda hook: hook.send(" ", wait=True), discord.HTTPException, 400, 50006),
        (lambda hook: hook.send("x", thread=discord.Object(9)), discord.NotFound, 404, 10003),
        (
            lambda hook: hook.send("x", thread=discord.Object(701)),
            discord.HTTPException,
            400,
            160005,
        ),
        (lambda hook: hook.send("x", thread_name="post"), discord.HTTPException, 400, 220003),
        (lambda hook: hook.edit_message(9, content="x"), discord.NotFound, 404, 10008),
    ],
)
async def test_discord_py_raises_its_own_type_for_each_refusal(
    hook: discord.Webhook,
    call: Callable[[discord.Webhook], Awaitable[object]],
    error: type[discord.HTTPException],
    status: int,
    code: int,
) -> None:
    with pytest.raises(error) as refusal:
        await call(hook)
    assert (refusal.value.status, refusal.value.code) == (status, code)


async def test_discord_py_is_told_of_a_wrong_token_and_a_deleted_webhook(
    client: Client, hook: discord.Webhook
) -> None:
    wrong = discord.Webhook.partial(HOOK, "wrong", session=client.session)
    with pytest.raises(discord.HTTPException) as refusal:
        await wrong.send("x")
    assert (refusal.value.status, refusal.value.code) == (401, 50027)
    await hook.delete()
    with pytest.raises(discord.NotFound) as gone:
        await hook.send("x")
    assert gone.value.code == 10015


async def test_the_limiter_of_discord_py_believes_the_headers_and_waits_as_long_as_a_429_says(
    sandbox: server.Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discord.http.Route, "BASE", f"{sandbox.url}/api/v10")
    channel = sandbox.discord.add_channel(1, "ops")
    sandbox.discord.add_webhook(HOOK, "secret", 1).bucket = Bucket(3, 0.1)
    async with aiohttp.ClientSession() as session:
        hook = discord.Webhook.partial(HOOK, "secret", session=session)
        await asyncio.gather(*(hook.send(f"message {n}", wait=True) for n in range(8)))
        assert {call.status for call in sandbox.discord.calls} == {200}
        sandbox.discord.webhooks[HOOK].bucket = Bucket(50, 2.0)
        channel.hidden = Window(
            2, 0.1
        )  # no header tells of it: a client meets it once, and waits as long as it says
        await asyncio.gather(*(hook.send(f"more {n}", wait=True) for n in range(3)))
    assert sorted(m.shown.content for m in channel.shows())[-3:] == ["more 0", "more 1", "more 2"]
    assert sum(call.status == 429 for call in sandbox.discord.calls) == 1
    assert not any(call.early for call in sandbox.discord.calls)
