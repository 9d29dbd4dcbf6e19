"""Shows the demo in the terminal: each message as it appears or changes in a chat."""

import asyncio
import json
import sys
import time
from collections.abc import Iterator

from relay.cli.base import say_drawn
from relay.core.routing.lane import Platform
from relay.sandbox.page import draw
from relay.sandbox.server import Sandbox

LOOK_EVERY = 0.1  # seconds
_QUIET = "\x1b[2m{}\x1b[0m"


def versions(sandbox: Sandbox) -> Iterator[tuple[str, str, str]]:
    """Every version of every message: its chat, its id with the version's number, and its body as
    text.
    """
    for chat in sandbox.telegram.chats.values():
        for telegram in chat.messages.values():
            for number, version in enumerate(telegram.versions):
                said = {"text": version.content.text, "entities": version.content.entities}
                yield (
                    f"Telegram · {chat.title}",
                    f"{telegram.id}.{number}",
                    json.dumps(said, ensure_ascii=False),
                )
    for channel in sandbox.discord.channels.values():
        for discord in channel.messages.values():
            for number, kept in enumerate(discord.versions):
                body = {"username": discord.username, **kept.body}
                yield (
                    f"Discord · #{channel.name}",
                    f"{discord.id}.{number}",
                    json.dumps(body, ensure_ascii=False),
                )


class Drawn:
    """Draws what is new in the chats since the last check."""

    def __init__(self, sandbox: Sandbox, began: float, *, seen: bool = False) -> None:
        self._sandbox = sandbox
        self._began = began
        self._colour = sys.stdout.isatty()
        self._seen = {(where, key) for where, key, _ in versions(sandbox)} if seen else set()

    async def watch(self) -> None:
        """Checks until it is cancelled."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_EVERY)

    def look(self) -> bool:
        """Draws what is new. Returns whether there was anything."""
        new = [
            (where, key, text)
            for where, key, text in versions(self._sandbox)
            if (where, key) not in self._seen
        ]
        for where, key, text in new:
            self._seen.add((where, key))
            edited = "" if key.endswith(".0") else "edited"
            self.remark(f"{where}{' · edited' if edited else ''}")
            platform: Platform = "telegram" if where.startswith("Telegram") else "discord"
            say_drawn(draw(platform, json.loads(text), colour=self._colour, foot=edited) + "\n")
        return bool(new)

    def remark(self, text: str) -> None:
        """Writes a line about an event, with the seconds since the start."""
        line = f"{time.time() - self._began:5.1f} s  {text}"
        say_drawn(_QUIET.format(line) if self._colour else line)
