"""Some of the cases of `shared/cases` over real HTTP: posted to a relay that serves, which calls a
Telegram and a Discord of the sandbox. What comes of each is read in its golden file.
"""

import re
import time
from collections.abc import Iterable
from pathlib import Path

import aiohttp
import pytest

from relay.app import App, Options
from relay.sandbox import discord_text
from relay.sandbox.discord import Discord
from relay.sandbox.faults import Faults
from relay.sandbox.server import Sandbox
from relay.sandbox.telegram import Telegram
from tests.acceptance.processes import until
from tests.cases import Body, steps
from tests.sandbox import telegram_parser
from tests.shared import need_case
from tests.world import CHANNEL, CHAT, HOOK, HOOK_TOKEN, TOKEN

GOLDEN = Path(__file__).parents[1] / "golden" / "cases"
NAMES = (
    "kps-default-grouping", "grafana-webhook", "rtl-cjk-zwj", "handles-in-annotation",
    "no-alert-status", "t-go-string",
)  # fmt: skip
CONFIG = """\
route: {{receiver: ops}}
receivers:
  - name: ops
    telegram_configs: [{{chat_id: {chat}, bot_token: "{token}", api_url: "{url}", updates: none}}]
    discord_configs: [{{webhook_url: "{url}/api/webhooks/{hook}/{hook_token}"}}]
"""


@pytest.mark.medium
async def test_what_is_posted_stands_in_both_chats(tmp_path: Path) -> None:
    for name in NAMES:
        need_case(f"{name}.json")
    faults = Faults()
    telegram, discord = Telegram(faults=faults, parser=telegram_parser), Discord(faults=faults)
    telegram.add_bot(TOKEN, "relay_bot")
    telegram.add_chat(CHAT, "supergroup", "On call")
    discord.add_channel(CHANNEL, "alerts")
    discord.add_webhook(HOOK, HOOK_TOKEN, CHANNEL)
    sandbox = Sandbox(telegram, discord, faults, time.time)
    await sandbox.listen("127.0.0.1", 0)
    file = tmp_path / "relay.yml"
    values = {"url": sandbox.url, "chat": CHAT, "token": TOKEN}
    file.write_text(CONFIG.format(**values, hook=HOOK, hook_token=HOOK_TOKEN), encoding="utf-8")
    app = App(Options(file, tmp_path / "data", port=0))
    try:
        address = await app.start()
        async with aiohttp.ClientSession() as session:
            for name in NAMES:
                (body,) = (step for step in steps(name) if isinstance(step, Body))
                async with session.post(
                    f"http://{address}/alerts",
                    data=body.at(time.time()),
                    headers={"Content-Type": "application/json"},
                ) as answer:
                    assert answer.status == 200, await answer.text()

        def shown() -> tuple[list[str], list[str]]:
            texts = (message.text for message in telegram.messages(CHAT))
            contents = (message.shown.content for message in discord.messages(CHANNEL))
            return _heads(texts), _heads(discord_text.read(each).text for each in contents)

        wanted = tuple(_heads(_golden(name, each) for name in NAMES) for each in (0, 1))
        await until(f"the chats show {wanted}", lambda: shown() == wanted, within=30.0)
    finally:
        await app.stop()
        await sandbox.stop()


def _heads(texts: Iterable[str]) -> list[str]:
    return sorted(text.partition("\n")[0] for text in texts)


def _golden(name: str, platform: int) -> str:
    """The first line of the first message: those below it have times of the present."""
    text = (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")
    _, telegram, discord = text.split("##### ")
    return re.sub("‹[^›]*›", "", (telegram, discord)[platform].splitlines()[2])
