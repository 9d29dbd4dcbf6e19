"""Which chats have buttons: webhooks of people, webhooks of the application, the bot, Telegram
channels; and the open cards of a webhook whose channel the bot takes over.
"""

from pathlib import Path

import pytest

from relay.sandbox.discord_chats import Message
from relay.sandbox.server import Sandbox
from tests.acceptance.acting import (
    ANNA_ON_DISCORD,
    CHANNEL,
    DISCORD_USER,
    HOOK,
    Acting,
    acting,
)
from tests.acceptance.life import hurry
from tests.acceptance.processes import until

pytestmark = pytest.mark.medium


def messages(here: Acting) -> list[Message]:
    return here.sandbox.discord.messages(CHANNEL)


def is_bots(message: Message) -> bool:
    return message.webhook != HOOK


async def take_by_command(here: Acting, webhook: str) -> str:
    message = messages(here)[-1]
    handed = await here.gateway.command(
        "Take", str(message.id), ANNA_ON_DISCORD, webhook=webhook, channel=str(CHANNEL)
    )
    await until("it is answered", lambda: handed.answer is not None)
    return handed.shown


async def test_a_webhook_that_a_person_made_has_no_buttons_and_the_command_takes(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    async with acting(sandbox, tmp_path, has_alertmanager=False) as here:
        here.discord = here.webhook
        await here.restart()
        await here.post("a")
        await here.shows("Crash")
        assert messages(here)[-1].shown.components == []
        assert await take_by_command(here, str(HOOK)) == "It is yours."
        await here.shows("✋ Anna since")
        assert messages(here)[-1].shown.components == []
        assert len(messages(here)) == 1


async def test_a_webhook_of_the_bots_application_has_buttons_while_actions_are_on(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    async with acting(sandbox, tmp_path, has_alertmanager=False) as here:
        sandbox.discord.webhooks[HOOK].application = DISCORD_USER
        here.discord = here.webhook
        await here.restart()
        await here.post("a")
        await until("it has buttons", lambda: bool(here.channel_buttons()))
        handed = await here.press_in_channel("✋ Take")
        assert handed.shown == "It is yours."
        await here.shows("✋ Anna since")
        await until("it may be released", lambda: list(here.channel_buttons()) == ["↩ Release"])
        await here.post("b", name="Other")  # the owner is known: the first message has them
        await here.shows("Other")
        assert len(messages(here)[-1].versions) == 1
        here.actions = ""
        here.write()
        assert await here.running.reload() == ()
        await until("they are gone", lambda: not any(m.shown.components for m in messages(here)))


@pytest.mark.parametrize("has_webhook", [True, False])
async def test_open_cards_of_a_webhook_go_on_as_the_bots(
    sandbox: Sandbox, tmp_path: Path, *, has_webhook: bool
) -> None:
    async with acting(sandbox, tmp_path, has_alertmanager=False) as here:
        here.discord, of_bot = here.webhook, here.discord
        await here.restart()
        await here.post("a")
        await here.post("b", name="Other")
        await here.shows("Other")
        await here.press("✋ Take")
        await here.shows("✋ Anna since")
        first, second = messages(here)
        here.discord = f"{of_bot}, {here.webhook}" if has_webhook else of_bot
        here.write()
        calls = len(sandbox.discord.calls)
        assert await here.running.reload() == ()
        await until("the bot posts both", lambda: sum(map(is_bots, messages(here))) == 2)
        assert {call.status for call in sandbox.discord.calls[calls:]} == {200}
        crash, other = messages(here)[2:]
        assert "Crash" in crash.shown.content
        await here.shows("Other", "✋ Anna since")
        assert crash.silent
        assert other.silent
        assert list(here.channel_buttons()) == ["↩ Release"]
        link = f"https://discord.com/channels/{sandbox.discord.channels[CHANNEL].guild}/{CHANNEL}/"
        if has_webhook:
            await until(
                "the old ones say where they go on",
                lambda: all("goes on" in each.shown.content for each in (first, second)),
            )
            assert first.shown.content.endswith(f"[↑](<{link}{crash.id}>)")
            assert "Crash" in first.shown.content
            assert not first.shown.embeds
            assert crash.shown.body.get("message_reference") is None
        else:
            reference = crash.shown.body["message_reference"]
            assert reference == {"message_id": str(first.id), "fail_if_not_exists": False}
            assert "goes on" not in first.shown.content
        await here.post("a", status="resolved")
        await until("it ends there", lambda: "🟢" in crash.shown.content)
        await here.restart()
        assert len(messages(here)) == 4 + ("🟢" in messages(here)[-1].shown.content)


async def test_a_webhook_that_is_gone_says_nothing_of_the_chat(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    async with acting(sandbox, tmp_path, has_alertmanager=False) as here:
        here.discord, of_bot = here.webhook, here.discord
        await here.restart()
        await here.post("a")
        await here.shows("Crash")
        sandbox.discord.webhooks[HOOK].gone = True
        here.discord = f"{of_bot}, {here.webhook}"
        await here.restart()
        await until("the bot posts it", lambda: is_bots(messages(here)[-1]))
        await here.post("b", name="Other")
        await here.shows("Other")
        assert "goes on" not in messages(here)[0].shown.content


async def test_a_telegram_channel_has_no_button_that_asks_for_an_answer(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    channel, group = -1001234567890, -1001234567891
    hurry(sandbox.telegram.add_chat(channel, "channel", "Alerts"))
    hurry(sandbox.telegram.add_chat(group, "supergroup", "Ops"))
    fixed = ["✋ Take", "🔕 1 h", "🔕 4 h"]
    async with acting(sandbox, tmp_path, chat=channel) as here:
        await here.post("a")
        await here.shows("Crash")
        assert list(here.buttons()) == fixed
        await here.post("b", name="Second")  # the type of the chat is known by now
        await here.shows("Second")
        assert list(here.buttons()) == fixed
        assert [len(each.versions) for each in sandbox.telegram.messages(channel)] == [1, 1]
        here.chat = group
        await here.restart()
        await here.post("c", name="Other")
        await here.shows("Other")
        await until("it can be asked", lambda: list(here.buttons()) == [*fixed, "🔕 …"])
        await here.post("d", name="Third")
        await here.shows("Third")
        assert list(here.buttons()) == [*fixed, "🔕 …"]
        assert len(sandbox.telegram.messages(group)[-1].versions) == 1
