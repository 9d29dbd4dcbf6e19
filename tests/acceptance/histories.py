"""What the chaos of several replicas is judged by beside what stands in the chats at last: how each
message came to it, and who had each chat.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import psycopg

from relay.sandbox import discord_text
from relay.sandbox.server import Sandbox
from tests.acceptance.test_kill import CHANNEL

LOOK_EVERY = 0.05  # seconds


def versions(sandbox: Sandbox, chat: int) -> list[list[str]]:
    """What each message of a chat said, one after the other, but for the relay's own notices."""
    if chat == CHANNEL:
        said = [
            [discord_text.plain(v.content, v.embeds) for v in m.versions]
            for m in sandbox.discord.messages(chat)
        ]
    else:
        said = [[v.content.text for v in m.versions] for m in sandbox.telegram.messages(chat)]
    return [each for each in said if not is_notice(each[0])]


def is_notice(text: str) -> bool:
    """Whether the relay tells of itself, which may fire again and again."""
    return "AlertRelay" in text


def linear(said: Sequence[str]) -> bool:
    """The message of an alert that fires once does not fire again after its end."""
    ended = ["resolved" in text for text in said]
    return ended == sorted(ended)


class Owners:
    """Who had each lease, by its lane and epoch."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.seen: dict[tuple[int, int], set[str]] = {}

    def note(self, lane: int, epoch: int, owner: str) -> None:
        """The owner has the lease."""
        self.seen.setdefault((lane, epoch), set()).add(owner)

    def of_several(self) -> dict[tuple[int, int], set[str]]:
        """The epochs that had more than one owner."""
        return {key: owners for key, owners in self.seen.items() if len(owners) > 1}

    async def watch(self) -> None:
        """Looks again and again, while the database is there."""
        while True:
            with suppress(psycopg.Error):
                await self._look()
            await asyncio.sleep(LOOK_EVERY)

    async def _look(self) -> None:
        connection = await psycopg.AsyncConnection.connect(self._url, autocommit=True)
        async with connection:
            while True:
                rows = await connection.execute("SELECT lane, epoch, owner FROM lease")
                for row in await rows.fetchall():
                    self.note(*row)
                await asyncio.sleep(LOOK_EVERY)
