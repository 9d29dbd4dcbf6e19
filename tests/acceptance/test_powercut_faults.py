"""The power goes again and again while calls and messages fail: nothing that was acknowledged is
lost, and who has nothing to do with a fault waits for one call at most.
"""

import logging
import os
import random
from contextlib import suppress
from pathlib import Path

import pytest

from relay.core.alert import GroupId, Notification
from relay.core.budget import Limits, Rate
from relay.platforms.http import NoAnswer, Request, Response
from relay.sandbox import discord_text
from relay.sandbox.faults import FaultKind
from relay.store.protocol import StoreError
from relay.store.sqlite.store import SqliteStore
from tests.build import T0, alert, notification
from tests.need import share
from tests.store.cutting_vfs import Disk
from tests.world import CHANNEL, CHAT, AtOnce, World, discord_target, telegram_target

CUTS, QUICK, PER_LIFE = int(os.environ.get("RELAY_CUTS", "2000")), 24, 8
CALL, MORE = 15.0, 6.0  # seconds that a call hangs, and that the pauses around it take
# What waits is not to wait for the rate of its chat.
PLENTY = Limits(
    {
        "telegram": {name: Rate(10_000, 60.0) for name in ("group", "chat", "bot")},
        "discord": {name: Rate(10_000, 60.0) for name in ("webhook", "channel", "address")},
    }
)
# By the text of a message: what a box does to it, and how a call ends late.
KINDS: tuple[FaultKind, ...] = ("blocked", "502", "cut before", "cut after", "not json", "hang")
log = logging.getLogger(__name__)


class Night:
    """A group of Telegram or a channel of Discord, beside a storage whose power goes."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.chance = random.Random(seed)
        self.path = folder / f"{seed}.db"
        self.disk = Disk(self.chance)
        store = SqliteStore(self.path, connect=self.disk.connect)
        self.world = World(
            discord_target() if seed % 2 else telegram_target(), limits=PLENTY, store=store
        )
        for kind in KINDS:
            for platform in ("telegram", "discord"):
                self.world.faults.add(platform, "*", kind, text=f"Ill-{kind}", seconds=20.0)
        self.accepted: dict[str, float] = {}
        self.cuts = 0
        self._exchange = self.world.send
        self.world.send = self._send  # type: ignore[method-assign]
        self.world.pipeline = self.world._begun()

    async def live(self) -> None:
        """Payloads come, and the power goes `PER_LIFE` times."""
        self._plug_in()
        while self.cuts < PER_LIFE:
            number = len(self.accepted)
            ill = f"Ill-{self.chance.choice(KINDS)}-" if number % 7 == 3 else "Good-"
            await self._post(told(f"{ill}{number:04}"), f"{ill}{number:04}")
            await self._run(self.chance.uniform(4.0, 9.0))
        self.disk._cut_at = None
        self.world.faults.clear()
        await self.world.run(until=self.world.now - T0 + 2 * 3600)

    async def _post(self, posted: Notification, name: str) -> None:
        """Alertmanager posts it until it is acknowledged."""
        while name not in self.accepted:
            with suppress(StoreError):
                await self.world.post(posted)
                self.accepted[name] = self.world.now
            await self._restart_if_cut()

    async def _send(self, request: Request) -> Response | NoAnswer:
        """The answer; while a call hangs a payload comes, which waits for the end of it."""
        began = self.world.now
        answer = await self._exchange(request)
        ended = self.world.now
        if ended - began >= CALL:
            self.world.now, name = began + 1.0, f"Good-{len(self.accepted):04}"
            with suppress(StoreError):
                await self.world.post(told(name))
                self.accepted[name] = self.world.now
            self.world.now = ended
        return answer

    async def _run(self, seconds: float) -> None:
        """A relay without its disk is started again within a second."""
        end = self.world.now + seconds
        while self.world.now < end:
            try:
                await self.world.run(until=min(self.world.now + 1.0, end) - T0)
            except (StoreError, AssertionError):  # the world takes no error of the relay's as good
                if self.disk.after is None:
                    raise
            await self._restart_if_cut()

    async def _restart_if_cut(self) -> None:
        while self.disk.after is not None:
            self.cuts += 1
            self.world.store.close()
            self._plug_in()
            with suppress(StoreError):
                store = SqliteStore(self.path, connect=self.disk.connect)
                self.world.store, self.world.transactions = store, AtOnce(store)
                self.world.events.clear()
                await self.world.restart()

    def _plug_in(self) -> None:
        """What is left of the disk; the next power cut comes at a random operation."""
        at = int(self.chance.expovariate(1 / 400)) + 1
        if self.disk.after is None:
            self.disk._cut_at = self.disk.operations + at
        else:
            self.disk = Disk(self.chance, self.disk.after, cut_at=at)

    def judge(self) -> float:
        """Everything acknowledged is named in the chat; how long those waited at most, in
        seconds, who have nothing to do with a fault.
        """
        for row in self.world.balance():
            assert (row.dead, row.expired, row.pending) == (0, 0, 0), row
        longest = 0.0
        messages = self.world.telegram.messages(CHAT)
        channel = self.world.discord.messages(CHANNEL)
        said = sorted(
            [(each.at, each.content.text) for message in messages for each in message.versions]
            + [
                (each.at, discord_text.plain(each.content, each.embeds))
                for message in channel
                for each in message.versions
            ]
        )
        for name, at in self.accepted.items():
            sent = [when for when, text in said if name in text]
            assert sent, (name, self.path.stem)
            if name.startswith("Good-"):
                longest = max(longest, sent[0] - at)
        return longest


def told(name: str) -> Notification:
    """A critical group of one alert."""
    group = GroupId("", "relay", f"{{}}:{name}")
    return notification(alert(name, severity="critical", name=name), group=group)


async def lives(count: int, folder: Path, first: int = 0) -> float:
    longest = 0.0
    for seed in range(first, first + max(1, count // PER_LIFE)):
        night = Night(seed, folder)
        await night.live()
        longest = max(longest, night.judge())
    return longest


@pytest.mark.medium
async def test_power_cuts_while_messages_fail_lose_nothing_and_hold_up_nobody(
    tmp_path: Path,
) -> None:
    assert await lives(QUICK, tmp_path) < CALL + MORE


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_many_power_cuts_while_messages_fail_lose_nothing_and_hold_up_nobody(
    tmp_path: Path,
) -> None:
    longest = await lives(share(CUTS), tmp_path, first=QUICK)
    log.info("%d power cuts, the longest wait of an unaffected critical %.1f s", CUTS, longest)
    assert longest < CALL + MORE
