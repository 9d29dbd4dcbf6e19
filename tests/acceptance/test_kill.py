"""What was answered with 200 reaches its chat, however often and whenever the relay is killed."""

import asyncio
import logging
import os
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path

import aiohttp
import pytest

from relay.sandbox import discord_text
from relay.sandbox.faults import FaultKind
from relay.sandbox.rates import Bucket, Window
from relay.sandbox.server import Sandbox
from tests.acceptance.processes import (
    Process,
    Processes,
    free_port,
    launch_relay,
    payload,
    processes,
    start_relay,
    until,
)

TOKEN, ONE, OTHER = "1000001:sandbox-bot", -1001, -1002
CHANNEL, HOOK, HOOK_TOKEN = 3001, 4001, "sandbox-webhook"
TEAMS = {"one": ONE, "other": OTHER, "channel": CHANNEL}
KILLS = int(os.environ.get("RELAY_KILLS", "60"))
LOADERS, PAUSE = 3, 0.2  # at once, and the most seconds between the posts of one
_PATIENCE = aiohttp.ClientTimeout(total=10)
MANY = Window(10**9, 1.0)
LIMITS = """\
limits:
  telegram: {bot: 1000/1s, chat: 1000/1s, group: 60000/60s}
  discord: {webhook: 1000/1s, channel: 60000/60s, address: 1000/1s}"""
log = logging.getLogger(__name__)


def add_chats(sandbox: Sandbox, tokens: Sequence[str], groups: Sequence[int]) -> None:
    """Bots with these tokens, these groups, and the channel of a webhook, which take any amount."""
    for token in tokens:
        sandbox.telegram.add_bot(token, f"relay_{token[6]}_bot").pace = MANY
    for group in groups:
        chat = sandbox.telegram.add_chat(group, "supergroup", f"Team {group}")
        chat.pace = chat.minute = MANY
    sandbox.discord.add_channel(CHANNEL, "alerts").hidden = MANY
    sandbox.discord.add_webhook(HOOK, HOOK_TOKEN, CHANNEL).bucket = Bucket(10**9, 1.0)
    sandbox.discord.everyone = MANY


def set_up_chats(sandbox: Sandbox, folder: Path) -> Path:
    """Two groups and a channel that take any amount, and the configuration that routes by team."""
    add_chats(sandbox, (TOKEN,), (ONE, OTHER))
    config = folder / "relay.yml"
    config.write_text(f"""\
global:
  telegram_api_url: {sandbox.url}
  telegram_bot_token: "{TOKEN}"
{LIMITS}
route:
  receiver: one
  routes:
    - matchers: [team="other"]
      receiver: other
    - matchers: [team="channel"]
      receiver: channel
receivers:
  - name: one
    telegram_configs:
      - chat_id: {ONE}
  - name: other
    telegram_configs:
      - chat_id: {OTHER}
  - name: channel
    discord_configs:
      - webhook_url: {sandbox.url}/api/webhooks/{HOOK}/{HOOK_TOKEN}
""")
    return config


@dataclass
class Seen:
    """A message of a chat: when it was sent, what it first said and says now, and whether it
    answers another.
    """

    at: float
    first: str
    now: str
    reply: bool


def seen(sandbox: Sandbox, chat: int) -> list[Seen]:
    """The messages of a chat in the order in which it got them."""
    if chat == CHANNEL:
        texts = [
            [discord_text.plain(v.content, v.embeds) for v in m.versions]
            for m in sandbox.discord.messages(chat)
        ]
        sent = [m.sent_at for m in sandbox.discord.messages(chat)]
        return [
            Seen(at, said[0], said[-1], said[0].startswith("🟢 resolved after"))
            for at, said in zip(sent, texts, strict=True)
        ]
    return [
        Seen(m.sent_at, m.versions[0].content.text, m.text, m.reply_to != 0)
        for m in sandbox.telegram.messages(chat)
    ]


@pytest.mark.medium
async def test_an_alert_is_delivered_although_the_relay_is_killed_right_after_its_answer(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    async with processes(tmp_path, lambda: sandbox.telegram.transcript(ONE)) as running:
        config = set_up_chats(sandbox, tmp_path)
        relay = await start_relay(running, config)
        assert await relay.post(payload("DiskFull")) == 200
        await relay.process.kill()
        again = await start_relay(running, config)
        await until("everything is settled", again.at_rest)
        messages = seen(sandbox, ONE)
        assert all("DiskFull" in message.now for message in messages)
        assert ["may be repeated" in message.first for message in messages] in (
            [False],
            [True],
            [False, True],
        )
        assert (await again.balance())["one"].lost == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "messages"),
    [
        pytest.param("502", ["DiskFull"], id="the platform is down: nothing can stand there"),
        pytest.param(
            "hang",
            ["DiskFull, may be repeated"],
            id="the platform had not taken it, which we cannot know",
        ),
        pytest.param(
            "slow", ["DiskFull", "DiskFull, may be repeated"], id="the platform had taken it"
        ),
    ],
)
async def test_what_the_platform_did_before_the_kill_decides_how_often_it_stands_there(
    sandbox: Sandbox, tmp_path: Path, fault: FaultKind, messages: list[str]
) -> None:
    async with processes(tmp_path, lambda: sandbox.telegram.transcript(ONE)) as running:
        config = set_up_chats(sandbox, tmp_path)
        relay = await start_relay(running, config)
        sandbox.faults.add("telegram", "*", fault, seconds=30)
        assert await relay.post(payload("DiskFull")) == 200
        await until("the call has reached the platform", lambda: bool(sandbox.faults.struck))
        if fault == "502":
            failed = "API request failed"
            await until("the relay has the answer", lambda: failed in relay.process.output)
        await relay.process.kill()
        sandbox.faults.clear()
        again = await start_relay(running, config)
        await until("everything is settled", again.at_rest)
        marks = [
            ", may be repeated" if "may be repeated" in message.first else ""
            for message in seen(sandbox, ONE)
        ]
        assert [f"DiskFull{mark}" for mark in marks] == messages


@dataclass
class Load:
    """Posts groups one after another, each until one of the addresses answers it with 200, as
    Alertmanager would.
    """

    urls: list[str]
    over: bool = False
    numbers: Iterator[int] = field(default_factory=count)
    acknowledged: dict[str, str] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    posts: int = 0
    unanswered: int = 0

    async def post(self, chance: random.Random) -> None:
        """Groups fire until it is over; every second one ends as well."""
        async with aiohttp.ClientSession() as session:
            while not self.over:
                number = next(self.numbers)
                name, team = f"Kill{number:05}", list(TEAMS)[number % len(TEAMS)]
                await self._insist(session, payload(name, team))
                self.acknowledged[name] = team
                await asyncio.sleep(chance.uniform(0.0, PAUSE))
                if number % 2:
                    await self._insist(session, payload(name, team, ended=True))
                    self.ended.add(name)

    async def _insist(self, session: aiohttp.ClientSession, body: object) -> None:
        while True:
            self.posts += 1
            url = self.urls[self.posts % len(self.urls)]
            try:
                async with session.post(url, json=body, timeout=_PATIENCE) as answer:
                    if answer.status == 200:
                        return
            except (aiohttp.ClientError, TimeoutError):
                self.unanswered += 1
            await asyncio.sleep(0.05)


MOMENTS = (  # what the relay has logged, and within how many seconds after it the kill comes
    ("", 0.6),  # starting
    ('msg="configuration loaded"', 0.15),  # opening the storage, settling what was in doubt
    ('msg="listening"', 0.4),  # at work
    ('msg="listening"', 1.6),
)


async def kill_often(
    running: Processes, config: Path, port: int, chance: random.Random
) -> list[float]:
    """Starts and kills relays on one storage, at all moments of their lives; the times of the
    kills.
    """
    kills: list[float] = []
    for _ in range(KILLS):
        line, within = chance.choice(MOMENTS)
        process = await launch_relay(running, config, port)
        await until(f"the relay says {line}", partial(_says, process, line))
        await asyncio.sleep(chance.uniform(0.0, within))
        assert process.runs, process.output
        await process.kill()
        kills.append(time.time())
    return kills


def _says(process: Process, line: str) -> bool:
    return line in process.output or not process.runs


@pytest.mark.slow
@pytest.mark.timeout(60 + 5 * KILLS)
async def test_nothing_acknowledged_is_lost_over_many_kills_under_load(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    async with processes(tmp_path) as running:
        config, port, chance = set_up_chats(sandbox, tmp_path), free_port(), random.Random(9)
        sandbox.faults.add("telegram", str(ONE), "slow", seconds=0.03)
        sandbox.faults.add("discord", "*", "slow", seconds=0.03)
        load = Load([f"http://127.0.0.1:{port}/alerts"])
        loaders = [asyncio.create_task(load.post(chance)) for _ in range(LOADERS)]
        kills = await kill_often(running, config, port, chance)
        load.over = True
        relay = await start_relay(running, config, port)
        await asyncio.wait_for(asyncio.gather(*loaders), 60)
        await until("everything is settled", relay.at_rest, within=60)
        books = await relay.balance()
    assert len(load.acknowledged) > 2 * KILLS
    assert [row.lost for row in books.values()] == [0, 0, 0]
    repeated = {team: judge(seen(sandbox, chat), load, team, kills) for team, chat in TEAMS.items()}
    log.info(
        "%d kills, %d groups, %d posts, %d unanswered",
        KILLS,
        len(load.acknowledged),
        load.posts,
        load.unanswered,
    )
    log.info("repeated %s, %s", repeated, books)


def judge(messages: list[Seen], load: Load, team: str, kills: list[float]) -> int:
    """Holds a chat to the promises; how many messages were repeated."""
    cards = [message for message in messages if not message.reply]
    shown = {
        name: [m for m in cards if name in m.first]
        for name, where in load.acknowledged.items()
        if where == team
    }
    assert [name for name, found in shown.items() if not found] == []
    assert [
        name
        for name, found in shown.items()
        if (name in load.ended) != ("resolved" in found[-1].now)
    ] == []
    again = sorted(
        (m for found in shown.values() for m in found[1:]), key=lambda message: message.at
    )
    assert all("may be repeated" in message.first for message in again)
    for number, message in enumerate(again, start=1):
        assert number <= sum(at < message.at for at in kills), (
            "more than one repeated message for a kill"
        )
    replies = [message.now for message in messages if message.reply]
    assert [told for told in replies if not told.startswith("🟢 resolved after")] == []
    return len(again)
