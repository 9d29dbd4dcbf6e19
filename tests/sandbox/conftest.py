"""A furnished sandbox on a clock that the tests move."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from relay.sandbox import server
from relay.sandbox.discord_chats import Thread
from tests.sandbox import telegram_parser
from tests.sandbox.client import (
    CHANNEL,
    FORUM,
    FORUM_CHANNEL,
    FORUM_HOOK,
    GROUP,
    HOOK,
    PRIVATE,
    SISTER,
    TEXT_CHANNEL,
    TOKEN,
    Client,
    Clock,
)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """To import the libraries that judge takes as long as many tests do."""
    return (
        collection_path.name == "test_judges.py" and "not slow" in config.getoption("markexpr")
    ) or None


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """One bot in four kinds of chat; a text channel with two webhooks and a thread; a forum."""
    clock = Clock()
    sandbox = await server.start(clock=clock, parser=telegram_parser)
    sandbox.telegram.add_bot(TOKEN, "relay_bot")
    sandbox.telegram.add_chat(PRIVATE, "private", "Ada")
    sandbox.telegram.add_chat(GROUP, "group", "Team")
    sandbox.telegram.add_chat(
        FORUM, "supergroup", "Forum", topics={7: "db", 8: "closed"}
    ).closed_topics.add(8)
    sandbox.telegram.add_chat(CHANNEL, "channel", "News")
    text = sandbox.discord.add_channel(TEXT_CHANNEL, "ops")
    text.threads = {
        700: Thread(700, "quiet", archived=True),
        701: Thread(701, "locked", locked=True),
    }
    sandbox.discord.add_channel(FORUM_CHANNEL, "posts", "forum")
    sandbox.discord.add_webhook(HOOK, "secret", TEXT_CHANNEL)
    sandbox.discord.add_webhook(SISTER, "secret", TEXT_CHANNEL)
    sandbox.discord.add_webhook(FORUM_HOOK, "secret", FORUM_CHANNEL)
    async with aiohttp.ClientSession() as session:
        yield Client(sandbox, session, clock)
    await sandbox.stop()
