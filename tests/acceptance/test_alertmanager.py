"""A real Alertmanager posts to a real relay, and chats show it: routes, joins, resolves, repeats,
clusters, retries.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from relay.sandbox import discord_chats, discord_text, telegram_chats
from relay.sandbox.server import Sandbox
from tests.acceptance.processes import (
    amtool,
    fetch,
    free_port,
    processes,
    start_alertmanager,
    start_relay,
    until,
)

pytestmark = pytest.mark.alertmanager

TOKEN, DBA, PAGER = "1000001:sandbox-bot", -1001, -1002
OPS, OPS_HOOK, PROD, PROD_HOOK, HOOK_TOKEN = 3001, 4001, 3002, 4002, "sandbox-webhook"


def set_up_chats(sandbox: Sandbox, folder: Path, dedup_window: str = "2m") -> Path:
    """Two groups, two channels, and the configuration that routes to them: three routes, each
    inside the one before.
    """
    sandbox.telegram.add_bot(TOKEN, "alert_relay_bot")
    sandbox.telegram.add_chat(DBA, "supergroup", "DBA")
    sandbox.telegram.add_chat(PAGER, "supergroup", "DBA pager")
    for channel, hook, name in ((OPS, OPS_HOOK, "ops"), (PROD, PROD_HOOK, "incidents")):
        sandbox.discord.add_channel(channel, name)
        sandbox.discord.add_webhook(hook, HOOK_TOKEN, channel)
    config = folder / "relay.yml"
    config.write_text(f"""\
global:
  telegram_api_url: {sandbox.url}
  telegram_bot_token: "{TOKEN}"
  dedup_window: {dedup_window}
route:
  receiver: ops
  routes:
    - matchers: [team="db"]
      receiver: dba
      routes:
        - matchers: [severity="critical"]
          receiver: pager
          routes:
            - matchers: [env="prod"]
              receiver: incidents
receivers:
  - name: ops
    discord_configs:
      - webhook_url: {sandbox.url}/api/webhooks/{OPS_HOOK}/{HOOK_TOKEN}
  - name: incidents
    discord_configs:
      - webhook_url: {sandbox.url}/api/webhooks/{PROD_HOOK}/{HOOK_TOKEN}
  - name: dba
    telegram_configs:
      - chat_id: {DBA}
  - name: pager
    telegram_configs:
      - chat_id: {PAGER}
""")
    return config


def text(message: telegram_chats.Message | discord_chats.Message) -> str:
    """What a reader sees of it."""
    if isinstance(message, telegram_chats.Message):
        return message.text
    return discord_text.plain(message.shown.content, message.shown.embeds)


def chats(sandbox: Sandbox) -> dict[int, list[str]]:
    """What stands in each chat."""
    groups = {
        chat: [text(message) for message in sandbox.telegram.messages(chat)]
        for chat in (DBA, PAGER)
    }
    return groups | {
        channel: [text(m) for m in sandbox.discord.messages(channel)] for channel in (OPS, PROD)
    }


def draw(sandbox: Sandbox) -> str:
    """All chats, for the reader of a failure (and of `-s`)."""
    return "\n\n".join(
        f"## {chat}\n" + "\n--\n".join(messages) for chat, messages in chats(sandbox).items()
    )


async def fire(alertmanager: str, name: str, instance: str, *words: str) -> None:
    await amtool(
        alertmanager,
        "alert",
        "add",
        name,
        f"instance={instance}",
        f"--annotation=summary={name}!",
        *words,
    )


async def resolve(
    alertmanager: str, name: str, instance: str, *words: str, ago: float = 0.0
) -> None:
    ended = (datetime.now(UTC) - timedelta(seconds=ago)).isoformat(timespec="seconds")
    await amtool(
        alertmanager, "alert", "add", name, f"instance={instance}", f"--end={ended}", *words
    )


async def shows(sandbox: Sandbox, chat: int, words: str) -> None:
    """Returns when a message of the chat has these words."""
    await until(
        f"{words!r} stands in {chat}",
        lambda: any(words in message for message in chats(sandbox)[chat]),
    )


async def test_alerts_reach_the_chats_of_their_routes_and_resolve_in_the_same_message(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    async with processes(tmp_path, lambda: draw(sandbox)) as running:
        relay = await start_relay(running, set_up_chats(sandbox, tmp_path))
        alertmanager = await start_alertmanager(running, f"{relay.url}/alerts")
        alerts = {
            OPS: ("DiskFull", "web-1", "team=web", "severity=critical"),
            DBA: ("DiskFull", "db-1", "team=db", "severity=warning"),
            PAGER: ("ReplicationLag", "db-2", "team=db", "severity=critical", "env=test"),
            PROD: ("ReplicationLag", "db-3", "team=db", "severity=critical", "env=prod"),
        }
        for words in alerts.values():
            await fire(alertmanager, *words)
        await until(
            "each chat has one message", lambda: all(len(m) == 1 for m in chats(sandbox).values())
        )
        for chat, (name, instance, *_) in alerts.items():
            (shown,) = chats(sandbox)[chat]
            assert name in shown
            assert [other for _, other, *_ in alerts.values() if other in shown] == [instance]
        assert not any(
            m.silent for m in sandbox.telegram.messages(DBA) + sandbox.telegram.messages(PAGER)
        )
        cards = {chat: sandbox.telegram.messages(chat)[0].id for chat in (DBA, PAGER)}
        for words in alerts.values():
            await resolve(alertmanager, *words)
        await until(
            "each chat has a closing reply",
            lambda: all(len(m) == 2 for m in chats(sandbox).values()),
        )
        assert all(card.startswith("🟢 resolved") for card, _ in chats(sandbox).values())
        for chat, first in cards.items():
            card, reply = sandbox.telegram.messages(chat)
            assert (card.id, reply.reply_to) == (first, first)
            assert reply.silent
        await until("nothing is pending", relay.at_rest)
        assert {
            name: (row.delivered, row.lost) for name, row in (await relay.balance()).items()
        } == dict.fromkeys(("ops", "dba", "pager", "incidents"), (2, 0))
        assert sandbox.telegram.remarks + sandbox.discord.remarks == []


async def test_an_alert_that_joins_is_heard_and_what_still_fires_is_repeated(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    async with processes(tmp_path, lambda: draw(sandbox)) as running:
        relay = await start_relay(running, set_up_chats(sandbox, tmp_path, dedup_window="3s"))
        alertmanager = await start_alertmanager(
            running, f"{relay.url}/alerts", "repeat_interval: 4s"
        )
        await fire(alertmanager, "DiskFull", "db-1", "team=db")
        await shows(sandbox, DBA, "db-1")
        await fire(alertmanager, "DiskFull", "db-2", "team=db")
        await until("the joined one is told", lambda: len(chats(sandbox)[DBA]) == 2)
        card, joined = sandbox.telegram.messages(DBA)
        assert text(joined).startswith("➕ DiskFull · db-2")
        assert not joined.silent
        assert joined.reply_to == card.id
        await shows(sandbox, DBA, "DiskFull ×2")
        await shows(sandbox, DBA, "still firing")
        repeated = sandbox.telegram.messages(DBA)[2]
        assert text(repeated).startswith("🔁")
        assert not repeated.silent


async def test_a_change_elsewhere_in_the_group_is_no_repeat_here(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    async with processes(tmp_path, lambda: draw(sandbox)) as running:
        relay = await start_relay(running, set_up_chats(sandbox, tmp_path, dedup_window="1s"))
        alertmanager = await start_alertmanager(running, f"{relay.url}/alerts")
        await fire(alertmanager, "DiskFull", "db-1", "team=db")
        await shows(sandbox, DBA, "db-1")
        await fire(alertmanager, "DiskFull", "web-1", "team=web")
        await shows(sandbox, OPS, "web-1")
        await until("nothing is pending", relay.at_rest)
        balance = await relay.balance()
        assert (balance["dba"].accepted, balance["dba"].duplicate, balance["ops"].accepted) == (
            2,
            1,
            1,
        )
        (card,) = sandbox.telegram.messages(DBA)
        assert len(card.versions) == 1


async def test_two_alertmanagers_of_a_cluster_make_one_message_and_one_sound_for_each_change(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    async with processes(tmp_path, lambda: draw(sandbox)) as running:
        relay = await start_relay(running, set_up_chats(sandbox, tmp_path))
        one, other = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        webhook = f"{relay.url}/alerts"
        pair = [
            await start_alertmanager(running, webhook, cluster=(one, other)),
            await start_alertmanager(running, webhook, cluster=(other, one)),
        ]

        async def both_are_peers() -> bool:
            told = [await fetch("GET", f"{each}/api/v2/status") for each in pair]
            return all(one in said and other in said for _, said in told)

        await until("the two have found each other", both_are_peers)
        start = f"--start={datetime.now(UTC).isoformat(timespec='seconds')}"
        for instance in ("db-1", "db-2"):
            await asyncio.gather(
                *(fire(each, "DiskFull", instance, "team=db", start) for each in pair)
            )
            await shows(sandbox, DBA, instance)
        for instance in ("db-1", "db-2"):
            await asyncio.gather(
                *(resolve(each, "DiskFull", instance, "team=db", start) for each in pair)
            )
        await shows(sandbox, DBA, "🟢 resolved after")
        await until("nothing is pending", relay.at_rest)
        card, joined, closing = sandbox.telegram.messages(DBA)
        assert [m.silent for m in (card, joined, closing)] == [False, False, True]
        assert [text(m).split()[0] for m in (card, joined, closing)] == ["🟢", "➕", "🟢"]
        books = (await relay.balance())["dba"]
        assert books.duplicate >= 1
        assert books.lost == 0


async def test_an_alert_that_fires_while_the_relay_is_down_arrives_when_it_is_up(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    async with processes(tmp_path, lambda: draw(sandbox)) as running:
        config, port = set_up_chats(sandbox, tmp_path), free_port()
        alertmanager = await start_alertmanager(running, f"http://127.0.0.1:{port}/alerts")
        await fire(alertmanager, "DiskFull", "db-1", "team=db")
        log = running.started[0]
        await until(
            "Alertmanager has failed to notify", lambda: "Notify attempt failed" in log.output
        )
        await start_relay(running, config, port)
        await shows(sandbox, DBA, "db-1")


async def test_an_end_that_is_posted_by_hand_and_lies_before_the_beginning_ends_the_alert(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    async with processes(tmp_path, lambda: draw(sandbox)) as running:
        relay = await start_relay(running, set_up_chats(sandbox, tmp_path))
        alertmanager = await start_alertmanager(running, f"{relay.url}/alerts")
        await fire(alertmanager, "DiskFull", "db-1", "team=db")
        await shows(sandbox, DBA, "db-1")
        await resolve(alertmanager, "DiskFull", "db-1", "team=db", ago=60)
        await shows(sandbox, DBA, "🟢 resolved DiskFull")
